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
from zoo.data.low_resolution import enlarge, make_low
from zoo.models.perceptual_sr.evaluate import PERIODS
from zoo.models.perceptual_sr.module import PerceptualSRModule
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.nn.losses.grid import grid_loss
from zoo.nn.losses.perceptual import total_variation
from zoo.nn.metrics.artefacts import periodic_energy
from zoo.nn.metrics.lpips import LPIPS
from zoo.nn.resize import BicubicUpsample
from zoo.nn.vgg import VGGFeatures
from zoo.pictures.tensors import to_tensor
from zoo.training import recipes

ARGUMENTS = {"network": "compact", "channels": 8, "blocks": 2}
CHANNELS = 3
SIZES = [(1, 1), (3, 5), (1, 40), (31, 17), (24, 32)]
NETWORKS = ["compact", "paper"]
OPTIONS = {"scale": [["2"], ["4"]], "max_side": [["100"]]}


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
    arguments = ["--data.crop=32", "--data.batch_size=2", "--data.pairs_per_epoch=4", "--data.num_workers=0"]
    if "root" in recipe["data"]["init_args"]:
        for part, photograph in (("pictures", data.astronaut()), ("extra", data.coffee())):
            (folder / part).mkdir(parents=True)
            for i, y in enumerate(range(0, 360, 30)):
                Image.fromarray(photograph[y : y + 120, y : y + 160]).save(folder / part / f"{i}.png")
        extra = folder / "extra"
        arguments += [f"--data.root={folder / 'pictures'}", f"--data.extra=[{extra}]", "--data.val_fraction=0.3"]
    if recipe["model"]["init_args"].keys() & {"feature_weight", "lpips_weight"}:
        arguments += [f"--model.vgg={random_vgg(folder)}"]
    return arguments


def random_vgg(folder: Path) -> Path:
    """A file of VGG-16's convolutions as far as relu3_3, untrained."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    shapes = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256), 14: (256, 256)}
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
    assert count(PerceptualSR()) == 584_432


@pytest.mark.parametrize("network", NETWORKS)
def test_four_times_any_size(network: str):
    net = PerceptualSR(network, channels=8, blocks=2).eval()
    for height, width in SIZES:
        with torch.inference_mode():
            assert net(torch.rand(1, 3, height, width)).shape == (1, 3, 4 * height, 4 * width)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_starts_from_the_nearest_pixels_without_a_grid(scale: int):
    torch.manual_seed(0)
    net, x = PerceptualSR(scale=scale).eval(), torch.rand(1, 3, 24, 24)
    with torch.inference_mode():
        out, nearest = net(x), nn.functional.interpolate(x, scale_factor=scale)
    torch.testing.assert_close(out, nearest, rtol=0, atol=0.25)
    assert torch.equal(nn.functional.interpolate(out[..., ::scale, ::scale], scale_factor=scale), out)


@pytest.mark.parametrize(("network", "scale"), [("compact", 2), ("compact", 3), ("paper", 2)])
def test_other_scales(network: str, scale: int):
    net = PerceptualSR(network, scale, channels=8, blocks=2).eval()
    with torch.inference_mode():
        assert net(torch.rand(1, 3, 7, 11)).shape == (1, 3, 7 * scale, 11 * scale)


def test_slopes_are_those_that_were_loaded():
    """One for all, or one a channel as files of others have them."""
    net, x = PerceptualSR(channels=4, blocks=2).eval(), torch.rand(1, 3, 9, 9)
    state = net.state_dict()
    for slopes in (torch.full((4,), 0.6), torch.tensor([0.1, -0.2, 0.5, 1.5])):
        state["body.1.weight"] = slopes
        net.load_state_dict(state)
        with torch.inference_mode():
            y = nn.functional.prelu(net.body[0](x), slopes)
            for layer in list(net.body)[2:]:
                y = layer(y)
            y = nn.functional.pixel_shuffle(y, 4) + nn.functional.interpolate(x, scale_factor=4)
            torch.testing.assert_close(net(x), y)


def test_spandrel_opens_the_weights_and_computes_the_same():
    """By the names of their tensors; ComfyUI and chaiNNer open files by spandrel."""
    spandrel = pytest.importorskip("spandrel")
    torch.manual_seed(0)
    for scale in (2, 3, 4):
        net = PerceptualSR(scale=scale, channels=12, blocks=3).eval()
        net.load_state_dict({name: x + 0.1 * torch.randn_like(x) for name, x in net.state_dict().items()})
        other = spandrel.ModelLoader("cpu").load_from_state_dict(dict(net.state_dict()))
        assert (other.architecture.id, other.scale) == ("Compact", scale)
        with torch.inference_mode():
            x = torch.rand(1, 3, 17, 22)
            torch.testing.assert_close(other.model(x), net(x), rtol=0, atol=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_sees_no_further_than_it_says(network: str):
    torch.manual_seed(0)
    net = PerceptualSR(network, channels=4, blocks=1).eval()
    side = 2 * net.reach + 9
    x = torch.rand(1, 3, side, side)
    other = x.clone()
    other[..., side // 2, side // 2] += 1
    with torch.inference_mode():
        changed = (net(x) != net(other)).any(1)[0].nonzero()
    first, last = changed.min() // 4, changed.max() // 4
    assert first >= side // 2 - net.reach
    assert last <= side // 2 + net.reach


def test_a_blank_picture_has_no_border():
    """The paper's first and last layers see the values of the border beyond it."""
    net = PerceptualSR("paper", channels=8, blocks=1).eval()
    for block in net.body.trunk:
        for parameter in block.parameters():
            parameter.data.zero_()  # in between, beyond the border is zero
    net.body.steps = nn.Upsample(scale_factor=4)
    with torch.inference_mode():
        out = net(torch.full((1, 3, 12, 12), 0.2))
        blocks = out.unflatten(2, (12, 4)).unflatten(4, (12, 4))
    torch.testing.assert_close(blocks, blocks[:, :, :1, :, :1].expand_as(blocks), rtol=0, atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_can_be_exported(network: str):
    net, x = PerceptualSR(network, channels=8, blocks=2).eval(), torch.rand(1, 3, 12, 20)
    exported = torch.export.export(net, (x,)).module()
    with torch.inference_mode():
        torch.testing.assert_close(exported(x), net(x), rtol=1e-4, atol=1e-4)


def test_refuses_what_it_cannot_be():
    with pytest.raises(ZooError, match="'transposed'"):
        PerceptualSR("transposed")
    with pytest.raises(ZooError, match="1 or more"):
        PerceptualSR(blocks=0)
    for network, scale in (("compact", 5), ("paper", 3)):
        with pytest.raises(ZooError, match=f"scale must be 2, 3 or 4, and 2 or 4 for the paper's network, not {scale}"):
            PerceptualSR(network, scale)
    with pytest.raises(ZooError, match="pixel_weight, feature_weight or lpips_weight must be more than 0"):
        PerceptualSRModule(pixel_weight=0)
    with pytest.raises(ZooError, match="weights of losses must be 0 or more"):
        PerceptualSRModule(grid_weight=-1)
    with pytest.raises(ZooError, match=r"LPIPS has the layers relu1_2, .*, not relu9"):
        PerceptualSRModule(lpips_weight=1, lpips_layers=["relu9"])


def test_the_loss_is_the_weighted_sum(tmp_path: Path):
    vgg = random_vgg(tmp_path)
    module = PerceptualSRModule(
        channels=8,
        blocks=1,
        pixel_loss="l2",
        pixel_weight=0.5,
        feature_weight=0.2,
        feature_layers={"relu1_2": 1.0, "relu2_2": 3.0},
        lpips_weight=0.3,
        lpips_layers=["relu1_2", "relu2_2"],
        grid_weight=5.0,
        tv_weight=0.1,
        vgg=str(vgg),
    )
    truth = torch.from_numpy(np.array(data.astronaut()[:64, 200:264])).permute(2, 0, 1)[None] / 255
    prediction = (truth + 0.1 * torch.rand(1, 3, 64, 64)).requires_grad_()
    features = VGGFeatures(["relu1_2", "relu2_2"], weights=vgg, pooling="average")
    module.eval()
    near, far = features(prediction), features(truth)
    by_hand = (
        0.5 * (prediction - truth).square().mean()
        + 0.2 * (near["relu1_2"] - far["relu1_2"]).square().mean()
        + 0.6 * (near["relu2_2"] - far["relu2_2"]).square().mean()
        + 0.3 * LPIPS(vgg, ["relu1_2", "relu2_2"], "average")(prediction, truth).mean()
        + 5.0 * grid_loss(prediction, truth, 4)
        + 0.1 * total_variation(prediction)
    )
    torch.testing.assert_close(module.loss(prediction, truth), by_hand)
    module.loss(prediction, truth).backward()
    assert prediction.grad is not None
    assert module.monitor == ("val/features", "min")
    lpips = PerceptualSRModule(channels=8, blocks=1, lpips_weight=1.0, lpips_layers=["relu1_2"], vgg=str(vgg))
    assert lpips.monitor == ("val/lpips", "min")
    assert PerceptualSRModule(channels=8, blocks=1).monitor == ("val/PSNR", "max")


def test_the_loss_network_meets_every_alignment_in_training(tmp_path: Path):
    """Only there: what is validated is the same twice."""
    module = PerceptualSRModule(channels=8, blocks=1, feature_weight=1.0, vgg=str(random_vgg(tmp_path)))
    x = torch.arange(64.0).view(1, 1, 8, 8)
    starts = {tuple(part[0, 0, 0, 0].item() for part in module.part(x, x)) for _ in range(300)}
    assert starts == {(first, first) for first in (8.0 * y + x for y in range(4) for x in range(4))}
    assert {part.shape for part in module.part(x, x)} == {(1, 1, 5, 5)}
    assert all(part is x for part in module.eval().part(x, x))
    module = PerceptualSRModule(
        channels=8, blocks=1, feature_crop=16, feature_weight=1.0, vgg=str(random_vgg(tmp_path))
    )
    x = torch.arange(18.0 * 20).view(1, 1, 18, 20)
    parts = [module.part(x, x) for _ in range(300)]
    assert {part.shape for each in parts for part in each} == {(1, 1, 16, 16)}
    assert {each[0][0, 0, 0, 0].item() for each in parts} == {20.0 * y + x for y in range(3) for x in range(5)}
    assert module.part(x[..., :12, :])[0].shape == (1, 1, 12, 16)
    with pytest.raises(ZooError, match="feature_crop must be 16 or more, not 8"):
        PerceptualSRModule(feature_crop=8)


def test_network_and_data_must_be_of_one_scale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    recipe = yaml.safe_load(recipes.find("perceptual_sr_streets").read_text())
    small = miniature(recipe, tmp_path)
    options = ["--trainer.logger=false", "--trainer.accelerator=cpu", "--trainer.max_epochs=1", "--data.scale=2"]
    monkeypatch.chdir(tmp_path)
    assert main.main(["fit", "--recipe", "perceptual_sr_streets", *small, *options]) == 2
    assert "model.scale is 4 and data.scale 2; they must be the same" in capsys.readouterr().err


def test_the_loss_network_is_in_no_checkpoint(tmp_path: Path):
    vgg = str(random_vgg(tmp_path))
    module = PerceptualSRModule(channels=8, blocks=1, feature_weight=1.0, lpips_weight=1.0, vgg=vgg)
    assert not [name for name, _ in module.named_buffers() if "conv" in name]  # which averages and DDP go over
    assert module.to(torch.float64).lpips.vgg.mean.dtype == torch.float64  # but they follow it
    assert all(key.startswith("net.") for key in module.state_dict())
    assert sum(p.numel() for p in module.parameters()) == count(module.net)


def test_what_is_validated_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recipe = yaml.safe_load(recipes.find("perceptual_sr_pixel").read_text())
    small = miniature(recipe, tmp_path)
    options = ["--weights=perceptual_sr_pixel", "--trainer.logger=false", "--trainer.accelerator=cpu"]
    assert main.main(["validate", "--recipe", "perceptual_sr_pixel", *small, *options]) == 0
    told = re.search(r"PSNR on val: ([\d.]+) dB, bicubic ([\d.]+) dB; SSIM 0\.\d+", capsys.readouterr().out)
    assert told
    assert float(told[1]) > float(told[2]) + 0.5


def test_the_low_picture_is_the_protocol_s():
    truth = np.ascontiguousarray(data.chelsea()[:296, :448])
    low = np.asarray(Image.fromarray(truth).resize((112, 74), Image.Resampling.BICUBIC))
    assert np.array_equal(make_low(truth, 4), low)
    assert np.abs(make_low(truth, 4, blur=1.0).astype(int) - low).max() > 1


@pytest.mark.parametrize(
    ("card", "most"), [("perceptual_sr_photo", 4), ("perceptual_sr_photo_x2", 4), ("perceptual_sr_pixel", 1)]
)
def test_published_weights_draw_no_border(card: str, most: int):
    """What is beyond the border is zero for the trunk, which PSNR, that leaves the border out, would not notice."""
    net = load(card)
    scale = net.scale
    for level in (0, 60, 128, 255):
        blank = np.asarray(net.predict(np.full((24, 30, 3), level, np.uint8))).astype(int)
        assert np.abs(blank - level).max() <= most, level
    truth = data.astronaut()
    error = (np.asarray(net.predict(make_low(truth, scale))).astype(float) - truth) ** 2
    border = np.ones(truth.shape[:2], bool)
    border[4:-4, 4:-4] = False
    bicubic = (enlarge(make_low(truth, scale), scale).astype(float) - truth) ** 2
    gain_inside, gain_border = (bicubic[part].mean() / error[part].mean() for part in (~border, border))
    assert gain_border > 0.85 * gain_inside


@pytest.mark.parametrize("card", ["perceptual_sr_photo", "perceptual_sr_photo_x2", "perceptual_sr_pixel"])
def test_published_weights_draw_no_grid(card: str):
    """None on a photograph, and on a slope, which rounding hides from PSNR, none of a level: what nobody sees."""
    net, truth = load(card), data.astronaut()
    result = to_tensor(np.asarray(net.predict(make_low(truth, net.scale))))[None]
    assert periodic_energy(result, to_tensor(truth)[None], PERIODS[net.scale]).item() < 1.1
    rows, columns = np.mgrid[:60, :70]
    slope = to_tensor(np.stack([20 + columns, 30 + rows, 40 + 0 * rows], -1).astype(np.uint8))[None]
    with torch.inference_mode():
        error = 255 * (net(slope) - BicubicUpsample(net.scale)(slope))[0, :, 16:-16, 16:-16]
    repeated = error.unflatten(1, (-1, net.scale)).unflatten(3, (-1, net.scale)).mean((1, 3))
    assert repeated.std((1, 2)).max() < 0.5
