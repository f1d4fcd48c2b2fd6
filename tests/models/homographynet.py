"""HomographyNet in miniature for the conformance suite, and the checks of its paper."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.data.homography import training_batch
from zoo.data.pairs import PROTOCOLS
from zoo.models.homographynet.layers import Correlation, neighbours
from zoo.models.homographynet.module import HomographyNetModule, field_loss, soft_cross_entropy
from zoo.models.homographynet.net import HomographyNet
from zoo.models.homographynet.predict import Aligner
from zoo.pictures.geometry import corner_points, transform_points

ARGUMENTS = {"backbone": "squeeze", "head": "regression", "fusion": "correlation", "channels": 1}
CHANNELS = 2
SIZES = [(128, 128)]
FIELD = ("squeeze", "correlation", "field")
BACKBONES = [("squeeze", "correlation"), ("squeeze", "stack"), ("vgg", "stack")]


def out_shape(height: int, width: int) -> tuple[int, int]:
    return 4, 2


def module() -> HomographyNetModule:
    return HomographyNetModule()


def batch() -> tuple[Tensor, Tensor]:
    pairs, offsets = training_batch(np.random.default_rng(0), photograph()[None], 4, PROTOCOLS["B"])
    return torch.from_numpy(pairs).float() / 255, torch.from_numpy(offsets)


def photograph(seed: int = 0, size: tuple[int, int] = (320, 240)) -> np.ndarray:
    """Grey ``(H, W)`` uint8 with detail at every scale, as photographs have."""
    rng, picture = np.random.default_rng(seed), np.zeros(size[::-1])
    for step in (2, 4, 8, 16, 32):
        coarse = Image.fromarray(rng.uniform(0, 255, (size[1] // step + 2, size[0] // step + 2)).astype(np.uint8))
        picture += np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)) * (step / 62)
    return np.asarray(Image.fromarray(picture.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7)))


def miniature(recipe: dict, folder: Path) -> list[str]:
    """Arguments that make two steps of a recipe a matter of seconds, on data of their own in ``folder``."""
    arguments = ["--data.batch_size=2", "--data.pairs_per_epoch=4", "--data.val_pairs=3", "--data.num_workers=0"]
    if "root" not in recipe["data"]["init_args"]:
        return arguments
    for part in ("pictures", "extra"):
        (folder / part).mkdir(parents=True)
        for seed in range(12):
            Image.fromarray(photograph(seed)).save(folder / part / f"{seed}.png")
    return [
        *arguments,
        f"--data.root={folder / 'pictures'}",
        f"--data.extra=[{folder / 'extra'}]",
        "--data.val_fraction=0.3",
    ]


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_as_many_parameters_as_the_paper():
    """34.19 M: eight convolutions with biases and batch norm, then 16 x 16 x 128 -> 1024 -> 8."""
    net = HomographyNet("vgg")
    assert count(net) == 34_193_800
    convs = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == [64] * 4 + [128] * 4
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in net.modules()) == 3
    assert count(HomographyNet("vgg", "classification")) == 34_193_800 + 1025 * 160


@pytest.mark.parametrize("head", ["regression", "classification"])
@pytest.mark.parametrize("fusion", ["stack", "correlation"])
def test_the_small_one_is_under_a_million(head: str, fusion: str):
    assert count(HomographyNet("squeeze", head, fusion)) < 1_000_000
    assert count(HomographyNet(head="field")) < 1_000_000


@pytest.mark.parametrize(("backbone", "fusion"), BACKBONES)
@pytest.mark.parametrize("head", ["regression", "classification"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_combination(backbone: str, fusion: str, head: str, channels: int):
    net = HomographyNet(backbone, head, fusion, channels).eval()
    with torch.inference_mode():
        pairs = torch.rand(2, 2 * channels, 128, 128)
        assert net(pairs).shape == (2, 4, 2)
        assert net.raw(pairs).shape == ((2, 8) if head == "regression" else (2, 8, 21))
        assert net(pairs).abs().max() <= 33  # untrained, it answers about nothing


def test_refuses_what_it_cannot_be_or_see():
    with pytest.raises(ZooError, match="no backbone 'vgg' with fusion 'correlation'"):
        HomographyNet("vgg", fusion="correlation")
    with pytest.raises(ZooError, match="head 'field' goes with fusion 'correlation', not 'stack'"):
        HomographyNet("vgg", "field")
    with pytest.raises(ZooError, match="'regresion'"):
        HomographyNet(head="regresion")
    with pytest.raises(ZooError, match=r"\(B, 2, 128, 128\), not \(1, 2, 64, 64\); predict takes any pictures"):
        HomographyNet()(torch.rand(1, 2, 64, 64))


@pytest.mark.parametrize(("backbone", "fusion"), BACKBONES)
def test_brightness_and_contrast_of_each_picture_do_not_matter(backbone: str, fusion: str):
    net = HomographyNet(backbone, fusion=fusion).eval()
    pairs, _ = batch()
    other = pairs * torch.tensor([0.5, 0.8]).view(1, 2, 1, 1) + torch.tensor([0.3, 0.1]).view(1, 2, 1, 1)
    with torch.inference_mode():
        torch.testing.assert_close(net(other), net(pairs), rtol=0, atol=0.5)
    blank = torch.full((1, 2, 128, 128), 0.7)
    with torch.inference_mode():
        torch.testing.assert_close(net(blank), net(blank * 0), rtol=0, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_field_of_every_cell_becomes_offsets(channels: int):
    net = HomographyNet(head="field", channels=channels).eval()
    pairs = torch.rand(2, 2 * channels, 128, 128)
    with torch.inference_mode():
        (field,), offsets = net.infer(pairs), net(pairs)
    assert field.shape == (2, 3, 16, 16)
    assert (field[:, 2] > 0).all()
    assert net.outputs == ("field",)
    assert net.facts() == {"channels": channels, "field": True}
    estimate = Aligner(net.engine, **net.facts()).estimate(pairs.numpy())
    moved = transform_points(estimate.matrix, corner_points(128)) - corner_points(128)
    valid = estimate.valid
    np.testing.assert_allclose(moved[valid], offsets.numpy()[valid], atol=0.05)


def test_the_loss_of_a_field_is_least_at_the_truth():
    """Against the density of Laplace's distribution; what moves by more than half a side does not count."""
    net = HomographyNet(head="field")
    offsets = torch.tensor([[[8.0, -3], [2, 20], [-9, 4], [16, -16]], [[70.0, 0]] * 4])
    cells = net.cells.numpy().astype(np.float64)
    matrix = cv2.getPerspectiveTransform(net.corners.numpy(), (net.corners + offsets[0]).numpy())
    moves = torch.from_numpy(cv2.perspectiveTransform(cells[None], matrix)[0] - cells).float()
    right = torch.cat((moves.T.reshape(1, 2, 16, 16), torch.full((1, 1, 16, 16), 0.5)), 1)
    field = torch.cat((right, torch.zeros(1, 3, 16, 16) + 0.5))
    off = field.clone()
    off[:, :2] += torch.tensor([1.0, -2.0]).view(1, 2, 1, 1)
    at_truth, beside = (field_loss(each, offsets, net.cells, net.corners) for each in (field, off))
    assert float(at_truth) == pytest.approx(2 * np.log(0.5), abs=1e-3)
    density = torch.distributions.Laplace(0.0, 0.5)
    likely = density.log_prob(torch.tensor(1.0)) + density.log_prob(torch.tensor(2.0)) + 2 * np.log(2)
    assert float(beside) == pytest.approx(-float(likely), abs=1e-3)


def test_expected_value_over_the_bins():
    """And the loss wants the two bins beside the truth, such that the expected value is the truth."""
    net = HomographyNet(head="classification")
    values = torch.tensor([[-32.0, 0.0, 3.2, 1.0, 32.0, -7.3, 40.0, 31.9]])
    place = ((values + 32) / 3.2).clamp(0, 20)
    weights = (1 - (place[..., None] - torch.arange(21)).abs()).clamp(min=0)
    logits = weights.clamp(min=1e-9).log()
    torch.testing.assert_close(net.offsets(logits).flatten(1), values.clamp(-32, 32), rtol=0, atol=1e-4)
    at_truth = soft_cross_entropy(logits, values, net.centers)
    torch.testing.assert_close(at_truth, -(weights * logits).sum(-1).mean(), rtol=1e-3, atol=1e-4)
    assert at_truth < soft_cross_entropy(logits + 0.3 * torch.randn_like(logits), values, net.centers)


def test_correlation_against_loops():
    torch.manual_seed(0)
    features = torch.randn(4, 5, 6, 6)
    out = Correlation(6, 2, scale=1.0)(features)
    assert out.shape == (2, 25, 6, 6)
    cosine = nn.CosineSimilarity(dim=0)
    for pair, y, x, dy, dx in [(0, 0, 0, 0, 0), (1, 3, 2, -2, 1), (1, 5, 5, -1, -1), (0, 2, 4, 2, -2), (0, 2, 4, 2, 1)]:
        a, b = features[2 * pair, :, y, x], features[2 * pair + 1, :, y + dy, x + dx]
        torch.testing.assert_close(out[pair, (dy + 2) * 5 + dx + 2, y, x], cosine(a, b), rtol=0, atol=1e-4)
    assert (out[:, 0, 0, 0] == 0).all()  # two cells up and left of the first is outside


def test_neighbours_are_those_around_row_by_row():
    around = neighbours(4, 1)[0]
    assert around[5].tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert around[0].tolist() == [16, 16, 16, 16, 0, 1, 16, 4, 5]
    assert around.shape == (16, 9)


@pytest.mark.parametrize(("backbone", "fusion", "head"), [*((*each, "regression") for each in BACKBONES), FIELD])
def test_can_be_exported(backbone: str, fusion: str, head: str):
    net = HomographyNet(backbone, head, fusion).eval()
    pairs, _ = batch()
    exported = torch.export.export(net, (pairs[:1],)).module()
    with torch.inference_mode():
        torch.testing.assert_close(exported(pairs[:1]), net(pairs[:1]), rtol=1e-4, atol=1e-4)


def test_l2_loss_is_that_of_the_paper():
    module = HomographyNetModule(backbone="squeeze", loss="l2")
    raw, offsets = torch.rand(3, 8), torch.rand(3, 4, 2) * 32
    by_hand = ((raw.view(3, 4, 2) - offsets / 32) ** 2).mean()
    torch.testing.assert_close(module.loss(raw, offsets), by_hand)
