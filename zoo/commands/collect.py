"""``zoo collect``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.files import expanded
from zoo.base.text import printable
from zoo.collect import sources
from zoo.collect.addresses import Source
from zoo.collect.api import PoliteApi
from zoo.collect.collector import Collector
from zoo.collect.fetch import Client
from zoo.collect.frontier import Frontier
from zoo.collect.guard import PRIVATE
from zoo.collect.options import Options, SourceOptions, made_here, read_settings, write_settings
from zoo.collect.progress import Watch
from zoo.collect.store import HIDDEN, SETTINGS, Store
from zoo.commands.terminal import Parser

FILES = 256  # that are open beside connections


def main(argv: Sequence[str]) -> int:
    given = vars(_parser().parse_args(argv))
    resume, retry, report = (given.pop(name, None) for name in ("resume", "retry_failed", "report"))
    source = _source(given)
    folder = _folder(given.pop("output", None), resume, source is not None or bool(retry))
    stored, named = read_settings(folder / SETTINGS)
    if source is not None and source not in named:
        named.append(source)
    if stored.get("allow_private") and "allow_private" not in given and not made_here(folder / SETTINGS):
        del stored["allow_private"]
        _say(
            "private networks are not asked: that was allowed for another folder; --allow-private says it for this one"
        )
    given = {**stored, **given}
    options = Options(**{"contact": os.environ.get("ZOO_CONTACT"), **given})
    if options.contact is None:
        _say("nobody can reach you: give --contact with your e-mail address or page, or set ZOO_CONTACT")
    _prepare(options)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # what is wrong with a picture is in the ledger
            asyncio.run(_collect(folder, options, given, named, source, bool(retry)))
    except KeyboardInterrupt:
        _say(f"zoo collect --resume {shlex.quote(str(folder))} goes on")
        raise
    if report:
        from zoo.collect.report import write_report

        print(f"Report:   {printable(str(write_report(folder)))}")  # noqa: T201
    return 0


def _prepare(options: Options) -> None:
    """Readies the process for many connections and large pictures."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows, or not allowed
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = options.connections + FILES
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(hard, wanted), hard))
    with contextlib.suppress(AttributeError, OSError, TypeError):  # only glibc has it
        # M_MMAP_THRESHOLD: or each thread keeps what it decoded a picture into, 1.7 GB in all where 0.3 would do.
        ctypes.CDLL(None).mallopt(-3, 1 << 20)
    Image.init()  # while there are files to be opened


def _say(text: str) -> None:
    print(printable(f"zoo: {text}"), file=sys.stderr)  # noqa: T201


def _source(given: dict[str, Any]) -> SourceOptions | None:
    text = given.pop("source", None)
    columns = tuple(given.pop("column", ()))
    base, endpoint = given.pop("base", None), given.pop("endpoint", None)
    if text is not None:
        return SourceOptions(text, columns, base, endpoint)
    if columns or base or endpoint:
        raise ZooError("--column, --base and --endpoint say how SOURCE is read; there is no SOURCE")
    return None


def _folder(output: Path | None, resume: Path | None, work: bool) -> Path:
    """The folder of the collection, which exists where it is to be gone on with."""
    if resume is not None and output is not None:
        raise ZooError("--resume DIR goes on in DIR; leave -o out")
    folder = output if resume is None else resume
    if folder is None or not (work or resume):
        raise ZooError("from where to where? zoo collect SOURCE -o DIR, or zoo collect --resume DIR")
    folder = expanded(folder)
    if folder.exists() and not folder.is_dir():
        raise ZooError(f"{folder}: a file, not a folder")
    if not (folder / SETTINGS).is_file():
        if resume is not None or not work:
            raise ZooError(f"{folder}: no collection to go on with; zoo collect SOURCE -o {folder} starts one")
        if folder.is_dir() and any(not _is_begun(path) for path in folder.iterdir()):
            raise ZooError(f"{folder}: not empty, and no collection; give -o another folder")
    return folder


def _is_begun(path: Path) -> bool:
    """Whether a process that was killed at once may have left this."""
    return path.name == HIDDEN or (path.name == "ledger.jsonl" and not path.stat().st_size)


async def _collect(
    folder: Path,
    options: Options,
    given: dict[str, Any],
    named: list[SourceOptions],
    new: SourceOptions | None,
    retry: bool,
) -> None:
    client, frontier = Client(options), Frontier(options.delay, options.per_host)
    api = PoliteApi(client, frontier, options)
    opened: dict[str, Source] = {}
    if new is not None:
        opened[new.key] = _open(new, api)
    with Store(folder, options) as store:
        for one in named:
            if not retry and one != new and not store.backlog.ended(one.key):
                _say(f"goes on with {one.text}" + (f" at {one.endpoint}" if one.endpoint else ""))
                opened[one.key] = _open(one, api)
        write_settings(folder / SETTINGS, given, named)
        with Watch(options.limit, store.kept) as watch:
            async with client:
                await Collector(store, opened, options, client, frontier, watch, retry).run()
        store.finish()
        _summarize(store, watch)


def _open(source: SourceOptions, api: PoliteApi) -> Source:
    return sources.open_source(
        source.text, api, columns=dict(source.columns), base=source.base, endpoint=source.endpoint
    )


def _summarize(store: Store, watch: Watch) -> None:
    """Says what there is now, or that there is nothing."""
    folder = shlex.quote(str(store.folder))
    again = f"zoo collect --resume {folder} --retry-failed"
    if not len(store.backlog):
        raise ZooError("the source names no pictures")
    if not store.kept:
        way_out = again if store.failed else f"see {folder}/ledger.jsonl"
        if PRIVATE in watch.most_often:
            way_out = "--allow-private lets it be asked"
        raise ZooError(
            f"no picture came of {len(store.backlog):,} addresses; most often: {watch.most_often}\n{way_out}"
        )
    lines = [f"{watch or 'nothing new'}"]
    lines.append(
        f"Pictures: {folder}  ({store.kept:,}" + (f", {store.missing} no longer there)" if store.missing else ")")
    )
    lines.append(f"Ledger:   {folder}/ledger.jsonl")
    if store.backlog.repeated:
        lines.append(f"Repeated: {store.backlog.repeated:,} addresses were named before")
    if store.failed:
        lines.append(f"Failed:   {len(store.failed):,}; most often: {watch.most_often or 'see the ledger'}  ({again})")
    print(printable("\n".join(lines), keep="\n"))  # noqa: T201


def _column(text: str) -> tuple[str, str]:
    field, equals, name = text.partition("=")
    if not equals or not field or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not FIELD=NAME, such as url=IMAGE_LINK")
    return field, name


def _bits(text: str) -> int | None:
    return None if text == "off" else int(text)


def _bytes(text: str) -> int:
    """A number of bytes: 500000, 500K, 20M."""
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:].upper(), 1)
    return int(float(text[:-1]) * factor) if factor > 1 else int(text)


def _parser() -> Parser:
    parser = Parser(
        prog="zoo collect",
        usage="zoo collect SOURCE -o DIR [options] | zoo collect --resume DIR [--retry-failed] [options]",
        description="Fetches pictures into a folder to train on, with a ledger that accounts for every address.\n"
        "SOURCE is a list (.txt, .csv, .tsv, .jsonl, .parquet), a saved page (.html),\n"
        "or a catalogue with a query: openverse:red bicycle, commons:red bicycle.",
        epilog="The same command again goes on where it stopped; another SOURCE into the same DIR adds to it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("source", nargs="?", metavar="SOURCE")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="where the pictures and ledger.jsonl go")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="go on with the options of before, or others")
    parser.add_argument("--retry-failed", action="store_true", help="try only what failed")
    parser.add_argument("--report", action="store_true", help="write DIR/report.html")
    _add_source_options(parser)
    _add_limits(parser)
    _add_manners(parser)
    return parser


def _add_source_options(parser: Parser) -> None:
    group = parser.add_argument_group("how SOURCE is read")
    add = group.add_argument
    add(
        "--column",
        action="append",
        type=_column,
        metavar="FIELD=NAME",
        help="which column of a list is url, thumbnail, label, license, page or creator",
    )
    add("--base", metavar="URL", help="what the addresses of a saved page are relative to")
    add("--endpoint", metavar="URL", help="the API of a catalogue, such as the api.php of another wiki")
    add("--label", metavar="NAME", help="of addresses that have none; each label is a folder")


def _add_limits(parser: Parser) -> None:
    add, default = parser.add_argument_group("what is kept").add_argument, Options()
    add("--limit", type=int, metavar="N", help="pictures in the folder")
    add("--min-side", type=int, metavar="PIXELS", help=f"shorter sides are refused ({default.min_side})")
    add("--max-side", type=int, metavar="PIXELS", help="longer sides are refused")
    add("--max-pixels", type=int, metavar="N", help=f"refused before decoding ({default.max_pixels:,})")
    add("--max-aspect", type=float, metavar="R", help=f"longer side over shorter ({default.max_aspect:g})")
    add("--max-bytes", type=_bytes, metavar="N", help=f"of a file ({default.max_bytes >> 20}M)")
    add(
        "--near",
        type=_bits,
        metavar="BITS",
        help=f"of 64 of the perceptual hash, by which near duplicates differ at most ({default.near}); or off",
    )
    add("--upright", action="store_true", help="apply the EXIF orientation; the file is then encoded anew")
    add(
        "--held-out",
        type=float,
        metavar="SHARE",
        help=f"of the folders val and test each, by digest ({default.held_out:g}); 0: no such folders",
    )


def _add_manners(parser: Parser) -> None:
    add, default = parser.add_argument_group("manners").add_argument, Options()
    add("--contact", metavar="TEXT", help="your e-mail address or page, told to every server (ZOO_CONTACT)")
    add("--connections", type=int, metavar="N", help=f"at a time ({default.connections})")
    add("--per-host", type=int, metavar="N", help=f"at a time to one host ({default.per_host})")
    add(
        "--delay",
        type=float,
        metavar="SECONDS",
        help=f"between requests to one host, and up to half as much at random ({default.delay:g})",
    )
    add("--timeout", type=float, metavar="SECONDS", help=f"of a request ({default.timeout:g})")
    add("--retries", type=int, metavar="N", help=f"after the first try ({default.retries})")
    add("--allow-private", action="store_true", help="connect to private, loopback and link-local addresses too")
