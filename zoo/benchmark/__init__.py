"""Measures how fast models are on this machine: every candidate in a process of its own, in turns."""
