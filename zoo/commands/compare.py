"""``zoo compare``: runs and cards side by side; answers without torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.commands.terminal import Parser, table
from zoo.compare import page, subject, verdict

EPILOG = """A run is a folder of zoo fit, such as runs/linknet_streets/version_0; a card is a model's name, a folder or
USER/NAME. The first is what the others are compared with. Figures are compared where the digests of their data are the
same; a difference means little if runs that differ only in their seed differ as much."""


def main(argv: list[str]) -> int:
    """Prints what differs between runs and cards, or writes it with curves and pictures."""
    parser = Parser(prog="zoo compare", description="Puts runs and cards side by side.", epilog=EPILOG)
    parser.add_argument("subjects", nargs="+", metavar="RUN|CARD", help="two or more runs or cards")
    parser.add_argument("-o", "--output", metavar="FILE", help="HTML file with tables, curves and pictures")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    options = parser.parse_args(argv)
    names = list(dict.fromkeys(options.subjects))
    if len(names) < 2:
        raise ZooError("name two or more runs or cards: zoo compare RUN RUN; zoo runs lists the runs")
    output = _output(options.output, options.overwrite) if options.output else None
    subjects = [subject.read(name) for name in names]
    if output:
        page.write(subjects, output)
    if options.json:
        print(json.dumps(_plain(subjects), indent=2))  # noqa: T201
        return 0
    for title, first, rows in page.tables(subjects):
        if rows:
            print(f"{title}\n{table([[first, *names], *rows])}\n")  # noqa: T201
    print("\n".join([*page.notes(subjects), verdict.conclusion(subjects)]))  # noqa: T201
    print(f"Page: {output}" if output else "-o compare.html writes curves and pictures")  # noqa: T201
    return 0


def _output(name: str, overwrite: bool) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        raise ZooError(f"{name}: is a folder; name a file, such as {path / 'compare.html'}")
    if path.exists() and not overwrite:
        raise ZooError(f"{name}: already exists; replace it with --overwrite, or name another file with -o")
    return path


def _plain(subjects: list[subject.Subject]) -> dict[str, object]:
    rows = verdict.rows(subjects)
    return {
        "conclusion": verdict.conclusion(subjects),
        "comparable": verdict.conclusion(subjects).startswith("Comparable"),
        "subjects": [
            {"name": each.name, "run": each.is_run, "state": each.state, "seed": each.seed, "data": each.data,
             "versions": each.versions, "figures": [asdict(figure) for figure in each.figures]}
            for each in subjects
        ],
        "keys": verdict.differing_keys(subjects),
        "data": verdict.data_of(subjects),
        "figures": [
            {"name": row.name, "values": [cell and cell.value for cell in row.cells], "said": row.said} for row in rows
        ],
        "seeds": [asdict(group) for group in verdict.groups(subjects)],
    }  # fmt: skip
