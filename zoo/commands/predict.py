"""``zoo predict NAME FILES|FOLDERS|GLOBS -o OUT``, or of a model of pairs ``A B`` or ``PAIRS.csv``."""

from __future__ import annotations

import argparse
import errno
import inspect
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NoReturn

from rich.progress import Progress
from torch import nn

from zoo.base import progress
from zoo.base.errors import ZooError
from zoo.base.files import read_json
from zoo.base.registry import Architecture, architectures, import_object
from zoo.cards import weights
from zoo.commands import inputs
from zoo.commands.inputs import PICTURES, VIDEOS, Inputs
from zoo.commands.terminal import Parser
from zoo.hub import layout, locate
from zoo.pictures import video

OPTIONS = (  # that reach predict, where it has them
    "passes", "refine", "tile", "match_histogram", "strength", "preserve_color",
    "style", "blend", "size", "iterations", "start", "content_weight", "pooling", "optimizer",
    "seed", "preview_every", "vgg",
)  # fmt: skip


def main(argv: list[str]) -> int:
    """Runs a model on pictures, or on videos; each result writes itself. A bad picture costs none of the others.

    Returns:
        0, or 2 where a picture failed; the failures are named at the end.
    """
    options = _parser().parse_args(argv)
    out, failures = Path(options.output), list[str]()
    architecture = _architecture(options.model)
    count = architecture.pictures if architecture else 1
    suffixes = PICTURES | VIDEOS if architecture and _can_style_frames(import_object(architecture.net)) else PICTURES
    if count == 1:
        found = inputs.pictures(options.pictures, out, suffixes)
    else:
        found = inputs.groups(options.model, options.pictures, count, failures)
    work = dict(inputs.destinations(found))
    if not work and not failures:
        raise ZooError(f"no pictures in {', '.join(options.pictures)} ({', '.join(sorted(suffixes))})")
    total = len(work) + len(failures)
    with _folder(out):
        net = weights.load(options.model, device=options.device or _fastest_device())
        with progress.bars() as bars:
            task = bars.add_task("Predicting", total=len(work))
            keywords = _keywords(net, options, count, bars)
            for destination, paths in bars.track(work.items(), task_id=task):
                failure = _predict(net, paths, keywords, out / destination, bars)
                failures += [failure] if failure else []
    print(f"{total - len(failures)} of {total} {_noun(count, work.values())}: {out}")  # noqa: T201
    for failure in dict.fromkeys(failures):  # what is wrong with an option is said once
        _say(failure)
    return 2 if failures else 0


def _predict(net: nn.Module, paths: Inputs, keywords: dict[str, Any], destination: Path, bars: Progress) -> str | None:
    """Writes the results of one prediction and says what is to be known of them; returns what went wrong."""
    names = ", ".join(map(str, paths))
    try:
        if paths[0].suffix.lower() in VIDEOS:
            notes = _predict_video(net, paths[0], keywords, destination, bars)
        else:
            result = net.predict(*paths, **keywords)  # type: ignore[operator]
            result.save(destination)
            notes = getattr(result, "notes", ())
    except ZooError as error:
        return str(error)
    except OSError as error:  # such as a name too long for the results
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        place = "" if error.filename in map(str, paths) else f"{destination}: "
        return f"{names}: {place}{error.strerror or error}"
    except MemoryError:
        return f"{names}: memory ran out"
    for note in notes:
        _say(f"{names}: {note}")
    return None


def _predict_video(
    net: nn.Module, path: Path, keywords: dict[str, Any], destination: Path, bars: Progress
) -> tuple[str, ...]:
    """Writes ``DESTINATION_styled.mp4`` and says how fast that went; returns what is to be known of it."""
    if not _can_style_frames(net):
        raise ZooError(f"{path}: a video; {type(net).__name__} takes pictures only")
    predict_frame: Any = net.predict_frame
    known = inspect.signature(predict_frame).parameters
    change = partial(predict_frame, **{name: value for name, value in keywords.items() if name in known})
    task, start = bars.add_task("Frames", total=None), time.perf_counter()
    try:
        written = video.change_frames(
            path,
            destination.with_name(f"{destination.name}_styled.mp4"),
            change,
            lambda done, total: bars.update(
                task,
                completed=done,
                total=total,
                description=f"Frames, {done / (time.perf_counter() - start):.1f} a second",
            ),
        )
    finally:
        bars.remove_task(task)
    speed = written.frames / (time.perf_counter() - start)
    print(f"{path}: {written.frames} frames, {speed:.1f} a second")  # noqa: T201
    return written.notes


def _can_style_frames(net: Any) -> bool:
    return hasattr(net, "predict_frame")


def _say(text: str) -> None:
    print(f"zoo: {text}", file=sys.stderr)  # noqa: T201


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Makes a folder that can be written, and takes it away again where nothing came into it."""
    missing = list[Path]()
    try:
        try:
            missing += [folder for folder in (path, *path.parents) if not folder.exists()]
            path.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=path):  # found out now, not after the first result
                pass
        except (FileExistsError, NotADirectoryError):
            file = next((part for part in (path, *path.parents) if part.is_file()), path)
            raise ZooError(f"{file} is a file; -o names a folder") from None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ZooError(f"{path}: {error.strerror}; -o names a folder that can be written") from None
        yield
    finally:
        for folder in missing:
            with suppress(OSError):  # something is in it
                folder.rmdir()


def _part_bar(bars: Progress) -> Callable[[int, int], None]:
    """Draws how much of one picture is done, while it is done by parts."""
    task = bars.add_task("Parts", visible=False)

    def show(done: int, total: int) -> None:
        if done == 1:
            bars.reset(task, total=total)  # starts its clock
        bars.update(task, completed=done, visible=done < total)

    return show


class _Parser(Parser):
    def error(self, message: str) -> NoReturn:
        if message.endswith("required: pictures"):
            message += "; name them before --style and --blend, which take all that follows"
        super().error(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="zoo predict", description="Run a model on pictures.")
    parser.add_argument("model", help="name of a model, of an architecture, or a folder")
    parser.add_argument(
        "pictures",
        nargs="+",
        help="files, folders (with their subfolders) or patterns; videos too for models that style them; for a model "
        "of pairs two files, or a .csv of pairs",
    )
    parser.add_argument("-o", "--output", required=True, help="folder for the results")
    parser.add_argument("--device", help="such as cpu or cuda; the GPU if there is one")
    parser.add_argument(
        "--tile",
        type=_tile,
        metavar="N|auto",
        help="side of the parts of a picture that are seen at a time; for models of styles, rows",
    )
    _add_options(parser)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    """Those of a few models."""
    pairs = parser.add_argument_group("models of pairs")
    pairs.add_argument("--passes", type=_positive, help="how often a pair is looked at")
    pairs.add_argument("--refine", choices=["ecc"], help="how the estimate is polished")
    larger = parser.add_argument_group("super resolution")
    larger.add_argument("--match-histogram", action="store_true", default=None, help="keep the colours of a picture")
    style = parser.add_argument_group("models of styles")
    style.add_argument(
        "--strength", type=_share, metavar="0..1", help="how much of the result is mixed with the picture"
    )
    style.add_argument("--preserve-color", action="store_true", default=None, help="keep the colours of the picture")
    own = parser.add_argument_group("models that are given the style")
    own.add_argument(
        "--style", nargs="+", action="extend", type=Path, metavar="FILE", help="one or several; after the pictures"
    )
    own.add_argument("--blend", nargs="+", type=float, metavar="WEIGHT", help="of each style")
    own.add_argument("--size", type=_positive, metavar="N", help="pixels of the result")
    own.add_argument("--iterations", type=_positive, metavar="N", help="of the optimiser")
    own.add_argument("--start", metavar="NAME", help="what the optimiser begins with, such as content or noise")
    own.add_argument("--content-weight", type=float, metavar="W", help="smaller is more of the style")
    own.add_argument("--pooling", metavar="NAME", help="of the loss network: average or max")
    own.add_argument("--optimizer", metavar="NAME", help="lbfgs or adam")
    own.add_argument("--seed", type=int, metavar="N", help="of the noise")
    own.add_argument("--preview-every", type=_positive, metavar="N", help="iterations between two previews")
    own.add_argument("--vgg", metavar="FILE", help="safetensors with the loss network, or timm")


def _tile(text: str) -> int | str:
    return text if text == "auto" else _positive(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number from 1 on, not {text!r}")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a number from 0, the picture, to 1, the result, not {text!r}")
    return value


def _fastest_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _architecture(model: str) -> Architecture | None:
    """None where it is not known, which loading refuses."""
    config = read_json(locate.find(model).file(locate.CONFIG_FILE, layout.PROSE))
    return architectures().get(str(config.get("architecture")))


def _keywords(net: nn.Module, options: argparse.Namespace, count: int, bars: Progress) -> dict[str, Any]:
    """Keyword arguments of the network's ``predict``: the options that were given, and a bar where it has parts.

    Args:
        count: how many of its parameters are pictures.
    """
    given = {name: value for name in OPTIONS if (value := getattr(options, name)) is not None}
    known = inspect.signature(net.predict).parameters  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise ZooError(f"{_option(name)} means nothing to {options.model}: {type(net).__name__} has no such thing")
    for name, parameter in list(known.items())[count:]:
        if parameter.default is parameter.empty and name not in given:
            raise ZooError(f"{options.model} needs {_option(name)}{' FILE' if name == 'style' else ''}")
    if len(given.get("style", ())) == 1:
        given["style"] = given["style"][0]
    keywords = {name: value for name, value in given.items() if value != "auto"}  # what predict does by itself
    return {**keywords, "progress": _part_bar(bars)} if "progress" in known else keywords


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _noun(count: int, work: Iterable[Inputs]) -> str:
    kinds = {paths[0].suffix.lower() in VIDEOS for paths in work}
    if kinds == {True}:
        return "videos"
    return {1: "pictures and videos" if True in kinds else "pictures", 2: "pairs"}.get(count, f"groups of {count}")
