"""The comparison as tables, for a terminal and for one HTML file that needs no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2

from zoo.base import __version__
from zoo.base.colors import color
from zoo.base.errors import ZooError
from zoo.base.files import replace
from zoo.base.text import printable
from zoo.compare import curves, verdict
from zoo.compare.subject import Subject
from zoo.pictures.images import open_rgb

SIDE = 1400  # pixels of a picture's longer side
QUALITY = 88  # of its JPEG
CHARTS = 24  # at most
SHORT = 12  # characters of a digest


def tables(subjects: Sequence[Subject]) -> list[tuple[str, str, list[list[str]]]]:
    """Title, head of the first column, and rows of each table."""
    figures = []
    for row in verdict.rows(subjects):
        cells = [
            "" if cell is None else " ".join(filter(None, (_value(cell), f"({said})" if said else "")))
            for cell, said in zip(row.cells, row.said, strict=True)
        ]
        figures.append([row.name, *cells])
    keys = [[key, *(_cell(value) for value in values)] for key, values in verdict.differing_keys(subjects).items()]
    about = [["state", *(subject.state for subject in subjects)]]
    about += [
        [f"data of {part}", *(subject.data.get(part, "not known")[:SHORT] for subject in subjects)]
        for part in dict.fromkeys(part for subject in subjects for part in subject.data)
    ]
    for package in dict.fromkeys(name for subject in subjects for name in subject.versions):
        versions = [subject.versions.get(package, "not known") for subject in subjects]
        if len(set(versions)) > 1:
            about.append([package, *versions])
    return [("Figures", "figure", figures), ("Keys of the recipes that differ", "key", keys), ("About", "", about)]


def _value(cell: Any) -> str:
    return f"{cell.value:.4g}" + (f" ± {cell.tolerance:.2g}" if cell.tolerance else "")


def _cell(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def notes(subjects: Sequence[Subject]) -> list[str]:
    """Mean and deviation of runs that differ only in their seed."""
    found = []
    for group in verdict.groups(subjects):
        if group.deviation is not None:
            figure = subjects[group.members[0]].figures[0]
            named = ", ".join(subjects[i].name for i in group.members)
            mean = f"{figure.split}/{figure.metric} {group.mean:.4g}, standard deviation {group.deviation:.2g}"
            found.append(f"{mean} over {len(group.members)} runs that differ only in their seed: {named}.")
    return found


def write(subjects: Sequence[Subject], path: Path) -> None:
    """Writes the comparison with curves and pictures as one HTML file.

    Raises:
        ZooError: the file cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("zoo.compare", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template("page.html.j2").render(
        subjects=list(subjects), colors=[color(i) for i in range(len(subjects))], version=__version__,
        conclusion=verdict.conclusion(subjects), tables=tables(subjects), notes=notes(subjects),
        drawings=list(_drawings(subjects)), pictures=list(_pictures(subjects)),
    )  # fmt: skip
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, printable(text, keep="\n"))
    except OSError as error:
        raise ZooError(f"{path}: cannot be written: {error.strerror}; name another file with -o") from error


def _drawings(subjects: Sequence[Subject]) -> Iterator[tuple[str, str]]:
    for name in curves.names(subject.curves for subject in subjects)[:CHARTS]:
        drawn = [(color(i), subject.curves[name]) for i, subject in enumerate(subjects) if subject.curves.get(name)]
        if drawn:
            yield name, curves.drawing(drawn)


def _pictures(subjects: Sequence[Subject]) -> Iterator[tuple[str, str, str]]:
    """Name of the subject, name of the picture, and the picture as an address with its content."""
    for subject in subjects:
        for path in subject.pictures:
            picture = open_rgb(path)
            picture.thumbnail((SIDE, SIDE))
            content = io.BytesIO()
            picture.save(content, "JPEG", quality=QUALITY)
            yield subject.name, path.name, f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
