"""``zoo evaluate --devices``: the figures of several processes are those of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from skimage import data as photographs

from zoo.base.registry import architectures, import_object
from zoo.commands import main, several
from zoo.data.super_resolution import SuperResolutionPairs
from zoo.models.evaluation import Context, Each, Results
from zoo.models.perceptual_sr import evaluate as sr
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.nn.metrics.lpips import LPIPS


def test_two_processes_measure_as_one(claimed: Path, capsys: pytest.CaptureFixture):
    """Four pictures of val and three of test, so that the processes have different numbers of them."""
    words = ["evaluate", str(claimed), "--data.val=4", "--device=cpu"]
    assert main.main(words) == 3  # the card claims nothing
    alone = capsys.readouterr()
    assert main.main([*words, "--devices=2"]) == 3
    assert capsys.readouterr() == alone
    assert len(re.findall(r"0\.\d{3,4}", alone.out)) >= 8


def by_turns(measure: Callable[[Each], Any], count: int) -> Each:
    """What so many processes would do, one after the other."""

    def each(_: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
        parts = [list(several.part(measure, index, count, 1)) for index in range(count)]
        assert sum(map(len, parts)) == len(items) > count
        yield from (made for made in (one for turn in zip_longest(*parts) for one in turn) if made is not None)

    return each


def test_super_resolution_is_shared_by_pictures(tmp_path: Path, one_thread: None, lpips_of_noise: None):
    for folder, tops in (("One", (80,)), ("Two", (120, 160, 200))):
        (tmp_path / folder).mkdir()
        for top in tops:
            Image.fromarray(photographs.astronaut()[top : top + 64, 180:244]).save(tmp_path / folder / f"{top}.png")
    torch.manual_seed(0)
    net = PerceptualSR(channels=4, blocks=1).eval()

    def measure(each: Each) -> Results:
        data = SuperResolutionPairs(test=[tmp_path / "One", tmp_path / "Two"])
        return sr.evaluate(net, data, Context(each=each))

    assert measure(by_turns(measure, 2)) == measure(map)


@pytest.fixture
def lpips_of_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """LPIPS with random weights."""

    def untrained(_: Any) -> LPIPS:
        torch.manual_seed(0)
        return LPIPS(None)

    monkeypatch.setattr(sr, "LPIPS", untrained)


def test_whoever_says_so_goes_picture_by_picture():
    marked = {name for name, each in architectures().items() if hasattr(import_object(each.evaluate), "by_picture")}
    assert marked == {"linknet", "perceptual_sr"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["xfeat"], "the protocol of XFeat compares times, too, so it takes one device; leave out --devices"),
        (["neural_style"], "the protocol of NeuralStyle compares times, too, so it takes one device; leave out --dev"),
        (["linknet", "--engine=onnx"], "--devices 2 needs the engine torch, not onnx"),
        (["linknet", "--devices=0"], "--devices must be a whole number from 1 on, not '0'"),
    ],
)
def test_what_cannot_be_shared_is_refused(words: list[str], message: str, capsys: pytest.CaptureFixture):
    assert main.main(["evaluate", words[0], "--devices=2", *words[1:]]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"zoo: error: {message}")
    assert len(error.splitlines()) <= 2
