"""``zoo evaluate MODEL``: measures what a card claims and says whether it still holds."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from zoo.commands.terminal import parse_model, table
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
    options, given = parse_model(argv, "zoo evaluate MODEL", DESCRIPTION, _add_common)
    source, card = locate.find(options.model), read_card(options.model)
    if options.write and source.foreign:
        raise ZooError(f"{source} cannot be written to; a copy of it can: zoo pull {options.model} --to FOLDER")
    if card.architecture is None:
        raise ZooError(f"{source}/config.json names no architecture: {card.config.get('architecture')!r}")
    with _blaming(source):
        measure = prepare(card.name, card.architecture, _recipe(source), given, options.device, source)
        from zoo.cards import weights  # torch takes seconds to import

        measured = measure(weights.load(options.model, device=options.device))
    holds = _report(card, measured)
    if options.write:
        write(card, measured, command(argv))
        print(f"Written: {card.folder / 'results.json'} and README.md")  # noqa: T201
    return 0 if holds or options.write else 1


def _add_common(parser: Any) -> None:
    parser.add_argument("--write", action="store_true", help="put what was measured on the card")
    parser.add_argument("--device", default="cpu", help="where the network computes (default: cpu)")


@contextmanager
def _blaming(source: locate.Source) -> Iterator[None]:
    """Blames the recipe for an error: whatever is made of one that nobody of us wrote is no bug of ours."""
    try:
        yield
    except MemoryError as error:
        raise ZooError(f"{source}: to measure it needs more memory than there is") from error
    except Exception as error:
        if source.installed or isinstance(error, (ZooError, OSError)):
            raise
        said = f"{type(error).__name__}: {first_line(error):.200}"
        raise ZooError(f"{source}/recipe.yaml: cannot be measured by it: {said}") from error


def prepare(
    name: str,
    declared: Architecture,
    recipe: Mapping[str, Any],
    given: Sequence[str],
    device: str = "cpu",
    source: locate.Source | None = None,
) -> Measure:
    """What measures a network, once its data were found.

    Args:
        name: of the card, which is not compared with itself.
        declared: its architecture.
        recipe: says what data there are.
        given: further arguments of the command, for the data and the evaluator.
        device: where the networks go that it is compared with.
        source: of the recipe, if it is not the user's own. Only one that came with a package may name files anywhere:
            of any other folder nobody can tell who wrote it.

    Raises:
        ZooError: data that cannot be found, or an argument that nothing takes.
    """
    from lightning.pytorch import LightningDataModule

    data_class = import_object(path := recipe["data"]["class_path"])
    if not (isinstance(data_class, type) and issubclass(data_class, LightningDataModule)):
        raise ZooError(f"data.class_path names no LightningDataModule: {path}")
    recipe = _needed(recipe, given, getattr(data_class, "training_only", ()))
    arguments = _arguments(name, declared, data_class, recipe["data"]["init_args"], given)
    if source and not source.installed:
        own = {key: value for key, value in arguments["data"].items() if key in recipe["data"]["init_args"]}
        forms.check_reach(recipe, own, getattr(data_class, "sizes", ()), f"{source}/recipe.yaml")
    data = data_class(**arguments.pop("data"))
    data.prepare_data()
    context = Context(recipe, lambda: _others(declared, name, device))
    evaluator = import_object(declared.evaluate)
    return lambda net: evaluator(net, data, context, **arguments)


def _recipe(source: locate.Source) -> dict[str, Any]:
    """The recipe of a card."""
    if not source.has("recipe.yaml"):
        raise ZooError(f"not a card: {source} has no recipe.yaml. A run is measured by zoo test --weights")
    where = f"{source}/recipe.yaml"
    recipe = forms.parse_yaml(read_text(source.file("recipe.yaml", layout.PROSE)), where)
    forms.check(forms.Recipe, recipe, where)
    return recipe


def _needed(recipe: Mapping[str, Any], given: Sequence[str], unneeded: Collection[str]) -> dict[str, Any]:
    """A recipe without what the command says otherwise, and without what of the data matters to training only."""
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
    """What the evaluator takes beside network, data and context, and under "data" what these are made of."""
    parser = OptionParser(f"zoo evaluate {name}", name, description=DESCRIPTION, usage=f"zoo evaluate {name} [options]")
    _add_common(parser)
    parser.add_options(f"options of {name}", evaluate_options(declared))
    options = options_of(data_class, getattr(data_class, "training_only", ()), "data")
    parser.add_options(f"data of {name}: {data_class.__name__}", options, known)
    words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in known.items()}
    own = parser.parse([*(f"--data.{key}={word}" for key, word in words.items()), *given])
    return {key: value for key, value in own.items() if key not in ("write", "device")}


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
    replace(card.folder / "results.json", results.model_dump_json(indent=2, exclude_defaults=True) + "\n")
    refresh(card.folder)


def command(argv: list[str]) -> str:
    """The command as a card shows it, without the folders of this machine."""
    words = []
    for word in argv:
        key, sign, value = word.partition("=") if word.startswith("-") else ("", "", word)
        words.append(f"{key}{sign}{without_folders(value)}")
    return shlex.join(["zoo", "evaluate", *words])


def _commit(folder: Path) -> str:
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        return subprocess.check_output(command, stderr=subprocess.DEVNULL, text=True).strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return f"release {__version__}"
