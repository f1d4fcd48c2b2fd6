"""The pages of ``zoo demo`` in a real browser: they answer as Python does, stop, and survive what people give them.

They need a Chromium (ZOO_TEST_BROWSER, or the system's), and ONNX Runtime Web in the cache or in ZOO_TEST_RUNTIME.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser import ISOLATED, Browser, Tab, program, served
from zoo import load
from zoo.base.registry import card_names
from zoo.exports.demo import runtime, site
from zoo.exports.demo.model import Shown
from zoo.hub import client
from zoo.pictures.geometry import corner_points, transform_points

pytest.importorskip("onnx", reason="the extra export is not installed")
CHROMIUM = program()
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install it, or name it in ZOO_TEST_BROWSER"),
    pytest.mark.timeout(900),
]
MODELS = [name for name in site.default_models() if name in card_names()]
FEW = "linknet_camvid", "perceptual_sr_pixel", "homographynet_free"  # one of each kind that is quick


@pytest.fixture(scope="session")
def runtime_files() -> dict[str, Path]:
    given = os.environ.get("ZOO_TEST_RUNTIME")
    kept = client.home() / "runtimes" / f"{runtime.PACKAGE}-{runtime.VERSION}"
    if not given and not kept.is_dir():
        pytest.skip(
            f"{runtime.PACKAGE} is not in the cache: zoo demo fetches it; or name its folder in ZOO_TEST_RUNTIME"
        )
    return runtime.find(Path(given or kept), lambda _: None)


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory, runtime_files: dict[str, Path]) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "site"
    site.write(map(Shown.of, FEW), runtime_files, folder, lambda _: None)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with Browser(str(CHROMIUM)) as running:
        yield running


@pytest.fixture
def address(pages: Path) -> Iterator[str]:
    with served(pages) as where:
        yield where


def finished(tab: Tab) -> None:
    tab.wait("document.body.dataset.busy === 'true'", 120)
    tab.wait("document.body.dataset.busy === 'false'", 300)


def drawn(tab: Tab, selector: str) -> np.ndarray:
    """Pixels of a canvas, RGBA."""
    coded = tab.evaluate(f"document.querySelector('{selector}').toDataURL()").partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(coded))).convert("RGBA")).astype(int)


def info_of(folder: Path, name: str) -> dict:
    return json.loads((folder / "models" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", MODELS)
def test_each_page_answers_as_python_does(name: str, browser: Browser, runtime_files: dict[str, Path], tmp_path: Path):
    site.write([Shown.of(name)], runtime_files, tmp_path / "site", lambda _: None)
    info = info_of(tmp_path / "site", name)
    with served(tmp_path / "site") as where:
        for sample in info["samples"]:
            tab = browser.open(f"{where}/{name}.html#sample={sample['name']}")
            finished(tab)
            assert tab.says().startswith("Done in")
            assert float(tab.evaluate("document.querySelector('[data-difference]').dataset.difference")) < 1e-3
            compare(tab, info, load(name).predict(*(tmp_path / "site" / file for file in sample["files"])))
            assert not tab.troubles()
            tab.close()


def compare(tab: Tab, info: dict, result) -> None:
    """Compares what a page shows with the result of Python."""
    if info["kind"] == "segment":
        shown = drawn(tab, ".stack canvas + canvas")[..., :3]
        ids = (shown[..., None, :] == np.array(info["facts"]["palette"])).all(-1).argmax(-1)
        assert (ids == result.mask).mean() >= 0.999
    elif info["kind"] in ("enlarge", "style"):
        shown = drawn(tab, ".stack canvas + canvas" if info["kind"] == "enlarge" else ".seen > canvas")
        assert np.abs(shown[..., :3] - np.asarray(result.picture.convert("RGB")).astype(int)).max() <= 2
    else:
        matrix = np.array(json.loads(tab.evaluate("document.querySelector('pre').textContent")))
        corners = transform_points(matrix, corner_points(*result.a.shape[1::-1]))
        off = np.abs(corners - result.corners).max()
        assert off < 0.1


def test_without_the_headers_for_threads_a_service_worker_brings_them(browser: Browser, pages: Path):
    with served(pages, headers={}) as where:
        tab = browser.open(f"{where}/linknet_camvid.html#sample=street1")
        tab.wait("self.crossOriginIsolated", 60)
        tab.wait("document.querySelector('[role=status]')?.textContent.startsWith('Done')", 200)
        tab.close()


def test_one_thread_does_where_there_is_no_isolation(browser: Browser, pages: Path, tmp_path: Path):
    shutil.copytree(pages, tmp_path / "site")
    (tmp_path / "site" / "headers.js").unlink()
    with served(tmp_path / "site", headers={}) as where:
        tab = browser.open(f"{where}/linknet_camvid.html#sample=street1")
        tab.wait("document.querySelector('[role=status]')?.textContent.startsWith('Done')", 200)
        assert not tab.evaluate("self.crossOriginIsolated")
        tab.close()


def test_nothing_is_asked_of_other_sites_and_the_runtime_only_with_a_picture(browser: Browser, address: str):
    tab = browser.open(f"{address}/linknet_camvid.html")
    tab.wait("document.querySelector('[role=status]')?.textContent.startsWith('Choose')")
    assert not [each for each in tab.requested() if "/runtime/" in each and address in each]
    tab.evaluate("document.querySelector('.sample').click()")
    finished(tab)
    assert all(each.startswith((address, "data:", "blob:", "about:", "http://127.0.0.1")) for each in tab.requested())
    assert "sample=street1" in tab.evaluate("location.hash")
    tab.close()


def test_stop_answers_at_once_and_the_next_job_works(browser: Browser, address: str, tmp_path: Path):
    Image.effect_noise((700, 700), 60).convert("RGB").save(tmp_path / "noise.png")
    tab = browser.open(f"{address}/perceptual_sr_pixel.html")
    tab.wait("document.querySelector('input[type=file]')")
    tab.give(tmp_path / "noise.png")
    tab.wait("document.querySelector('[role=status]').textContent.includes('Working: ')", 200)
    seconds = tab.evaluate(
        "(async () => { const start = performance.now(); document.querySelector('.running button').click();"
        "while (document.body.dataset.busy === 'true') await new Promise(r => setTimeout(r, 5));"
        "return (performance.now() - start) / 1000; })()"
    )
    assert seconds < 0.3
    assert tab.says() == "Stopped."
    tab.evaluate("document.querySelector('.sample').click()")
    finished(tab)
    assert tab.says().startswith("Done in")
    tab.close()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("broken.jpg", b"\xff\xd8\xff\xe0 no picture", "broken.jpg is no picture that this browser reads"),
        ("empty.png", b"", "empty.png is an empty file"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing.svg is a drawing without pixels"),
        ("phone.heic", b"\0\0\0\x18ftypheic", "This browser reads no HEIC pictures"),
    ],
)
def test_files_that_are_no_pictures_get_a_sentence(
    name: str, content: bytes, message: str, browser: Browser, address: str, tmp_path: Path
):
    (tmp_path / name).write_bytes(content)
    tab = browser.open(f"{address}/linknet_camvid.html")
    tab.wait("document.querySelector('input[type=file]')")
    tab.give(tmp_path / name)
    tab.wait("document.querySelector('.wrong')")
    assert message in tab.says()
    assert tab.says().endswith(".")
    tab.close()


def test_a_huge_picture_gets_a_sentence_with_its_size(browser: Browser, address: str, tmp_path: Path):
    Image.new("RGB", (8000, 6000)).save(tmp_path / "huge.png")
    tab = browser.open(f"{address}/linknet_camvid.html")
    tab.wait("document.querySelector('input[type=file]')")
    tab.give(tmp_path / "huge.png")
    tab.wait("document.querySelector('.wrong')", 120)
    assert "huge.png has 8000x6000 pixels, and this page takes up to 25.0 megapixels" in tab.says()
    tab.close()


def test_another_answer_than_the_published_one_is_refused(browser: Browser, pages: Path, tmp_path: Path):
    shutil.copytree(pages, tmp_path / "site")
    golden = tmp_path / "site" / info_of(pages, "linknet_camvid")["golden"]["file"]
    content = bytearray(golden.read_bytes())
    content[-400:] = np.full(100, 30, "<f4").tobytes()
    golden.write_bytes(content)
    with served(tmp_path / "site") as where:
        tab = browser.open(f"{where}/linknet_camvid.html#sample=street1")
        finished(tab)
        assert tab.says().startswith("Refused: the answer to the published input differs by")
        assert tab.evaluate("document.querySelectorAll('.legend li').length") == 0
        tab.close()


def test_a_lost_connection_is_told(browser: Browser, pages: Path):
    with served(pages) as where:
        tab = browser.open(f"{where}/linknet_camvid.html")
        tab.wait("document.querySelector('.sample')")
    tab.evaluate("document.querySelector('.sample').click()")
    tab.wait("document.querySelector('.wrong')", 60)
    assert tab.says()
    tab.close()


GIVEN = """(() => {{
    const bytes = Uint8Array.from(atob("{content}"), c => c.charCodeAt(0)), items = new DataTransfer();
    items.items.add(new File([bytes], "own.png", {{ type: "image/png" }}));
    document.dispatchEvent({event});
}})()"""


def click(tab: Tab, text: str) -> None:
    tab.evaluate(f"[...document.querySelectorAll('button')].find(each => each.textContent === '{text}').click()")


@pytest.mark.parametrize(
    "event",
    [
        "new DragEvent('drop', { dataTransfer: items, bubbles: true, cancelable: true })",
        "new ClipboardEvent('paste', { clipboardData: items, bubbles: true })",
    ],
)
def test_a_picture_is_dropped_or_pasted_and_its_mask_saved(
    event: str, browser: Browser, address: str, pages: Path, tmp_path: Path
):
    sample = pages / "samples" / "segment_street1.png"
    tab = browser.open(f"{address}/linknet_camvid.html")
    tab.wait("document.querySelector('.sample')")
    tab.evaluate(GIVEN.format(content=base64.b64encode(sample.read_bytes()).decode(), event=event))
    finished(tab)
    tab.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    click(tab, "Save the mask")
    wait_for(tmp_path / "mask.png")
    saved, want = np.asarray(Image.open(tmp_path / "mask.png")), load("linknet_camvid").predict(sample).mask
    assert (saved == want).mean() >= 0.999
    tab.close()


def wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.is_file() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.1)  # the file is renamed once it is whole


def test_the_camera_takes_a_picture(browser: Browser, address: str):
    tab = browser.open(f"{address}/linknet_camvid.html")
    tab.wait("document.querySelector('.sample')")
    click(tab, "Camera")
    tab.wait("document.querySelector('video')?.videoWidth", 30)
    click(tab, "Take the picture")
    finished(tab)
    assert tab.says().startswith("Done in")
    assert not tab.evaluate("Boolean(document.querySelector('dialog'))")
    tab.close()


def numbers(tab: Tab) -> np.ndarray:
    return np.array(json.loads(tab.evaluate("document.querySelector('pre').textContent")))


def test_corners_are_dragged_kept_in_the_address_and_given_back(browser: Browser, address: str):
    tab = browser.open(f"{address}/homographynet_free.html#sample=near&mode=wipe&fade=0.3")
    finished(tab)
    before = numbers(tab)
    place = "document.querySelector('.handle').getBoundingClientRect()"
    x, y = tab.evaluate(f"[{place}.x + {place}.width / 2, {place}.y + {place}.height / 2]")
    for kind, at, buttons in (("mousePressed", 0, 1), ("mouseMoved", 60, 1), ("mouseReleased", 60, 0)):
        event = {"type": kind, "x": x + at, "y": y + at, "button": "left", "buttons": buttons, "clickCount": 1}
        tab.send("Input.dispatchMouseEvent", **event)
    tab.evaluate("document.querySelectorAll('.handle')[2].focus()")
    for kind in ("keyDown", "keyUp"):
        tab.send("Input.dispatchKeyEvent", type=kind, key="ArrowLeft", code="ArrowLeft")
    moved, link = numbers(tab), tab.evaluate("location.href")
    assert np.abs(moved - before).max() > 1
    other = browser.open(link)
    finished(other)
    other.wait("location.hash.includes('corners')")
    assert np.abs(numbers(other) - moved).max() < 0.05
    assert other.evaluate("document.querySelector('.over').style.clipPath").endswith("30%)")
    click(other, "Back to the answer")
    assert np.abs(numbers(other) - before).max() < 0.01
    assert "corners" not in other.evaluate("location.hash")
    for each in (tab, other):
        each.close()


def test_a_link_to_other_settings_is_followed_in_the_same_tab(browser: Browser, address: str):
    tab = browser.open(f"{address}/linknet_camvid.html#sample=street1")
    finished(tab)
    tab.evaluate("location.hash = '#sample=street2&opacity=0.25&off=Road'")
    tab.wait("document.querySelector('.stack canvas + canvas')?.style.opacity === '0.25'")
    tab.wait("document.querySelector('[role=status]').textContent.startsWith('Done')", 120)
    assert (drawn(tab, ".stack canvas + canvas")[..., 3] == 0).mean() > 0.1
    tab.close()


def test_what_is_transparent_is_as_in_python(browser: Browser, address: str, pages: Path, tmp_path: Path):
    """White for segmentation; enlarged by super resolution, with colours of what is seen nearby."""
    picture = Image.open(pages / "samples" / "enlarge_street1.png").convert("RGBA")
    across, down = np.meshgrid(np.arange(picture.width), np.arange(picture.height))
    seen = np.hypot(across - 80, down - 60) < 50
    picture.putalpha(Image.fromarray((255 * seen).astype(np.uint8)))
    picture.save(tmp_path / "logo.png")
    tab = browser.open(f"{address}/linknet_camvid.html")
    tab.wait("document.querySelector('input[type=file]')")
    tab.give(tmp_path / "logo.png")
    finished(tab)
    compare(tab, info_of(pages, "linknet_camvid"), load("linknet_camvid").predict(tmp_path / "logo.png"))
    tab.close()
    tab = browser.open(f"{address}/perceptual_sr_pixel.html")
    tab.wait("document.querySelector('input[type=file]')")
    tab.give(tmp_path / "logo.png")
    finished(tab)
    shown = drawn(tab, ".stack canvas + canvas")
    want = np.asarray(load("perceptual_sr_pixel").predict(tmp_path / "logo.png").picture).astype(int)
    assert np.abs(shown[..., 3] - want[..., 3]).max() <= 1
    assert np.abs(shown - want)[want[..., 3] > 200].max() <= 3
    tab.close()


def test_a_browser_without_simd_gets_a_sentence(browser: Browser, pages: Path, tmp_path: Path):
    shutil.copytree(pages, tmp_path / "site")
    worker = tmp_path / "site" / "page" / "worker.js"
    worker.write_text("WebAssembly.validate = () => false;\n" + worker.read_text())
    with served(tmp_path / "site") as where:
        tab = browser.open(f"{where}/linknet_camvid.html#sample=street1")
        finished(tab)
        assert tab.says() == "This browser lacks WebAssembly with SIMD. Update it, or use another browser."
        tab.close()


def test_runtime_and_page_load_fast_over_a_slow_line(pages: Path):
    assert site.size_of(pages, ("page", "runtime")) < 4.5e6


def test_a_server_that_has_the_runtime_decompressed_on_the_way_serves_it_too(browser: Browser, pages: Path):
    with served(pages, {**ISOLATED, ".gz": "gzip"}) as where:
        tab = browser.open(f"{where}/linknet_camvid.html#sample=street1")
        finished(tab)
        assert tab.says().startswith("Done in ")
        tab.close()


def test_a_damaged_runtime_gets_a_sentence(browser: Browser, pages: Path, tmp_path: Path):
    shutil.copytree(pages, tmp_path / "site")
    packed = next((tmp_path / "site" / "runtime").glob("*.gz"))
    packed.write_bytes(packed.read_bytes()[:-1000])
    with served(tmp_path / "site") as where:
        tab = browser.open(f"{where}/linknet_camvid.html#sample=street1")
        finished(tab)
        assert tab.says() == "The runtime could not be loaded: its file is damaged."
        tab.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", [*FEW, "index"])
def test_pages_fit_and_their_controls_have_names(name: str, width: int, browser: Browser, address: str):
    tab = browser.open(f"{address}/{name}.html", width)
    tab.wait("document.querySelector('[role=status], .models a')")
    time.sleep(0.2)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    unnamed = (
        "[...document.querySelectorAll('button, input, select, canvas')].filter(e => !(e.textContent.trim() "
        "|| e.getAttribute('aria-label') || e.labels?.length || e.title)).map(e => e.outerHTML)"
    )
    assert tab.evaluate(unnamed) == []
    tab.close()
