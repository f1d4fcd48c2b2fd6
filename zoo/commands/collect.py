"""``zoo collect``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.extras import require
from zoo.base.files import expanded
from zoo.base.text import printable
from zoo.collect import options
from zoo.collect.options import HIDDEN, SETTINGS, About, Options, SourceOptions, flag
from zoo.commands.terminal import Parser


def main(argv: Sequence[str]) -> int:
    given = vars(_parser().parse_args(argv))
    require("zoo collect", "collect", "aiohttp", "imagehash", "jinja2", "pathvalidate", "protego")
    from zoo.collect.report import write_report
    from zoo.collect.run import collect

    resume, retry, report = (given.pop(name, None) for name in ("resume", "retry_failed", "report"))
    source = _source(given)
    folder = _folder(given.pop("output", None), resume, source is not None or bool(retry))
    try:
        print(printable(collect(folder, given, source, bool(retry), _say), keep="\n"))  # noqa: T201
    except KeyboardInterrupt:
        flag = " --allow-private" if given.get("allow_private") else ""
        _say(f"resume with: zoo collect --resume {shlex.quote(str(folder))}{flag}")
        raise
    if report:
        print(f"Report:   {printable(str(write_report(folder)))}")  # noqa: T201
    return 0


def _say(text: str) -> None:
    print(printable(f"zoo: {text}"), file=sys.stderr)  # noqa: T201


def _source(given: dict[str, Any]) -> SourceOptions | None:
    text = given.pop("source", None)
    columns = tuple(given.pop("column", ()))
    base, endpoint = given.pop("base", None), given.pop("endpoint", None)
    if text is not None:
        return SourceOptions(text, columns, base, endpoint)
    if columns or base or endpoint:
        raise ZooError("--column, --base and --endpoint need a SOURCE")
    return None


def _folder(output: Path | None, resume: Path | None, work: bool) -> Path:
    """The folder of the collection; it must exist to be resumed."""
    if resume is not None and output is not None:
        raise ZooError("--resume DIR names the folder already; leave out -o")
    folder = output if resume is None else resume
    if folder is None or not (work or resume):
        raise ZooError("SOURCE and -o DIR are required: zoo collect SOURCE -o DIR, or zoo collect --resume DIR")
    folder = expanded(folder)
    if folder.exists() and not folder.is_dir():
        raise ZooError(f"{folder}: a file, not a folder")
    if not (folder / SETTINGS).is_file():
        if resume is not None or not work:
            begin = f"zoo collect SOURCE -o {shlex.quote(str(folder))}"
            raise ZooError(f"{folder}: no collection to resume; start one with {begin}")
        known = (folder / options.BACKLOG).is_file()  # a collection whose settings were lost
        if folder.is_dir() and not known and any(not _is_begun(path) for path in folder.iterdir()):
            raise ZooError(f"{folder}: neither empty nor a collection; choose another folder with -o")
    return folder


def _is_begun(path: Path) -> bool:
    """Whether a process that was killed at its start may have left this file."""
    return path.name == HIDDEN or (path.name == "ledger.jsonl" and not path.stat().st_size)


def _column(text: str) -> tuple[str, str]:
    field, equals, name = text.partition("=")
    if not equals or not field or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not FIELD=NAME, such as url=IMAGE_LINK")
    return field, name


def _parser() -> Parser:
    parser = Parser(
        prog="zoo collect",
        usage="zoo collect SOURCE -o DIR [options] | zoo collect --resume DIR [--retry-failed] [options]",
        description="Downloads pictures into a folder to train on, with a ledger that accounts for every address.\n"
        "SOURCE is a list (.txt, .csv, .tsv, .jsonl, .parquet), a saved page (.html),\n"
        "or a catalogue with a query: openverse:red bicycle, commons:red bicycle.",
        epilog="Run the same command again to resume. Another SOURCE with the same DIR adds to the collection.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("source", nargs="?", metavar="SOURCE")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder for the pictures and ledger.jsonl")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="resume with the same options, or change some")
    parser.add_argument("--retry-failed", action="store_true", help="retry only the addresses that failed")
    parser.add_argument("--report", action="store_true", help="write DIR/report.html")
    add = _add_options(parser, options.SOURCE).add_argument
    fields = "column that holds the url, thumbnail, label, license, page or creator"
    add("--column", action="append", type=_column, metavar="FIELD=NAME", help=fields)
    add("--base", metavar="URL", help="address of a saved page, for its relative links")
    add("--endpoint", metavar="URL", help="API of a catalogue, such as the api.php of another wiki")
    _add_options(parser, options.KEPT)
    _add_options(parser, options.POLITE)
    return parser


def _add_options(parser: Parser, title: str) -> argparse._ArgumentGroup:
    """Adds a group of the options that a collection keeps."""
    group, defaults = parser.add_argument_group(title), Options()
    for name, about in options.abouts().items():
        default = getattr(defaults, name)
        if about.group == title and default is False:
            group.add_argument(flag(name), action="store_true", help=about.help)
        elif about.group == title:
            text = about.help if default is None else f"{about.help} ({_shown(default)})"
            group.add_argument(flag(name), type=partial(_read, about), metavar=about.metavar, help=text)
    return group


def _read(about: About, text: str) -> Any:
    """Reads a value; argparse's own message about a wrong value would name a function."""
    try:
        return about.read(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be {about.kind}, not {text!r}") from None


def _shown(default: Any) -> str:
    """A default as a person writes it: 0.2, 50,000,000, 32M."""
    if isinstance(default, float):
        return f"{default:g}"
    return f"{default:,}" if default % (1 << 20) else f"{default >> 20}M"
