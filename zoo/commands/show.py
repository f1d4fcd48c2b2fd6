"""``zoo list`` and ``zoo info``, which answer without torch."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from zoo.base.errors import ZooError
from zoo.base.registry import architectures, card_names
from zoo.base.text import cell_text
from zoo.cards import described, export_file, exported, sources
from zoo.cards.card import Card, read_card
from zoo.cards.front import commercial_use, license_text
from zoo.cards.tables import entry_text, macs_text
from zoo.commands.terminal import Parser, table
from zoo.hub import client, locate
from zoo.hub.errors import in_plain_words

CODE_LICENSE = "Apache-2.0"
USER = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
LISTED = 1000  # models of a user, at most
LOCAL = ("name", "task", "commercial", "size", "main figure")
REMOTE = ("name", "task", "licence", "commercial", "changed", "downloads")


class Listed(NamedTuple):
    """A model in a list: its record for ``--json``, and its row in the table."""

    record: dict[str, Any]
    row: Sequence[str]


def main_list(argv: list[str]) -> int:
    parser = Parser(prog="zoo list", description="Lists the models with weights.", allow_abbrev=False)
    parser.add_argument("pattern", nargs="?", default="*", help="a shell pattern, such as 'linknet*'")
    parser.add_argument("--remote", metavar="USER", help="list a user's or organisation's models on the Hub instead")
    parser.add_argument(
        "--commercial",
        action="store_true",
        help="only models whose cards say that the weights may be used commercially",
    )
    parser.add_argument("--json", action="store_true", help="print all that is known about each model as JSON")
    options = parser.parse_args(argv)
    if options.remote is not None and not USER.fullmatch(options.remote):
        raise ZooError(f"--remote {options.remote!r:.100}: not the name of a user or organisation")
    found = _remote(options.remote, options.pattern) if options.remote else _local(options.pattern)
    if not found:
        known = f"\nthere are: {', '.join(card_names()) or 'none'}" if not options.remote else ""
        whose = f" of {options.remote} on {client.endpoint()}" if options.remote else ""
        raise ZooError(f"no model{whose} matches {options.pattern!r}{known}")
    if options.commercial:
        found = [each for each in found if each.record["commercial_use"] == "yes"]
    if not found:
        raise ZooError("no card of these models says that the weights may be used commercially\nomit --commercial")
    head = REMOTE if options.remote else LOCAL
    records = [each.record for each in found]
    print(json.dumps(records, indent=2) if options.json else _cut(table([head, *(each.row for each in found)])))  # noqa: T201
    return 0


def _cut(text: str) -> str:
    """Cuts lines to the width of the terminal, so that none wraps; keeps whole lines if the output is no terminal."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else len(text)
    return "\n".join(line if len(line) <= width else f"{line[: width - 3]}..." for line in text.splitlines())


def _local(pattern: str) -> list[Listed]:
    return [Listed(_record(card), _row(card)) for card in map(read_card, card_names(pattern))]


def _record(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "architecture": str(card.config.get("architecture", "")),
        "task": card.task,
        "license": license_text(card.front),
        "data_license": entry_text(card.front.get("data_license")),
        "commercial_use": commercial_use(card.front),
        "parameters": card.results.parameters,
        "bytes": _entry(card.config, "weights", "bytes"),
        "figures": [figure.to_dict() for figure in card.figures],
    }


def _row(card: Card) -> Sequence[str]:
    """A card's row. The figure's value comes before its metric and data, since a terminal may cut the end."""
    main = "not measured"
    if card.figures:
        first = card.figures[0]
        main = f"{cell_text(first.value)} {first.metric} on {first.where} {first.split}"
    return card.name, card.task, commercial_use(card.front), card.size, main


def _remote(user: str, pattern: str) -> list[Listed]:
    with in_plain_words(user, "list"):
        asked = client.api().list_models(author=user, filter=client.LIBRARY, limit=LISTED, full=True, cardData=True)
        found = [model for model in asked if fnmatch.fnmatch(model.id.partition("/")[2], pattern)]
    return [_of_hub(model) for model in sorted(found, key=lambda model: str(model.id))]


def _of_hub(model: Any) -> Listed:
    name = f"{model.id} (private)" if model.private else model.id
    licences = [tag.removeprefix("license:") for tag in model.tags or () if tag.startswith("license:")]
    changed = f"{model.last_modified:%Y-%m-%d}" if model.last_modified else ""
    record = {
        "name": model.id,
        "private": bool(model.private),
        "task": model.pipeline_tag or "",
        "license": "".join(licences[:1]),
        "commercial_use": commercial_use(model.card_data or {}),
        "changed": changed,
        "downloads": model.downloads or 0,
    }
    row = (name, record["task"], record["license"], record["commercial_use"], changed, str(record["downloads"]))
    return Listed(record, row)


def main_info(argv: list[str]) -> int:
    parser = Parser(prog="zoo info", description="Shows what is known about a model.", allow_abbrev=False)
    parser.add_argument(
        "name", help="name of a model or architecture, a folder, a bundle, USER/NAME on the Hub, or an exported file"
    )
    name = parser.parse_args(argv).name
    if exported.is_file(name):
        print(table([row for row in _of_file(export_file.read_file(name)) if row[1]]))  # noqa: T201
        return 0
    source, card = locate.find(name), read_card(name)
    pictures = sources.of(source)
    known = architectures().get(str(card.config.get("architecture")))
    rows = [
        ("name", card.name),
        ("architecture", str(card.config.get("architecture", ""))),
        ("task", card.task),
        ("paper", known.paper if known else ""),
        ("parameters", "" if card.results.parameters is None else f"{card.results.parameters:,}"),
        ("MACs", macs_text(card.results.macs)),
        ("input", entry_text(card.config.get("input"))),
        ("labels", entry_text(_entry(card.config, "arguments", "labels"))),
        ("styles", entry_text(_entry(card.config, "arguments", "styles"))),
        ("licence", f"code {CODE_LICENSE}; weights {license_text(card.front) or 'not said'}"),
        ("", f"data {entry_text(card.front.get('data_license')) or 'not said'}"),
        ("", f"commercial use {commercial_use(card.front) or 'not said'}"),
        ("sources", sources.summary(pictures) if pictures else ""),
        *(("figure", str(figure)) for figure in card.figures),
        (
            "size",
            card.size if card.size == "none" else f"{card.size} {entry_text(_entry(card.config, 'weights', 'dtype'))}",
        ),
        ("SHA-256", entry_text(_entry(card.config, "weights", "sha256"))),
        ("exports", ", ".join(_export(kind, entry) for kind, entry in described.exports(card.config).items())),
        *_place(source),
    ]
    print(table([row for row in rows if row[1]]))  # noqa: T201
    return 0


def _export(kind: str, entry: Mapping[str, Any]) -> str:
    """A format that a model is exported to, and the size of its files."""
    return f"{kind} {(entry['bytes'] + entry.get('weights', {}).get('bytes', 0)) / 1e6:.1f} MB"


def _of_file(export: export_file.Export) -> list[tuple[str, str]]:
    """What an exported file says of itself."""
    told, declared = export.metadata, export.declared
    first, *apart = (export.content,) if isinstance(export.content, bytes) else export.content
    shapes = {
        name: f"{name}: {' x '.join(map(str, shape))}"
        for name, shape in {**export.graph.inputs, **export.graph.outputs}.items()
    }
    return [
        ("name", "@".join(filter(None, (told["name"], told.get("revision"))))),
        ("architecture", export.architecture),
        ("task", declared.task),
        ("paper", declared.paper),
        ("input", f"{told.get('input', '')}; {shapes[next(iter(export.graph.inputs))]}"),
        ("outputs", ", ".join(shapes[name] for name in export.graph.outputs)),
        ("labels", ", ".join(export.facts.get("labels", ()))),
        ("styles", ", ".join(export.facts.get("styles", ()))),
        ("licence", f"code {CODE_LICENSE}; weights {told.get('license') or 'not said'}"),
        ("", f"data {told.get('data_license') or 'not said'}"),
        ("", f"commercial use {told.get('commercial_use') or 'not said'}"),
        (
            "export",
            ", ".join(
                filter(None, (told.get("precision"), told.get("exporter"), f"zoo {told.get('zoo_version', '')}"))
            ),
        ),
        ("size", f"{sum(map(len, (first, *apart))) / 1e6:.1f} MB"),
        ("SHA-256", hashlib.sha256(first).hexdigest()),
        ("weights SHA-256", told["weights_sha256"]),
        ("runs by", ", ".join(exported.RUNS[Path(export.where).suffix.lower()])),
    ]


def _place(source: locate.Source) -> list[tuple[str, str]]:
    """Where the model is, and whether its weights are cached."""
    if isinstance(source, client.Snapshot):
        whole = all((source.folder / name).is_file() for name in source.files if name.endswith(".safetensors"))
        cached = "cached" if whole else "weights not fetched yet"
        return [
            ("Hub", f"{source.reference.repo} at commit {source.commit}"),
            ("folder", f"{source.folder} ({cached})"),
        ]
    where = " (installed)" if source.installed else ""
    return [("folder", f"{source.folder}{where}")]


def _entry(config: dict[str, Any], section: str, name: str) -> Any:
    values = config.get(section)
    return values.get(name) if isinstance(values, dict) else None
