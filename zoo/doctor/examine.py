"""Examines a recipe with its data: all files, then some steps of the network."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from lightning.pytorch import LightningDataModule

from zoo.base.splits import SPLITS
from zoo.data.segmentation import SegmentationData
from zoo.doctor import masks, pictures, sheet, splits
from zoo.doctor.findings import Finding, Report
from zoo.doctor.listing import MOST, Files, gather
from zoo.doctor.recipe import Examined
from zoo.doctor.steps import quiet
from zoo.doctor.trying import Trial


def examine_data(data: LightningDataModule, report: Report, most: int = MOST) -> Files:
    """Looks at every file of a data set once, and checks what was seen.

    Args:
        data: the data set.
        report: gets facts and findings.
        most: number of pictures to look at.
    """
    files = gather(data, report, most)
    found = {**pictures.checks(data, files), **splits.checks(data, files)}
    if isinstance(data, SegmentationData) and files.masked:
        found |= masks.checks(data, files)
    _tell(data, files, report)
    for name, check in found.items():
        report.run(name, check)
    return files


def _tell(data: LightningDataModule, files: Files, report: Report) -> None:
    """Tells numbers and sizes of the pictures, and the shares of the classes."""
    if not files.total:
        report.fact("data", {"class": type(data).__name__}, f"{type(data).__name__}: no files to look at")
        return
    counts = ", ".join(f"{files.total[split]} {split}" for split in SPLITS if split in files.total)
    values = {"class": type(data).__name__, "pictures": files.total}
    lines = [f"{type(data).__name__}: {counts}"]
    if sizes := [each.size for each in files.sound]:
        widths, heights = zip(*sizes, strict=True)
        middle = f"{statistics.median_low(widths)}x{statistics.median_low(heights)}"
        least, largest = min(sizes, key=lambda s: s[0] * s[1]), max(sizes, key=lambda s: s[0] * s[1])
        same = len(set(sizes)) == 1
        lines.append(middle if same else f"median {middle}, from {least[0]}x{least[1]} to {largest[0]}x{largest[1]}")
    report.fact("data", values, *lines)
    if isinstance(data, SegmentationData) and files.masked:
        splits.shares(data.labels, files, report)


def examine(examined: Examined, report: Report, place: Path, steps: bool = True, most: int = MOST) -> None:
    """Checks the data of a recipe, draws a sheet, and tries some steps.

    Args:
        examined: the recipe.
        report: gets facts and findings.
        place: file of the sheet.
        steps: whether to try steps of the network.
        most: number of pictures to look at.
    """
    made = list[LightningDataModule]()

    def make() -> Iterator[Finding]:
        made.append(examined.data())
        yield from ()

    report.run("data", make)
    if not made:
        report.fact("not checked", ["files", "model"], "files and model: the data set refuses its arguments")
        return
    files = examine_data(made[0], report, most)
    broken = not report.ok
    if isinstance(made[0], SegmentationData) or not broken:
        report.run("sheet", lambda: draw(made[0], files, report, place), "warning")
    if not steps:
        return
    if broken:
        report.fact("not checked", ["model"], "model, memory and time: first mend the errors of the data")
        return
    try_model(examined, report)


def draw(data: LightningDataModule, files: Files, report: Report, place: Path) -> Iterator[Finding]:
    """Draws the sheet of samples."""
    if (drawn := sheet.draw(data, files)) is not None:
        sheet.save(drawn, place)
        report.fact("sheet", str(place), f"{place}: look whether the samples are what you mean")
    yield from ()


def try_model(examined: Examined, report: Report) -> None:
    """Makes the model and tries it on batches."""
    made = list[Trial]()

    def make() -> Iterator[Finding]:
        with quiet():
            examined.build()
        made.append(Trial(examined, report))
        yield from made[0].prepare()

    report.run("model", make)
    if not made or not report.ok:
        return
    trial = made[0]
    for name in ("float32", "memory", "learns", "time", "disk"):
        report.run(name, getattr(trial, name))
