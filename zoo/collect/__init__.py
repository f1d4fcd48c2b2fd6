"""Downloads a list of addresses into a folder of pictures, with a ledger that accounts for every address."""
