"""A page on the Hub as a static Space: one commit, the headers that threads need, linked from the card and back."""

from __future__ import annotations

import gzip
import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from loopback import Lost, Status
from zoo.commands import main
from zoo.exports import cached
from zoo.exports.demo import runtime
from zoo.hub import client, locate

pytest.importorskip("onnx", reason="the extra export is not installed")
CARD = "perceptual_sr_pixel"  # a small one
REPO, SPACE = "me/wave", "me/wave-page"
KEPT = f"spaces/{SPACE}"  # its name in the stand-in
WASM = b"\0asm" + random.Random(0).randbytes(11 << 20)  # compressed too large to be one for git


@pytest.fixture(autouse=True)
def runtime_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files instead of the runtime's."""
    files = {name: tmp_path / name for name in runtime.FILES}
    for name, path in files.items():
        path.write_bytes(WASM if name.endswith("wasm") else b"// " + name.encode())
    monkeypatch.setattr(runtime, "find", lambda *_: files)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache's folder with the card's export, which takes longer to make than all else here."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "home", lambda: home)
        cached.export_once(CARD)
    return home / "exports"


@pytest.fixture
def card(hub: Any, exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A complete card that a test may change."""
    shutil.copytree(exports, client.home() / "exports")
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    return shutil.copytree(locate.find(CARD).folder, tmp_path / "cards" / CARD)


def files(hub: Any) -> dict[str, bytes]:
    return dict(hub.repos[KEPT].branches["main"][-1].files)


def test_card_and_page_name_each_other(
    hub: Any, card: Path, capsys: pytest.CaptureFixture[str], cold: Callable[[], Path]
):
    publish = ["publish", str(card), "--repo", REPO, "--space", SPACE]
    assert main.main([*publish, "--dry-run"]) == 0
    listed = {line.split()[1] for line in capsys.readouterr().out.splitlines() if re.match(r" *[\d,]+  \S+$", line)}
    assert not hub.repos
    assert "space:" not in (card / "README.md").read_text()
    assert main.main(publish) == 0
    assert f"Published: {hub.endpoint}/spaces/{SPACE}\n" in capsys.readouterr().out
    there, readme = files(hub), hub.repos[REPO].branches["main"][-1].files["README.md"].decode()
    assert set(there) - {".gitattributes"} <= listed
    assert gzip.decompress(there["runtime/ort-wasm-simd-threaded.wasm.gz"]) == WASM
    front = yaml.safe_load(there["README.md"].decode().split("---\n")[1])
    assert front["sdk"] == "static"
    assert front["models"] == [REPO]
    assert front["license"] == "apache-2.0"
    assert set(front["custom_headers"].values()) == {"require-corp", "same-origin", "cross-origin"}
    assert len(front["short_description"]) <= 60
    assert f'href="{hub.endpoint}/{REPO}"' in there["index.html"].decode()
    assert f'data-model="models/{CARD}.json"' in there["index.html"].decode()
    assert json.loads(there[f"models/{CARD}.json"])["model"] in there
    assert readme.count(f"{hub.endpoint}/spaces/{SPACE}") == 1
    assert yaml.safe_load(readme.split("---\n")[1])["space"] == SPACE
    assert readme == (card / "README.md").read_text()
    assert main.main(["publish", REPO, "--space", SPACE]) == 0  # from the Hub, of the same model
    assert f"Already published: {hub.endpoint}/spaces/{SPACE}" in capsys.readouterr().out
    assert len(hub.repos[KEPT].branches["main"]) == 2
    assert main.main(publish) == 0  # the card has its link already
    assert len(hub.repos[REPO].branches["main"]) == 2


def test_a_page_alone_and_another_later(hub: Any, card: Path, capsys: pytest.CaptureFixture[str]):
    before = (card / "README.md").read_bytes()
    assert main.main(["publish", str(card), "--space", SPACE]) == 0
    assert list(hub.repos) == [KEPT]
    assert (card / "README.md").read_bytes() == before
    assert "models:" not in files(hub)["README.md"].decode()
    hub.put(KEPT, {"page/old.js": "// of an earlier page"})
    assert main.main(["publish", str(card), "--space", SPACE]) == 0
    assert "removing page/old.js" in capsys.readouterr().err
    assert "page/old.js" not in files(hub)


@pytest.mark.parametrize("fault", [Status(500), Lost()])
def test_a_failure_leaves_nothing_half_sent(hub: Any, card: Path, fault: Any, capsys: pytest.CaptureFixture[str]):
    before = (card / "README.md").read_bytes()
    hub.fault("POST", f"{SPACE}/commit", fault, times=9)
    assert main.main(["publish", str(card), "--repo", REPO, "--space", SPACE]) == 2
    assert len(capsys.readouterr().err.splitlines()) <= 5
    assert REPO not in hub.repos
    sent = set(files(hub)) - {".gitattributes"}  # whole where only the answer was lost
    assert not sent or {"README.md", "index.html", f"models/{CARD}.onnx"} <= sent
    assert (card / "README.md").read_bytes() == before


def test_a_space_of_somebody_else_stays(hub: Any, card: Path, capsys: pytest.CaptureFixture[str]):
    hub.put(KEPT, {"app.py": "import gradio"})
    assert main.main(["publish", str(card), "--space", SPACE]) == 2
    assert f"{SPACE}: holds app.py, which zoo publish did not write; name another Space" in capsys.readouterr().err
    assert "app.py" in files(hub)
    assert main.main(["publish", str(card), "--space", "stranger/page"]) == 2
    assert "the token may not write to stranger/page" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name where to publish: --repo USER/NAME, --space USER/NAME, or both"),
        (["--space", "page"], "'page' is not a repository's name"),
        (["--space", SPACE, "--with", "onnx"], "--with is for a model's repository: it needs --repo"),
        (["--space", SPACE, "--revision", "next"], "--revision is for a model's repository: it needs --repo"),
    ],
)
def test_what_cannot_be_is_said_first(
    hub: Any, card: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
):
    assert main.main(["publish", str(card), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert not hub.asked("POST")


def test_a_model_without_a_page_is_refused(hub: Any, card: Path, capsys: pytest.CaptureFixture[str]):
    assert main.main(["publish", "neural_style", "--space", SPACE]) == 2
    assert "neural_style has no page" in capsys.readouterr().err
    assert not hub.repos
