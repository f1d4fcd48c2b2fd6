"""Colours that tell curves and dots apart, also on white paper."""

from __future__ import annotations

COLORS = ("#0b5cad", "#c2410c", "#15803d", "#7e22ce", "#b45309", "#0e7490", "#be123c", "#4d7c0f")


def color(number: int) -> str:
    """The colour of a thing by its number, such as "#0b5cad"; after the last, the first comes again."""
    return COLORS[number % len(COLORS)]
