"""The generated part of a card's README as Markdown: what was measured, and how exported files compare."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from zoo.base.text import cell_text
from zoo.cards.parity import Certificate
from zoo.models.evaluation import Results

Cell = str | float | None
EXPORTS = "Exported by `zoo export` and run by other runtimes, on the same pictures as in torch:"
EXPLAINED = """\
Largest difference: of any number that the network puts out, over all pictures below. Equal pixels: of the mask, in the
picture where they are fewest. Figures are those above, measured on the same data with the exported file."""


def of_results(results: Results) -> str:
    """Figures, further tables, cost, speed, and where they come from."""
    rows = [(f.metric, f.where, f.split, f.value, f"± {f.tolerance:.2g}") for f in results.figures]
    parts = [markdown(("figure", "data", "split", "value", "tolerance"), rows)]
    parts += [f"{each.title}:\n\n{markdown(each.columns, each.rows)}" for each in results.tables]
    parameters = f"{results.parameters:,} parameters" if results.parameters else "No parameters"
    parts.append(f"{parameters}; multiply-adds: {macs_text(results.macs)}.")
    if results.speed:
        speed = [[each.what, f"{each.ms:.1f}", each.machine] for each in results.speed]
        parts.append(markdown(("speed", "ms", "machine"), speed))
    versions = ", ".join(f"{package} {version}" for package, version in results.versions.items())
    digests = ", ".join(f"{split} `{digest}`" for split, digest in results.data_digest.items())
    code = results.commit if results.commit.startswith("release") else f"commit `{results.commit}`"
    measured = f"Measured by `{results.command}` at {code} with {versions}."
    return "\n\n".join([*parts, f"{measured} SHA-256 of the data: {digests}."])


def of_exports(certificates: Iterable[Certificate]) -> list[str]:
    """What certificates say, for readers who know none of it: a table, its words, and how each file was made."""
    certificates = list(certificates)
    if not certificates:
        return []
    rows = [row for each in certificates for row in _rows(each)]
    head = ("file", "runtime", "largest difference", "equal pixels", "figure", "in torch", "exported")
    shown = [column for column in range(len(head)) if any(row[column] is not None for row in rows)]
    table = markdown([head[column] for column in shown], [[row[column] for column in shown] for row in rows])
    return [EXPORTS, table, " ".join([EXPLAINED.replace("\n", " "), *map(_origin, certificates)])]


def _rows(certificate: Certificate) -> list[list[Cell]]:
    """A row for each figure on each runtime, or one without a figure."""
    rows: list[list[Cell]] = []
    for runtime, measured in certificate.runtimes.items():
        if measured.cannot:
            continue
        shares = [each.equal for each in measured.pictures if each.equal is not None]
        largest = f"{max(each.largest for each in measured.pictures):.1e}" if measured.pictures else None
        start = [certificate.file, runtime, largest, _percent(min(shares)) if shares else None]
        rows += [[*start, each.name, each.torch, each.engine] for each in measured.figures] or [
            [*start, None, None, None]
        ]
    return rows


def _percent(share: float) -> str:
    """Rounded down: 100 % is all."""
    return f"{math.floor(round(share * 1e6, 2) / 100) / 100:.2f} %"


def _origin(certificate: Certificate) -> str:
    """How a file was made and compared, and what runtimes do not do with it."""
    runtimes = certificate.runtimes.items()
    pictures = dict.fromkeys(each.what for _, measured in runtimes for each in measured.pictures)
    versions = ", ".join(f"{package} {version}" for package, version in certificate.versions.items())
    exceptions = [f" {name} does not run it: {measured.cannot}." for name, measured in runtimes if measured.cannot]
    exceptions += [
        f" {name} answers differently: {measured.parting}." for name, measured in runtimes if measured.parting
    ]
    return (
        f"`{certificate.file}` ({certificate.precision}) was made by zoo {certificate.zoo_version} with {versions} "
        f"(exporter: {certificate.exporter}) and compared on pictures of {', '.join(pictures)}; its SHA-256: "
        f"`{certificate.sha256}`.{''.join(exceptions)}"
    )


def macs_text(macs: Mapping[str, float]) -> str:
    """Such as "2.10 G at 480x360"."""
    return ", ".join(
        f"{count / 1e9:.2f} G at {size}" if count >= 1e9 else f"{count / 1e6:.1f} M at {size}"
        for size, count in macs.items()
    )


def markdown(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(cell_text, line))} |" for line in lines)
