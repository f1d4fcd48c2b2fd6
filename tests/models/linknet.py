"""LinkNet in miniature for the conformance suite, and the checks of its paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from zoo.data.labels import CAMVID
from zoo.models.linknet.module import LinkNetModule, class_weights
from zoo.models.linknet.net import LinkNet

ARGUMENTS = {
    "num_classes": len(CAMVID),
    "encoder": "test_resnet",
    "stem_skip": True,
    "labels": list(CAMVID.names),
    "palette": [list(color) for color in CAMVID.palette],
}
CHANNELS = 3
SIZES = [(1, 1), (33, 47), (100, 101), (64, 64)]
COUNTS = {"train": 4, "val": 3, "test": 2}


def out_shape(height: int, width: int) -> tuple[int, int, int]:
    return len(CAMVID), height, width


def module() -> LinkNetModule:
    return LinkNetModule(CAMVID, encoder="test_resnet", encoder_weights=None, stem_skip=True, jaccard=1.0)


def batch() -> tuple[Tensor, Tensor]:
    """Pictures whose brightness says the class, and some void."""
    masks = torch.randint(0, 4, (2, 4, 4)).repeat_interleave(16, 1).repeat_interleave(16, 2)
    pictures = (masks / 4)[:, None] + 0.1 * torch.rand(2, 3, 64, 64)
    masks[:, :8] = CAMVID.ignore_index
    return pictures, masks


def miniature(recipe: dict, folder: Path) -> list[str]:
    """Arguments that make two steps of a recipe a matter of seconds, on data of their own in ``folder``."""
    arguments = [
        "--model.encoder_weights=null",
        "--data.batch_size=2",
        "--data.num_workers=0",
        "--data.augment.crop=[64,64]",
    ]
    if recipe["data"]["class_path"] == "zoo.data.StreetScenes":
        return [*arguments, "--data.size=[64,64]", "--data.train=4", "--data.val=3"]
    write_camvid(folder / "CamVid")
    return [*arguments, f"--data.root={folder}"]


def write_camvid(folder: Path, size: tuple[int, int] = (72, 96)) -> None:
    """A CamVid of a few pictures: blocks of every class and void, each in its own colour."""
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, (12, 3), dtype=np.uint8)
    for split, count in COUNTS.items():
        names = [f"{split}{number}.png" for number in range(count)]
        for part in (split, f"{split}annot"):
            (folder / part).mkdir(parents=True)
        for name in names:
            mask = rng.integers(0, 12, (size[0] // 8, size[1] // 8), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            Image.fromarray(colors[mask]).save(folder / split / name)
            Image.fromarray(mask).save(folder / f"{split}annot" / name)
        lines = [f"/SegNet/CamVid/{split}/{name} /SegNet/CamVid/{split}annot/{name}\n" for name in names]
        (folder / f"{split}.txt").write_text("".join(lines))


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_as_many_parameters_as_the_code_of_the_paper():
    """11.53 M with ResNet-18 and 12 classes."""
    assert count(LinkNet(12, "resnet18")) == 11_534_796


@pytest.mark.parametrize("encoder", ["resnet18", "tf_efficientnet_lite0", "mobilenetv3_large_100"])
def test_any_encoder_goes_through_the_same_decoder(encoder: str):
    net, paper = LinkNet(12, encoder).eval(), LinkNet(12)
    for part in ("decoder", "head_up", "head_conv", "classifier"):
        shapes = [tuple(p.shape) for p in getattr(net, part).parameters()]
        assert shapes == [tuple(p.shape) for p in getattr(paper, part).parameters()], part
    with torch.inference_mode():
        assert net(torch.rand(1, 3, 70, 90)).shape == (1, 12, 70, 90)


@pytest.mark.parametrize(("index", "n", "m"), [(0, 512, 256), (1, 256, 128), (2, 128, 64), (3, 64, 64)])
def test_decoder_block_of_figure_2(index: int, n: int, m: int):
    """1x1 n -> n/4, full convolution of 3x3, 1x1 n/4 -> m, each with BN and ReLU; all but the last double the size."""
    up = 1 if index == 3 else 2
    block = LinkNet(12).decoder[index].eval()
    convs = [layer for layer in block.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]
    assert [(c.in_channels, c.out_channels, c.kernel_size) for c in convs] == [
        (n, n // 4, (1, 1)), (n // 4, n // 4, (3, 3)), (n // 4, m, (1, 1)),
    ]  # fmt: skip
    assert [type(layer) for layer in block[0]] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert block(torch.rand(1, n, 5, 7)).shape == (1, m, 5 * up, 7 * up)


def test_skips_are_sums():
    """With a decoder block that gives nothing, what goes on is the encoder's feature itself."""
    net, seen = LinkNet(2).eval(), {}
    net.encoder.register_forward_hook(lambda _module, _inputs, features: seen.update(features=features))
    for index in range(3):
        net.decoder[index].register_forward_hook(lambda _module, _inputs, output: torch.zeros_like(output))
        net.decoder[index + 1].register_forward_pre_hook(lambda _module, inputs, i=index: seen.update({i: inputs[0]}))
    with torch.inference_mode():
        net(torch.rand(1, 3, 64, 96))
    for index in range(3):
        assert torch.equal(seen[index], seen["features"][-2 - index])


def test_class_weights_of_the_paper():
    """1 / log(1.02 + p), here up to a factor."""
    pixels = torch.tensor([900.0, 90, 10])
    frequency, largest = class_weights(pixels, "frequency", 1.02), class_weights(pixels, "max", 1.02)
    by_hand = 1 / np.log(1.02 + np.array([0.9, 0.09, 0.01]))
    assert torch.allclose(frequency / frequency[0], torch.tensor(by_hand / by_hand[0]).float())
    by_hand = 1 / np.log(1.02 + np.array([1, 0.1, 1 / 90]))
    assert torch.allclose(largest / largest[0], torch.tensor(by_hand / by_hand[0]).float())


def test_the_network_normalises():
    """Its first layer sees what its encoder was trained on, whatever made the batch."""
    seen: list[Tensor] = []
    net = LinkNet(**ARGUMENTS).eval()
    first = next(layer for layer in net.modules() if isinstance(layer, nn.Conv2d))
    first.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        net(torch.stack([torch.zeros(3, 32, 32), torch.ones(3, 32, 32)]))
    black, white = seen[0][0].mean((1, 2)), seen[0][1].mean((1, 2))
    assert (black < -0.5).all()
    assert (white > 0.5).all()
    assert (white - black > 1.5).all()  # 1 / deviation
