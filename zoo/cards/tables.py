"""The generated part of a card's README as Markdown: what was measured, and how exported files compare."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zoo.base.text import cell_text
from zoo.cards.parity import Certificate, OnRuntime
from zoo.models.evaluation import Results

Cell = str | float | None
HEAD = ("file", "runtime", "largest difference", "equal pixels", "figure", "in torch", "exported")
SEEDS = "Seeds: mean and standard deviation over trainings that differ only in their seed (`zoo card RUN --seeds RUN`)."
EXPORTS = "Exported by `zoo export` and run by other runtimes, on the same pictures as in torch:"
EXPLAINED = {  # columns
    2: "Largest difference: of any number that the network puts out.",
    3: "Equal pixels: of the mask, in the picture where they are fewest.",
    4: "Figure: the first of those above, measured in torch and with the exported file in one go.",
}


def of_results(results: Results) -> str:
    """Figures, further tables, cost, speed, and where they come from."""
    rows = [(f.metric, f.where, f.split, f.value, f"± {f.tolerance:.2g}", str(f.seeds or "")) for f in results.figures]
    several = any(figure.seeds for figure in results.figures)
    columns = 6 if several else 5
    parts = [
        markdown(("figure", "data", "split", "value", "tolerance", "seeds")[:columns], [r[:columns] for r in rows])
    ]
    parts += [SEEDS] if several else []
    parts += [f"{each.title}:\n\n{markdown(each.columns, each.rows)}" for each in results.tables]
    parameters = f"{results.parameters:,} parameters" if results.parameters else "No parameters"
    parts.append(f"{parameters}; multiply-adds: {macs_text(results.macs)}.")
    if results.speed:
        speed = [[each.what, f"{each.ms:.1f}", each.machine, each.how] for each in results.speed]
        columns = 4 if any(each.how for each in results.speed) else 3
        parts.append(markdown(("speed", "ms", "machine", "how")[:columns], [row[:columns] for row in speed]))
    versions = ", ".join(f"{package} {version}" for package, version in results.versions.items())
    digests = ", ".join(f"{split} `{digest}`" for split, digest in results.data_digest.items())
    code = results.commit if results.commit.startswith("release") else f"commit `{results.commit}`"
    measured = f"Measured by `{results.command}` at {code} with {versions}."
    return "\n\n".join([*parts, f"{measured} SHA-256 of the data: {digests}."])


def of_exports(certificates: Iterable[Certificate]) -> list[str]:
    """Certificates for readers who are new to them: a table, its terms, and how each file was made."""
    certificates = list(certificates)
    if not certificates:
        return []
    measured = [(each, name, found) for each in certificates for name, found in each.runtimes.items()]
    rows = [_row(each.file, name, found) for each, name, found in measured if not found.cannot]
    shown = [column for column in range(len(HEAD)) if any(row[column] is not None for row in rows)]
    table = markdown([HEAD[column] for column in shown], [[row[column] for column in shown] for row in rows])
    pictures = dict.fromkeys(each.what for _, _, found in measured for each in found.pictures)
    words = [*(EXPLAINED[column] for column in shown if column in EXPLAINED), f"Pictures: {'; '.join(pictures)}."]
    return [EXPORTS, table, " ".join([*words, "More is in [parity.json](parity.json)."]), _origins(certificates)]


def _row(file: str, runtime: str, found: OnRuntime) -> list[Cell]:
    """A line of the table; None for what was not compared."""
    fractions = [each.equal for each in found.pictures if each.equal is not None]
    largest = f"{max(each.largest for each in found.pictures):.1e}" if found.pictures else None
    figure = found.figures[0] if found.figures else None
    compared = [figure.name, figure.torch, figure.engine] if figure else [None] * 3
    return [file, runtime, largest, _percent(min(fractions)) if fractions else None, *compared]


def _percent(fraction: float) -> str:
    """A fraction in percent, rounded down: 100 % means all pixels."""
    return f"{math.floor(round(fraction * 1e6, 2) / 100) / 100:.2f} %"


def _origins(certificates: Iterable[Certificate]) -> str:
    """How each file was made, and which runtimes do not run it or answer differently."""
    lines = []
    for each in certificates:
        made = f"by zoo {each.zoo_version} and the {each.exporter} exporter of torch {each.versions.get('torch', '')}"
        lines.append(f"- `{each.file}`: {each.precision}, made {made}, SHA-256 `{each.sha256}`.")
        for name, found in each.runtimes.items():
            lines[-1] += f" {name} does not run it: {found.cannot}." if found.cannot else ""
            lines[-1] += f" {name} answers differently: {found.parting}." if found.parting else ""
    return "\n".join(lines)


def entry_text(value: Any) -> str:
    """A text, or a list of texts joined into one; empty for any other value of a stranger's card."""
    if isinstance(value, list):
        return ", ".join(item for item in value if isinstance(item, str))
    return value if isinstance(value, str) else ""


def macs_text(macs: Mapping[str, float]) -> str:
    """Multiply-adds as a text, such as "2.10 G at 480x360"."""
    return ", ".join(
        f"{count / 1e9:.2f} G at {size}" if count >= 1e9 else f"{count / 1e6:.1f} M at {size}"
        for size, count in macs.items()
    )


def markdown(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    texts = ([cell_text(cell).replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in texts)
