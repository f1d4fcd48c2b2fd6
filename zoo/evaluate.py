"""``zoo evaluate NAME``: measures what a card claims and says whether it still holds."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from zoo import __version__, cards, weights
from zoo.arguments import Parser
from zoo.errors import ZooError
from zoo.files import replace
from zoo.registry import architectures, import_object

PACKAGES = ("torch", "timm", "lightning", "numpy")


def main(argv: list[str]) -> int:
    """Prints claim, measurement and verdict a figure.

    Returns:
        0, or 1 where a figure is out of its tolerance.
    """
    parser = Parser(prog="zoo evaluate", description="Measure what a card claims.")
    parser.add_argument("model", help="name of a model, or its folder")
    parser.add_argument("--write", action="store_true", help="put what was measured on the card")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data.KEY", dest="_", help="an argument of the card's data, such as --data.root FOLDER")
    options, rest = parser.parse_known_args(argv)
    card = cards.read(options.model)
    data = _data(card, rest)
    net = weights.load(card.folder, device=options.device)
    evaluator = import_object(architectures()[card.config["architecture"]].evaluate)
    measured = evaluator(net, data)
    holds = _report(card, measured)
    if options.write:
        write(card, measured, command=shlex.join(["zoo", "evaluate", *_portable(argv)]))
        return 0
    return 0 if holds else 1


def _data(card: cards.Card, overrides: list[str]) -> Any:
    """The DataModule of the card's recipe; the way it is augmented does not matter here."""
    recipe = card.folder / "recipe.yaml"
    if not recipe.is_file():
        raise ZooError(f"{recipe}: no such file; without it this is no card. A run is measured by zoo test --weights")
    section = yaml.safe_load(recipe.read_text(encoding="utf-8"))["data"]
    arguments = {k: v for k, v in section.get("init_args", {}).items() if k not in ("augment", "batch_size")}
    parser = ArgumentParser(exit_on_error=False)
    data_class = import_object(section["class_path"])
    parser.add_class_arguments(data_class, "data")
    try:
        given = parser.parse_args(overrides, namespace=parser.parse_object({"data": arguments}, defaults=False))
    except ArgumentError as error:
        raise ZooError(f"{' '.join(str(error).split())}\narguments of the data are --data.KEY VALUE") from None
    data = data_class(**given.data.as_dict())
    data.prepare_data()
    return data


def _report(card: cards.Card, measured: dict[str, Any]) -> bool:
    claims = {(f["metric"], f["data"], f["split"]): f for f in card.figures}
    digests = card.results.get("data_digest", {})
    holds = True
    for figure in measured["figures"]:
        claim = claims.get((figure["metric"], figure["data"], figure["split"]))
        name = f"{figure['data']} {figure['split']} {figure['metric']}"
        if claim is None:
            print(f"{name:<34} {'-':>8} {figure['value']:8.4f}  not on the card yet")  # noqa: T201
            continue
        good = abs(figure["value"] - claim["value"]) <= claim["tolerance"]
        holds &= good
        verdict = "holds" if good else f"OUT of ±{claim['tolerance']}"
        print(f"{name:<34} {claim['value']:8.4f} {figure['value']:8.4f}  {verdict}")  # noqa: T201
    for split, digest in measured["data_digest"].items():
        if digests.get(split, digest) != digest:
            print(f"note: the {split} data differ from those of the card (SHA-256 {digest[:12]}...)")  # noqa: T201
    return holds


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
    print(f"Written: {card.folder / 'results.json'} and README.md")  # noqa: T201


def _portable(argv: list[str]) -> list[str]:
    """The command without the folders of this machine."""
    return [Path(word).name if Path(word).is_absolute() else word for word in argv]


def _commit(folder: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return f"release {__version__}"
    return done.stdout.strip()
