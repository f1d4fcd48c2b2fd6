"""What was measured, as a table for people, as Markdown, CSV or JSON, and as a plot."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from zoo.base.colors import color
from zoo.base.errors import ZooError
from zoo.benchmark.candidates import Candidate
from zoo.benchmark.measuring import Measured
from zoo.cards.tables import markdown
from zoo.pictures.results import save_png

HEAD = ("model", "engine", "size", "batch", "ms", "±", "a second", "times", "MB", "load ms", "figure")
SIZE, MARGIN, DOT = (1000, 640), (90, 250, 40, 70), 7  # pixels: the plot; its margins left, right, above, below


def baseline_of(asked: Sequence[Candidate], words: str | None) -> Candidate:
    """The candidate that others are compared with: the first that has all the words, or simply the first.

    Raises:
        ZooError: there is none.
    """
    texts = [" ".join((each.name, each.engine, each.how, each.size, str(each.shape[0]))) for each in asked]
    for each, text in zip(asked, texts, strict=True):
        if set((words or "").split()) <= set(text.split()):
            return each
    raise ZooError(f"--baseline {words!r}: nothing that is measured has these words; the first has {texts[0]!r}")


def rows(found: Sequence[Measured], baseline: Measured) -> list[tuple[str | float | None, ...]]:
    """Cells of each candidate, in the order of HEAD; times are medians, ± is half the distance of the quartiles."""
    return [
        (
            each.candidate.name,
            f"{each.runtime}, {each.candidate.how}",
            each.candidate.size,
            each.candidate.shape[0],
            _short(1000 * each.median),
            f"{100 * each.spread:.1f} %",
            _short(1 / each.median),
            f"{baseline.median / each.median:.2f}",
            f"{(each.gpu_memory or each.memory) / 1e6:.0f}",
            _short(1000 * each.loading),
            each.candidate.figure,
        )
        for each in found
    ]


def _short(value: float) -> str:
    """Three digits, without an exponent."""
    digits = 2 - math.floor(math.log10(value)) if value > 0 else 0
    return f"{round(value, digits):.{max(digits, 0)}f}"


def as_markdown(found: Sequence[Measured], baseline: Measured) -> str:
    return markdown(HEAD, rows(found, baseline))


def as_csv(found: Sequence[Measured], baseline: Measured) -> str:
    text = io.StringIO()
    records = as_records(found, baseline)
    writer = csv.DictWriter(text, [*records[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**each, "seconds": " ".join(f"{s:.6g}" for s in each["seconds"])} for each in records)  # type: ignore[attr-defined]
    return text.getvalue().rstrip("\n")


def as_json(found: Sequence[Measured], baseline: Measured, about: dict[str, object]) -> str:
    return json.dumps({**about, "baseline": baseline.name, "measured": as_records(found, baseline)}, indent=2)


def as_records(found: Sequence[Measured], baseline: Measured) -> list[dict[str, object]]:
    """All that is known of each candidate, in seconds and bytes."""
    return [
        {
            "model": each.candidate.name, "engine": each.candidate.engine, "runtime": each.runtime,
            "precision": each.candidate.precision, "device": each.candidate.device, "size": each.candidate.size,
            "batch": each.candidate.shape[0], "median": each.median, "spread": each.spread,
            "pictures_a_second": 1 / each.median, "times_the_baseline": baseline.median / each.median,
            "loading": each.loading, "first": each.first, "memory": each.memory, "gpu_memory": each.gpu_memory,
            "figure": each.candidate.figure, "value": each.candidate.value, "seconds": each.seconds,
        }
        for each in found
    ]  # fmt: skip


def check_plot(asked: Sequence[Candidate]) -> None:
    """Refuses models whose main figures are different ones, before they are measured.

    Raises:
        ZooError: names the figures.
    """
    metrics = list(dict.fromkeys(each.metric for each in asked if each.value is not None))
    if len(metrics) != 1:
        there = f"models have different ones: {'; '.join(metrics)}" if metrics else "no model has one"
        raise ZooError(f"--plot needs one figure for all: {there}")


def plot(found: Sequence[Measured], path: Path) -> None:
    """Draws the main figure of the cards against milliseconds a picture.

    Args:
        found: what was measured, of models with the same figure (:func:`check_plot`).
        path: path of the PNG file.
    """
    known = [each for each in found if each.candidate.value is not None]
    picture = Image.new("RGB", SIZE, "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    times = [1000 * each.median for each in known]
    values = [each.candidate.value or 0.0 for each in known]
    across, up = Axis(times, logarithmic=True), Axis(values)
    left, right, above, below = MARGIN
    box = (left, above, SIZE[0] - right, SIZE[1] - below)
    draw.rectangle(box, outline="#888888")
    for tick in range(5):
        x, y = box[0] + (box[2] - box[0]) * tick / 4, box[3] - (box[3] - box[1]) * tick / 4
        draw.text((x, box[3] + 8), f"{across(None, tick / 4):.3g}", "black", font, anchor="ma")
        draw.text((box[0] - 8, y), f"{up(None, tick / 4):.3g}", "black", font, anchor="rm")
    draw.text(((box[0] + box[2]) / 2, SIZE[1] - 18), "ms a picture", "black", font, anchor="ms")
    draw.text((box[0], above - 12), known[0].candidate.metric, "black", font, anchor="ls")
    models = list(dict.fromkeys(each.candidate.name for each in known))
    for each, time, value in zip(known, times, values, strict=True):
        own = color(models.index(each.candidate.name))
        x = box[0] + (box[2] - box[0]) * across(time)
        y = box[3] - (box[3] - box[1]) * up(value)
        draw.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), fill=own)
        draw.text((x, y - DOT - 2), each.candidate.engine, own, font, anchor="ms")
    for number, model in enumerate(models):
        y = box[1] + 24 * number
        draw.ellipse((box[2] + 14, y, box[2] + 26, y + 12), fill=color(number))
        draw.text((box[2] + 34, y + 6), model, "black", font, anchor="lm")
    save_png(picture, path)


class Axis:
    """Places of values between 0 and 1 on an axis, and the value at a place."""

    def __init__(self, values: Sequence[float], logarithmic: bool = False) -> None:
        self.logarithmic = logarithmic
        own = [math.log(value) if logarithmic else value for value in values]
        margin = 0.1 * (max(own) - min(own)) or 0.1 * abs(own[0]) or 1.0
        self.low, self.high = min(own) - margin, max(own) + margin

    def __call__(self, value: float | None, place: float = 0.0) -> float:
        if value is None:
            at = self.low + (self.high - self.low) * place
            return math.exp(at) if self.logarithmic else at
        return ((math.log(value) if self.logarithmic else value) - self.low) / (self.high - self.low)
