"""The light installation, without torch, and the Hub."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import light

REPO = "someone/linknet-mine"


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pulls_and_verifies_without_torch(hub: Any, tiny_linknet: Path, tmp_path: Path):
    contents = contents_of(tiny_linknet)
    hub.put(REPO, contents)
    done = light.run(tmp_path, "pull", REPO, "--to", "copy")
    assert done.code == 0, done.err
    assert hashlib.sha256(contents["model.safetensors"]).hexdigest() in done.out
    assert contents_of(tmp_path / "copy") == contents
    assert not done.packages & {*light.MISSING, "numpy", "cv2", "onnxruntime"}
    assert light.run(tmp_path, "info", REPO).code == 0


def test_refuses_weights_of_another_digest_without_torch(hub: Any, tiny_linknet: Path, tmp_path: Path):
    contents = contents_of(tiny_linknet)
    whole = contents["model.safetensors"]
    hub.put(REPO, {**contents, "model.safetensors": whole[:-1] + bytes([whole[-1] ^ 1])})  # as the Hub lists it
    done = light.run(tmp_path, "pull", REPO, "--to", "copy")
    assert (done.code, "model.safetensors: refused" in done.err) == (2, True), done.err
    assert not (tmp_path / "copy").exists()
