"""Guides: all Python, each command in a block of `sh` and each line of data in YAML is run, on data in miniature."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from loopback import Answer, Loopback, Request
from standin import StandIn
from zoo.commands import main
from zoo.data import SegmentationFolder

ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BRIEF = ["--trainer.limit_train_batches=2", "--trainer.limit_val_batches=1"]
SMALLER = {
    "fast_style": ["--model.vgg=null", "--model.style_size=64", "--data.size=96", "--data.crop=64"],
    "perceptual_sr_pixel": ["--data.crop=96"],
    "linknet_streets": ["--data.train=8", "--data.val=4"],
}
UNCOMPARED = 3  # exit code of `zoo evaluate` on other data than the card's


def commands(block: str) -> list[list[str]]:
    """Words of each command; a backslash at the end of a line continues it."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def brief(words: list[str]) -> list[str]:
    """A command of a guide as one that takes seconds."""
    line = shlex.join(words)
    if words[0] == "fit":
        if "--resume" in words:
            return [*words, "--trainer.max_epochs=2"]
        added = ["--trainer.max_epochs=1", *BRIEF, "--data.num_workers=0", "--data.batch_size=2"]
        return [*words, *added, *(each for key, options in SMALLER.items() if key in line for each in options)]
    if words[0] == "doctor":
        return [*words, "--data.batch_size=2"]
    if words[:2] == ["predict", "neural_style"]:
        return [*words, "--vgg", "null", "--iterations", "3"]
    if words[0] == "collect":
        return [*words, "--allow-private", "--delay", "0"]
    return words


class Photographs(Loopback):
    """Serves the pictures of a folder by their names."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def answer(self, request: Request) -> Answer:
        path = self.folder / request.path.rpartition("/")[2]
        return Answer(200, {"Content-Type": "image/jpeg"}, path.read_bytes()) if path.is_file() else Answer(404)


@pytest.fixture
def folder(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: StandIn) -> Path:
    """A working directory with all that guides speak of, and a Hub on loopback that somebody is logged in to."""
    shutil.copytree(pictures, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    return tmp_path / "work"


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_every_block_of_a_guide_runs(path: Path, folder: Path):
    spoken: dict[str, object] = {}
    with Photographs(folder / "photos") as server:
        listed = [f"{server.endpoint}/{path.name}" for path in sorted((folder / "photos").iterdir())]
        (folder / "addresses.csv").write_text("\n".join(["url", *listed]))
        for language, block in BLOCK.findall(path.read_text()):
            if language == "python":
                exec(compile(block, path.name, "exec"), spoken)
            elif language == "sh":
                for words in commands(block):
                    run(words)
            elif language == "yaml" and block.startswith("{pictures"):
                for line in block.splitlines():
                    read_data(yaml.safe_load(line))


def read_data(arguments: dict) -> None:
    data = SegmentationFolder(**arguments)
    assert {"background", "crack"} <= set(data.labels.names)
    assert len(data.kept("train")) > len(data.kept("val")) > 0


def run(words: list[str]) -> None:
    if words[0] == "pip":
        assert words[1:2] == ["install"]
        assert re.fullmatch(r"lightning-zoo(\[\w+\])?", words[2])
        return
    assert words[0] == "zoo", f"guides call zoo and pip, not {words[0]}"
    code = main.main(brief(words[1:]))
    assert code == (UNCOMPARED if words[1:3] == ["evaluate", "linknet_camvid"] else 0), shlex.join(words)


def test_guides_are_one_screen():
    for path in GUIDES:
        assert len(path.read_text().splitlines()) <= 75, path.name
