"""A folder of pages that run models in a browser, without a server of their own: ``zoo demo``."""
