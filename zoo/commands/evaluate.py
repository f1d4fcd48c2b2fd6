"""``zoo evaluate MODEL``: measures what a card claims and says whether it still holds."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as replaced
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.files import read_text, replace
from zoo.base.paths import without_folders
from zoo.base.registry import Architecture, card_names, import_object
from zoo.base.text import first_line
from zoo.cards import forms
from zoo.cards.card import Card, read_card, refresh
from zoo.commands.options import OptionParser, evaluate_options, options_of
from zoo.commands.terminal import Parser, table
from zoo.hub import layout, locate
from zoo.models.evaluation import Context, Results

if TYPE_CHECKING:
    from zoo.models.base import Model

PACKAGES = ("torch", "timm", "lightning", "numpy", "opencv-python-headless", "pillow")  # that figures may depend on
DESCRIPTION = "Measures what a card claims, and says whether it still holds."
Measure: TypeAlias = "Callable[[Model], Results]"


def main(argv: list[str]) -> int:
    """Prints claim, measurement and verdict a figure.

    Returns:
        0, or 1 where a figure is out of its tolerance.
    """
    parser = _common_parser(add_help=False)
    options, rest = parser.parse_known_args(argv)
    if options.model is None:
        _common_parser().parse_args(argv)  # help ends here
        raise ZooError("which model? zoo evaluate MODEL; zoo list says which there are")
    source, card = locate.find(options.model), read_card(options.model)
    if options.write and source.foreign:
        raise ZooError(f"{source} cannot be written to; a copy of it can: zoo pull {options.model} --to FOLDER")
    measure = _ready(card, source, rest, options)
    from zoo.cards import weights  # torch takes seconds to import

    measured = _measured(measure, source, weights.load(options.model, device=options.device))
    holds = _report(card, measured)
    if options.write:
        write(card, measured, command(argv))
        print(f"Written: {card.folder / 'results.json'} and README.md")  # noqa: T201
        return 0
    return 0 if holds else 1


def _common_parser(**settings: Any) -> Parser:
    parser = Parser(
        prog="zoo evaluate", usage="zoo evaluate MODEL [options]", description=DESCRIPTION, allow_abbrev=False,
        epilog="zoo evaluate MODEL --help lists the options of that model and of its data.", **settings,
    )  # fmt: skip
    parser.add_argument("model", nargs="?", help="a model's or an architecture's name, a folder, or USER/NAME")
    _add_common(parser)
    return parser


def _add_common(parser: Any) -> None:
    parser.add_argument("--write", action="store_true", help="put what was measured on the card")
    parser.add_argument("--device", default="cpu", help="where the network computes (default: cpu)")


def prepare(
    name: str, declared: Architecture, recipe: Mapping[str, Any], given: Sequence[str], device: str = "cpu"
) -> Measure:
    """What measures a network, once its data were found.

    Args:
        name: of the card, which is not compared with itself.
        declared: its architecture.
        recipe: says what data there are.
        given: further arguments of the command, for the data and the evaluator.
        device: where the networks go that it is compared with.

    Raises:
        ZooError: data that cannot be found, or an argument that nothing takes.
    """
    data, arguments = _arguments(name, declared, recipe["data"], given)
    context = Context(recipe, lambda: _others(declared, name, device))
    evaluator = import_object(declared.evaluate)
    return lambda net: evaluator(net, data, context, **arguments)


def _ready(card: Card, source: locate.Source, given: list[str], options: Any) -> Measure:
    """:func:`prepare` for a card; ``--help`` ends here."""
    if card.architecture is None:
        raise ZooError(f"{source}/config.json names no architecture: {card.config.get('architecture')!r}")
    try:
        recipe = _recipe(source, given)
        return prepare(card.name, card.architecture, recipe, given, options.device)
    except Exception as error:
        raise _blamed(error, source) from error


def _measured(measure: Measure, source: locate.Source, net: Model) -> Results:
    try:
        return measure(net)
    except Exception as error:
        raise _blamed(error, source) from error


def _blamed(error: Exception, source: locate.Source) -> Exception:
    """The error to raise: whatever is made of a recipe that nobody of us wrote is no bug of ours."""
    if isinstance(error, MemoryError):
        return ZooError(f"{source}: to measure it needs more memory than there is")
    if source.installed or isinstance(error, (ZooError, OSError)):
        return error
    said = f"{type(error).__name__}: {first_line(error):.200}"
    return ZooError(f"{source}/recipe.yaml: cannot be measured by it: {said}")


def _recipe(source: locate.Source, given: Sequence[str]) -> dict[str, Any]:
    """The recipe of a card, without what the command says otherwise and what matters to training only.

    Only what came with the package may name files anywhere: of any other folder nobody can tell who wrote it.
    """
    if not source.has("recipe.yaml"):
        raise ZooError(f"not a card: {source} has no recipe.yaml. A run is measured by zoo test --weights")
    where = f"{source}/recipe.yaml"
    recipe = forms.parse_yaml(read_text(source.file("recipe.yaml", layout.PROSE)), where)
    forms.check(forms.Recipe, recipe, where)
    data_class = _data_class(recipe["data"])
    told = {word.partition("=")[0] for word in given}
    for section, option in (("data", "--data."), ("model", "--")):
        arguments = (recipe.get(section) or {}).get("init_args")
        if isinstance(arguments, dict):
            recipe[section]["init_args"] = {k: v for k, v in arguments.items() if f"{option}{k}" not in told}
    data = recipe["data"]
    unneeded = getattr(data_class, "training_only", ())
    data["init_args"] = {k: v for k, v in data.get("init_args", {}).items() if k not in unneeded}
    if not source.installed:
        forms.check_reach(recipe, getattr(data_class, "sizes", ()), where)
    return recipe


def _data_class(section: Mapping[str, Any]) -> type[Any]:
    """The LightningDataModule that a recipe names."""
    from lightning.pytorch import LightningDataModule

    found = import_object(section["class_path"])
    if not (isinstance(found, type) and issubclass(found, LightningDataModule)):
        raise ZooError(f"data.class_path names no LightningDataModule: {section['class_path']}")
    return found


def _arguments(
    name: str, declared: Architecture, section: Mapping[str, Any], given: Sequence[str]
) -> tuple[Any, dict[str, Any]]:
    """The DataModule of a recipe's section, and what the evaluator takes beside network, data and context."""
    data_class = _data_class(section)
    unneeded = set(getattr(data_class, "training_only", ()))
    parser = OptionParser(f"zoo evaluate {name}", name, description=DESCRIPTION, usage=f"zoo evaluate {name} [options]")
    _add_common(parser)
    parser.add_options(f"options of {name}", evaluate_options(declared))
    known = {key: value for key, value in section.get("init_args", {}).items() if key not in unneeded}
    options = options_of(data_class, unneeded, "data")
    shown = [replaced(option, default=known.get(option.name, option.default)) for option in options]
    parser.add_options(f"data of {name}: {data_class.__name__}", shown)
    own = parser.parse([*(f"--data.{key}={_word(value)}" for key, value in known.items()), *given])
    data = data_class(**own.pop("data", {}))
    data.prepare_data()
    return data, {key: value for key, value in own.items() if key not in ("write", "device")}


def _word(value: Any) -> str:
    """A value of a recipe as a command would give it."""
    return value if isinstance(value, str) else json.dumps(value)


def _others(declared: Architecture, name: str, device: str) -> dict[str, Model]:
    """Networks with the other weights of an architecture that are in this installation."""
    from zoo.cards import weights

    there = set(card_names())
    return {other: weights.load(other, device=device) for other in declared.weights if other != name and other in there}


def _report(card: Card, measured: Results) -> bool:
    """Prints the measured tables, and claim, measurement and verdict a figure."""
    for each in measured.tables:
        print(f"{each.title}:\n{table([each.columns, *each.rows])}\n")  # noqa: T201
    claims = {figure.key: figure for figure in card.figures}
    rows: list[list[str | float | None]] = [["figure", "claim", "measured", ""]]
    holds = True
    for figure in measured.figures:
        name = f"{figure.where} {figure.split} {figure.metric}"
        claim = claims.pop(figure.key, None)
        if claim is None:
            rows.append([name, None, figure.value, "not on the card yet"])
            continue
        good = abs(figure.value - claim.value) <= claim.tolerance
        holds &= good
        rows.append([name, claim.value, figure.value, "holds" if good else f"OUT of ±{claim.tolerance}"])
    rows += [[f"{c.where} {c.split} {c.metric}", c.value, None, "not measured"] for c in claims.values()]
    print(table(rows))  # noqa: T201
    for split, digest in measured.data_digest.items():
        if card.results.data_digest.get(split, digest) != digest:
            print(f"note: the {split} data differ from those of the card (SHA-256 {digest[:12]}...)")  # noqa: T201
    return holds


def write(card: Card, measured: Results, command: str) -> None:
    """Puts measured figures on the card, with the command, versions and commit that made them."""
    update = {
        "command": command,
        "versions": {"zoo": __version__, "python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
        "commit": _commit(card.folder),
        "speed": measured.speed or card.results.speed,
    }
    results = measured.model_copy(update=update)
    replace(card.folder / "results.json", results.model_dump_json(indent=2) + "\n")
    refresh(card.folder)


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
