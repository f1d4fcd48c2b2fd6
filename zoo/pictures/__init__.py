"""Any picture to an array and back; sheets, videos and styled pictures."""
