"""``zoo predict NAME FILES|FOLDERS|GLOBS -o OUT``, or of a model of pairs ``A B`` or ``PAIRS.csv``."""

from __future__ import annotations

import argparse
import csv
import errno
import glob
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import Progress
from torch import nn

from zoo import weights
from zoo.arguments import Parser
from zoo.errors import ZooError
from zoo.files import read_json
from zoo.images import SUFFIXES
from zoo.registry import architectures, card_folder

Inputs: TypeAlias = tuple[Path, ...]  # the pictures of one prediction
PICTURES = SUFFIXES | {".gif"}  # found in folders
OPTIONS = ("passes", "refine", "tile", "match_histogram")  # that reach predict, where it has them


def main(argv: list[str]) -> int:
    """Runs a model on pictures; each result writes itself. A bad picture costs none of the others.

    Returns:
        0, or 2 where a picture failed; the failures are named at the end.
    """
    options = _parser().parse_args(argv)
    out, failures = Path(options.output), list[str]()
    count = _pictures_a_prediction(options.model)
    found = (
        _pictures(options.pictures, out) if count == 1 else _groups(options.model, options.pictures, count, failures)
    )
    work = dict(_destinations(found))
    if not work and not failures:
        raise ZooError(f"no pictures in {', '.join(options.pictures)} ({', '.join(sorted(PICTURES))})")
    total = len(work) + len(failures)
    with _folder(out):
        net = weights.load(options.model, device=options.device or _fastest_device())
        with _bars() as bars:
            task = bars.add_task("Predicting", total=len(work))
            keywords = _keywords(net, options, bars)
            for destination, inputs in bars.track(work.items(), task_id=task):
                failure = _predict(net, inputs, keywords, out / destination)
                failures += [failure] if failure else []
    print(f"{total - len(failures)} of {total} {_noun(count)}: {out}")  # noqa: T201
    for failure in failures:
        _say(failure)
    return 2 if failures else 0


def _predict(net: nn.Module, inputs: Inputs, keywords: dict[str, Any], destination: Path) -> str | None:
    """Writes the results of one prediction and says what is to be known of them; returns what went wrong."""
    names = ", ".join(map(str, inputs))
    try:
        result = net.predict(*inputs, **keywords)  # type: ignore[operator]
        result.save(destination)
    except ZooError as error:
        return str(error)
    except OSError as error:  # such as a name too long for the results
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return f"{names}: {error.strerror or error}"
    except MemoryError:
        return f"{names}: memory ran out"
    for note in getattr(result, "notes", ()):
        _say(f"{names}: {note}")
    return None


def _say(text: str) -> None:
    print(f"zoo: {text}", file=sys.stderr)  # noqa: T201


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Makes a folder, and takes it away again where nothing came into it."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ZooError(f"{path} is a file; -o names a folder") from None
    try:
        yield
    finally:
        for folder in missing:
            with suppress(OSError):  # something is in it
                folder.rmdir()


def _bars() -> Progress:
    """Where bars are drawn: on a terminal, and nowhere else."""
    console = Console(stderr=True)
    return Progress(console=console, disable=not console.is_terminal)


def _part_bar(bars: Progress) -> Callable[[int, int], None]:
    """Draws how much of one picture is done, while it is done by parts."""
    task = bars.add_task("Parts", visible=False)

    def show(done: int, total: int) -> None:
        if done == 1:
            bars.reset(task, total=total)  # starts its clock
        bars.update(task, completed=done, visible=done < total)

    return show


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="zoo predict", description="Run a model on pictures.")
    parser.add_argument("model", help="name of a model, of an architecture, or a folder")
    parser.add_argument(
        "pictures",
        nargs="+",
        help="files, folders (with their subfolders) or patterns; for a model of pairs two files, or a .csv of pairs",
    )
    parser.add_argument("-o", "--output", required=True, help="folder for the results")
    parser.add_argument("--device", help="such as cpu or cuda; the GPU if there is one")
    parser.add_argument("--passes", type=_positive, help="how often a model of pairs looks at one")
    parser.add_argument("--refine", choices=["ecc"], help="how the estimate of a model of pairs is polished")
    parser.add_argument(
        "--tile", type=_tile, metavar="N|auto", help="side of the parts of a picture that are seen at a time"
    )
    parser.add_argument("--match-histogram", action="store_true", default=None, help="keep the colours of a picture")
    return parser


def _tile(text: str) -> int | str:
    return text if text == "auto" else _positive(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number from 1 on, not {text!r}")
    return int(text)


def _fastest_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _pictures_a_prediction(model: str) -> int:
    known = architectures().get(str(read_json(card_folder(model) / weights.CONFIG_FILE).get("architecture")))
    return known.pictures if known else 1  # loading refuses what is not known


def _keywords(net: nn.Module, options: argparse.Namespace, bars: Progress) -> dict[str, Any]:
    """Keyword arguments of the network's ``predict``: the options that were given, and a bar where it has parts."""
    given = {name: value for name in OPTIONS if (value := getattr(options, name)) is not None}
    known = inspect.signature(net.predict).parameters  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            option = f"--{name.replace('_', '-')}"
            raise ZooError(f"{option} means nothing to {options.model}: {type(net).__name__} has no such thing")
    keywords = {name: value for name, value in given.items() if value != "auto"}  # what predict does by itself
    return {**keywords, "progress": _part_bar(bars)} if "progress" in known else keywords


def _noun(count: int) -> str:
    return {1: "pictures", 2: "pairs"}.get(count, f"groups of {count}")


def _destinations(found: Iterator[tuple[Path, Inputs]]) -> Iterator[tuple[Path, Inputs]]:
    """Where the results of each prediction go: under the name that is proposed for them, or a free one like it."""
    taken: set[Path] = set()
    for stem, inputs in found:
        while stem.suffix.lower() in PICTURES:  # of photo.jpg.png: save would take photo.jpg for a file to write
            stem = stem.with_suffix("")
        destination, count = stem, 1
        while destination in taken:  # a/street.jpg and b/street.jpg, or street.jpg and street.png
            count += 1
            destination = stem.with_name(f"{stem.name}_{count}")
        taken.add(destination)
        yield destination, inputs


def _pictures(given: list[str], out: Path) -> Iterator[tuple[Path, Inputs]]:
    """Each picture once, by its name below the folder that was given; see :func:`_destinations`."""
    seen: set[Path] = set()
    for text in filter(None, given):
        path = Path(text)
        if path.is_dir():
            found = [(path, picture) for picture in _in_folder(path, out)]
        elif path.is_file() or not glob.has_magic(text):
            found = [(path.parent, path)]  # a missing file is named with the other failures
        else:
            found = [(Path(p).parent, Path(p)) for p in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207
            if not found:
                raise ZooError(f"{text}: nothing matches")
        for root, picture in found:
            if picture.resolve() not in seen:
                seen.add(picture.resolve())
                yield picture.relative_to(root).with_suffix(""), (picture,)


def _in_folder(folder: Path, out: Path) -> list[Path]:
    """Its pictures without those of earlier runs that write into a part of it."""
    results = out.resolve()
    if results == folder.resolve():
        raise ZooError(
            f"{out}: results would be taken for pictures the next time\n-o names another folder, or one in it"
        )
    pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES and path.is_file())
    if not results.is_relative_to(folder.resolve()):
        return pictures
    return [path for path in pictures if not path.resolve().is_relative_to(results)]


def _groups(model: str, given: list[str], count: int, failures: list[str]) -> Iterator[tuple[Path, Inputs]]:
    """Pictures that belong together, by their names: the ones that were given, or the lines of tables.

    Args:
        model: name of it.
        given: as many pictures, or .csv files.
        count: how many belong together.
        failures: gets a line for each line of a table that does not name as many.
    """
    paths = [Path(text) for text in given]
    tables = [path for path in paths if path.suffix.lower() == ".csv"]
    if tables != paths and (tables or len(paths) != count):
        raise ZooError(f"{model} takes {count} pictures, or tables .csv with {count} a line, not {' '.join(given)}")
    for path in paths:
        if path.is_dir():
            raise ZooError(f"{path} is a folder; {model} takes {count} pictures, or tables .csv with {count} a line")
    groups = [group for table in tables for group in _read_table(table, count, failures)] if tables else [tuple(paths)]
    for group in groups:
        yield Path("_".join(path.stem for path in group)), group


def _read_table(table: Path, count: int, failures: list[str]) -> Iterator[Inputs]:
    """The lines of a CSV with or without the header a,b; paths are relative to its folder."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = [
                (reader.line_num, [cell.strip() for cell in row]) for reader in [csv.reader(file)] for row in reader
            ]
    except FileNotFoundError:
        raise ZooError(f"{table}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ZooError(f"{table}: not a CSV in UTF-8: {error}") from None
    rows = [(line, row) for line, row in rows if any(row)]
    if rows and [cell.lower() for cell in rows[0][1]] == list("abcdefgh"[:count]):
        rows = rows[1:]
    if not rows:
        raise ZooError(f"{table}: names no pictures; a line is {count} paths, relative to the folder of the table")
    for line, row in rows:
        if len(row) != count or not all(row):
            failures.append(f"{table}, line {line}: {count} pictures make a line, not {','.join(row)!r}")
        else:
            yield tuple(table.parent / cell for cell in row)
