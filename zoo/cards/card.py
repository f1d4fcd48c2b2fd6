"""Cards: what a model's folder says about it, and the tables in its README that are made from its results.

A card is a folder with ``README.md``, ``config.json``, ``results.json``, ``recipe.yaml`` and weights. Its prose is
written by a person; its figures come from ``results.json``, which ``zoo evaluate --write`` measures.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.files import read_json, replace, sha256_of
from zoo.base.registry import Architecture, architectures
from zoo.cards import described, front, leaderboard, parity, sources
from zoo.cards.forms import Config, check
from zoo.cards.tables import of_exports, of_results
from zoo.hub import layout, locate
from zoo.models.evaluation import Figure, Results

FIELDS = {  # required ones
    "config.json": ("architecture", "arguments", "zoo_version", "weights", "recipe", "data", "input"),
    "results.json": ("figures", "parameters", "macs", "command", "versions", "data_digest", "commit"),
    "README.md": ("license", "data_license", "tags", "datasets", "library_name", "pipeline_tag", "model-index"),
}
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
SURPLUS = "move it away; zoo publish --with onnx adds exports"


@dataclass(frozen=True)
class Card:
    """A model's folder as read.

    Args:
        name: name in ``config.json``, or else of the folder.
        folder: path of the folder.
        config: content of ``config.json``.
        results: content of ``results.json``; empty before the first measurement.
        front: front matter of ``README.md``; empty if there is none.
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
        """Size of the weights, such as "7.1 MB", or "none"."""
        size = self.config.get("weights", {}).get("bytes")
        return "none" if self.results.parameters == 0 else "" if size is None else f"{size / 1e6:.1f} MB"

    @property
    def certificates(self) -> dict[str, parity.Certificate]:
        """Certificates of the exported files, by file name."""
        return parity.read(self.folder)


def read_card(name: str | Path) -> Card:
    """Reads a card by any name that :func:`zoo.hub.locate.find` takes.

    Raises:
        ZooError: the card does not exist or cannot be read.
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
        front=front.read(paths["README.md"])[0] if "README.md" in paths else {},
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
        folder: folder of the card.
        results: results that replace those in ``results.json``.

    Raises:
        ZooError: markers are missing, or the results lack a field; nothing was written then.
    """
    card = read_card(folder)
    if results:
        card = dataclasses.replace(card, results=results)
    if problems := _missing_fields(card, "config.json", "results.json"):
        raise ZooError(f"{card.folder}: {'; '.join(problems)}")
    generated = _generated(card)
    if results:
        replace(card.folder / "results.json", f"{results.to_json()}\n")
    for name, text in generated.items():
        path = card.folder / name
        if text:
            path.parent.mkdir(exist_ok=True)
            replace(path, text)
        else:
            path.unlink(missing_ok=True)


def certify(folder: Path, certificate: parity.Certificate) -> None:
    """Puts a certificate into a card's ``parity.json``, and shows it in the README.

    Raises:
        ZooError: it belongs to other weights, or the card is incomplete; nothing was written then.
    """
    card = read_card(folder)
    if certificate.weights_sha256 != card.config["weights"]["sha256"]:
        raise ZooError(f"{certificate.file} was made from other weights than those in {folder}")
    refresh(folder)  # refuses an incomplete card
    parity.write(folder, certificate)
    refresh(folder)


def add_export(folder: Path, to: str, *files: Path) -> None:
    """Names an export in a card's ``config.json``, and shows its certificate in the README.

    Args:
        folder: folder of the card, which has the files and their certificate in ``parity.json``.
        to: kind of the export: "onnx" or "openvino".
        files: files of the export: the main one, then the file of its weights if they are separate.

    Raises:
        ZooError: the card is incomplete.
    """
    config = read_json(folder / "config.json")
    first, *weights = map(described.entry_of, files)
    config["exports"] = {**config.get("exports", {}), to: {**first, **({"weights": weights[0]} if weights else {})}}
    replace(folder / "config.json", json.dumps(config, indent=2) + "\n")
    refresh(folder)


def begin_readme(folder: Path, matter: Mapping[str, Any], body: str | None = None) -> None:
    """Writes a card's README: front matter and, if given, the text; :func:`refresh` completes it."""
    readme = folder / "README.md"
    replace(readme, front.join(matter, front.read(readme)[1] if body is None else body))


def check_card(folder: str | Path) -> list[str]:
    """What is wrong with a card: missing files and fields, a wrong digest, a README out of step with its results."""
    try:
        card = read_card(folder)
        problems = _uncertified(card)
        sources.of(locate.find(folder))
    except ZooError as error:
        return [str(error)]
    missing = [f"{name} is missing" for name in (*FIELDS, "recipe.yaml") if not (card.folder / name).is_file()]
    return missing or _gaps(card) or [*_differing_files(card), *problems, *_out_of_step(card)]


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
    """The content of files that are generated from the results, by name; empty for a file that is not needed."""
    _, body = front.read(card.folder / "README.md")
    matter = {**card.front, "model-index": model_index(card)}
    shown = "\n\n".join([of_results(card.results), *of_exports(card.certificates.values())])
    try:
        readme = front.join(matter, fill(body, "results", shown))
    except ZooError as error:
        raise ZooError(f"{card.folder / 'README.md'}: {error}") from None
    return {"README.md": readme, leaderboard.FILE: leaderboard.text(card.figures, card.front.get("datasets") or ())}


def _gaps(card: Card) -> list[str]:
    """Required fields that a card lacks."""
    gaps = _missing_fields(card, *FIELDS)
    if card.architecture is None:
        gaps.append(f"config.json names no architecture: {card.config.get('architecture')!r}")
    elif card.architecture.example and "golden" not in card.config:
        gaps.append("config.json has no golden, the file that zoo card makes")
    if front.commercial_use(card.front) not in front.USES:
        gaps.append(f"commercial_use in README.md must be yes, no or unclear, not {card.front['commercial_use']!r:.60}")
    return gaps


def _missing_fields(card: Card, *files: str) -> list[str]:
    measured = card.results.to_dict()
    content = {"config.json": card.config, "results.json": measured, "README.md": card.front}
    return [f"{file} has no {field}" for file in files for field in FIELDS[file] if field not in content[file]]


def _differing_files(card: Card) -> list[str]:
    """Problems with the files whose digests are in ``config.json``."""
    problems = []
    entries = described.entries(card.config)
    for name, entry in entries.items():
        path = card.folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif sha256_of(path) != entry["sha256"]:
            problems.append(f"{name} is not the file that config.json describes")
    there = (name for name in layout.listing(card.folder)[0] if name.endswith(layout.DESCRIBED))
    return [*problems, *(f"config.json does not name {name}: {SURPLUS}" for name in there if name not in entries)]


def _uncertified(card: Card) -> list[str]:
    """Exports without a certificate, and certificates for other files or weights."""
    exports = {entry["file"]: entry["sha256"] for entry in described.exports(card.config).values()}
    problems = [f"parity.json has no certificate of {name}" for name in exports if name not in card.certificates]
    for name, certificate in card.certificates.items():
        if certificate.weights_sha256 != card.config["weights"]["sha256"]:
            problems.append(f"{name} in parity.json was made from other weights: make it again with zoo export")
        elif certificate.sha256 != exports.get(name, certificate.sha256):  # a card need not hold the file
            problems.append(f"parity.json certifies another {name} than config.json names")
    return problems


def _out_of_step(card: Card) -> list[str]:
    try:
        generated = _generated(card)
    except ZooError as error:
        return [str(error)]
    there = {name: card.folder / name for name in generated}
    found = {name: path.read_text(encoding="utf-8") if path.is_file() else "" for name, path in there.items()}
    made_of = "results.json or parity.json" if card.certificates else "results.json"
    return [f"{name} is out of step with {made_of}" for name, text in generated.items() if _differ(text, found[name])]


def _differ(generated: str, found: str) -> bool:
    """Whether two files say different things; front matter may be written in any style of YAML."""
    return generated != found and front.split(generated, "README.md") != front.split(found, "README.md")
