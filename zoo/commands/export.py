"""``zoo export MODEL --to onnx``: writes a model as a file for other runtimes, with a certificate of its outputs."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.base.errors import ZooError
from zoo.base.files import expanded
from zoo.base.paths import shown
from zoo.base.text import nearest
from zoo.cards.card import Card, certify
from zoo.commands.terminal import Parser, table
from zoo.exports.settings import KINDS, PRECISIONS, SUFFIXES, Settings, parse_size
from zoo.exports.source import find
from zoo.hub import locate

if TYPE_CHECKING:
    from zoo.commands.evaluate import Measure
    from zoo.exports.certificate import Found

UNLIKE = 1  # exit code if the outputs of a runtime differ from torch's
EPILOG = """The outputs of each installed runtime that reads the file are compared with torch's. The card's figures are
compared too if the data are at hand: where the recipe names them, or where arguments as of zoo evaluate, such as
--data.root FOLDER, name them. ONNX Runtime must agree for onnx, OpenVINO for openvino, spandrel for the safetensors
file that ComfyUI and chaiNNer open. If any other runtime reads the file and its outputs differ, the export is refused
as well, unless --force is given. Exit code: 1 if the outputs of a runtime differ, or int8 costs more than 1 %; no file
is left then."""


def main(argv: list[str]) -> int:
    """Writes a model's export, ``parity.json`` and ``USE.md``, and prints how the runtimes compare.

    Returns:
        0, or 1 if the outputs of a runtime differ from torch's.
    """
    options, given = _parser().parse_known_args(argv)
    settings = Settings(
        options.to, options.size and parse_size(options.size), options.precision,
        [expanded(path) for path in options.calibrate], [expanded(path) for path in options.check], options.force,
    )  # fmt: skip
    _refuse_misspelt(given)
    card, source = find(options.model)
    if options.write and (source.foreign or options.to in ("torch", "spandrel")):
        raise ZooError(
            f"--write is for cards on this machine and --to onnx or openvino, not {source} --to {options.to}"
        )
    settings.refuse(card.name, card.architecture)
    if options.output == "":  # a variable of the shell that is not set
        raise ZooError("-o is empty; name a folder")
    folder = expanded(options.output or Path("exports", card.name))
    if folder.exists() and not folder.is_dir():
        raise ZooError(f"-o {folder} is a file; name a folder")
    if not options.overwrite:
        _refuse_replacing(folder, card.name, options.to)
    measure, where = _figures(card, source, given, options)
    from zoo.exports import job  # torch takes seconds to import
    from zoo.exports.certificate import UnlikeError

    try:
        done = job.export(options.model, settings, folder, measure)
    except UnlikeError as error:
        way_out = "\n--force writes the file anyway" if error.forced else ""
        print(f"zoo: {error}{way_out}", file=sys.stderr)  # noqa: T201
        return UNLIKE
    if options.write:
        certify(source.folder, done.certificate)
    _report(done.found, where)
    print("\n".join(shown(path) for path in [*done.files, *done.beside]))  # noqa: T201
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="zoo export", epilog=EPILOG,
        description="Writes a model as a file for other runtimes, with a certificate of its outputs.",
    )  # fmt: skip
    parser.add_argument("model", help="a model's or an architecture's name, a folder, or USER/NAME")
    parser.add_argument("--to", required=True, choices=KINDS, help="kind of file")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder of the files (default: exports/MODEL)")
    parser.add_argument("--size", metavar="HxW", help="fixed height and width of the input (default: any)")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="number format (default: fp32)")
    parser.add_argument("--calibrate", nargs="+", type=Path, default=[], metavar="PICTURES", help="to calibrate int8")
    parser.add_argument(
        "--check", nargs="+", type=Path, default=[], metavar="PICTURES",
        help="pictures to compare outputs on (default: drawn street scenes)",
    )  # fmt: skip
    parser.add_argument("--no-figures", action="store_true", help="do not compare the card's figures")
    parser.add_argument("--force", action="store_true", help="write even if int8 costs much or other runtimes differ")
    parser.add_argument("--write", action="store_true", help="write the certificate to the card")
    parser.add_argument("--overwrite", action="store_true", help="replace files of the same names")
    return parser


def _refuse_misspelt(given: Sequence[str]) -> None:
    """Refuses a flag that is spelt much like an option of the verb itself, before zoo evaluate sees it."""
    for flag in (word.partition("=")[0] for word in given if word.startswith("--")):
        if near := nearest(flag, _parser().options, alike=0.8):
            raise ZooError(f"zoo export has no option {flag}; did you mean {near}?\nsee zoo export --help")


def _refuse_replacing(folder: Path, name: str, kind: str) -> None:
    for path in (folder / f"{name}{suffix}" for suffix in SUFFIXES[kind]):
        if path.exists():
            raise ZooError(f"{path} exists; replace it with --overwrite, or name another folder with -o DIR")


def _figures(card: Card, source: locate.Source, given: Sequence[str], options: Namespace) -> tuple[Measure | None, str]:
    """The function that measures the card's figures, and where the data are; None, and the reason, if it cannot.

    Raises:
        ZooError: given data cannot be found, or the cost of int8 cannot be measured.
    """
    if options.no_figures and given:
        raise ZooError(f"--no-figures cannot be combined with arguments of zoo evaluate: {shlex.join(given)}")
    if options.no_figures:
        measure, where = None, "--no-figures"
    else:
        from zoo.commands.figures import at_hand  # imports the data classes

        measure, where = at_hand(card, source, given)
    if options.precision == "int8" and measure is None and not options.force:
        raise ZooError(f"the cost of int8 cannot be measured: {where}\nname the data, or give --force")
    return measure, where


def _report(found: Sequence[Found], figures: str) -> None:
    """Prints a line per runtime, and where the figures are from or why they are missing."""
    rows: list[Sequence[str]] = [("runtime", "largest difference", "equal pixels", "figures")]
    for each in found:
        equal = "" if each.equal is None else f"{each.equal:.3%}"
        first = each.figures[0] if each.figures else None
        told = f"{first.name} {first.engine:.4g}, with torch {first.torch:.4g}" if first else ""
        rows.append((each.name, each.cannot or f"{each.largest:.1e}", equal, each.fault or each.parting or told))
    measured = "" if any(each.figures for each in found) else "not "
    print(f"{table(rows)}\nfigures: {measured}measured{': ' if measured else ' on '}{figures}\n")  # noqa: T201
