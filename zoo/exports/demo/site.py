"""Writes the folder of pages, whole or not at all."""

from __future__ import annotations

import gzip
import html
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.files import read_json, read_text
from zoo.base.registry import architectures, card_names
from zoo.cards.card import read_card
from zoo.cards.front import commercial_use, license_text
from zoo.cards.overview import headline
from zoo.exports.demo.model import FOLDER, Shown, write_samples

PAGE = Path(__file__).with_name("page")  # scripts, styles and templates
TEMPLATES = ("index.html", "model.html")
ROOT = ("headers.js",)  # scripts that must lie beside the pages, whose requests they see
BACK = '<a href="index.html">All models</a>'  # of a model's page
MARK = "demo.json"  # names the program that wrote the folder, so that it may replace it


def default_models() -> list[str]:
    """The installed models that have a page, the first of each architecture first."""
    kinds, names = architectures(), card_names()
    listed = [name for each in kinds.values() if each.page for name in each.weights if name in names]
    others = [name for name in names if name not in listed and _has_page(name)]
    return [*listed, *others]


def _has_page(name: str) -> bool:
    declared = read_card(name).architecture
    return declared is not None and bool(declared.page)


def check_place(folder: Path, overwrite: bool) -> None:
    """Refuses a folder that holds anything but an earlier site that may be replaced.

    Raises:
        ZooError: names the way out.
    """
    if folder.resolve() == Path.cwd():
        raise ZooError(f"{folder}: is the working directory itself; name a new folder in it with -o")
    if folder.exists() and not folder.is_dir():
        raise ZooError(f"{folder} is a file; name a new folder with -o")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / MARK).is_file():
        raise ZooError(f"{folder}: already exists, and zoo demo did not write it; name a new folder with -o")
    read_json(folder / MARK)
    if not overwrite:
        raise ZooError(f"{folder}: already exists; replace it with --overwrite, or name a new folder with -o")


def write(models: Iterable[Shown], runtime: Mapping[str, Path], folder: Path, say: Callable[[str], None]) -> list[Path]:
    """Writes a site: the list of models, their pages and files, the scripts and the runtime.

    Args:
        models: models to show.
        runtime: files of the runtime by name.
        folder: folder of the site; what is there is replaced at the end, see :func:`check_place`.
        say: prints the model that is worked at.

    Returns:
        The pages, the list of models first.

    Raises:
        ZooError: a model cannot be exported. Nothing was written then.
    """
    shown = list(models)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        draft = Path(temporary, "whole")
        _copy(runtime, draft)
        found = {page: write_samples(draft, page) for page in dict.fromkeys(each.page for each in shown)}
        for each in shown:
            say(f"{each.card.name}: writing its page")
            each.write(draft, found[each.page])
            _fill("model.html", draft / f"{each.card.name}.html", _values(each))
        _fill("index.html", draft / "index.html", {"version": __version__, "models": "\n".join(map(_entry, shown))})
        (draft / MARK).write_text(json.dumps({"zoo_version": __version__, "models": [e.card.name for e in shown]}))
        _exchange(draft, folder, Path(temporary, "before"))
    return [folder / "index.html", *(folder / f"{each.card.name}.html" for each in shown)]


def _copy(runtime: Mapping[str, Path], draft: Path) -> None:
    """Copies scripts and runtime into the new folder of a site."""
    left_out = shutil.ignore_patterns(*TEMPLATES, *ROOT)
    shutil.copytree(PAGE, draft / "page", ignore=left_out, copy_function=shutil.copyfile)
    for name in ROOT:
        shutil.copyfile(PAGE / name, draft / name)
    (draft / "runtime").mkdir()
    for name, path in runtime.items():
        if path.suffix == ".wasm":  # which few servers compress by themselves
            packed = gzip.compress(path.read_bytes(), mtime=0)
            (draft / "runtime" / f"{name}.gz").write_bytes(packed)
        else:
            shutil.copyfile(path, draft / "runtime" / name)


def _exchange(draft: Path, folder: Path, before: Path) -> None:
    """Puts the finished site into its place; an earlier one goes to ``before``, and comes back if that fails."""
    draft.chmod(0o755)  # as folders are, not as temporary ones
    if not folder.exists():
        draft.replace(folder)
        return
    folder.replace(before)
    try:
        draft.replace(folder)
    except OSError:
        before.replace(folder)
        raise


def _fill(template: str, path: Path, values: Mapping[str, str]) -> None:
    path.write_text(Template(read_text(PAGE / template)).substitute(values), encoding="utf-8")


def _values(shown: Shown) -> dict[str, str]:
    """The texts of a model's page, as HTML."""
    card = shown.card
    texts = {
        "name": card.name,
        "task": card.task,
        "summary": _sentence(str(card.front.get("summary", card.task))),
        "figure": headline(card),
        "size": card.size,
        "license": license_text(card.front),
        "terms": license_text(card.front).partition(" (")[0],
        "picture": shown.picture,
        "use": commercial_use(card.front) or "unclear",
        "info": f"{FOLDER}/{card.name}.json",
        "version": __version__,
    }
    return {name: html.escape(text or "not said") for name, text in texts.items()} | {"back": BACK}


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _entry(shown: Shown) -> str:
    """A model in the list of models."""
    values = _values(shown)
    return Template(
        '<li class="card"><a href="$name.html"><img src="$picture" alt="" loading="lazy"></a>'
        '<h2><a href="$name.html">$name</a></h2><p>$summary</p>'
        '<p class="note">$task · $figure · $size · $terms</p></li>'
    ).substitute(values)


def size_of(folder: Path, within: Sequence[str] = ()) -> int:
    """Bytes of a site, or of some of its folders."""
    places = [folder / name for name in within] or [folder]
    return sum(path.stat().st_size for place in places for path in place.rglob("*") if path.is_file())
