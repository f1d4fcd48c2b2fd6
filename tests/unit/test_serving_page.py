"""The page of a job in a real browser; see :mod:`test_demo_pages` for what it needs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser import Browser, Tab, program
from serving import Served, png, processes, write_export
from zoo import load

pytest.importorskip("uvicorn", reason="the extra demo is not installed")
pytest.importorskip("onnx", reason="the extra export is not installed")
CHROMIUM = program()
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install it, or name it in ZOO_TEST_BROWSER"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, tiny_linknet: Path) -> Path:
    return write_export(tiny_linknet, tmp_path_factory.mktemp("exported") / "tiny.onnx")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served"), str(model)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(str(CHROMIUM)) as running:
        yield running


def says(tab: Tab, beginning: str) -> None:
    tab.wait(f"document.querySelector('[role=status]')?.textContent.startsWith({beginning!r})")


def started(tab: Tab, path: Path) -> None:
    tab.wait("document.querySelector('input[type=file]')")
    tab.give(path)
    says(tab, "Ready")
    tab.evaluate("document.querySelector('button.main').click()")


def test_the_page_sends_a_picture_and_shows_the_result(browser: Browser, server: Served, model: Path, tmp_path: Path):
    (tmp_path / "street.png").write_bytes(png(64, 48, seed=1))
    tab = browser.open(server.address)
    tab.wait("document.querySelector('.ways a')")
    tab.evaluate("document.querySelector('.ways a').click()")
    started(tab, tmp_path / "street.png")
    says(tab, "Done in")
    assert "street_mask.png" in tab.evaluate("[...document.querySelectorAll('#results a')].map(e => e.download)")
    tab.wait("[...document.querySelectorAll('#results img')].every(e => e.complete && e.naturalWidth)")
    shown = tab.evaluate(
        "(async () => { const image = document.querySelector('#results img[alt=\"street_mask.png\"]');"
        "return [...new Uint8Array(await (await fetch(image.src)).arrayBuffer())]; })()"
    )
    (tmp_path / "shown.png").write_bytes(bytes(shown))
    expected = load(model).predict(tmp_path / "street.png").mask
    assert np.array_equal(np.asarray(Image.open(tmp_path / "shown.png")), expected)
    address = tab.evaluate("location.href")
    assert "#job=" in address
    again = browser.open(address)  # a link shows the same
    says(again, "Done in")
    assert not again.troubles()
    again.close()
    assert not tab.troubles()
    assert all(each.startswith((server.address, "data:", "blob:", "about:")) for each in tab.requested())
    tab.evaluate("document.querySelector('#results button').click()")
    says(tab, "Stopped, and deleted")
    assert not list(server.jobs.iterdir())
    tab.close()


def test_stop_answers_at_once_and_the_next_job_works(browser: Browser, server: Served, tmp_path: Path):
    (tmp_path / "large.png").write_bytes(png(4000, 4000))
    (tmp_path / "small.png").write_bytes(png(40, 30))
    tab = browser.open(f"{server.address}/run/tiny.html")
    started(tab, tmp_path / "large.png")
    says(tab, "Working")
    seconds = tab.evaluate(
        "(async () => { const start = performance.now(); document.querySelector('.running button').click();"
        "while (!document.querySelector('[role=status]').textContent.includes('deleted'))"
        "await new Promise(r => setTimeout(r, 5)); return (performance.now() - start) / 1000; })()"
    )
    assert seconds < 0.3
    assert not processes(server.jobs)
    started(tab, tmp_path / "small.png")
    says(tab, "Done in")
    tab.close()


def test_a_wrong_file_and_an_absent_server_get_a_sentence(browser: Browser, server: Served, tmp_path: Path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    tab = browser.open(f"{server.address}/run/tiny.html")
    started(tab, tmp_path / "broken.jpg")
    tab.wait("document.querySelector('.wrong')")
    assert tab.says().startswith("broken.jpg: ")
    assert str(server.temporary) not in tab.says()
    tab.send("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    tab.evaluate("document.querySelector('button.main').click()")
    tab.wait("document.querySelector('.wrong')?.textContent.includes('server')")
    assert tab.says() == "The server does not answer. Does it still run?"
    tab.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_pages_fit_and_name_their_controls(width: int, browser: Browser, server: Served):
    for page in ("", "/run/tiny.html"):
        tab = browser.open(f"{server.address}{page}", width=width)
        tab.wait("document.querySelector('.card')")
        time.sleep(0.2)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        unnamed = (
            "[...document.querySelectorAll('button, input, select')].filter(e => !(e.textContent.trim() "
            "|| e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML)"
        )
        assert tab.evaluate(unnamed) == []
        assert not tab.troubles()
        tab.close()
