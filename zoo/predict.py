"""``zoo predict NAME FILES|FOLDERS|GLOBS -o OUT``."""

from __future__ import annotations

import argparse
import errno
import glob
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.progress import track

from zoo import weights
from zoo.arguments import Parser
from zoo.errors import ZooError
from zoo.images import SUFFIXES


def main(argv: list[str]) -> int:
    """Runs a model on pictures; each result writes itself. A bad picture costs none of the others.

    Returns:
        0, or 2 where a picture failed; the failures are named at the end.
    """
    options = _parser().parse_args(argv)
    pictures = dict(_destinations(options.pictures))
    if not pictures:
        raise ZooError(f"no pictures in {', '.join(options.pictures)} ({', '.join(sorted(SUFFIXES))})")
    out = Path(options.output)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ZooError(f"{out} is a file; -o names a folder") from None
    net = weights.load(options.model, device=options.device or _fastest_device())
    failures = []
    for destination, picture in track(pictures.items(), description="Predicting", total=len(pictures)):
        try:
            net.predict(picture).save(out / destination)  # type: ignore[operator]
        except ZooError as error:
            failures.append(str(error))
        except OSError as error:  # such as a name too long for the results
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            failures.append(f"{picture}: {error.strerror}")
    print(f"{len(pictures) - len(failures)} of {len(pictures)} pictures: {out}")  # noqa: T201
    for failure in failures:
        print(f"zoo: {failure}", file=sys.stderr)  # noqa: T201
    return 2 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="zoo predict", description="Run a model on pictures.")
    parser.add_argument("model", help="name of a model, of an architecture, or a folder")
    parser.add_argument("pictures", nargs="+", help="files, folders (with their subfolders) or patterns")
    parser.add_argument("-o", "--output", required=True, help="folder for the results")
    parser.add_argument("--device", help="such as cpu or cuda; the GPU if there is one")
    return parser


def _fastest_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _destinations(given: list[str]) -> Iterator[tuple[Path, Path]]:
    """Each picture once, with where its results go: below a folder that was given its subfolders are kept."""
    taken: set[Path] = set()
    for root, picture in _pictures(given):
        stem = picture.relative_to(root).with_suffix("")
        destination, count = stem, 1
        while destination in taken:  # a/street.jpg and b/street.jpg, or street.jpg and street.png
            count += 1
            destination = stem.with_name(f"{stem.name}_{count}")
        taken.add(destination)
        yield destination, picture


def _pictures(given: list[str]) -> Iterator[tuple[Path, Path]]:
    seen: set[Path] = set()
    for text in filter(None, given):
        path = Path(text)
        if path.is_dir():
            found = [(path, p) for p in sorted(path.rglob("*")) if p.suffix.lower() in SUFFIXES and p.is_file()]
        elif path.is_file() or not glob.has_magic(text):
            found = [(path.parent, path)]  # a missing file is named with the other failures
        else:
            found = [(Path(p).parent, Path(p)) for p in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207
            if not found:
                raise ZooError(f"{text}: nothing matches")
        for root, picture in found:
            if picture.resolve() not in seen:
                seen.add(picture.resolve())
                yield root, picture
