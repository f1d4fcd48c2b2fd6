"""Errors, files, text, memory, splits and the registry: what everything else is built on."""
