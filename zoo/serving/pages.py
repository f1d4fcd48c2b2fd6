"""Writes the pages of jobs beside those that run models in the browser."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from zoo.base import __version__
from zoo.base.files import read_text
from zoo.pictures import video
from zoo.pictures.images import SUFFIXES
from zoo.serving.limits import MEGABYTE, Limits
from zoo.serving.offer import Offer

PAGE = Path(__file__).with_name("page")  # scripts, styles and templates
TEMPLATES = ("index.html", "model.html")
FOLDER = "run"  # of the pages in the site
ENTRY = Template(
    '<li class="card"><h2>$name</h2><p>$summary</p><p class="note">$task</p>'
    '<p class="ways"><a href="run/$link.html">Run on the server</a>$browser</p></li>'
)
BROWSER = Template(' <a href="$link.html">Run in the browser</a>')


def write(offers: Sequence[Offer], site: Path, limits: Limits, in_browser: Collection[str]) -> None:
    """Writes the list of models and the pages of their jobs into the folder of a site, see :mod:`zoo.exports.demo`.

    Args:
        offers: models that the server runs.
        site: folder with the scripts and styles of ``zoo demo``.
        limits: what visitors may ask for.
        in_browser: names of the models that have a page in the site too.
    """
    folder = site / FOLDER
    shutil.copytree(PAGE, folder, ignore=shutil.ignore_patterns(*TEMPLATES), copy_function=shutil.copyfile)
    for offer in offers:
        (folder / f"{offer.name}.json").write_text(json.dumps(_info(offer, limits)), encoding="utf-8")
        _fill("model.html", folder / f"{offer.name}.html", _values(offer, limits, in_browser))
    entries = "\n".join(ENTRY.substitute(_values(offer, limits, in_browser)) for offer in offers)
    _fill("index.html", site / "index.html", {"version": __version__, "models": entries})


def _info(offer: Offer, limits: Limits) -> dict[str, Any]:
    """What the script of a page knows."""
    pictures = sorted(SUFFIXES)
    own = {"upload": limits.upload, "keep": limits.keep}
    return {**offer.to_dict(), "limits": own, "suffixes": {"picture": pictures, "video": sorted(video.SUFFIXES)}}


def _values(offer: Offer, limits: Limits, in_browser: Collection[str]) -> dict[str, str]:
    """The texts of a model's page, as HTML."""
    texts = {
        "name": offer.name,
        "task": offer.task,
        "summary": f"{offer.summary[:1].upper()}{offer.summary[1:]}.",
        "link": quote(offer.name),
        "upload": f"{limits.upload / MEGABYTE:g} MB",
        "pixels": f"{limits.pixels / 1e6:g} megapixels",
        "minutes": f"{limits.keep / 60:g}",
        "version": __version__,
    }
    escaped = {name: html.escape(text) for name, text in texts.items()}
    return {**escaped, "browser": BROWSER.substitute(escaped) if offer.name in in_browser else ""}


def _fill(template: str, path: Path, values: dict[str, str]) -> None:
    path.write_text(Template(read_text(PAGE / template)).substitute(values), encoding="utf-8")
