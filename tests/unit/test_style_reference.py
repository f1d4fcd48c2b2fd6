"""The scores that L-BFGS reaches on a picture, and the file that keeps them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data as photographs
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.data.style import draw_pattern
from zoo.models.fast_style import reference
from zoo.models.fast_style.evaluate import brought_to
from zoo.models.fast_style.reference import Descent, Reference, Scores, begin, better_descent, score
from zoo.nn.descent import Step
from zoo.nn.losses.style_transfer import StyleTransferLoss
from zoo.nn.vgg import VGGFeatures
from zoo.pictures.tensors import to_tensor

FIRST, SECOND = torch.eye(2).split(1)
TERMS = ("loss", "content", "style", "color", "tv")


@pytest.fixture(scope="module")
def criterion() -> StyleTransferLoss:
    """A loss of two styles, by random weights."""
    torch.manual_seed(0)
    vgg = VGGFeatures(["relu1_2", "relu2_2"], weights=None, pooling="average", padding="replicate")
    styles = [to_tensor(picture)[None] for picture in (draw_pattern(32, 40), photographs.coffee()[100:132, 200:240])]
    return StyleTransferLoss(
        vgg, styles, content_layers={"relu2_2": 1.0}, style_layers={"relu1_2": 0.5, "relu2_2": 1.0},
        content_weight=0.1, color_weight=10.0, tv_weight=2.0,
    )  # fmt: skip


@pytest.fixture
def content() -> Tensor:
    return brought_to(Image.fromarray(photographs.astronaut()[80:128, 180:244]), 32)


@pytest.fixture
def noise(criterion: StyleTransferLoss) -> Descent:
    return Descent(criterion, FIRST, "noise", clip=False)


def test_a_score_is_of_the_clipped_picture(criterion: StyleTransferLoss, content: Tensor):
    picture = torch.randn_like(content)
    targets = criterion.targets(content)
    found = score(criterion, picture, targets, FIRST)
    assert tuple(found) == TERMS
    assert found == score(criterion, picture.clamp(0, 1), targets, FIRST)
    assert found["loss"] == pytest.approx(sum(found[term] for term in TERMS[1:]))
    right, lower = (picture.clamp(0, 1).diff(dim=axis).square().mean() for axis in (3, 2))
    assert found["tv"] == pytest.approx(2 * float(right + lower), rel=1e-5)
    assert score(criterion, content, targets, FIRST)["content"] == 0
    other = score(criterion, picture, targets, SECOND)
    assert [other[term] == found[term] for term in TERMS] == [False, True, False, False, True]


def test_optimising_gets_further_with_more_iterations(noise: Descent, content: Tensor, one_thread: None):
    found = noise.reach(content, [2, 5, 10])
    losses = [found[number]["loss"] for number in (2, 5, 10)]
    assert losses == sorted(losses, reverse=True)
    assert losses[2] < 0.85 * losses[0]
    assert noise.reach(content, [10])[10]["loss"] == losses[2]


def test_a_descent_goes_towards_its_own_style(noise: Descent, content: Tensor):
    """Each lowers the loss of its style further than the other does."""
    targets, found = noise.criterion.targets(content), {}
    for name, mix in (("first", FIRST), ("second", SECOND)):
        *_, last = replace(noise, mix=mix).steps(content, 15)
        found[name] = [score(noise.criterion, last.picture, targets, each)["loss"] for each in (FIRST, SECOND)]
    assert found["first"][0] < found["second"][0]
    assert found["second"][1] < found["first"][1]


def test_the_best_picture_so_far_counts(noise: Descent, content: Tensor, monkeypatch: pytest.MonkeyPatch):
    """Also where an optimiser leaves a valley again."""
    criterion = noise.criterion
    targets = criterion.targets(content)
    other = [begin(content, "noise") * factor for factor in (0.2, 0.5, 0.8)]
    far, near, nearest = sorted(other, key=lambda picture: -score(criterion, picture, targets, FIRST)["loss"])
    path = [begin(content, "noise"), near, nearest, far, far]
    losses = [score(criterion, picture, targets, FIRST)["loss"] for picture in path]

    def wander(start: Tensor, loss: Callable, iterations: int) -> list[Step]:
        steps, before = [], start
        for number, picture in enumerate(path[1 : iterations + 1], 1):
            steps.append(Step(number, picture, float(loss(before))))
            before = picture
        return steps

    monkeypatch.setattr(reference, "descend", wander)
    reached = noise.reach(content, [1, 2, 3, 4])
    assert [reached[number]["loss"] for number in (1, 2, 3, 4)] == pytest.approx(
        [min(losses[:2]), min(losses[:3]), min(losses[:4]), min(losses)]
    )


def test_clipping_on_the_way(noise: Descent, content: Tensor, monkeypatch: pytest.MonkeyPatch):
    """Where clipping only at the end would undo most of the gain."""
    seen = []
    monkeypatch.setattr(
        StyleTransferLoss, "forward", lambda self, picture, *_: seen.append(picture) or picture.square().mean()
    )
    monkeypatch.setattr(
        reference, "descend", lambda start, loss, iterations: [Step(1, start, float(loss(3 * start - 1)))]
    )
    for clip, least in ((True, 0), (False, -1)):
        replace(noise, clip=clip).reach(content, [1])
        assert seen[-1].min() == pytest.approx(least, abs=0.1)


@pytest.mark.parametrize("helps", [True, False])
def test_the_better_of_both_ways_is_the_baseline(
    criterion: StyleTransferLoss, content: Tensor, monkeypatch: pytest.MonkeyPatch, helps: bool
):
    """A weak one would flatter the network."""
    losses = {helps: 0.5, not helps: 0.7}
    monkeypatch.setattr(
        Descent, "reach", lambda self, _, iterations: {number: {"loss": losses[self.clip]} for number in iterations}
    )
    assert better_descent(criterion, content, SECOND, "noise") == Descent(criterion, SECOND, "noise", clip=helps)


def test_the_picture_to_start_from(content: Tensor):
    assert begin(content, "content") is content
    noise = begin(content, "noise")
    assert noise.shape == content.shape
    assert torch.equal(noise, begin(1 - content, "noise"))
    assert 0 <= noise.min() < 0.05 < 0.95 < noise.max() <= 1


def test_names_of_descents(noise: Descent):
    assert noise.name(50) == "L-BFGS(50, noise)"
    assert replace(noise, start="content").name(50) == "L-BFGS(50)"


# The file


def test_scores_are_kept(noise: Descent, content: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, ticks = tmp_path / "reference.json", []
    first = Reference(path, {"tv": 1.0})(noise, content, [1, 3], lambda: ticks.append(1))
    assert len(ticks) == 3
    further = Reference(path, {"tv": 1.0})(noise, content, [1, 4])
    assert further[1] == first[1]
    monkeypatch.setattr(Descent, "reach", lambda *_: pytest.fail("computed again"))
    kept = Reference(path, {"tv": 1.0})
    assert kept(noise, content, [1, 3, 4]) == first | further
    for other in (
        (noise, content + 0.1, [1]),
        (replace(noise, start="content"), content, [1]),
        (replace(noise, mix=SECOND), content, [1]),
        (replace(noise, mix=torch.tensor([[0.5, 0.5]])), content, [1]),
        (noise, content, [2]),
        (replace(noise, clip=True), content, [1]),
    ):
        with pytest.raises(pytest.fail.Exception, match="computed again"):
            kept(*other)
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        Reference(path, {"tv": 2.0})(noise, content, [1])


def reached(number: int) -> Scores:
    return dict.fromkeys(TERMS, float(number))


def test_evaluations_side_by_side_keep_the_scores_of_each(
    noise: Descent, content: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """And do not compute again what another one has reached since they began."""
    path, asked = tmp_path / "reference.json", []

    def reach(_: Descent, __: Tensor, numbers: list[int], ___: object) -> dict[int, Scores]:
        asked.extend(numbers)
        return {number: reached(number) for number in numbers}

    monkeypatch.setattr(Descent, "reach", reach)
    first, second = (Reference(path, {"tv": 1.0}) for _ in range(2))
    first(noise, content, [1])
    second(noise, content, [1, 2])
    first(noise, content, [3, 2])
    assert asked == [1, 2, 3]
    assert len(json.loads(path.read_text())) == 3


def test_many_at_once_lose_nothing(tmp_path: Path):
    path = tmp_path / "reference.json"
    barrier = threading.Barrier(8)

    def work(worker: int) -> None:
        reference = Reference(path, {})
        barrier.wait()
        for number in range(8):
            reference._keep({f"{worker} {number}": reached(number)})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(json.loads(path.read_text())) == 64


def test_a_file_that_cannot_be_written_is_found_out_at_once(tmp_path: Path):
    (tmp_path / "reference.json").mkdir()
    with pytest.raises((OSError, ZooError), match=r"reference\.json"):
        Reference(tmp_path / "reference.json", {})


def test_another_file_is_no_reference(tmp_path: Path):
    other = tmp_path / "results.json"
    old = json.dumps({"key": dict.fromkeys(("loss", "content", "style", "tv"), 1.0)})  # of a loss without colours
    for text in ('{"figures": []}', old):
        other.write_text(text)
        with pytest.raises(ZooError, match=r"results\.json: is not a file of L-BFGS scores"):
            Reference(other, {})
        assert other.read_text() == text
    with pytest.raises(ZooError, match="no such folder"):
        Reference(tmp_path / "none" / "reference.json", {})
