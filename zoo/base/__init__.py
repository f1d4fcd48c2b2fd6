"""Errors, files, text, memory, splits and the registry: what everything else is built on."""

__version__ = "0.2.0"
