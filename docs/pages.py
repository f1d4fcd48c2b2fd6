"""Writes the pages that are generated: models, recipes, commands, modules and leaderboards.

They follow from what is declared (registry, cards, recipes, parsers, docstrings), so that nothing is listed by hand.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import pkgutil
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from zoo.base.registry import architectures, card_names, folders
from zoo.cards import front
from zoo.cards.card import Card, read_card
from zoo.cards.overview import models_table, peers_table
from zoo.cards.tables import entry_text, markdown
from zoo.commands.main import VERBS, main
from zoo.training import recipes

GENERATED = ("models", "recipes", "commands", "api")  # folders, made anew each time
MODELED = ("predict", "evaluate")  # verbs with options of their own for each architecture
# Files of a card that its page shows or links to.
LINKED = ("samples", "splits", "sources.csv", "parity.json", "recipe.yaml")
PACKAGES = ("zoo.models", "zoo.data", "zoo.nn", "zoo.pictures", "zoo.engines")
WIDTH = "100"  # columns of the help
DEMO = "_extra/demo"  # folder of the pages that ``make site`` embeds; what lies in _extra is copied into the site
METHODS = ("method", "picture")  # first columns of tables that compare methods


def write(docs: Path) -> None:
    """Writes all generated pages into the folder of the site's sources."""
    for name in GENERATED:
        shutil.rmtree(docs / name, ignore_errors=True)
        (docs / name).mkdir()
    cards = [read_card(name) for name in card_names()]
    for card in cards:
        write_model(card, docs / "models")
    _index(docs / "models", "Models", models_table("", ".md"), [card.name for card in cards])
    paths = sorted(path for place in folders("recipes") for path in place.glob("*.yaml"))
    for path in paths:
        _save(docs / "recipes" / f"{path.stem}.md", recipe_page(path, {card.name for card in cards}))
    rows = [(f"[{path.stem}]({path.stem}.md)", recipe_title(path)) for path in paths]
    _index(docs / "recipes", "Recipes", markdown(("recipe", "what it trains"), rows), [path.stem for path in paths])
    for verb in VERBS:
        _save(docs / "commands" / f"{verb}.md", command_page(verb))
    rows = [(f"[zoo {verb}]({verb}.md)", text) for verb, (text, _) in VERBS.items()]
    _index(docs / "commands", "Commands", markdown(("command", "what it does"), rows), list(VERBS))
    modules = write_modules(docs / "api")
    _index(docs / "api", "Python", "All modules with their public classes and functions.", modules)
    _save(docs / "leaderboards.md", leaderboards(cards))


def write_model(card: Card, folder: Path) -> None:
    """Writes the page of a card, and copies the files that it shows."""
    for name in LINKED:
        if (source := card.folder / name).is_dir():
            shutil.copytree(source, folder / card.name / name)
        elif source.is_file():
            (folder / card.name).mkdir(exist_ok=True)
            shutil.copy(source, folder / card.name / name)
    _, body = front.read(card.folder / "README.md")
    title, _, rest = body.lstrip().partition("\n")
    page = folder.parent / DEMO / f"{card.name}.html"
    shown = embedded(card.name, page.name) if page.is_file() else ""
    _save(folder / f"{card.name}.md", f"{title}\n\n{facts(card)}\n\n{shown}{relinked(rest, card.name)}")


def embedded(name: str, page: str) -> str:
    """The page where a visitor tries a model, inside the model's own page."""
    alone = f"../demo/{page}"
    frame = f'<iframe class="demo" src="{alone}" title="Try {name}" loading="lazy" allow="camera; clipboard-write">'
    link = f'<a href="{alone}">The page alone</a> is larger, and faster: it may use threads.'
    return f"## Try it here\n\n```{{raw}} html\n{frame}</iframe>\n<p>{link}</p>\n```\n\n"


def facts(card: Card) -> str:
    """What a reader wants to know of a model at first sight, as a table."""
    declared = card.architecture
    count = card.results.parameters
    rows = [
        ("task", card.task),
        ("input", declared.input if declared else ""),
        ("parameters", f"{count:,}" if count else "none"),
        ("size of the weights", card.size),
        ("licence of the weights", _linked(front.license_text(card.front))),
        ("commercial use", front.commercial_use(card.front)),
        ("data", card.front.get("data_license", "")),
        ("paper", f"<{declared.paper}>" if declared else ""),
        ("in a browser", _tried(card)),
        ("recipe", f"[{card.name}](../recipes/{card.name}.md)" if card.name in recipes.names() else ""),
    ]
    return markdown(("", ""), rows)


def _tried(card: Card) -> str:
    """Where a visitor can try a model: its Space, or the page that ``zoo demo`` writes."""
    if card.architecture is None or not card.architecture.page:
        return "no: it needs Python"
    space = entry_text(card.front.get("space"))
    there = f"[Space](https://huggingface.co/spaces/{space}), or " if space else ""
    return f"{there}[a page](../guides/demo.md): `zoo demo {card.name} -o site/`"


def relinked(text: str, name: str) -> str:
    """The text of a card whose relative links lead to the site's files."""
    text = re.sub(r"\]\(\.\./(\w+)/README\.md\)", r"](\1.md)", text)
    text = re.sub(r"\]\(\.\./(?=\w+/)", "](", text)
    return re.sub(rf"\]\((?=(?:{'|'.join(map(re.escape, LINKED))})\b)", f"]({name}/", text)


def recipe_title(path: Path) -> str:
    """The first paragraph of a recipe's header."""
    lines = [line.lstrip("# ").rstrip() for line in path.read_text().split("\n#\n")[0].splitlines()]
    return " ".join(lines).rstrip(".")


def recipe_page(path: Path, cards: Iterable[str]) -> str:
    """A recipe with its header as a table."""
    lines = path.read_text().splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    header, body = "\n".join(lines[:end]), "\n".join(lines[end:])
    fields: list[list[str]] = []
    for line in header.split("\n#\n", 1)[-1].splitlines():
        text = line.removeprefix("#")
        if key := re.match(r" (\w+)\s{2,}(.*)", text):
            fields.append([key[1], key[2]])
        elif fields:
            fields[-1][1] += f" {text.strip()}"
    card = f"The weights that it made: [{path.stem}](../models/{path.stem}.md)." if path.stem in cards else ""
    return "\n\n".join(
        [
            f"# {path.stem}",
            f"{recipe_title(path)}. {card}",
            f"```\nzoo fit --recipe {path.name}\n```",
            markdown(("", ""), [[key, _linked(value)] for key, value in fields]),
            f"```yaml\n{body.strip()}\n```",
        ]
    )


def _linked(text: str) -> str:
    """A text whose addresses are links."""
    return re.sub(r"https?://[^\s;,)]+[^\s;,.)]", lambda found: f"<{found[0]}>", text)


def command_page(verb: str) -> str:
    """What ``--help`` of a verb says, and of a model's own options."""
    parts = [f"# zoo {verb}", _sentence(VERBS[verb][0]), _help(verb)]
    if verb in MODELED:
        for name in architectures():
            parts += [f"## zoo {verb} {name}", _help(verb, name)]
    return "\n\n".join(parts)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].partition(':')[0]}."


def _help(*words: str) -> str:
    output, columns = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDTH
    try:
        with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
            main([*words, "--help"])
    finally:
        os.environ.pop("COLUMNS") if columns is None else os.environ.update(COLUMNS=columns)
    text = output.getvalue().strip()
    if not text.startswith("usage:"):
        raise RuntimeError(f"zoo {' '.join(words)} --help prints no usage")
    return f"```text\n{text}\n```"


def write_modules(folder: Path) -> list[str]:
    """Writes a page a package with all that its modules document; returns the pages' names."""
    names = ["zoo"]
    _save(folder / "zoo.md", _automodules("zoo", ["zoo"]))
    for package in PACKAGES:
        root = importlib.import_module(package)
        children = list(pkgutil.iter_modules(root.__path__))
        groups = {package: [package, *(f"{package}.{info.name}" for info in children if not info.ispkg)]}
        for info in children:
            if info.ispkg:
                below = f"{package}.{info.name}"
                inner = importlib.import_module(below)
                groups[below] = [below, *(f"{below}.{each.name}" for each in pkgutil.iter_modules(inner.__path__))]
        for name, modules in groups.items():
            _save(folder / f"{name}.md", _automodules(name, modules))
            names.append(name)
    return names


def _automodules(name: str, modules: list[str]) -> str:
    parts = [f"# {name}"]
    for module in modules:
        heading = f"## {module}\n\n" if module != name else ""
        parts.append(f"{heading}```{{eval-rst}}\n.. automodule:: {module}\n```")
    return "\n\n".join(parts)


def leaderboards(cards: list[Card]) -> str:
    """The models of each task side by side, and beside classical methods, as their cards measured them."""
    tasks = defaultdict(list)
    for card in cards:
        tasks[card.task].append(card)
    parts = ["# Leaderboards", "Every figure is measured by the command beside it. Fewer ms are faster."]
    parts += ["## Beside others", peers_table("models/", ".md")]
    for task, members in sorted(tasks.items()):
        parts += [f"## {task[:1].upper()}{task[1:]}", _ranking(members)]
        for card in members:
            tables = [each for each in card.results.tables if each.columns[0] in METHODS]
            parts += [f"### {card.name}", f"`{card.results.command}`"]
            parts += [f"{each.title}:\n\n{markdown(each.columns, each.rows)}" for each in tables[:1]]
            if card.results.speed:
                rows = [[each.what, f"{each.ms:.1f}", each.machine] for each in card.results.speed]
                parts.append(markdown(("speed", "ms", "machine"), rows))
    return "\n\n".join(parts)


def _ranking(cards: list[Card]) -> str:
    """The main figure of each benchmark, by card."""
    mains: dict[str, dict[str, float]] = defaultdict(dict)
    for card in cards:
        seen = set()
        for figure in card.figures:
            if (where := f"{figure.where} {figure.split}") not in seen:
                seen.add(where)
                mains[f"{figure.metric}, {where}"][card.name] = figure.value
    heads = list(mains)
    rows = [
        [f"[{card.name}](models/{card.name}.md)", *(mains[head].get(card.name) for head in heads)] for card in cards
    ]
    return markdown(("model", *heads), rows)


def _index(folder: Path, title: str, body: str, names: list[str]) -> None:
    listed = "\n".join(names)
    _save(folder / "index.md", f"# {title}\n\n{body}\n\n```{{toctree}}\n:hidden:\n\n{listed}\n```")


def _save(path: Path, text: str) -> None:
    path.write_text(f"{text.rstrip()}\n", encoding="utf-8")
