"""``zoo evaluate NAME``: measures what a card claims and says whether it still holds."""

from __future__ import annotations

import inspect
import json
import platform
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser
from lightning.pytorch import LightningDataModule
from torch import nn

from zoo import __version__
from zoo.base.errors import ZooError
from zoo.base.files import read_text, replace
from zoo.base.paths import without_folders
from zoo.base.registry import architectures, import_object
from zoo.base.text import first_line
from zoo.cards import card as cards
from zoo.cards import weights
from zoo.cards.results import check_reach, check_recipe, parse_yaml
from zoo.commands.terminal import Parser, table
from zoo.hub import layout, locate

PACKAGES = ("torch", "timm", "lightning", "numpy", "opencv-python-headless", "pillow")  # that figures may depend on
OTHERS = "others"  # the argument of evaluators that measure further weights of the architecture, by their names
RECIPE = "recipe"  # the argument of those that have to know more of it than the data


def main(argv: list[str]) -> int:
    """Prints claim, measurement and verdict a figure.

    Returns:
        0, or 1 where a figure is out of its tolerance.
    """
    parser = Parser(
        prog="zoo evaluate",
        description="Measure what a card claims.",
        epilog="Some measurements take more: --real FOLDER, real pairs of pictures for homographynet; "
        "--vgg FILE, weights of VGG-16 for perceptual_sr, fast_style and neural_style; --style FILE, the picture that "
        "fast_style learnt from, --sizes and --iterations, such as '[256]' and '[50, 100]', to measure a part, "
        "--iterations '{256: [50, 500], 512: [50]}', to measure more of one size, and "
        "--reference FILE, which keeps what takes long.",
    )
    parser.add_argument("model", help="name of a model, or its folder")
    parser.add_argument("--write", action="store_true", help="put what was measured on the card")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data.KEY", dest="_", help="an argument of the card's data, such as --data.root FOLDER")
    options, rest = parser.parse_known_args(argv)
    source, card = locate.find(options.model), cards.read(options.model)
    if options.write and source.foreign:
        raise ZooError(f"{source} cannot be written to; a copy of it can: zoo pull {options.model} --to FOLDER")
    net = weights.load(options.model, device=options.device)
    measured = _measure(card, source, net, rest, options.device)
    holds = _report(card, measured)
    if options.write:
        write(card, measured, command(argv))
        print(f"Written: {card.folder / 'results.json'} and README.md")  # noqa: T201
        return 0
    return 0 if holds else 1


def prepare(
    architecture: str, recipe: Mapping[str, Any], given: list[str], name: str = "", device: str = "cpu"
) -> Callable[[nn.Module], dict[str, Any]]:
    """What measures a network, once its data were found.

    Args:
        architecture: name in the registry.
        recipe: says what data there are.
        given: further arguments of the command, for the data and the evaluator.
        name: of the card, which is not compared with itself.
        device: where the networks go that it is compared with.

    Raises:
        ZooError: data that cannot be found, or an argument that nothing takes.
    """
    evaluator = import_object(architectures()[architecture].evaluate)
    data, arguments = _arguments(recipe["data"], evaluator, given)
    taken = inspect.signature(evaluator).parameters
    if OTHERS in taken:
        arguments[OTHERS] = _others(architecture, name, device)
    if RECIPE in taken:
        arguments[RECIPE] = recipe
    return lambda net: evaluator(net, data, **arguments)


def _recipe(source: locate.Source, given: Sequence[str]) -> dict[str, Any]:
    """The recipe of a card, without what the command says otherwise.

    Only what came with the package may name files anywhere: of any other folder nobody can tell who wrote it.
    """
    if not source.has("recipe.yaml"):
        raise ZooError(f"{source} has no recipe.yaml, and so is no card. A run is measured by zoo test --weights")
    where = f"{source}/recipe.yaml"
    recipe = parse_yaml(read_text(source.file("recipe.yaml", layout.PROSE)), where)
    check_recipe(recipe, where)
    told = {word.partition("=")[0] for word in given}
    for section, option in (("data", "--data."), ("model", "--")):
        arguments = (recipe.get(section) or {}).get("init_args")
        if isinstance(arguments, dict):
            recipe[section]["init_args"] = {k: v for k, v in arguments.items() if f"{option}{k}" not in told}
    if not source.installed:
        check_reach(recipe, where)
    return recipe


def _measure(card: cards.Card, source: locate.Source, net: nn.Module, given: list[str], device: str) -> dict[str, Any]:
    """What the evaluator says; whatever it makes of a recipe that nobody of us wrote is no bug of ours."""
    try:
        recipe = _recipe(source, given)
        return prepare(card.config["architecture"], recipe, given, card.name, device)(net)
    except MemoryError:
        raise ZooError(f"{source}: to measure it needs more memory than there is") from None
    except Exception as error:
        if source.installed or isinstance(error, (ZooError, OSError)):
            raise
        said = f"{type(error).__name__}: {first_line(error):.200}"
        raise ZooError(f"{source}/recipe.yaml: cannot be measured by it: {said}") from error


def _arguments(
    section: Mapping[str, Any], evaluator: Callable[..., Any], given: list[str]
) -> tuple[Any, dict[str, Any]]:
    """The DataModule of a recipe's section, and what the evaluator takes beside network and data.

    The way the data are augmented does not matter here.
    """
    arguments = {k: v for k, v in section.get("init_args", {}).items() if k not in ("augment", "batch_size")}
    parser = ArgumentParser(exit_on_error=False)
    data_class = import_object(section["class_path"])
    if not (isinstance(data_class, type) and issubclass(data_class, LightningDataModule)):
        raise ZooError(f"data.class_path names no LightningDataModule: {section['class_path']}")
    parser.add_class_arguments(data_class, "data")
    parser.add_function_arguments(evaluator, skip={"net", "data", OTHERS, RECIPE})
    try:
        parsed = parser.parse_args(given, namespace=parser.parse_object({"data": arguments}, defaults=False))
    except ArgumentError as error:
        said, forms, _ = " ".join(str(error).split()).partition(" Does not validate against any")
        if forms:  # what follows names types
            raise ZooError(
                f"{said} its value has none of the forms that it may have\nsee zoo evaluate --help"
            ) from None
        raise ZooError(f"{said}\narguments of the data are --data.KEY VALUE") from None
    own = parsed.as_dict()
    data = data_class(**own.pop("data"))
    data.prepare_data()
    return data, own


def _others(architecture: str, name: str, device: str) -> dict[str, nn.Module]:
    """Networks with the other weights of an architecture that are in this installation."""
    declared = architectures()[architecture].weights
    return {other: weights.load(other, device=device) for other in declared if other != name and cards.names(other)}


def _report(card: cards.Card, measured: dict[str, Any]) -> bool:
    """Prints the measured tables, and claim, measurement and verdict a figure."""
    for each in measured.get("tables", []):
        print(f"{each['title']}:\n{table([each['columns'], *each['rows']])}\n")  # noqa: T201
    claims = {_name(figure): figure for figure in card.figures}
    rows: list[list[str | float | None]] = [["figure", "claim", "measured", ""]]
    holds = True
    for figure in measured["figures"]:
        name, value = _name(figure), figure["value"]
        claim = claims.pop(name, None)
        if claim is None:
            rows.append([name, None, value, "not on the card yet"])
            continue
        good = abs(value - claim["value"]) <= claim["tolerance"]
        holds &= good
        rows.append([name, claim["value"], value, "holds" if good else f"OUT of ±{claim['tolerance']}"])
    rows += [[name, claim["value"], None, "not measured"] for name, claim in claims.items()]
    print(table(rows))  # noqa: T201
    digests = card.results.get("data_digest", {})
    for split, digest in measured["data_digest"].items():
        if digests.get(split, digest) != digest:
            print(f"note: the {split} data differ from those of the card (SHA-256 {digest[:12]}...)")  # noqa: T201
    return holds


def _name(figure: Mapping[str, Any]) -> str:
    return f"{figure['data']} {figure['split']} {figure['metric']}"


def write(card: cards.Card, measured: dict[str, Any], command: str) -> None:
    """Puts measured figures on the card, with the command, versions and commit that made them."""
    provenance = {
        "command": command,
        "versions": {"zoo": __version__, "python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
        "commit": _commit(card.folder),
    }
    results = {**card.results, **measured, **provenance}
    replace(card.folder / "results.json", json.dumps(results, indent=2) + "\n")
    cards.write(card.folder)


def command(argv: list[str]) -> str:
    """The command as a card shows it, without the folders of this machine."""
    words = []
    for word in argv:
        key, sign, value = word.partition("=") if word.startswith("-") else ("", "", word)
        words.append(f"{key}{sign}{without_folders(value)}")
    return shlex.join(["zoo", "evaluate", *words])


def _commit(folder: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return f"release {__version__}"
    return done.stdout.strip()
