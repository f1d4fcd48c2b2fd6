"""What a command line of ``zoo predict`` asks for: model, pictures, options, and where the results go."""

from __future__ import annotations

import argparse
import inspect
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from zoo.base.bounds import Interval
from zoo.base.errors import ZooError
from zoo.base.files import read_json
from zoo.base.registry import Architecture, architectures, import_object
from zoo.base.text import printable, unknown
from zoo.base.typed import UnfitError, read
from zoo.cards import export_file, exported
from zoo.commands import inputs
from zoo.commands.inputs import VIDEOS, Failure, Inputs
from zoo.commands.options import OptionParser, predict_options, save_options, usage
from zoo.commands.outputs import Outputs
from zoo.commands.shards import count_of
from zoo.commands.terminal import parse_model
from zoo.engines import ENGINES
from zoo.hub import layout, locate
from zoo.pictures.images import SUFFIXES

USAGE = "zoo predict MODEL PICTURES... -o OUT"
CAMERA = "--camera"
CHAIN = "one panorama of pictures that follow each other"
DESCRIPTION = "Runs a model on pictures and writes its results, and a line for each picture into results.jsonl."
EPILOG = (
    "srun with several tasks: each predicts its share of the pictures, on a GPU of its own if there are some, and "
    "writes its lines into results-TASK-of-TASKS.jsonl."
)
OWN = (
    "engine",
    "device",
    "devices",
    "overwrite",
    "skip_existing",
    "bfloat16",
    "chain",
    "steady",
    "camera",
)  # options of the verb itself


@dataclass(frozen=True)
class Plan:
    """A command line that was read, and the pictures that it names.

    Args:
        name: the model's name.
        declared: its architecture.
        out: folder of the results.
        verb: options of the verb itself, by name.
        options: keyword arguments of ``predict``.
        saving: keyword arguments of the results' ``save``.
        work: pictures of each prediction, by the beginning of its results' names.
        failures: what is wrong with the inputs already.
    """

    name: str
    declared: Architecture
    out: Path
    verb: dict[str, Any]
    options: dict[str, Any]
    saving: dict[str, Any]
    work: dict[Path, Inputs]
    failures: list[Failure]

    @property
    def chain(self) -> bool:
        return bool(self.verb["chain"])

    def outputs(self) -> Outputs:
        return Outputs(self.out, self.work, self.declared.predictor, self.verb["overwrite"])

    def settings(self) -> str:
        """What decides the results beside the pictures."""
        options = {name: value for name, value in self.options.items() if name != "batch_size"}
        verb = [self.verb[name] for name in ("chain", "steady", "bfloat16")]
        return json.dumps([self.name, verb, options, self.saving], default=str)

    def noun(self) -> str:
        """What is predicted, in words."""
        if self.chain:
            return "panoramas"
        kinds = {paths[0].suffix.lower() in VIDEOS for paths in self.work.values()}
        if kinds == {True}:
            return "videos"
        count = len(self.declared.inputs)
        return {1: "pictures and videos" if True in kinds else "pictures", 2: "pairs"}.get(count, f"groups of {count}")


def read_plan(argv: list[str], say: Callable[[str], None]) -> Plan:
    """Reads a command line; help exits here.

    Args:
        argv: arguments after the verb.
        say: takes lines on what is left out.

    Raises:
        ZooError: an option, the model or the pictures are wrong.
    """
    declared, given = _parsed(argv)
    name, texts, output = given.pop("model"), given.pop("pictures"), given.pop("output")
    if not output:  # a variable of the shell that is not set
        raise ZooError("-o is empty; name a folder")
    verb = {option: given.pop(option, False) for option in OWN}
    verb["devices"] = count_of(verb["devices"])
    if verb["chain"] and verb["devices"] > 1:
        raise ZooError("--chain makes one result for all pictures; leave out --devices")
    failures = list[Failure]()
    saving = _saving(declared, given, verb["chain"])
    work = _work(name, declared, texts, Path(output), failures, verb["chain"], say)
    return Plan(name, declared, Path(output), verb, given, saving, work, failures)


@dataclass(frozen=True)
class Watch:
    """A command line on a camera that was read.

    Args:
        name: the model's name.
        declared: its architecture.
        number: the camera's number.
        output: path of a video to write; None: none was named.
        verb: options of the verb itself, by name.
        options: keyword arguments of ``predict``.
    """

    name: str
    declared: Architecture
    number: int
    output: Path | None
    verb: dict[str, Any]
    options: dict[str, Any]


def read_watch(argv: list[str]) -> Watch:
    """Reads a command line with ``--camera``; help exits here.

    Raises:
        ZooError: an option or the model is wrong.
    """
    declared, given = _parsed(argv)
    name, output = given.pop("model"), given.pop("output")
    verb = {option: given.pop(option, False) for option in OWN}
    try:
        number = read(Annotated[int, Interval(ge=0)], verb["camera"], words=True)
    except UnfitError:
        raise ZooError(f"{CAMERA} must be the number of a camera, from 0 on, not {verb['camera']!r}") from None
    needless = ["--skip-existing"] * verb["skip_existing"] + ["--devices"] * (verb["devices"] != "1")
    known = inspect.signature(import_object(declared.predictor).predict_frame).parameters
    for option in (*predict_options(declared), *save_options(declared)):
        if option.name not in known and given[option.name] != option.default:
            needless.append(option.flag)
    if needless:
        raise ZooError(f"{' '.join(needless)}: of no use with {CAMERA}; leave it out")
    return Watch(name, declared, number, _film(output, verb["overwrite"]), verb, given)


def _film(output: str | None, overwrite: bool) -> Path | None:
    """The path of a video to write."""
    if output is None:
        return None
    path = Path(output)
    if path.suffix.lower() != ".mp4" or path.is_dir():
        raise ZooError(f"-o {output}: with {CAMERA} name a file that ends in .mp4")
    if path.exists() and not overwrite:
        raise ZooError(f"{path} is there already; name another file with -o, or give --overwrite")
    return path


def say(text: str) -> None:
    print("zoo:", printable(text, keep="\n"), file=sys.stderr)  # noqa: T201


def _parsed(argv: list[str]) -> tuple[Architecture, dict[str, Any]]:
    """The architecture of the named model, and the parsed arguments; help exits here."""
    known, _ = parse_model(argv, USAGE, DESCRIPTION, _add_common)
    declared = _architecture(known.model, known.engine)
    if known.camera is not None and not declared.video:
        takes = f"{len(declared.inputs)} pictures" if len(declared.inputs) > 1 else "pictures only"
        raise ZooError(f"{known.model} takes {takes}; {CAMERA} is for models that take videos")
    parser = _parser(known.model, declared, camera=known.camera is not None)
    try:
        return declared, parser.parse(argv)
    except ZooError as error:
        lists = sorted(set(parser.many) & set(argv))
        if lists and " needs pictures" in str(error):
            raise ZooError(f"pictures are required; name them before {' and '.join(lists)}") from None
        if known.camera is not None and (needless := str(error).splitlines()[0].partition("unexpected argument ")[2]):
            raise ZooError(f"{CAMERA} predicts what a camera sees; leave out {needless}") from None
        raise


def _saving(declared: Architecture, given: dict[str, Any], chain: bool) -> dict[str, Any]:
    """Takes the options for saving out of all options; a chain's result has none."""
    options = save_options(declared)
    saving = {option.name: given.pop(option.name) for option in options}
    if chain and (needless := [option.flag for option in options if saving[option.name] != option.default]):
        raise ZooError(f"--chain makes one result for all pictures; leave out {' '.join(needless)}")
    return {} if chain else saving


def _work(
    name: str,
    declared: Architecture,
    texts: list[str],
    out: Path,
    failures: list[Failure],
    chain: bool,
    say: Callable[[str], None],
) -> dict[Path, Inputs]:
    """The pictures of each prediction by the name of its results."""
    suffixes = SUFFIXES | VIDEOS if declared.video else SUFFIXES
    if len(declared.inputs) == 1 or chain:
        found = inputs.pictures(texts, out, say, suffixes)
    else:
        otherwise = f"; --chain makes {CHAIN}" if declared.chain else ""
        found = inputs.groups(name, texts, declared.inputs, failures, otherwise)
    if chain and (paths := [path for _, (path,) in found]):
        found = iter([(Path("panorama"), tuple(paths))])
    work = dict(inputs.destinations(found))
    if not work and not failures:
        raise ZooError(f"no pictures in {shlex.join(texts)}")
    return work


def _add_common(parser: Any, required: bool = False) -> None:
    parser.add_argument("-o", "--output", metavar="OUT", required=required, help="folder for the results")
    told = "predict what camera N sees (0 is the first) in a window, or into -o FILE.mp4; for models that take videos"
    parser.add_argument(CAMERA, metavar="N", help=told)
    parser.add_argument("--engine", choices=ENGINES, help="engine of the network; by default torch, or the file's own")
    parser.add_argument("--device", help="device, such as cpu or cuda; by default the GPU if torch finds one")
    parser.add_argument("--overwrite", action="store_true", help="also replace files that this command did not make")
    told = "leave out pictures whose results an earlier run wrote with the same options"
    parser.add_argument("--skip-existing", action="store_true", help=told)
    told = "compute in bfloat16 where the device does natively: faster, and the results differ slightly"
    parser.add_argument("--bfloat16", action="store_true", help=told)
    told = "number of processes, one for each GPU, or all on the CPU (default: 1)"
    parser.add_argument("--devices", metavar="N", default="1", help=told)


def _parser(model: str, declared: Architecture, camera: bool) -> OptionParser:
    parser = OptionParser(
        f"zoo predict {model}", model, description=DESCRIPTION, epilog=EPILOG,
        usage=f"zoo predict {model} {usage(declared)} -o OUT [options]",
    )  # fmt: skip
    count = len(declared.inputs)
    kinds = (
        "files, folders (with their subfolders), patterns or .tar files"
        if count == 1
        else f"{count} files, or a .csv of files"
    )
    parser.add_argument("model", help=argparse.SUPPRESS)
    if not camera:
        parser.add_argument("pictures", nargs="+", type=str, help=kinds + ("; videos too" if declared.video else ""))
    _add_common(parser, required=not camera)
    if declared.chain:
        parser.add_argument("--chain", action="store_true", help=f"make {CHAIN}: files, folders or patterns")
    if declared.steady:
        told = "videos: move the strokes along with the picture, against flicker"
        parser.add_argument("--steady", action="store_true", help=told)
    parser.add_options(f"options of {model}", [*predict_options(declared), *save_options(declared)])
    return parser


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
