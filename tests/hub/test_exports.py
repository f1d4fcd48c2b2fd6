"""Exports on their way through the Hub: made and certified before anything is sent, verified before anything runs."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import light
from loopback import Cut, Other
from zoo import load
from zoo.base.files import read_json, replace
from zoo.cards import parity, weights
from zoo.cards.card import check_card, refresh
from zoo.commands import main
from zoo.commands.card import add_golden
from zoo.commands.staging import staged
from zoo.data.streets import draw_street
from zoo.exports import certificate, job
from zoo.hub import locate

REPO = "me/tiny"


@pytest.fixture(scope="session")
def plain(tiny_linknet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete card of the tiny LinkNet, without exports."""
    source = locate.find("linknet_camvid").folder
    without = shutil.ignore_patterns("parity.json")  # which describes other weights
    folder = shutil.copytree(source, tmp_path_factory.mktemp("plain") / "tiny", ignore=without)
    old = read_json(folder / "config.json")
    entries = {name: old[name] for name in ("recipe", "data", "input")}
    weights.save(weights.load(tiny_linknet), folder, "linknet", read_json(tiny_linknet / "config.json")["arguments"],
                 name="tiny", **entries)  # fmt: skip
    add_golden(folder)
    refresh(folder)
    assert check_card(folder) == []
    return folder


@pytest.fixture(scope="session")
def exported(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with exports for ONNX and OpenVINO."""
    with staged(plain, ["onnx", "openvino"]) as folder:
        return shutil.copytree(folder, tmp_path_factory.mktemp("exported") / "tiny")


@pytest.fixture
def card(plain: Path, tmp_path: Path) -> Path:
    return shutil.copytree(plain, tmp_path / "tiny")


@pytest.fixture
def own(exported: Path, tmp_path: Path) -> Path:
    """A card with exports that a test may change."""
    return shutil.copytree(exported, tmp_path / "exported" / "tiny")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(draw_street(3, (90, 120))[0]).save(tmp_path / "street.png")
    return tmp_path / "street.png"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sent(hub: Any) -> dict[str, bytes]:
    files = hub.repos[REPO].branches["main"][-1].files
    return {name: content for name, content in files.items() if name != ".gitattributes"}


def writes(hub: Any) -> list[str]:
    asked = [one.path for method in ("POST", "PUT", "DELETE") for one in hub.asked(method)]
    return [path for path in asked if not path.startswith("/api/validate-yaml")]


def fetched(hub: Any) -> set[str]:
    return {one.path.rpartition("/")[2] for one in hub.asked("GET", "/resolve/")}


def test_published_with_exports_and_predicted_on_another_machine(
    hub: Any, me: None, card: Path, picture: Path, cold: Callable[[], Path], capsys: pytest.CaptureFixture[str]
):
    before = contents(card)
    assert main.main(["publish", str(card), "--with", "onnx,openvino", "--repo", REPO]) == 0
    assert contents(card) == before, "the exports are the Hub's; the card stays as it is"
    there = sent(hub)
    assert set(there) == {*before, "tiny.onnx", "tiny.xml", "tiny.bin", "parity.json", "USE.md"}
    exports = json.loads(there["config.json"])["exports"]
    assert exports["onnx"]["bytes"] == len(there["tiny.onnx"])
    assert exports["openvino"]["weights"]["file"] == "tiny.bin"
    readme = there["README.md"].decode()
    assert re.search(r"\| tiny\.onnx \| (onnxruntime|ONNX Runtime) \d\S+ \| \d\.\de-\d\d \| \d+\.\d\d % \|", readme)
    assert re.search(r"\| tiny\.xml \| OpenVINO \d\S+ \|", readme)
    wanted = load(card).predict(picture)
    for engine in ("onnx", "openvino"):
        cold()
        hub.requests.clear()
        found = load(REPO, engine=engine, check=True).predict(picture)
        assert np.array_equal(found.mask, wanted.mask)
        files = {"onnx": {"tiny.onnx"}, "openvino": {"tiny.xml", "tiny.bin"}}
        assert fetched(hub) == {"config.json", *files[engine]}, "what it runs, and no weights"


def test_without_torch(hub: Any, exported: Path, picture: Path, tmp_path: Path):
    """An export is fetched and predicted with; a pull verifies by digests and says so."""
    hub.put(REPO, contents(exported))
    done = light.run(tmp_path, "predict", REPO, "--engine", "onnx", str(picture), "-o", "out")
    assert done.code == 0, done.err
    assert fetched(hub) == {"config.json", "tiny.onnx"}
    mask = np.asarray(Image.open(next((tmp_path / "out").glob("*mask*"))))
    assert np.array_equal(mask, load(exported).predict(picture).mask)
    done = light.run(tmp_path, "pull", REPO, "--to", "there")
    assert done.code == 0, done.err
    assert done.err == "torch is not installed: the files are verified by the sizes and digests of config.json alone\n"
    assert contents(tmp_path / "there") == contents(exported)
    assert light.run(tmp_path, "bundle", "there", "-o", "carried.zip").code == 0
    done = light.run(tmp_path, "predict", "carried.zip", "--engine", "onnx", str(picture), "-o", "again")
    assert done.code == 0, done.err


def test_pulled_and_bundled_with_exports(
    hub: Any, exported: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    hub.put(REPO, {**contents(exported), "mine.onnx": b"x", "pytorch_model.bin": b"x", "mine.xml": b"x"})
    assert main.main(["pull", REPO, "--to", str(tmp_path / "there")]) == 0
    out = capsys.readouterr().out
    assert "tiny.onnx" in out
    assert "tiny.xml" in out
    assert contents(tmp_path / "there") == contents(exported), "with nothing that config.json does not describe"
    assert not fetched(hub) & {"mine.onnx", "pytorch_model.bin", "mine.xml"}
    assert main.main(["bundle", REPO, "-o", str(tmp_path / "carried.zip")]) == 0
    wanted = load(exported).predict(picture).mask
    assert np.array_equal(load(tmp_path / "carried.zip", engine="onnx").predict(picture).mask, wanted)
    assert np.array_equal(load(tmp_path / "there", engine="onnx").predict(picture).mask, wanted)


def described(folder: Path, **changed: Any) -> None:
    config = read_json(folder / "config.json")
    config["exports"]["onnx"].update(changed)
    replace(folder / "config.json", json.dumps(config))


SPOILT = {
    "tampered": (
        lambda folder: (folder / "tiny.onnx").write_bytes((folder / "tiny.onnx").read_bytes()[:-1] + b"x"),
        "tiny.onnx: refused, its SHA-256 is not that of config.json",
    ),
    "other": (
        lambda folder: shutil.copyfile(folder / "tiny.bin", folder / "tiny.onnx"),
        "tiny.onnx",
    ),
    "larger": (
        lambda folder: (folder / "tiny.onnx").write_bytes((folder / "tiny.onnx").read_bytes() + bytes(1 << 20)),
        "refused, tiny.onnx has",
    ),
    "outside": (lambda folder: described(folder, file="../tiny.onnx"), "exports.onnx.file: must be a text"),
    "absolute": (lambda folder: described(folder, file="/etc/net.onnx"), "exports.onnx.file: must be a text"),
    "code": (lambda folder: described(folder, file="run.py"), "exports.onnx.file: must be a text"),
    "missing": (lambda folder: (folder / "tiny.onnx").unlink(), "has no tiny.onnx"),
    "null": (lambda folder: described(folder, sha256=None), "exports.onnx.sha256: must be a text of 64 digits"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_an_export_that_is_not_what_the_card_says_is_refused(
    hub: Any, own: Path, picture: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
):
    spoil, message = SPOILT[kind]
    spoil(own)
    hub.put(REPO, contents(own))
    commands = (
        ["predict", REPO, "--engine", "onnx", str(picture), "-o", str(tmp_path / "out")],
        ["pull", REPO, "--to", str(tmp_path / "there")],
        ["bundle", REPO, "-o", str(tmp_path / "x.zip")],
    )
    for command in commands:
        assert main.main(command) == 2, command
        error = capsys.readouterr().err
        assert error.startswith("zoo: error: ")
        assert message in error
        assert len(error.splitlines()) <= 3
    assert {path.name for path in tmp_path.iterdir()} & {"out", "there", "x.zip"} == set()
    home = Path(os.environ["HF_HOME"])
    assert not [path for path in home.rglob("*") if path.name.endswith((".incomplete", ".tmp"))]
    if kind == "larger":
        assert not [one for one in hub.asked("GET", "onnx|/lfs/") if "tiny.onnx" in one.path], "not even begun"


def test_a_download_that_goes_wrong_leaves_nothing(
    hub: Any, exported: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Another file under the right size is refused; a cut one is resumed."""
    hub.put(REPO, contents(exported))
    command = ["predict", REPO, "--engine", "onnx", str(picture), "-o", str(tmp_path / "out")]
    hub.fault("GET", r"/resolve/.*tiny\.onnx", Other(b"evil"), times=10)
    assert main.main(command) == 2
    assert "tiny.onnx was refused and removed, it is not what the Hub lists" in capsys.readouterr().err
    files = [path for path in Path(os.environ["HF_HOME"]).rglob("*") if path.is_file()]
    assert not any(b"evilevil" in path.read_bytes() for path in files)
    assert not (tmp_path / "out").exists()
    hub.mend()
    hub.fault("GET", r"/resolve/.*tiny\.onnx", Cut(after=5000), times=2)
    assert main.main(command) == 0


@pytest.mark.parametrize("forced", [False, True])
def test_a_certificate_that_fails_stops_the_publishing(
    hub: Any, me: None, card: Path, forced: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    before = contents(card)

    def judge(*_: object) -> None:
        raise certificate.UnlikeError("tiny: not exported: OpenCV 5: off by 1", forced)

    monkeypatch.setattr(job, "judge", judge)
    assert main.main(["publish", str(card), "--with", "onnx", "--repo", REPO]) == 2
    way_out = "; --force publishes it anyway, and the card says so" if forced else ""
    told = f"zoo: error: tiny: not exported: OpenCV 5: off by 1\nnothing was published{way_out}\n"
    assert capsys.readouterr().err == told
    assert writes(hub) == []
    assert contents(card) == before


def test_force_takes_an_export_along_with_a_warning_on_the_card(
    hub: Any, me: None, card: Path, monkeypatch: pytest.MonkeyPatch
):
    """Here OpenCV is said to differ; what must agree does."""
    real = certificate.examine

    def examine(kinds: Sequence[str], *given: Any, **options: Any) -> list[certificate.Found]:
        found = real(kinds, *given, **options)
        for each in found:
            if each.kind == "opencv":
                each.fault, each.parting = "off by 1", "parts at Resize_3"
        return found

    monkeypatch.setattr(certificate, "examine", examine)
    monkeypatch.setattr(job, "EXPORTERS", ("torchscript",))
    command = ["publish", str(card), "--with", "onnx", "--repo", REPO]
    assert main.main(command) == 2
    assert writes(hub) == []
    assert main.main([*command, "--force"]) == 0
    assert re.search(rb"OpenCV \S+ answers differently: off by 1; parts at Resize_3\.", sent(hub)["README.md"])


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is exported."""
    monkeypatch.setattr(job, "export", lambda *_: pytest.fail("was exported"))


def test_what_stops_a_publishing_is_told_before_anything_is_exported(
    hub: Any, card: Path, idle: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    command = ["publish", str(card), "--with", "onnx", "--repo", REPO]
    monkeypatch.setenv("HF_TOKEN", "hf_read")
    assert main.main(command) == 2
    assert "it may only read" in capsys.readouterr().err
    (card / "secrets.txt").touch()
    assert main.main(command) == 2
    assert "secrets.txt does not belong in a card" in capsys.readouterr().err
    for kinds in ("tensorrt", "onnx,", "onnx;openvino", ""):
        assert main.main(["publish", str(card), "--with", kinds, "--repo", REPO]) == 2
        error = capsys.readouterr().err
        assert "kinds of exports are onnx and openvino" in error
        assert error.count("\n") == 1
    assert main.main(["publish", str(card), "--force", "--repo", REPO]) == 2
    assert "--force is for exports: it needs --with" in capsys.readouterr().err
    assert main.main(["publish", "neural_style", "--with", "onnx", "--repo", REPO]) == 2
    assert writes(hub) == []


def test_exports_of_a_card_go_along_and_are_not_made_again(
    hub: Any, me: None, own: Path, idle: None, capsys: pytest.CaptureFixture[str]
):
    for given in ([], ["--with", "onnx"], ["--with", "onnx,openvino"]):
        assert main.main(["publish", str(own), *given, "--repo", REPO]) == 0
        assert sent(hub) == contents(own)
    assert "Already published" in capsys.readouterr().out
    assert main.main(["publish", str(own), "--repo", REPO, "--dry-run"]) == 0
    assert "tiny.onnx" in capsys.readouterr().out
    of_others = dataclasses.replace(parity.read(own)["tiny.onnx"], weights_sha256="0" * 64)
    for spoil in (lambda: parity.write(own, of_others), lambda: (own / "tiny.onnx").write_bytes(b"other")):
        spoil()
        hub.requests.clear()
        assert main.main(["publish", str(own), "--repo", REPO]) == 2
        assert "tiny.onnx" in capsys.readouterr().err
        assert hub.requests == []


def test_exports_that_the_card_has_no_more_are_removed_and_named(
    hub: Any, me: None, own: Path, card: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Those of others stay."""
    assert main.main(["publish", str(own), "--repo", REPO]) == 0
    hub.put(REPO, {**sent(hub), "mine.onnx": b"x", "pytorch_model.bin": b"x"})
    assert main.main(["publish", str(card), "--repo", REPO]) == 0
    out = capsys.readouterr().out
    gone = {"tiny.onnx", "tiny.xml", "tiny.bin", "parity.json", "USE.md"} & contents(own).keys()
    assert set(out.partition("removed   ")[2].partition(":")[0].split(", ")) == gone
    assert sent(hub) == {**contents(card), "mine.onnx": b"x", "pytorch_model.bin": b"x"}
