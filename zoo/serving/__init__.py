"""A server whose visitors run models on its machine: ``zoo demo --serve``. It needs the extra ``demo``."""
