"""Losses that torch lacks: pure functions."""
