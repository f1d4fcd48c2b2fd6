"""``zoo predict MODEL PICTURES... -o OUT``; a model of pairs takes ``A B`` or ``PAIRS.csv``."""

from __future__ import annotations

import argparse
import errno
import inspect
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import load
from zoo.base import progress
from zoo.base.errors import ZooError
from zoo.base.files import read_json
from zoo.base.registry import Architecture, architectures, import_object
from zoo.base.text import printable, unknown
from zoo.cards import export_file, exported
from zoo.commands import inputs
from zoo.commands.devices import chosen_device
from zoo.commands.failures import failure, grouped, names
from zoo.commands.inputs import VIDEOS, Failure, Inputs
from zoo.commands.options import OptionParser, predict_options, save_options, usage
from zoo.commands.outputs import ForeignError, Outputs, writable
from zoo.commands.terminal import parse_model
from zoo.engines import ENGINES
from zoo.hub import layout, locate
from zoo.pictures import video
from zoo.pictures.images import SUFFIXES

if TYPE_CHECKING:
    from zoo.base.progress import Bars
    from zoo.models.base import Result
    from zoo.models.prediction import Predicts

USAGE = "zoo predict MODEL PICTURES... -o OUT"
CHAIN = "one panorama of pictures that follow each other"
DESCRIPTION = "Runs a model on pictures and writes its results."


def main(argv: list[str]) -> int:
    """Runs a model on pictures, or on videos; each result writes itself. A bad picture does not stop the others.

    Returns:
        0, or 2 if a picture failed; the failures are named at the end.
    """
    declared, given = _parsed(argv)
    name, texts, output = given.pop("model"), given.pop("pictures"), given.pop("output")
    if not output:  # a variable of the shell that is not set
        raise ZooError("-o is empty; name a folder")
    out = Path(output)
    engine, device, overwrite = given.pop("engine"), given.pop("device"), given.pop("overwrite")
    chain, steady, failures = given.pop("chain", False), given.pop("steady", False), list[Failure]()
    saving = _saving(declared, given, chain)
    work = _work(name, declared, texts, out, failures, chain)
    total = len(work) + len(failures)
    with writable(out):
        net = _load(name, engine, device)
        with progress.bars() as bars:
            task = bars.add_task("Predicting", total=len(work))
            given |= _news(net.predict, bars)
            outputs = Outputs(out, work, declared.predictor, overwrite)
            run, items = _Run(net, declared, given, saving, chain, steady, outputs, bars), list(work.items())
            size = given.get("batch_size", 1) if len(declared.inputs) == 1 else 1
            for first in range(0, len(items), size):
                failures += run.predict(items[first : first + size])
                bars.update(task, completed=first + size)
    doubts = f", {len(run.doubtful)} not to be trusted (see above)" if run.doubtful else ""
    noun = "panoramas" if chain else _noun(declared, work.values())
    print(f"{total - len(failures)} of {total} {noun}{doubts}: {out}")  # noqa: T201
    for line in grouped(failures):
        _say(line)
    return 2 if failures else 0


def _parsed(argv: list[str]) -> tuple[Architecture, dict[str, Any]]:
    """The architecture of the named model, and the parsed arguments; help exits here."""
    known, _ = parse_model(argv, USAGE, DESCRIPTION, _add_common)
    declared = _architecture(known.model, known.engine)
    parser = _parser(known.model, declared)
    try:
        return declared, parser.parse(argv)
    except ZooError as error:
        lists = sorted(set(parser.many) & set(argv))
        if lists and " needs pictures" in str(error):
            raise ZooError(f"pictures are required; name them before {' and '.join(lists)}") from None
        raise


def _saving(declared: Architecture, given: dict[str, Any], chain: bool) -> dict[str, Any]:
    """Takes the options for saving out of all options; a chain's result has none."""
    options = save_options(declared)
    saving = {option.name: given.pop(option.name) for option in options}
    if chain and (needless := [option.flag for option in options if saving[option.name] != option.default]):
        raise ZooError(f"--chain makes one result for all pictures; leave out {' '.join(needless)}")
    return {} if chain else saving


def _work(
    name: str, declared: Architecture, texts: list[str], out: Path, failures: list[Failure], chain: bool
) -> dict[Path, Inputs]:
    """The pictures of each prediction by the name of its results."""
    suffixes = SUFFIXES | VIDEOS if declared.video else SUFFIXES
    if len(declared.inputs) == 1 or chain:
        found = inputs.pictures(texts, out, _say, suffixes)
    else:
        otherwise = f"; --chain makes {CHAIN}" if declared.chain else ""
        found = inputs.groups(name, texts, declared.inputs, failures, otherwise)
    if chain and (paths := [path for _, (path,) in found]):
        found = iter([(Path("panorama"), tuple(paths))])
    work = dict(inputs.destinations(found))
    if not work and not failures:
        raise ZooError(f"no pictures in {shlex.join(texts)}")
    return work


@dataclass(frozen=True)
class _Run:
    """Predictions with the same options: keyword arguments of the network's ``predict``, and of results' ``save``."""

    net: Predicts
    declared: Architecture
    options: dict[str, Any]
    saving: dict[str, Any]
    chain: bool  # predicts pairs of successive pictures, not all together
    steady: bool  # blends each frame of a video with the frame before
    outputs: Outputs
    bars: Bars
    doubtful: list[Path] = field(default_factory=list)  # destinations of results that may be wrong

    def predict(self, batch: list[tuple[Path, Inputs]]) -> list[Failure]:
        """Writes the results of one or several predictions; returns what went wrong."""
        results: list[Result | None] = [None] * len(batch)
        if len(batch) > 1 and not any(_is_video(paths) for _, paths in batch):
            with suppress(ZooError, OSError, MemoryError):  # one by one shows which picture fails
                results = self.net.predict([paths[0] for _, paths in batch], **self.options)
        reasons = (self._one(*each, result) for each, result in zip(batch, results, strict=True))
        return [failure(paths, told) for (_, paths), told in zip(batch, reasons, strict=True) if told]

    def _one(self, destination: Path, paths: Inputs, result: Result | None) -> str | None:
        """Predicts unless the result is given, and writes the results; returns what went wrong."""
        try:
            if _is_video(paths):
                notes = self._video(paths[0], destination)
            else:
                result = self._result(paths) if result is None else result
                with warnings.catch_warnings(record=True) as warned:
                    warnings.simplefilter("always")
                    self.outputs.save(destination, partial(result.save, **self.saving))
                notes = [*getattr(result, "notes", ()), *(str(each.message) for each in warned)]
                self.doubtful.extend([destination] * (not getattr(result, "trusted", True)))
            for note in dict.fromkeys(notes):  # a warning may repeat a note
                _say(f"{names(paths)}: {note}")
        except ForeignError:
            raise
        except ZooError as error:
            return str(error)
        except OSError as error:  # such as a name too long for the results
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            place = "" if error.filename in map(str, paths) else f"{self.outputs.folder / destination}: "
            return f"{place}{error.strerror or error}"
        except MemoryError:
            return "memory ran out"
        return None

    def _result(self, paths: Inputs) -> Any:
        if not self.chain:
            return self.net.predict(*paths, **self.options)
        return import_object(self.declared.chain)(self._links(paths))

    def _links(self, paths: Inputs) -> Iterator[Any]:
        task = self.bars.add_task("Pairs", total=len(paths) - 1)
        for pair in pairwise(paths):
            yield self.net.predict(*pair, **self.options)
            self.bars.advance(task)

    def _video(self, path: Path, destination: Path) -> Sequence[str]:
        """Writes ``DESTINATION_KIND.mp4``, prints the speed, and returns the notes."""
        if not self.declared.video:
            raise ZooError(f"{path}: a video; {self.declared.net.rpartition('.')[2]} takes pictures only")
        known = inspect.signature(self.net.predict_frame).parameters
        change: video.Change = partial(
            self.net.predict_frame, **{name: self.options[name] for name in known if name in self.options}
        )
        if self.steady:
            from zoo.pictures.steady import Steady  # which imports OpenCV

            change = Steady(change)
        self.outputs.check(destination, [ending := f"_{self.declared.video}.mp4"])  # before the long work
        task, start, written = self.bars.add_task("Frames", total=None), time.perf_counter(), list[video.Written]()
        show = partial(self.bars.update, task)

        def write(place: Path) -> None:
            file = place.with_name(f"{place.name}{ending}")
            written.append(video.change_frames(path, file, change, lambda n, total: show(completed=n, total=total)))

        try:
            self.outputs.save(destination, write)
        finally:
            self.bars.remove_task(task)
        speed = written[0].frames / (time.perf_counter() - start)
        print(f"{path}: {written[0].frames} frames, {speed:.1f} a second")  # noqa: T201
        return written[0].notes


def _is_video(paths: Inputs) -> bool:
    return paths[0].suffix.lower() in VIDEOS


def _say(text: str) -> None:
    print("zoo:", printable(text, keep="\n"), file=sys.stderr)  # noqa: T201


def _news(predict: Callable[..., Any], bars: Bars) -> dict[str, Any]:
    """The arguments of ``predict`` that tell how far it is, as far as it has them."""
    known, listener = inspect.signature(predict).parameters, progress.listener()
    told: dict[str, Any] = {"progress": _part_bar(bars)} if "progress" in known else {}
    return told | ({"preview": listener.preview} if listener is not None and "preview" in known else {})


def _part_bar(bars: Bars) -> Callable[[int, int], None]:
    """Draws the progress within one picture that is predicted in parts."""
    task = bars.add_task("Parts", visible=False)

    def show(done: int, total: int) -> None:
        if done == 1:
            bars.reset(task, total=total)  # starts its clock
        bars.update(task, completed=done, visible=done < total)

    return show


def _add_common(parser: Any, required: bool = False) -> None:
    parser.add_argument("-o", "--output", metavar="OUT", required=required, help="folder for the results")
    parser.add_argument("--engine", choices=ENGINES, help="engine of the network; by default torch, or the file's own")
    parser.add_argument("--device", help="device, such as cpu or cuda; by default the GPU if torch finds one")
    parser.add_argument("--overwrite", action="store_true", help="also replace files that this command did not make")


def _parser(model: str, declared: Architecture) -> OptionParser:
    parser = OptionParser(
        f"zoo predict {model}", model, description=DESCRIPTION,
        usage=f"zoo predict {model} {usage(declared)} -o OUT [options]",
    )  # fmt: skip
    count = len(declared.inputs)
    kinds = "files, folders (with their subfolders) or patterns" if count == 1 else f"{count} files, or a .csv of files"
    parser.add_argument("model", help=argparse.SUPPRESS)
    parser.add_argument("pictures", nargs="+", type=str, help=kinds + ("; videos too" if declared.video else ""))
    _add_common(parser, required=True)
    if declared.chain:
        parser.add_argument("--chain", action="store_true", help=f"make {CHAIN}: files, folders or patterns")
    if declared.video:
        told = "videos: move the strokes along with the picture, against flicker"
        parser.add_argument("--steady", action="store_true", help=told)
    parser.add_options(f"options of {model}", [*predict_options(declared), *save_options(declared)])
    return parser


def _load(name: str, engine: str | None, device: str | None) -> Predicts:
    """Loads the model with an engine, by default torch."""
    return load(name, engine=engine, device=chosen_device(device, exported.engine_of(name, engine)))


def _architecture(model: str, engine: str | None) -> Architecture:
    by_torch = exported.engine_of(model, engine) == "torch"
    if exported.is_file(model):
        return export_file.read_file(model).declared
    config = read_json(locate.find(model).file(locate.CONFIG_FILE, layout.PROSE))
    name, known = str(config.get("architecture")), architectures()
    if name not in known:
        raise unknown("architecture", name, known)
    if not by_torch:
        export_file.check_forward_pass(name)
    return known[name]


def _noun(declared: Architecture, work: Iterable[Inputs]) -> str:
    kinds = {_is_video(paths) for paths in work}
    if kinds == {True}:
        return "videos"
    count = len(declared.inputs)
    return {1: "pictures and videos" if True in kinds else "pictures", 2: "pairs"}.get(count, f"groups of {count}")
