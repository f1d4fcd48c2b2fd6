"""Cards: what a model's folder says about it, and the tables in its README that are made from its results.

A card is a folder with ``README.md``, ``config.json``, ``results.json``, ``recipe.yaml`` and weights. Its prose is
written by a person; its figures come from ``results.json``, which ``zoo evaluate --write`` measures.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from zoo.errors import ZooError
from zoo.files import read_json, replace
from zoo.registry import architectures, card_folder, card_names

PIPELINE_TASKS = {  # of ours, in the Hub's words
    "semantic segmentation": "image-segmentation",
    "homography estimation": "keypoint-detection",  # it has none of its own; the answer is four points
    "super resolution": "image-to-image",
    "style transfer": "image-to-image",
}
FRONT_FIELDS = ("license", "tags", "datasets", "library_name", "pipeline_tag", "model-index")
CONFIG_FIELDS = ("architecture", "arguments", "zoo_version", "weights", "recipe", "data", "input")
RESULT_FIELDS = ("figures", "parameters", "macs", "command", "versions", "data_digest", "commit")
FIGURE_FIELDS = ("metric", "data", "split", "value", "tolerance")
TABLE_FIELDS = ("title", "columns", "rows")
ABSENT: tuple[Any, ...] = (None, "", [], {})  # while 0 parameters are a count
EMPTY = 64  # bytes: a safetensors file with a tensor is larger
FILES = ("README.md", "config.json", "results.json", "recipe.yaml")


@dataclass(frozen=True)
class Card:
    """A model's folder as read.

    Args:
        name: the folder's name.
        folder: where it is.
        config: content of ``config.json``.
        results: content of ``results.json``; empty before the first measurement.
        front: front matter of ``README.md``; empty where there is none.
    """

    name: str
    folder: Path
    config: dict[str, Any]
    results: dict[str, Any]
    front: dict[str, Any]

    @property
    def figures(self) -> list[dict[str, Any]]:
        """The claims, the main one first."""
        return self.results.get("figures", [])

    @property
    def task(self) -> str:
        architecture = architectures().get(self.config.get("architecture", ""))
        return architecture.task if architecture else ""

    @property
    def size(self) -> str:
        """Of the weights, such as "7.1 MB", or "none"."""
        size = self.config.get("weights", {}).get("bytes")
        if size is None:
            return ""
        return f"{size / 1e6:.1f} MB" if size >= EMPTY else "none"


def names(pattern: str = "*") -> list[str]:
    """Names of the bundled cards that match a shell pattern."""
    return card_names(pattern)


def read(name: str | Path) -> Card:
    """Reads a card by its name, its architecture's name, or its folder.

    Raises:
        ZooError: no such card, or one that cannot be read.
    """
    folder = card_folder(name)
    results, readme = folder / "results.json", folder / "README.md"
    return Card(
        name=folder.resolve().name,
        folder=folder,
        config=read_json(folder / "config.json"),
        results=read_json(results) if results.is_file() else {},
        front=_split(readme)[0] if readme.is_file() else {},
    )


def figure_text(figure: Mapping[str, Any]) -> str:
    """Such as "mIoU 0.612 ± 0.002 on CamVid test"."""
    return f"{figure['metric']} {figure['value']:.4g} ± {figure['tolerance']:.2g} on {figure['data']} {figure['split']}"


def tables(results: Mapping[str, Any]) -> str:
    """The generated part of a card's README as Markdown: figures, further tables, cost, speed, where they come from."""
    figures = [
        [f["metric"], f["data"], f["split"], f"{f['value']:.4g}", f"± {f['tolerance']:.2g}"] for f in results["figures"]
    ]
    parts = [_table(("figure", "data", "split", "value", "tolerance"), figures)]
    for table in results.get("tables", []):
        rows = [[cell_text(cell) for cell in row] for row in table["rows"]]
        parts.append(f"{table['title']}:\n\n{_table(table['columns'], rows)}")
    parameters = f"{results['parameters']:,} parameters" if results["parameters"] else "No parameters"
    parts.append(f"{parameters}; multiply-adds: {macs_text(results['macs'])}.")
    if speed := results.get("speed"):
        parts.append(_table(("speed", "ms", "machine"), [[s["what"], f"{s['ms']:.1f}", s["machine"]] for s in speed]))
    return "\n\n".join([*parts, _provenance(results)])


def cell_text(cell: str | float | None) -> str:
    """What stands in a cell of a results' table: a text, a number to four digits, or nothing."""
    return "" if cell is None else cell if isinstance(cell, str) else f"{cell:.4g}"


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
        metric = {"type": figure["metric"], "name": figure["metric"], "value": figure["value"]}
        groups.setdefault((figure["data"], figure["split"]), []).append(metric)
    task = {"type": PIPELINE_TASKS.get(card.task, card.task), "name": card.task}
    results = [
        {"task": dict(task), "dataset": {"type": data.lower(), "name": data, "split": split}, "metrics": metrics}
        for (data, split), metrics in groups.items()
    ]
    return [{"name": card.name, "results": results}]


def write(folder: str | Path) -> None:
    """Regenerates tables and model-index in a card's README from its results; the prose stays as it is.

    Raises:
        ZooError: no front matter, no markers, or results that lack a field.
    """
    card = read(folder)
    if problems := _missing_fields(card):
        raise ZooError(f"{card.folder}: {'; '.join(problems)}")
    replace(card.folder / "README.md", _render(card))


def check(folder: str | Path) -> list[str]:
    """What is wrong with a card: missing files and fields, a wrong digest, a README out of step with its results."""
    try:
        card = read(folder)
    except ZooError as error:
        return [str(error)]
    problems = [f"{name} is missing" for name in FILES if not (card.folder / name).is_file()]
    if problems:
        return problems
    problems = [
        *_missing_fields(card),
        *(f"README.md has no {field}" for field in FRONT_FIELDS if field not in card.front),
    ]
    if card.config.get("architecture") not in architectures():
        problems.append(f"config.json names no architecture: {card.config.get('architecture')!r}")
    if problems:
        return problems
    weights = card.folder / card.config["weights"]["file"]
    if not weights.is_file():
        problems.append(f"{weights.name} is missing")
    elif hashlib.sha256(weights.read_bytes()).hexdigest() != card.config["weights"]["sha256"]:
        problems.append(f"{weights.name} is not the file that config.json describes")
    try:
        if (card.folder / "README.md").read_text(encoding="utf-8") != _render(card):
            problems.append("README.md is out of step with results.json")
    except ZooError as error:
        problems.append(str(error))
    return problems


def models_table(prefix: str = "cards/") -> str:
    """The table of all bundled models for the project's README.

    Args:
        prefix: goes before the cards' names in the links.
    """
    rows = []
    for card in map(read, names()):
        main = figure_text(card.figures[0]) if card.figures else ""
        count = card.results.get("parameters")
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


def _render(card: Card) -> str:
    """The README as it should be."""
    _, body = _split(card.folder / "README.md")
    front = yaml.safe_dump(
        {**card.front, "model-index": model_index(card)}, sort_keys=False, allow_unicode=True, width=120
    )
    try:
        return f"---\n{front}---\n{fill(body, 'results', tables(card.results))}"
    except ZooError as error:
        raise ZooError(f"{card.folder / 'README.md'}: {error}") from None


def _split(readme: Path) -> tuple[dict[str, Any], str]:
    """Front matter and body of a README."""
    text = readme.read_text(encoding="utf-8")
    match = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    if match is None:
        return {}, text
    try:
        front = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise ZooError(f"{readme}: front matter is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(front, dict):
        raise ZooError(f"{readme}: front matter is not a mapping")
    return front, text[match.end() :]


def _missing_fields(card: Card) -> list[str]:
    missing = [f"config.json has no {field}" for field in CONFIG_FIELDS if field not in card.config]
    missing += [f"results.json has no {field}" for field in RESULT_FIELDS if card.results.get(field) in ABSENT]
    for index, figure in enumerate(card.figures):
        missing += [f"figure {index} in results.json has no {field}" for field in FIGURE_FIELDS if field not in figure]
    for index, table in enumerate(card.results.get("tables", [])):
        missing += [f"table {index} in results.json has no {field}" for field in TABLE_FIELDS if field not in table]
    return missing


def _provenance(results: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{package} {version}" for package, version in results["versions"].items())
    digests = ", ".join(f"{split} `{digest}`" for split, digest in results["data_digest"].items())
    return (
        f"Measured by `{results['command']}` at commit `{results['commit']}` with {versions}. SHA-256 of the data: "
        f"{digests}."
    )


def _table(head: Sequence[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
