"""Curves of a run, from TensorBoard's files or from CSV, and their drawing as SVG."""

from __future__ import annotations

import contextlib
import csv
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

Curve: TypeAlias = "list[tuple[int, float]]"  # steps and values
POINTS = 400  # of a drawn curve
WIDTH, HEIGHT, LEFT, BELOW = 480, 260, 58, 24  # pixels of a drawing, and of its margins
TICKS = 4
LEFT_OUT = ("epoch", "step", "hp_metric")  # and learning rates, which the recipe tells


def read_curves(run: Path) -> dict[str, Curve]:
    """The curves that a run logged, by name; a value that is not finite is left out."""
    curves = _of_events(run) if any(run.glob("events.out.tfevents.*")) else {}
    for path in sorted(run.glob("metrics*.csv")):
        for name, points in _of_csv(path).items():
            curves.setdefault(name, []).extend(points)
    return {name: _once(points) for name, points in sorted(curves.items()) if _shown(name)}


def _shown(name: str) -> bool:
    return name not in LEFT_OUT and not name.startswith("lr-")


def _once(points: Iterable[tuple[int, float]]) -> Curve:
    """One value a step, the latest: a resumed run repeats steps."""
    return sorted({step: value for step, value in points if math.isfinite(value)}.items())


def _of_events(run: Path) -> dict[str, Curve]:
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # tells of every restart
    from tensorboard.backend.event_processing import event_accumulator  # takes a second

    scalars = event_accumulator.SCALARS
    events = event_accumulator.EventAccumulator(str(run), size_guidance={scalars: 0})
    events.Reload()
    return {name: [(each.step, each.value) for each in events.Scalars(name)] for name in events.Tags()[scalars]}


def _of_csv(path: Path) -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        for row in csv.DictReader(file):
            with contextlib.suppress(KeyError, TypeError, ValueError):
                step = int(row["step"])
                for name, text in row.items():
                    if name and text:
                        curves.setdefault(name, []).append((step, float(text)))
    return curves


def thinned(curve: Curve, points: int = POINTS) -> Curve:
    """A curve of at most so many points, each the mean of its neighbours."""
    if len(curve) <= points:
        return curve
    size = -(-len(curve) // points)
    parts = (curve[i : i + size] for i in range(0, len(curve), size))
    return [(part[-1][0], sum(value for _, value in part) / len(part)) for part in parts]


def drawing(curves: Sequence[tuple[str, Curve]]) -> str:
    """Curves of one name as SVG.

    Args:
        curves: a colour and the points of each curve, of which at least one has a point.
    """
    points = [point for _, curve in curves for point in curve]
    last = max(step for step, _ in points) or 1
    low, high = _range([value for _, value in points])
    width, height = WIDTH - LEFT - 8, HEIGHT - BELOW - 8

    def place(step: float, value: float) -> str:
        height_of = min(max((high - value) / (high - low), 0), 1)
        return f"{LEFT + width * step / last:.1f},{8 + height * height_of:.1f}"

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg">']
    for i in range(TICKS + 1):
        value = low + (high - low) * i / TICKS
        x, y = place(0, value).split(",")
        parts.append(f'<path class="grid" d="M{x} {y}H{WIDTH - 8}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
        x = place(last * i / TICKS, low).split(",")[0]
        anchor = "end" if i == TICKS else "middle"
        parts.append(f'<text x="{x}" y="{HEIGHT - 6}" text-anchor="{anchor}">{last * i // TICKS}</text>')
    for color, curve in curves:
        if len(curve) == 1:
            x, y = place(*curve[0]).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{color}"/>')
        elif curve:
            line = " ".join(place(*point) for point in thinned(curve))
            parts.append(f'<polyline points="{line}" stroke="{color}"/>')
    return "".join([*parts, "</svg>"])


def _range(values: Sequence[float]) -> tuple[float, float]:
    """What an axis spans: without the highest hundredth, which the first steps of a loss take."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[max(math.ceil(0.99 * len(ordered)) - 1, 0)]
    if len(ordered) < 100:
        high = ordered[-1]
    margin = 0.03 * (high - low) or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def names(subjects: Iterable[Mapping[str, Curve]]) -> list[str]:
    """Names of all curves: of validation first, then of training."""
    found = dict.fromkeys(name for curves in subjects for name in curves)
    return sorted(found, key=lambda name: (not name.startswith("val/"), name))
