"""``zoo evaluate MODEL``: measures what a card claims and says whether it still holds."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shlex
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from zoo import load
from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.files import read_text
from zoo.base.paths import without_folders
from zoo.base.registry import Architecture, card_names, import_object
from zoo.base.text import first_line
from zoo.cards import exported, forms
from zoo.cards.card import read_card, refresh
from zoo.commands.options import OptionParser, evaluate_options, options_of
from zoo.commands.terminal import parse_model, table
from zoo.commands.verdict import HOLD, Verdict
from zoo.engines import ENGINES
from zoo.hub import layout, locate
from zoo.models.evaluation import Context, Results

if TYPE_CHECKING:
    from zoo.models.base import Model

PACKAGES = ("torch", "timm", "lightning", "numpy", "opencv-python-headless", "pillow")  # that figures may depend on
LONGEST = 100  # characters of a data set, at most
PACKAGE = Path(__file__).resolve().parents[1]
DESCRIPTION = """Measures what a card claims, and says whether it still holds. Exit code: 0 where every claim was
measured and holds, or was written; 1 where one does not hold; 3 where none is refuted, but not every one compared."""
Measure: TypeAlias = "Callable[[Model], Results]"


def main(argv: list[str]) -> int:
    """Prints claim, measurement and verdict a figure.

    Returns:
        0 where all claims were measured and hold, or were written; 1 where one does not hold; 3 where that is open.
    """
    options, given = parse_model(argv, "zoo evaluate MODEL", DESCRIPTION, _add_common)
    engine = exported.engine_of(options.model, options.engine)
    if options.write and engine != "torch":
        raise ZooError("--write is for what torch measures; figures of an export go into parity.json by zoo export")
    model = exported.model_of(options.model) if exported.is_file(options.model) else options.model
    source, card = locate.find(model), read_card(model)
    if options.write and source.foreign:
        raise ZooError(f"{source} cannot be written to; a copy of it can: zoo pull {options.model} --to FOLDER")
    if card.architecture is None:
        raise ZooError(f"{source}/config.json names no architecture: {card.config.get('architecture')!r}")
    with blaming(source):
        called = "" if any(word.startswith("--data.root") for word in given) else called_by(card.front.get("datasets"))
        device = options.device if engine == "torch" else "cpu"  # of the network
        measure = prepare(card.name, card.architecture, recipe_of(source), given, device, source, called)
        net = load(model, engine="torch", device=device)
        if engine != "torch":
            net.engine = load(options.model, engine=engine, device=options.device).engine
        measured = measure(net)
    verdict = Verdict(card.results, measured)
    _report(measured, verdict, engine)
    if not options.write:
        return verdict.code
    if lost := verdict.lost():
        whole = f"all that `{card.results.command}` did" if card.results.command else "all of the card"
        way_out = f"measure {whole}, or delete its results.json to begin anew"
        raise ZooError(f"{source}: not written, it would lose {lost}\n{way_out}")
    write(card.folder, measured, command(argv))
    print(f"Written: {card.folder / 'results.json'} and README.md")  # noqa: T201
    return HOLD


def _add_common(parser: Any) -> None:
    parser.add_argument("--write", action="store_true", help="put what was measured on the card")
    parser.add_argument("--engine", choices=ENGINES, help="what computes; by default torch, or what a file is made for")
    parser.add_argument("--device", default="cpu", help="where the network computes (default: cpu)")


@contextmanager
def blaming(source: locate.Source) -> Iterator[None]:
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
    called: str = "",
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
        called: name of data that are the author's own.

    Raises:
        ZooError: data or a device that cannot be found, or an argument that nothing takes.
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
    context = Context(recipe, lambda: _others(declared, name, device), called)
    evaluator = import_object(declared.evaluate)
    return _asking(own)(lambda net: evaluator(net, data, context, **arguments))


@contextmanager
def _asking(data: Mapping[str, Any]) -> Iterator[None]:
    """Says which options take the paths of a user where those of a recipe, which are another user's, lead nowhere."""
    try:
        yield
    except ZooError as error:
        missing = {key: path for key, path in data.items() if isinstance(path, Path) and not path.exists()}
        if not any(str(error).startswith(f"{path}: no such") for path in missing.values()):
            raise
        kind = "FOLDER" if "no such folder" in str(error) else "FILE"
        raise ZooError(f"{error}\npass yours: {' '.join(f'--data.{key} {kind}' for key in missing)}") from error


def called_by(datasets: Any) -> str:
    """The name of data that are an author's own: the first of a card's data sets, or none in what anyone may write."""
    first = datasets[0] if datasets and isinstance(datasets, (list, tuple)) else ""
    return first[:LONGEST] if isinstance(first, str) else ""


def recipe_of(source: locate.Source) -> dict[str, Any]:
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
    return {key: value for key, value in own.items() if key not in ("write", "engine", "device")}


def _others(declared: Architecture, name: str, device: str) -> dict[str, Model]:
    """Networks with the other weights of an architecture that are in this installation."""
    from zoo.cards import weights

    there = set(card_names())
    return {other: weights.load(other, device=device) for other in declared.weights if other != name and other in there}


def _report(measured: Results, verdict: Verdict, engine: str) -> None:
    """Prints the measured tables, claim, measurement and verdict a figure, and what these come to."""
    for each in measured.tables:
        print(f"{each.title}:\n{table([each.columns, *each.rows])}\n")  # noqa: T201
    print(table([["figure", "claim", "measured", ""], *(line.row() for line in verdict.lines)]))  # noqa: T201
    for name in verdict.differing:
        digest = measured.data_digest[name]
        print(f"note: the {name} data differ from those of the card (SHA-256 {digest[:12]}...)")  # noqa: T201
    if engine != "torch":
        print(f"note: computed by the engine {engine}, not by torch")  # noqa: T201
    print(verdict.summary())  # noqa: T201


def write(folder: Path, measured: Results, command: str) -> None:
    """Puts measured figures on a card, with the command, versions and commit that made them."""
    update: dict[str, Any] = {
        "command": command,
        "versions": {"zoo": __version__, "python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
        "commit": _commit(),
        "speed": measured.speed or read_card(folder).results.speed,  # a benchmark may have written it since
    }
    refresh(folder, dataclasses.replace(measured, **update))


def command(argv: list[str]) -> str:
    """The command as a card shows it, without the folders of this machine."""
    parts = [word.partition("=") if word.startswith("-") else ("", "", word) for word in argv]
    shown = without_folders([value for _, _, value in parts])
    words = [f"{key}{sign}{value}" for (key, sign, _), value in zip(parts, shown, strict=True)]
    return shlex.join(["zoo", "evaluate", *words]).encode(errors="replace").decode()  # names of files may be no text


def _commit() -> str:
    """The commit of the zoo's own checkout, and whether its code was changed since; the release where it has none."""
    try:
        _git("ls-files", "--error-unmatch", "__init__.py")  # a repository may hold an environment that the zoo is in
        changed = " + local changes" if _git("status", "--porcelain", ".") else ""
        return _git("rev-parse", "HEAD") + changed
    except (OSError, subprocess.CalledProcessError):
        return f"release {__version__}"


def _git(*words: str) -> str:
    """What git says of the repository that the zoo's package lies in, whichever one a caller's environment names."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(PACKAGE), *words]
    return subprocess.check_output(command, stderr=subprocess.DEVNULL, text=True, env=own).strip()  # noqa: S603
