"""``zoo demo`` without a browser: what it writes, and what it refuses."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loopback import Answer, Cut, Loopback, Other, Request, Status
from zoo import load
from zoo.base.registry import architectures
from zoo.commands import main
from zoo.data import download
from zoo.exports.demo import runtime, samples, site
from zoo.exports.demo.model import Shown
from zoo.hub import client

pytest.importorskip("onnx", reason="the extra export is not installed")
CONTENTS = {name: f"// {name}\n".encode() * 100 for name in runtime.FILES}


def packed(contents: dict[str, bytes] = CONTENTS) -> bytes:
    """An archive as npm's registry has it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = packed()


class Registry(Loopback):
    def answer(self, request: Request) -> Answer:
        return Answer(200, {}, ARCHIVE) if request.path.endswith(runtime.ARCHIVE) else Answer(404)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry on loopback with a small package, whose digests are the pinned ones, and an empty cache."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    monkeypatch.setattr(runtime, "FILES", digests)
    monkeypatch.setattr(runtime, "ARCHIVE_SHA256", hashlib.sha256(ARCHIVE).hexdigest())
    monkeypatch.setattr(download, "BACKOFF", 0.0)
    monkeypatch.setattr(client, "home", lambda: tmp_path / "cache")
    with Registry() as server:
        monkeypatch.setattr(runtime, "URL", f"{server.endpoint}/{runtime.ARCHIVE}")
        yield server


def found(given: Path | None = None) -> tuple[dict[str, bytes], list[str]]:
    """The runtime's files, and what was printed."""
    lines: list[str] = []
    files = runtime.find(given, lines.append)
    return {name: path.read_bytes() for name, path in files.items()}, lines


def test_the_runtime_is_fetched_once_verified_and_kept(registry: Registry, tmp_path: Path):
    files, lines = found()
    assert files == CONTENTS
    assert len(lines) == 1
    assert "npm's registry" in lines[0]
    assert not list((tmp_path / "cache").rglob("*.tgz"))
    files, lines = found()
    assert files == CONTENTS
    assert len(lines) == 1
    assert "of the cache" in lines[0]
    assert len(registry.asked("GET")) == 1


def test_a_damaged_file_of_the_cache_is_fetched_again(registry: Registry, tmp_path: Path):
    found()
    next((tmp_path / "cache").rglob("*.wasm")).write_bytes(b"damaged")
    assert found()[0] == CONTENTS
    assert len(registry.asked("GET")) == 2


def test_a_cut_download_is_resumed_or_begun_again(registry: Registry):
    registry.fault("GET", "tgz", Cut(100))
    assert found()[0] == CONTENTS


@pytest.mark.parametrize("fault", [Other(b"something else"), Other(b"\0")])
def test_another_archive_is_refused_and_removed(registry: Registry, tmp_path: Path, fault: Other):
    registry.fault("GET", "tgz", fault)
    with pytest.raises(Exception, match=f"refused, it is not {runtime.ARCHIVE}"):
        found()
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_offline_with_nothing_cached_it_says_what_to_fetch_where(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture
):
    registry.fault("GET", "tgz", Status(404))
    code = main.main(["demo", "linknet_camvid", "-o", str(tmp_path / "site")])
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 2
    assert f"fetch {runtime.URL}" in error
    assert f"--runtime {runtime.ARCHIVE}" in error
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("place", ["", "dist", "package/dist"])
def test_a_folder_of_the_runtime_is_taken_where_it_lies(registry: Registry, tmp_path: Path, place: str):
    folder = tmp_path / "given" / place
    folder.mkdir(parents=True)
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
    assert found(tmp_path / "given") == (CONTENTS, [])
    assert not registry.asked("GET")
    (folder / next(iter(CONTENTS))).write_bytes(b"of another version")
    with pytest.raises(Exception, match="refused, it is not that of onnxruntime-web"):
        found(tmp_path / "given")
    (folder / next(iter(CONTENTS))).unlink()
    with pytest.raises(Exception, match=r"holds no .*\nunpack http"):
        found(tmp_path / "given")


def test_an_archive_that_was_carried_here_is_taken(registry: Registry, tmp_path: Path):
    (tmp_path / "carried.tgz").write_bytes(ARCHIVE)
    assert found(tmp_path / "carried.tgz")[0] == CONTENTS
    assert (tmp_path / "carried.tgz").is_file()
    with pytest.raises(Exception, match="no such file or folder"):
        found(tmp_path / "other.tgz")


def test_a_full_disk_is_named(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(runtime, "replace", full)
    with pytest.raises(Exception, match=r"cannot write .*No space left on device; free some space"):
        found()


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory, tiny_linknet: Path) -> Path:
    """The tiny LinkNet with a golden input."""
    from zoo.cards import golden, weights

    folder = tmp_path_factory.mktemp("models") / "tiny"
    shutil.copytree(tiny_linknet, folder)
    config = json.loads((folder / "config.json").read_text())
    config["golden"] = golden.write(weights.load(folder), folder, architectures()["linknet"].example)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, card: Path) -> tuple[Path, str]:
    """A site of a tiny LinkNet with a runtime that is none, and what the command printed."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "runtime").mkdir()
    for name, content in CONTENTS.items():
        (folder / "runtime" / name).write_bytes(content)
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "_is_sound", lambda path: path.is_file())
        patch.setattr(client, "home", lambda: folder / "cache")
        patch.setattr("sys.stdout", printed)
        assert main.main(["demo", str(card), "-o", f"{folder}/site", "--runtime", f"{folder}/runtime"]) == 0
    return folder / "site", printed.getvalue()


def test_the_folder_holds_all_that_its_pages_name(written: tuple[Path, str]):
    folder, printed = written
    assert [Path(line).name for line in printed.splitlines()] == ["index.html", "tiny.html"]
    for page in folder.glob("*.html"):
        text = page.read_text()
        assert "$" not in text
        for target in re.findall(r'(?:src|href|data-model)="(?!data:)([^"]+)"', text):
            assert (folder / target).is_file(), target
    for script in folder.rglob("*.js"):
        for target in re.findall(r'(?:from|import\() ?"(\.[^"]+)"', script.read_text()):
            assert (script.parent / target).is_file(), f"{script.name} names {target}"
    runtimes = {path.name: path.read_bytes() for path in (folder / "runtime").iterdir()}
    packed = [name for name in runtimes if name.endswith(".gz")]
    assert packed == [f"{name}.gz" for name in CONTENTS if name.endswith(".wasm")]
    assert {
        name.removesuffix(".gz"): gzip.decompress(content) if name in packed else content
        for name, content in runtimes.items()
    } == CONTENTS


def test_no_script_or_page_names_another_site(written: tuple[Path, str]):
    folder, _ = written
    for path in (each for each in folder.rglob("*") if each.suffix in (".js", ".html", ".css", ".json")):
        named = set(re.findall(r"https?://[^\s\"'`)]+", path.read_text()))
        papers = {"http://www.w3.org/2000/svg", "https://arxiv.org/abs/1912.05909"}
        assert named <= papers, f"{path.name} names {named - papers}"


def test_the_golden_bytes_are_those_of_the_card(written: tuple[Path, str], card: Path):
    import safetensors.numpy

    folder, _ = written
    info = json.loads((folder / "models" / "tiny.json").read_text())
    content, golden = (folder / info["golden"]["file"]).read_bytes(), info["golden"]
    tensors = safetensors.numpy.load_file(card / "golden.safetensors")
    assert golden["offset"] % 4 == 0
    pixels = np.frombuffer(content, np.uint8, tensors["input"].size).reshape(golden["shape"])
    numbers = np.frombuffer(content, "<f4", golden["count"], golden["offset"]).reshape(tensors["output"].shape)
    assert np.array_equal(pixels, tensors["input"])
    assert np.array_equal(numbers, tensors["output"].astype(np.float32))
    assert len(content) == golden["offset"] + 4 * golden["count"]


def test_the_model_and_its_samples_are_whole(written: tuple[Path, str]):
    folder, _ = written
    info = json.loads((folder / "models" / "tiny.json").read_text())
    assert info["kind"] == "segment"
    load(folder / info["model"], check=True)
    assert len(info["samples"]) >= 2
    for sample in info["samples"]:
        for file in sample["files"]:
            Image.open(folder / file).verify()


def again(folder: Path, *options: str, card: Path) -> int:
    return main.main(["demo", str(card), "-o", str(folder), "--runtime", str(folder / "nowhere"), *options])


def test_nothing_is_replaced_unasked(written: tuple[Path, str], card: Path, tmp_path: Path, capsys):
    folder, _ = written
    assert again(folder, card=card) == 2
    assert "replace it with --overwrite" in capsys.readouterr().err
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "letter.txt").write_text("dear")
    assert again(tmp_path / "own", "--overwrite", card=card) == 2
    assert "zoo demo did not write it" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert again(tmp_path / "file", card=card) == 2
    assert "is a file" in capsys.readouterr().err


def test_a_failure_leaves_an_earlier_site_as_it_was(
    written: tuple[Path, str], card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, _ = written
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    monkeypatch.setattr(Shown, "write", full)
    with pytest.raises(OSError, match="No space"):
        site.write([Shown.of(str(card))], {}, folder, lambda _: None)
    with pytest.raises(OSError, match="No space"):
        site.write([Shown.of(str(card))], {}, tmp_path / "new", lambda _: None)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    assert not list(folder.parent.glob(".site*"))
    assert not list(tmp_path.iterdir())


def test_a_site_replaces_an_earlier_one_whole(written: tuple[Path, str], tmp_path: Path, card: Path):
    shutil.copytree(written[0], tmp_path / "site")
    (tmp_path / "site" / "old.html").write_text("")
    site.write([], {}, tmp_path / "site", lambda _: None)
    assert not (tmp_path / "site" / "old.html").exists()
    assert (tmp_path / "site" / site.MARK).is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize(
    ("model", "message"), [("neural_style", "has no page"), ("nothing", "no model 'nothing'"), ("", "is empty")]
)
def test_what_has_no_page_is_refused_in_a_line(model: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main.main(["demo", model, "-o", str(tmp_path / "site")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") <= 3
    assert not list(tmp_path.iterdir())


def test_every_kind_of_page_has_a_script_and_samples():
    kinds = {declared.page for declared in architectures().values() if declared.page}
    scripts = {path.stem for path in (site.PAGE / "compute").glob("*.js")}
    assert kinds
    assert kinds <= scripts
    for kind in kinds - {"style", "features"}:  # which take seconds to draw
        made = samples.of_page(kind)
        assert made
        assert len({sample.name for sample in made}) == len(made)


@pytest.mark.parametrize("name", ["linknet_camvid", "linknet_camvid_fine"])
def test_the_streets_of_a_page_are_segmented_well(name: str):
    """A sample shows what the model can do: streets by day, whose sky is no building."""
    net = load(name)
    for number in range(len(samples.STREETS)):
        picture, truth = samples.scene(number, (360, 480))
        found, known = net.predict(picture).mask, truth < 11
        assert (found == truth)[known].mean() > 0.85
        assert (found == truth)[truth == 0].mean() > 0.9


def test_scripts_are_short():
    for path in (path for path in site.PAGE.rglob("*") if path.suffix in (".js", ".css", ".html")):
        assert path.read_text().count("\n") <= 300, path.name
