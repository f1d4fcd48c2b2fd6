"""Super resolution in miniature for the conformance suite, and the checks of its paper."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from skimage import data
from torch import Tensor, nn

from zoo import load
from zoo.base.errors import ZooError
from zoo.commands import main
from zoo.data.low_resolution import make_low, resize
from zoo.models.perceptual_sr.module import PerceptualSRModule
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.nn.losses.perceptual import total_variation
from zoo.nn.vgg import VGGFeatures
from zoo.training import recipes

ARGUMENTS = {"upsampling": "pixel_shuffle", "channels": 8, "blocks": 2}
CHANNELS = 3
SIZES = [(1, 1), (3, 5), (1, 40), (31, 17), (24, 32)]
UPSAMPLINGS = ["pixel_shuffle", "paper"]


def out_shape(height: int, width: int) -> tuple[int, int, int]:
    return 3, 4 * height, 4 * width


def module() -> PerceptualSRModule:
    return PerceptualSRModule(channels=16, blocks=2)


def batch() -> tuple[Tensor, Tensor]:
    """Squares of half a low pixel, which only their places in it tell apart: to be learnt by heart."""
    rows, columns = np.mgrid[:64, :64] // 2
    truth = torch.from_numpy(0.1 + 0.5 * ((rows + columns) % 2)).float().expand(2, 3, 64, 64)
    return nn.functional.avg_pool2d(truth, 4), truth.clone()


def miniature(recipe: dict, folder: Path) -> list[str]:
    """Arguments that make two steps of a recipe a matter of seconds, on data of their own in ``folder``."""
    arguments = ["--data.crop=32", "--data.batch_size=2", "--data.train_pairs=4", "--data.num_workers=0"]
    if "root" in recipe["data"]["init_args"]:
        for part, photograph in (("pictures", data.astronaut()), ("extra", data.coffee())):
            (folder / part).mkdir(parents=True)
            for i, y in enumerate(range(0, 360, 30)):
                Image.fromarray(photograph[y : y + 120, y : y + 160]).save(folder / part / f"{i}.png")
        extra = folder / "extra"
        arguments += [f"--data.root={folder / 'pictures'}", f"--data.extra=[{extra}]", "--data.held_out=0.3"]
    if "feature_weight" in recipe["model"]["init_args"]:
        arguments += [f"--model.vgg={random_vgg(folder)}"]
    return arguments


def random_vgg(folder: Path) -> Path:
    """A file of VGG-16's first four convolutions, untrained."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    shapes = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128)}
    tensors = {f"features.{i}.weight": torch.randn(*shape, 3, 3) / 20 for i, shape in shapes.items()}
    tensors |= {f"features.{i}.bias": torch.zeros(shape[0]) for i, shape in shapes.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "vgg16.safetensors")
    return folder / "vgg16.safetensors"


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_as_many_layers_and_parameters_as_the_paper():
    """0.40 M: 9x9 3 -> 64, four residual blocks, two steps of upsampling, 9x9 64 -> 3."""
    net = PerceptualSR("paper")
    assert count(net) == 401_155
    convs = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert [conv.kernel_size[0] for conv in convs] == [9] + [3] * 10 + [9]
    assert {conv.out_channels for conv in convs[:-1]} == {64}


def test_the_default_is_under_the_mark():
    assert count(PerceptualSR()) == 560_304


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_four_times_any_size(upsampling: str):
    net = PerceptualSR(upsampling, channels=8, blocks=2).eval()
    for height, width in SIZES:
        with torch.inference_mode():
            assert net(torch.rand(1, 3, height, width)).shape == (1, 3, 4 * height, 4 * width)


def test_starts_from_the_bicubic_picture():
    torch.manual_seed(0)
    net, x = PerceptualSR().eval(), batch()[0]
    with torch.inference_mode():
        torch.testing.assert_close(net(x), net.bicubic(x), rtol=0, atol=0.1)


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_sees_no_further_than_it_says(upsampling: str):
    torch.manual_seed(0)
    net = PerceptualSR(upsampling, channels=4, blocks=1).eval()
    side = 2 * net.reach + 9
    x = torch.rand(1, 3, side, side)
    other = x.clone()
    other[..., side // 2, side // 2] += 1
    with torch.inference_mode():
        changed = (net(x) != net(other)).any(1)[0].nonzero()
    first, last = changed.min() // 4, changed.max() // 4
    assert first >= side // 2 - net.reach
    assert last <= side // 2 + net.reach


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_a_blank_picture_has_no_border(upsampling: str):
    """The first and last layers see the values of the border beyond it."""
    net = PerceptualSR(upsampling, channels=8, blocks=1).eval()
    for block in net.trunk:
        for parameter in block.parameters():
            parameter.data.zero_()  # in between, beyond the border is zero
    if upsampling == "paper":
        net.steps = nn.Upsample(scale_factor=4)
    else:
        net.last.weight.data[..., [0, 2], :] = net.last.weight.data[..., [0, 2]] = 0
    with torch.inference_mode():
        out = net(torch.full((1, 3, 12, 12), 0.2))
        blocks = out.unflatten(2, (12, 4)).unflatten(4, (12, 4))
    torch.testing.assert_close(blocks, blocks[:, :, :1, :, :1].expand_as(blocks), rtol=0, atol=1e-5)


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_can_be_exported(upsampling: str):
    net, x = PerceptualSR(upsampling, channels=8, blocks=2).eval(), torch.rand(1, 3, 12, 20)
    exported = torch.export.export(net, (x,)).module()
    with torch.inference_mode():
        torch.testing.assert_close(exported(x), net(x), rtol=1e-4, atol=1e-4)


def test_refuses_what_it_cannot_be():
    with pytest.raises(ZooError, match="'transposed'"):
        PerceptualSR("transposed")
    with pytest.raises(ZooError, match="1 or more"):
        PerceptualSR(blocks=0)
    with pytest.raises(ZooError, match="0 or more, one of the first two more"):
        PerceptualSRModule(pixel_weight=0)


def test_the_loss_is_the_weighted_sum(tmp_path: Path):
    vgg = random_vgg(tmp_path)
    module = PerceptualSRModule(
        channels=8,
        blocks=1,
        pixel_loss="l2",
        pixel_weight=0.5,
        feature_weight=0.2,
        feature_layers={"relu1_2": 1.0, "relu2_2": 3.0},
        tv_weight=0.1,
        vgg=str(vgg),
    )
    truth = torch.from_numpy(np.array(data.astronaut()[:64, 200:264])).permute(2, 0, 1)[None] / 255
    prediction = (truth + 0.1 * torch.rand(1, 3, 64, 64)).requires_grad_()
    features = VGGFeatures(["relu1_2", "relu2_2"], weights=vgg)
    near, far = features(prediction), features(truth)
    by_hand = (
        0.5 * (prediction - truth).square().mean()
        + 0.2 * (near["relu1_2"] - far["relu1_2"]).square().mean()
        + 0.6 * (near["relu2_2"] - far["relu2_2"]).square().mean()
        + 0.1 * total_variation(prediction)
    )
    torch.testing.assert_close(module.loss(prediction, truth), by_hand)
    module.loss(prediction, truth).backward()
    assert prediction.grad is not None
    assert module.monitor == ("val/features", "min")
    assert PerceptualSRModule(channels=8, blocks=1).monitor == ("val/PSNR", "max")


def test_the_loss_network_is_in_no_checkpoint(tmp_path: Path):
    module = PerceptualSRModule(channels=8, blocks=1, feature_weight=1.0, vgg=str(random_vgg(tmp_path)))
    assert all(key.startswith("net.") for key in module.state_dict())
    assert sum(p.numel() for p in module.parameters()) == count(module.net)


def test_what_is_validated_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recipe = yaml.safe_load(recipes.find("perceptual_sr_pixel").read_text())
    small = miniature(recipe, tmp_path)
    options = ["--weights=perceptual_sr_pixel", "--trainer.logger=false", "--trainer.accelerator=cpu"]
    assert main.main(["validate", "--recipe", "perceptual_sr_pixel", *small, *options]) == 0
    told = re.search(r"PSNR on val: ([\d.]+) dB, of bicubic ([\d.]+); SSIM 0\.\d+", capsys.readouterr().out)
    assert told
    assert float(told[1]) > float(told[2]) + 0.5


def test_the_low_picture_is_the_protocol_s():
    truth = np.ascontiguousarray(data.chelsea()[:296, :448])
    low = np.asarray(Image.fromarray(truth).resize((112, 74), Image.Resampling.BICUBIC))
    assert np.array_equal(make_low(truth), low)
    assert np.abs(make_low(truth, blur=1.0).astype(int) - low).max() > 1


@pytest.mark.parametrize(("card", "most"), [("perceptual_sr", 6), ("perceptual_sr_pixel", 1)])
def test_published_weights_draw_no_border(card: str, most: int):
    """What is beyond the border is zero for the trunk, which PSNR, that leaves the border out, would not notice."""
    net = load(card)
    for level in (0, 60, 128, 255):
        blank = np.asarray(net.predict(np.full((24, 30, 3), level, np.uint8))).astype(int)
        assert np.abs(blank - level).max() <= most, level
    truth = data.astronaut()
    error = (np.asarray(net.predict(make_low(truth))).astype(float) - truth) ** 2
    border = np.ones(truth.shape[:2], bool)
    border[4:-4, 4:-4] = False
    bicubic = (resize(make_low(truth), 512, 512).astype(float) - truth) ** 2
    gain_inside, gain_border = (bicubic[part].mean() / error[part].mean() for part in (~border, border))
    assert gain_border > 0.85 * gain_inside
