"""``zoo demo --serve``: the pages of ``zoo demo``, and a server that runs models for their visitors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from zoo.base.errors import ZooError
from zoo.base.extras import require
from zoo.base.files import expanded
from zoo.base.scratch import temporary_folder
from zoo.base.text import first_line, printable
from zoo.commands.terminal import Parser
from zoo.serving.limits import MEGABYTE, Limits

if TYPE_CHECKING:
    from zoo.serving.offer import Offer

PORT, HOST = 8000, "127.0.0.1"
MOST_PORT = 65535
OPTIONS = ("port", "host", "device", "jobs", "max_upload", "keep", "name", "fix")


def add_options(parser: Parser) -> None:
    """Adds the options of the server; those that are not given are absent, see :func:`refuse_needless`."""
    group = parser.add_argument_group("options of --serve", argument_default=argparse.SUPPRESS)
    group.add_argument("--port", type=int, metavar="N", help=f"port, 0 for any that is free (default: {PORT})")
    told = f"address to answer on; 0.0.0.0 lets other machines in, without a password (default: {HOST})"
    group.add_argument("--host", metavar="H", help=told)
    group.add_argument("--device", help="device of the jobs, such as cuda (default: the GPU if torch finds one)")
    group.add_argument("--jobs", type=int, metavar="N", help="jobs that are computed at a time (default: 1)")
    group.add_argument("--max-upload", type=float, metavar="MB", help="largest file of a visitor (default: 100)")
    group.add_argument("--keep", type=float, metavar="MINUTES", help="how long results are kept (default: 30)")
    told = "further name by which visitors reach the server, such as that of a proxy before it; may be repeated"
    group.add_argument("--name", action="append", metavar="NAME", help=told)
    told = "value of an option of zoo predict for all jobs, which visitors cannot change; may be repeated"
    group.add_argument("--fix", action="append", metavar="NAME=VALUE", help=told)


def refuse_needless(options: argparse.Namespace) -> None:
    """Refuses options that do nothing with, or without, ``--serve``."""
    if options.serve and (options.output is not None or options.overwrite):
        raise ZooError("-o and --overwrite write a folder; leave them out with --serve")
    if not options.serve and (needless := next((name for name in OPTIONS if hasattr(options, name)), None)):
        raise ZooError(f"--{needless.replace('_', '-')} is an option of the server; add --serve, or leave it out")


def serve(options: argparse.Namespace) -> int:
    """Serves until the process is told to end.

    Raises:
        ZooError: packages are missing, the port is in use, or a model does not exist.
    """
    require("zoo demo --serve", "demo", "starlette", "uvicorn")
    from starlette.middleware import Middleware

    from zoo.serving import pages, run
    from zoo.serving.guard import Guard

    limits = _limits(options)
    host, port = getattr(options, "host", HOST), getattr(options, "port", PORT)
    if not 0 <= port <= MOST_PORT:
        raise ZooError(f"--port must be 0 to {MOST_PORT}, not {port}")
    with run.ended_by_signals(), run.listen(host, port) as bound:  # fails now, not after the pages are made
        try:
            with temporary_folder(Path(gettempdir()), "zoo-demo-") as folder:
                models = options.models or _all_models()
                offers = _offers(models, getattr(options, "fix", []), getattr(options, "device", None))
                shown = _write_site(models, options.runtime, folder / "site")
                pages.write(offers, folder / "site", limits, shown)
                print(f"{run.address_of(bound)}  (Ctrl-C ends the server)", flush=True)  # noqa: T201
                guard = Middleware(Guard, host=host, names=getattr(options, "name", []))
                run.run(bound, guard, offers, folder, limits, _say)
        except KeyboardInterrupt:
            pass
    return 0


def _limits(options: argparse.Namespace) -> Limits:
    given = Limits()
    jobs, upload = getattr(options, "jobs", given.running), getattr(options, "max_upload", given.upload / MEGABYTE)
    keep = getattr(options, "keep", given.keep / 60)
    if jobs < 1:
        raise ZooError(f"--jobs must be 1 or more, not {jobs}")
    if not 0 < upload < 1e6 or not 0 < keep < 1e6:
        raise ZooError("--max-upload and --keep must be more than 0")
    return Limits(running=jobs, upload=int(upload * MEGABYTE), keep=60 * keep)


def _all_models() -> list[str]:
    """The installed models, those with a page in the browser first."""
    from zoo.base.registry import card_names
    from zoo.exports.demo import site

    return list(dict.fromkeys([*site.default_models(), *card_names()]))


def _offers(models: Sequence[str], fix: Iterable[str], device: str | None) -> list[Offer]:
    from zoo.commands.offers import offer, read_fixed  # which imports Pillow

    fixed = read_fixed(fix, models)
    found = [offer(model, fixed, device) for model in models]
    return list({each.name: each for each in found}.values())


def _write_site(models: Iterable[str], runtime: Path | None, folder: Path) -> set[str]:
    """Writes the pages that need no server, as far as possible; gives the names of their models."""
    from zoo.exports.demo import runtime as runtimes
    from zoo.exports.demo import site
    from zoo.exports.demo.model import Shown

    shown: dict[str, Shown] = {}
    for model in models:
        with suppress(ZooError):  # no browser runs it; the server does
            found = Shown.of(model)
            shown[found.card.name] = found
    try:
        files = runtimes.find(expanded(runtime) if runtime else None, _say) if shown else {}
        site.write(shown.values(), files, folder, _say)
    except ZooError as error:
        if runtime:
            raise
        _say(f"no pages that run in the browser: {first_line(error)}")
        shown = {}
        site.write([], {}, folder, _say)
    return set(shown)


def _say(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)  # noqa: T201
