"""Cards: what a model's folder says about it, and the tables in its README that are made from its results.

A card is a folder with ``README.md``, ``config.json``, ``results.json``, ``recipe.yaml`` and weights. Its prose is
written by a person; its figures come from ``results.json``, which ``zoo evaluate --write`` measures.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from zoo.base.errors import ZooError
from zoo.base.files import read_json, read_text, replace, sha256_of
from zoo.base.registry import Architecture, architectures, card_names
from zoo.base.text import cell_text
from zoo.cards import leaderboard
from zoo.cards.forms import Config, check, parse_yaml
from zoo.hub import layout, locate
from zoo.models.evaluation import Figure, Results

FIELDS = {  # that a card must have
    "config.json": ("architecture", "arguments", "zoo_version", "weights", "recipe", "data", "input"),
    "results.json": ("figures", "parameters", "macs", "command", "versions", "data_digest", "commit"),
    "README.md": ("license", "data_license", "tags", "datasets", "library_name", "pipeline_tag", "model-index"),
}
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@dataclass(frozen=True)
class Card:
    """A model's folder as read.

    Args:
        name: its own, or else that of its folder.
        folder: where it is.
        config: content of ``config.json``.
        results: of ``results.json``; empty before the first measurement.
        front: front matter of ``README.md``; empty where there is none.
    """

    name: str
    folder: Path
    config: dict[str, Any]
    results: Results
    front: dict[str, Any]

    @property
    def figures(self) -> list[Figure]:
        """The claims, the main one first."""
        return self.results.figures

    @property
    def architecture(self) -> Architecture | None:
        return architectures().get(str(self.config.get("architecture")))

    @property
    def task(self) -> str:
        return self.architecture.task if self.architecture else ""

    @property
    def size(self) -> str:
        """Of the weights, such as "7.1 MB", or "none"."""
        size = self.config.get("weights", {}).get("bytes")
        return "none" if self.results.parameters == 0 else "" if size is None else f"{size / 1e6:.1f} MB"


def read_card(name: str | Path) -> Card:
    """Reads a card by any name that :func:`zoo.hub.locate.find` takes.

    Raises:
        ZooError: no such card, or one that cannot be read.
    """
    source = locate.find(name)
    paths = {file: source.file(file, layout.PROSE) for file in FIELDS if file == "config.json" or source.has(file)}
    config = read_json(paths["config.json"])
    own = check(Config, config, f"{source}/config.json").name
    results = read_json(paths["results.json"]) if "results.json" in paths else {}
    return Card(
        name=own if NAME.fullmatch(own) else source.name,
        folder=source.folder,
        config=config,
        results=check(Results, results, f"{source}/results.json"),
        front=_split(paths["README.md"])[0] if "README.md" in paths else {},
    )


def tables(results: Results) -> str:
    """The generated part of a card's README as Markdown: figures, further tables, cost, speed, where they come from."""
    rows = [(f.metric, f.where, f.split, f.value, f"± {f.tolerance:.2g}") for f in results.figures]
    parts = [_table(("figure", "data", "split", "value", "tolerance"), rows)]
    parts += [f"{each.title}:\n\n{_table(each.columns, each.rows)}" for each in results.tables]
    parameters = f"{results.parameters:,} parameters" if results.parameters else "No parameters"
    parts.append(f"{parameters}; multiply-adds: {macs_text(results.macs)}.")
    if results.speed:
        speed = [[each.what, f"{each.ms:.1f}", each.machine] for each in results.speed]
        parts.append(_table(("speed", "ms", "machine"), speed))
    versions = ", ".join(f"{package} {version}" for package, version in results.versions.items())
    digests = ", ".join(f"{split} `{digest}`" for split, digest in results.data_digest.items())
    code = results.commit if results.commit.startswith("release") else f"commit `{results.commit}`"
    measured = f"Measured by `{results.command}` at {code} with {versions}."
    return "\n\n".join([*parts, f"{measured} SHA-256 of the data: {digests}."])


def macs_text(macs: Mapping[str, float]) -> str:
    """Such as "2.10 G at 480x360"."""
    return ", ".join(
        f"{count / 1e9:.2f} G at {size}" if count >= 1e9 else f"{count / 1e6:.1f} M at {size}"
        for size, count in macs.items()
    )


def model_index(card: Card) -> list[dict[str, Any]]:
    """The figures as the Hub's ``model-index``, which it shows beside the card."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for figure in card.figures:
        metric = {"type": figure.metric, "name": figure.metric, "value": figure.value}
        groups.setdefault((figure.where, figure.split), []).append(metric)
    task = {"type": card.architecture.pipeline_tag if card.architecture else "", "name": card.task}
    results = [
        {"task": dict(task), "dataset": {"type": data.lower(), "name": data, "split": split}, "metrics": metrics}
        for (data, split), metrics in groups.items()
    ]
    return [{"name": card.name, "results": results}]


def refresh(folder: str | Path, results: Results | None = None) -> None:
    """Regenerates tables and model-index in a card's README from its results; the prose stays as it is.

    Args:
        folder: of the card.
        results: that take the place of those in ``results.json``.

    Raises:
        ZooError: no markers, or results that lack a field; nothing was written then.
    """
    card = read_card(folder)
    if results:
        card = dataclasses.replace(card, results=results)
    if problems := _missing_fields(card, "config.json", "results.json"):
        raise ZooError(f"{card.folder}: {'; '.join(problems)}")
    generated = _generated(card)
    if results:
        content = results.model_dump_json(indent=2, exclude_defaults=True)
        replace(card.folder / "results.json", f"{content}\n")
    for name, text in generated.items():
        path = card.folder / name
        if text:
            path.parent.mkdir(exist_ok=True)
            replace(path, text)
        else:
            path.unlink(missing_ok=True)


def begin_readme(folder: Path, front: Mapping[str, Any], body: str | None = None) -> None:
    """Gives a card's README its front matter and, where one is given, its text, for :func:`refresh` to complete."""
    readme = folder / "README.md"
    text = _split(readme)[1] if body is None else body
    replace(readme, f"---\n{_dump(front)}---\n{text}")


def check_card(folder: str | Path) -> list[str]:
    """What is wrong with a card: missing files and fields, a wrong digest, a README out of step with its results."""
    try:
        card = read_card(folder)
    except ZooError as error:
        return [str(error)]
    missing = [f"{name} is missing" for name in (*FIELDS, "recipe.yaml") if not (card.folder / name).is_file()]
    return missing or _gaps(card) or [*_differing_files(card), *_out_of_step(card)]


def models_table(prefix: str = "cards/") -> str:
    """The table of all bundled models for the project's README.

    Args:
        prefix: goes before the cards' names in the links.
    """
    rows = []
    for card in map(read_card, card_names()):
        main = str(card.figures[0]) if card.figures else ""
        count = card.results.parameters
        parameters = "" if count is None else f"{count / 1e6:.1f} M" if count else "none"
        link = f"[{card.name}]({prefix}{card.name}/README.md)"
        rows.append([link, card.task, card.config.get("data", ""), main, parameters, card.size])
    return _table(("model", "task", "data", "main figure", "parameters", "size"), rows)


def fill(text: str, name: str, body: str) -> str:
    """Puts a body between ``<!-- zoo:begin NAME -->`` and ``<!-- zoo:end NAME -->``.

    Raises:
        ZooError: the text does not have these two markers once, in this order.
    """
    begin, end = f"<!-- zoo:begin {name} -->", f"<!-- zoo:end {name} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    if text.count(begin) != 1 or text.count(end) != 1 or end not in rest:
        raise ZooError(f"needs the markers {begin} and {end} once, in this order")
    return f"{before}{begin}\n{body}\n{end}{after}"


def _generated(card: Card) -> dict[str, str]:
    """What files should hold that follow from the results, by their names; empty for one that need not be there."""
    _, body = _split(card.folder / "README.md")
    front = _dump({**card.front, "model-index": model_index(card)})
    try:
        readme = f"---\n{front}---\n{fill(body, 'results', tables(card.results))}"
    except ZooError as error:
        raise ZooError(f"{card.folder / 'README.md'}: {error}") from None
    return {"README.md": readme, leaderboard.FILE: leaderboard.text(card.figures, card.front.get("datasets") or ())}


def _dump(front: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(front), sort_keys=False, allow_unicode=True, width=120)


def _split(readme: Path) -> tuple[dict[str, Any], str]:
    """Front matter and body of a README."""
    text = read_text(readme)
    match = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    if match is None:
        return {}, text
    return parse_yaml(match[1], f"{readme}: front matter"), text[match.end() :]


def _gaps(card: Card) -> list[str]:
    """Fields that a card must have and has not."""
    gaps = _missing_fields(card, *FIELDS)
    if card.architecture is None:
        gaps.append(f"config.json names no architecture: {card.config.get('architecture')!r}")
    elif card.architecture.example and "golden" not in card.config:
        gaps.append("config.json has no golden, the file that zoo card makes")
    return gaps


def _missing_fields(card: Card, *files: str) -> list[str]:
    measured = card.results.model_dump(exclude_defaults=True)
    content = {"config.json": card.config, "results.json": measured, "README.md": card.front}
    return [f"{file} has no {field}" for file in files for field in FIELDS[file] if field not in content[file]]


def _differing_files(card: Card) -> list[str]:
    """Of the files whose digests are in ``config.json``."""
    problems = []
    for described in filter(None, (card.config["weights"], card.config.get("golden"))):
        path = card.folder / described["file"]
        if not path.is_file():
            problems.append(f"{path.name} is missing")
        elif sha256_of(path) != described["sha256"]:
            problems.append(f"{path.name} is not the file that config.json describes")
    return problems


def _out_of_step(card: Card) -> list[str]:
    try:
        generated = _generated(card)
    except ZooError as error:
        return [str(error)]
    there = {name: card.folder / name for name in generated}
    found = {name: path.read_text(encoding="utf-8") if path.is_file() else "" for name, path in there.items()}
    return [f"{name} is out of step with results.json" for name, text in generated.items() if text != found[name]]


def _table(head: Sequence[str], rows: Sequence[Sequence[str | float | None]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(cell_text, line))} |" for line in lines)
