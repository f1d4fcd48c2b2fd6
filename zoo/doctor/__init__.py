"""Checks of an installation, a recipe and its data before any training."""
