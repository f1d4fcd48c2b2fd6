"""The site: it builds without a warning, its pages are valid, what they show is there, and no figure is typed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import html5lib
import pytest

from zoo.base.registry import architectures, card_names
from zoo.commands.main import VERBS
from zoo.training import recipes

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the sources, since several processes may build at a time."""
    folder = tmp_path_factory.mktemp("site")
    generated = ("_build", "_extra", "models", "recipes", "commands", "api", "leaderboards.md")
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns(*generated))
    for name in ("CHANGELOG.md", "README.md"):
        shutil.copy(ROOT / name, folder)
    demo = folder / "docs" / "_extra" / "demo"  # as zoo demo writes it
    demo.mkdir(parents=True)
    (demo / "linknet_camvid.html").write_text("<!doctype html><html lang='en'><title>linknet_camvid</title></html>")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(folder / "doctrees")]
    done = subprocess.run([*command, str(folder / "docs"), str(folder / "html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


class Links(HTMLParser):
    """Addresses and anchors of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found, self.anchors = set[str](), set[str]()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {value for name, value in attrs if name in ("href", "src") and value}
        self.anchors |= {value for name, value in attrs if name == "id" and value}


def test_everything_that_is_declared_has_a_page(site: Path):
    assert {path.stem for path in (site / "models").glob("*.html")} == {*card_names(), "index"}
    assert {path.stem for path in (site / "recipes").glob("*.html")} == {*recipes.names(), "index"}
    assert {path.stem for path in (site / "commands").glob("*.html")} == {*VERBS, "index"}
    assert {f"zoo.models.{name}" for name in architectures()} <= {path.stem for path in (site / "api").glob("*.html")}
    assert (site / "search.html").is_file()


def test_links_and_pictures_are_there(site: Path):
    pages = {path: Links(path) for path in site.rglob("*.html")}
    for page, links in pages.items():
        for link in links.found:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                continue
            target = (page.parent / unquote(address.path)).resolve() if address.path else page
            assert target.is_file(), f"{page.name}: {link}"
            if address.fragment and target in pages:
                assert unquote(address.fragment) in pages[target].anchors, f"{page.name}: {link}"


def test_a_model_is_tried_on_its_page(site: Path):
    """Where zoo demo wrote a page of it; elsewhere its page tells how."""
    page = (site / "models" / "linknet_camvid.html").read_text()
    assert re.search(r'<iframe[^>]* src="../demo/linknet_camvid.html" title="Try linknet_camvid"', page)
    assert (site / "demo" / "linknet_camvid.html").is_file()
    without = (site / "models" / "xfeat_free.html").read_text()
    assert "iframe" not in without
    assert "zoo demo xfeat_free -o site/" in re.sub(r"<[^>]+>", "", without)


def test_pages_need_nothing_from_the_network(site: Path):
    for page in site.rglob("*.html"):
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page.read_text()):
            assert not re.search(r"(?:src|href)=\"(?:https?:)?//", tag), f"{page.name}: {tag}"


def test_pages_are_valid(site: Path):
    for page in site.rglob("*.html"):
        parser = html5lib.HTMLParser()
        parser.parse(page.read_text())
        assert not parser.errors, f"{page.name}: {parser.errors[:3]}"


def test_figures_of_written_pages_come_from_cards():
    """Guides and the first page type no figure: what was measured stands on pages made of results.json."""
    measured = re.compile(r"\d(?:\.\d+)? ?(?:dB|px|mIoU|ms)\b|mIoU (?:of )?\d")
    for path in [ROOT / "docs" / "index.md", *(ROOT / "docs" / "guides").glob("*.md")]:
        assert not measured.search(path.read_text()), path.name


def test_pages_of_commands_and_recipes_are_whole(site: Path):
    for verb in VERBS:
        assert "usage: zoo" in (site / "commands" / f"{verb}.html").read_text(), verb
    assert "onnx|openvino|torch" in (site / "commands" / "index.html").read_text()
    page = re.sub(r"<[^>]+>", "", (site / "recipes" / "linknet_streets.html").read_text())
    assert "zoo fit --recipe linknet_streets.yaml" in page
    assert "seed_everything" in page
    assert "--model.optimizer.lr 6e-4" in (site / "recipes" / "perceptual_sr_pixel.html").read_text()


def test_the_changelog_holds_no_placeholder():
    assert not re.search(r"^- [A-Z]+$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
