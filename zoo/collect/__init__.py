"""From a list of addresses to a folder of pictures and a ledger that accounts for every address."""
