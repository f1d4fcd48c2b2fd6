"""The command ``zoo``: one file a verb."""
