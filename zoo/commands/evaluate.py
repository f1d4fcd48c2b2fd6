"""``zoo evaluate MODEL``: measures what a card claims and says whether it still holds."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from zoo import load
from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.files import read_text
from zoo.base.packages import versions
from zoo.base.paths import without_folders
from zoo.base.registry import Architecture, card_names, import_object
from zoo.base.text import first_line
from zoo.cards import exported, forms
from zoo.cards.card import read_card, refresh
from zoo.commands import several, shards
from zoo.commands.devices import chosen_device
from zoo.commands.options import OptionParser, evaluate_options, options_of
from zoo.commands.terminal import parse_model
from zoo.commands.verdict import HOLD, Verdict
from zoo.engines import ENGINES
from zoo.hub import layout, locate
from zoo.models.evaluation import Context, Each, Figure, Results

if TYPE_CHECKING:
    from zoo.models.base import Model

PACKAGES = ("torch", "timm", "lightning", "numpy", "opencv-python-headless", "pillow")  # figures depend on them
MAX_NAME = 100  # characters of a data set's name, at most
PACKAGE = Path(__file__).resolve().parents[1]
DESCRIPTION = """Measures the figures that a card claims, and says whether they still hold. Exit code: 0 if every claim
was measured and holds, or was written; 1 if one does not hold; 3 if none is refuted, but not all were compared."""
Measure: TypeAlias = "Callable[[Model], Results]"


def main(argv: list[str]) -> int:
    """Prints claim, measurement and verdict of each figure.

    Returns:
        0 if all claims were measured and hold, or were written; 1 if a claim does not hold; 3 if neither is known.
    """
    options, given = parsed(argv)
    engine, devices = exported.engine_of(options.model, options.engine), shards.count_of(options.devices)
    if options.write and engine != "torch":
        raise ZooError("--write needs the engine torch; zoo export writes the figures of an export into parity.json")
    if devices > 1 and engine != "torch":
        raise ZooError(f"--devices {devices} needs the engine torch, not {engine}")
    model = exported.model_of(options.model) if exported.is_file(options.model) else options.model
    source, card = locate.find(model), read_card(model)
    if options.write and source.foreign:
        raise ZooError(f"{source} cannot be written to; write to a copy: zoo pull {options.model} --to FOLDER")
    if card.architecture is None:
        raise ZooError(f"{source}/config.json names no architecture: {card.config.get('architecture')!r}")
    chosen = chosen_device(options.device, engine)
    each = several.each_of(serve, argv, card.architecture, devices, chosen) if devices > 1 else map
    measured = measured_on(options.model, given, engine, chosen, each)
    verdict = Verdict(card.results, measured)
    print(verdict.report(engine))  # noqa: T201
    if not options.write:
        return verdict.code
    if lost := verdict.lost():
        whole = f"all that `{card.results.command}` measured" if card.results.command else "the whole card"
        way_out = f"measure {whole}, or delete its results.json to start over"
        raise ZooError(f"{source}: not written, the card would lose {lost}\n{way_out}")
    write(card.folder, measured, command(argv))
    print(f"Written: {card.folder / 'results.json'} and README.md")  # noqa: T201
    return HOLD


def parsed(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The common options, and the further arguments for the data and the evaluator."""
    return parse_model(argv, "zoo evaluate MODEL", DESCRIPTION, _add_common)


def measured_on(name: str, given: Sequence[str], engine: str, device: str, each: Each = map) -> Results:
    """Measures a card, or an export of one.

    Args:
        name: the card, or the file.
        given: further arguments of the command.
        engine: what computes.
        device: device of the engine.
        each: applies a function to items, as of :class:`zoo.models.evaluation.Context`.

    Raises:
        ZooError: the data or the device cannot be found, or nothing takes an argument.
    """
    model = exported.model_of(name) if exported.is_file(name) else name
    source, card = locate.find(model), read_card(model)
    assert card.architecture is not None
    with blaming(source):
        called = "" if any(word.startswith("--data.root") for word in given) else called_by(card.front.get("datasets"))
        place = device if engine == "torch" else "cpu"  # device of the network
        measure = prepare(card.name, card.architecture, recipe_of(source), given, place, source, called, each)
        net = load(model, engine="torch", device=place)
        if engine != "torch":
            net.engine = load(name, engine=engine, device=device).engine
        return measure(net)


def serve(argv: list[str], device: str, *share: int) -> Iterator[Any]:
    """What one of several processes measures on its device; see :func:`zoo.commands.several.part`."""
    options, given = parsed(argv)
    return several.part(lambda each: measured_on(options.model, given, "torch", device, each), *share)


def _add_common(parser: Any) -> None:
    parser.add_argument("--write", action="store_true", help="write the measured figures to the card")
    parser.add_argument("--engine", choices=ENGINES, help="engine of the network; by default torch, or the file's own")
    parser.add_argument("--device", help="device, such as cpu or cuda; by default the GPU if torch finds one")
    told = "number of processes, one for each GPU, or all on the CPU (default: 1)"
    parser.add_argument("--devices", metavar="N", default="1", help=told)


@contextmanager
def blaming(source: locate.Source) -> Iterator[None]:
    """Blames the recipe for an error: an error from somebody else's recipe is not a bug of the zoo."""
    try:
        yield
    except MemoryError as error:
        raise ZooError(f"{source}: not enough memory to measure it") from error
    except Exception as error:
        if source.installed or isinstance(error, (ZooError, OSError)):
            raise
        said = f"{type(error).__name__}: {first_line(error):.200}"
        raise ZooError(f"{source}/recipe.yaml: cannot be measured by this recipe: {said}") from error


def prepare(
    name: str,
    declared: Architecture,
    recipe: Mapping[str, Any],
    given: Sequence[str],
    device: str = "cpu",
    source: locate.Source | None = None,
    called: str = "",
    each: Each = map,
) -> Measure:
    """Finds the data, and returns the function that measures a network on them.

    Args:
        name: name of the card, which is not compared with itself.
        declared: architecture of the card.
        recipe: recipe that names the data.
        given: further arguments of the command, for the data and the evaluator.
        device: device of the networks to compare with.
        source: source of the recipe, if the recipe is not the user's own. Only a recipe from an installed package may
            name files anywhere: nobody can tell who wrote any other folder.
        called: name of the author's own data.
        each: applies a function to items.

    Raises:
        ZooError: the data or the device cannot be found, or nothing takes an argument.
    """
    from lightning.pytorch import LightningDataModule

    from zoo.nn.device import usable_device

    usable_device(device)
    data_class = import_object(path := recipe["data"]["class_path"])
    if not (isinstance(data_class, type) and issubclass(data_class, LightningDataModule)):
        raise ZooError(f"data.class_path names no LightningDataModule: {path}")
    recipe = _needed(recipe, given, getattr(data_class, "training_only", ()))
    arguments = _arguments(name, declared, data_class, recipe["data"]["init_args"], given)
    own = {key: value for key, value in arguments["data"].items() if key in recipe["data"]["init_args"]}
    if source and not source.installed:
        forms.check_reach(recipe, own, getattr(data_class, "sizes", ()), f"{source}/recipe.yaml")
    with _asking(own):
        data = data_class(**arguments.pop("data"))
        data.prepare_data()
    context = Context(recipe, lambda: _others(declared, name, device), called, each)
    evaluator = import_object(declared.evaluate)
    return _asking(own)(lambda net: evaluator(net, data, context, **arguments))


@contextmanager
def _asking(data: Mapping[str, Any]) -> Iterator[None]:
    """Names the options for the user's own paths if the recipe's paths, which are another user's, do not exist."""
    try:
        yield
    except ZooError as error:
        missing = {key: path for key, path in data.items() if isinstance(path, Path) and not path.exists()}
        if not any(str(error).startswith(f"{path}: no such") for path in missing.values()):
            raise
        kind = "FOLDER" if "no such folder" in str(error) else "FILE"
        raise ZooError(
            f"{first_line(error)}\npass yours: {' '.join(f'--data.{key} {kind}' for key in missing)}"
        ) from error


def called_by(datasets: Any) -> str:
    """The name of an author's own data: a card's first data set; empty if the field, free to write, holds no name."""
    first = datasets[0] if datasets and isinstance(datasets, (list, tuple)) else ""
    return first[:MAX_NAME] if isinstance(first, str) else ""


def recipe_of(source: locate.Source) -> dict[str, Any]:
    """The recipe of a card."""
    if not source.has("recipe.yaml"):
        raise ZooError(f"not a card: {source} has no recipe.yaml. Measure a run with zoo test --weights")
    where = f"{source}/recipe.yaml"
    recipe = forms.parse_yaml(read_text(source.file("recipe.yaml", layout.PROSE)), where)
    forms.check(forms.Recipe, recipe, where)
    return recipe


def _needed(recipe: Mapping[str, Any], given: Sequence[str], unneeded: Collection[str]) -> dict[str, Any]:
    """A recipe without the arguments that the command overrides, and without the data's arguments for training only."""
    needed, told = dict(recipe), {word.partition("=")[0] for word in given}
    for section, option, others in (("data", "--data.", unneeded), ("model", "--", ())):
        arguments = (recipe.get(section) or {}).get("init_args") or {}
        if recipe.get(section) and isinstance(arguments, dict):
            kept = {k: v for k, v in arguments.items() if f"{option}{k}" not in told and k not in others}
            needed[section] = {**recipe[section], "init_args": kept}
    return needed


def _arguments(
    name: str, declared: Architecture, data_class: type[Any], known: Mapping[str, Any], given: Sequence[str]
) -> dict[str, Any]:
    """The evaluator's arguments besides network, data and context; under "data", the arguments of the data."""
    parser = OptionParser(f"zoo evaluate {name}", name, description=DESCRIPTION, usage=f"zoo evaluate {name} [options]")
    _add_common(parser)
    parser.add_options(f"options of {name}", evaluate_options(declared))
    options = options_of(data_class, getattr(data_class, "training_only", ()), "data")
    parser.add_options(f"data of {name}: {data_class.__name__}", options, known)
    words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in known.items()}
    own = parser.parse([*(f"--data.{key}={word}" for key, word in words.items()), *given])
    return {key: value for key, value in own.items() if key not in ("write", "engine", "device", "devices")}


def _others(declared: Architecture, name: str, device: str) -> dict[str, Model]:
    """Networks with the other weights of an architecture that are in this installation."""
    from zoo.cards import weights

    there = set(card_names())
    return {other: weights.load(other, device=device) for other in declared.weights if other != name and other in there}


def write(folder: Path, measured: Results, command: str) -> None:
    """Puts measured figures on a card, with the command, versions and commit that made them."""
    before = read_card(folder).results
    update: dict[str, Any] = {
        "figures": [_with_seeds(figure, measured, before) for figure in measured.figures],
        "command": command,
        "versions": versions(PACKAGES),
        "commit": _commit(),
        "speed": measured.speed or before.speed,  # a benchmark may have written it since
    }
    refresh(folder, dataclasses.replace(measured, **update))


def _with_seeds(figure: Figure, measured: Results, before: Results) -> Figure:
    """A figure with the spread of seeds that the card tells already, if it was measured on the same data."""
    known = next((each.seeds for each in before.figures if each.key == figure.key and each.data == figure.data), None)
    same = measured.data_digest == before.data_digest
    return dataclasses.replace(figure, seeds=known) if known and same and not figure.seeds else figure


def command(argv: list[str]) -> str:
    """The command as a card shows it, without the folders of this machine."""
    parts = [word.partition("=") if word.startswith("-") else ("", "", word) for word in argv]
    shown = without_folders([value for _, _, value in parts])
    words = [f"{key}{sign}{value}" for (key, sign, _), value in zip(parts, shown, strict=True)]
    return shlex.join(["zoo", "evaluate", *words]).encode(errors="replace").decode()  # file names need not be UTF-8


def _commit() -> str:
    """The commit of the zoo's own checkout, and whether its code was changed since; the release if there is none."""
    try:
        _git("ls-files", "--error-unmatch", "__init__.py")  # a repository may hold an environment that the zoo is in
        changed = " + local changes" if _git("status", "--porcelain", ".") else ""
        return _git("rev-parse", "HEAD") + changed
    except (OSError, subprocess.CalledProcessError):
        return f"release {__version__}"


def _git(*words: str) -> str:
    """Git's answer about the repository of the zoo's package, whatever repository the caller's environment names."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(PACKAGE), *words]
    return subprocess.check_output(command, stderr=subprocess.DEVNULL, text=True, env=own).strip()  # noqa: S603
