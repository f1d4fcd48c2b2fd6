"""Fast style in miniature for the conformance suite, and checks against its papers."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from skimage import data
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.commands import main
from zoo.data.style import draw_pattern
from zoo.models.fast_style.module import FastStyleModule
from zoo.models.fast_style.net import FastStyle, StyleColors
from zoo.nn.instance_norm import ConditionalInstanceNorm
from zoo.nn.vgg import VGGFeatures
from zoo.training import recipes

ARGUMENTS = {"styles": ["red", "green", "blue"], "channels": 4, "blocks": 1}
OPTIONS = {"style": [["blue"], ["red", "green"], ["{red: 2, blue: 0.5}"]], "mask": [["picture.png"]]}
OPTIONS["grain"] = [["0"], ["0.2"], ["null"]]
CHANNELS = 3
SIZES = [(1, 1), (3, 5), (1, 40), (31, 17), (13, 50), (24, 32)]
LAYERS = {"style_layers": {"relu1_2": 1.0, "relu2_2": 1.0}, "content_layers": {"relu2_2": 1.0}}


def out_shape(height: int, width: int) -> tuple[int, int, int]:
    return 3, height, width


def module() -> FastStyleModule:
    weights = {"content_weight": 1e-3, "style_weight": 0.3, "color_weight": 100.0, "tv_weight": 0.0}
    return FastStyleModule(channels=8, blocks=1, vgg=None, style_size=64, **weights, **LAYERS)


def batch() -> Tensor:
    pictures = np.stack([data.astronaut()[:64, 200:264], data.coffee()[100:164, 200:264]])
    return torch.from_numpy(pictures).movedim(-1, 1).float() / 255


def miniature(recipe: dict, folder: Path) -> list[str]:
    """Arguments that make two steps of a recipe a matter of seconds, on data of their own in ``folder``."""
    arguments = ["--data.crop=32", "--data.size=40", "--data.batch_size=2", "--data.crops_per_epoch=4"]
    arguments += ["--data.num_workers=0", "--model.style_size=32"]
    if "root" in recipe["data"]["init_args"]:
        for part, photograph in (("pictures", data.astronaut()), ("extra", data.coffee())):
            (folder / part).mkdir(parents=True)
            for i, y in enumerate(range(0, 360, 30)):
                Image.fromarray(photograph[y : y + 40, y : y + 60]).save(folder / part / f"{i}.png")
        extra = folder / "extra"
        arguments += [f"--data.root={folder / 'pictures'}", f"--data.extra=[{extra}]", "--data.val_fraction=0.3"]
    if names := recipe["model"]["init_args"].get("styles"):
        (folder / "styles").mkdir(parents=True)
        for seed, name in enumerate(names):
            Image.fromarray(draw_pattern(48, 64, seed)).save(folder / "styles" / f"{name}.png")
        files = ", ".join(f"{name}: {folder / 'styles' / name}.png" for name in names)
        arguments += [f"--model.styles={{{files}}}", f"--model.vgg={random_vgg(folder)}"]
    return arguments


def random_vgg(folder: Path) -> Path:
    """A file of VGG-16, as deep as relu5_1, untrained."""
    vgg = VGGFeatures(["relu5_1"], weights=None)
    convolutions = [i for i, name in enumerate(vgg.computed) if name.startswith("conv")]
    tensors = dict(vgg.named_buffers())
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            f"features.{i}.{kind}": tensors[f"{vgg.computed[i]}_{kind}"].half().contiguous()
            for i in convolutions
            for kind in ("weight", "bias")
        },
        folder / "vgg16.safetensors",
    )
    return folder / "vgg16.safetensors"


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def one_hot(number: int, styles: int = 3, pictures: int = 1) -> Tensor:
    return torch.eye(styles)[[number]].expand(pictures, -1)


def test_no_layer_has_the_resolution_of_the_picture():
    """7x7 and 3x3 of stride 2, five residual blocks, every second of them dilated, and back: 3x3, 7x7."""
    convs = [layer for layer in FastStyle().modules() if isinstance(layer, nn.Conv2d)]
    assert [conv.kernel_size[0] for conv in convs] == [7] + [3] * 12 + [7]
    assert [conv.stride[0] for conv in convs] == [2, 2] + [1] * 12
    assert [conv.dilation[0] for conv in convs] == [1, 1, 1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 1, 1]
    assert [conv.out_channels for conv in convs] == [32, 64] + [64] * 10 + [32, 3]
    assert sum(conv.weight.numel() for conv in convs) == 414_912


def test_a_further_style_is_two_vectors_a_layer():
    """And an affine map of colours: 0.4 % of the network."""
    one, three = FastStyle(["a"]), FastStyle(["a", "b", "c"])
    own = 2 * (4 + 5 * 2 * 2) * 32 + 3 + 3 + 9
    assert count(three) - count(one) == 2 * own
    assert sum(parameter.numel() for parameter in three.style_parameters()) == 3 * own
    assert all(parameter.shape[0] == 3 for parameter in three.style_parameters())


def test_norm_of_one_style_equals_torch():
    torch.manual_seed(0)
    own, other = ConditionalInstanceNorm(5, 3), nn.InstanceNorm2d(5, affine=True)
    nn.init.normal_(own.weight)
    nn.init.normal_(own.bias)
    other.load_state_dict({"weight": own.weight[1], "bias": own.bias[1]})
    x = torch.randn(2, 5, 7, 9)
    result = own(x, one_hot(1, pictures=2))
    torch.testing.assert_close(result, other(x))
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_contrast_does_not_matter():
    """What instance norm is for: beyond the first layer nothing is left of the contrast of the content."""
    torch.manual_seed(0)
    net, x = FastStyle(**ARGUMENTS).eval(), batch()
    net.recolor.norm.eps = 1e-5  # with its own, flat pictures stay flat
    with torch.inference_mode():
        assert net(x).std() > 0.1
        torch.testing.assert_close(net(0.5 + (x - 0.5) / 2), net(x), rtol=0, atol=0.02)


def test_a_training_begins_with_the_picture_in_the_colours_of_the_painting():
    """Sharp from the first step on, with the mean and the spread of each channel of the painting."""
    torch.manual_seed(0)
    net, x = FastStyle(**ARGUMENTS).eval(), batch()[:1]
    paintings = [batch()[[1]] * scale for scale in (0.9, 0.5, 0.1)]
    net.begin(paintings)
    with torch.inference_mode():
        for number, painting in enumerate(paintings):
            out = net(x, one_hot(number))
            torch.testing.assert_close(out.mean((2, 3)), painting.mean((2, 3)), rtol=0, atol=0.03)
            for own, before in zip(out[0], x[0], strict=True):  # each channel in the order of the photograph's
                assert torch.equal(
                    own.flatten()[before.flatten().argsort()].diff() >= -1e-6, torch.ones(64 * 64 - 1) > 0
                )


def test_noise_of_a_flat_picture_is_not_raised():
    torch.manual_seed(0)
    net = FastStyle(**ARGUMENTS).eval()
    net.begin([batch()[[1]]] * 3)
    with torch.inference_mode():
        assert net(0.5 + 0.01 * torch.randn(1, 3, 32, 32)).std((2, 3)).max() < 0.05


def test_colours_of_a_batch_are_mapped_by_the_matrix_of_its_styles():
    torch.manual_seed(0)
    colors, x = StyleColors(3), torch.rand(2, 3, 6, 8)
    colors.norm.eps = 0.0
    for parameter in colors.parameters():
        parameter.data = torch.randn_like(parameter)
    mix = torch.tensor([[1.0, 0, 0], [0, 0.25, 0.75]])
    mean, spread = x.mean((2, 3), keepdim=True), x.std((2, 3), correction=0, keepdim=True)
    scale, shift = mix @ colors.norm.weight, mix @ colors.norm.bias
    changed = (x - mean) / spread * scale[..., None, None] + shift[..., None, None]
    want = torch.einsum("bij,bjhw->bihw", (mix @ colors.weight).view(2, 3, 3), changed)
    torch.testing.assert_close(colors(x, mix), want, rtol=1e-4, atol=1e-4)


def test_a_blank_picture_has_no_border():
    """Every convolution reflects, so that what is beyond the border is like what is inside."""
    torch.manual_seed(0)
    net = FastStyle(**ARGUMENTS).eval()
    with torch.inference_mode():
        out = net(torch.full((1, 3, 32, 44), 0.2))
    torch.testing.assert_close(out, out[..., 16:17, 16:17].expand_as(out), rtol=0, atol=1e-5)


def different(seed: int = 0) -> FastStyle:
    """A miniature whose styles differ."""
    torch.manual_seed(seed)
    net = FastStyle(**ARGUMENTS).eval()
    for parameter in net.style_parameters():
        parameter.data += 0.5 * torch.randn_like(parameter)
    return net


def test_a_new_style_begins_with_the_mean_of_the_vectors_and_with_its_own_colours():
    old, new = different(), FastStyle(["blue", "gold", "red"], channels=4, blocks=1)
    new.begin([batch()[[1]] * scale for scale in (0.9, 0.5, 0.1)])
    colors = {name: tensor.clone() for name, tensor in new.recolor.state_dict().items()}
    new.load_state_dict(new.adopted(old.state_dict(), {"styles": list(ARGUMENTS["styles"])}))
    for name, before in old.state_dict().items():
        now = new.state_dict()[name]
        if before.ndim != 2:
            assert torch.equal(now, before)
            continue
        assert torch.equal(now[0], before[2])
        assert torch.equal(now[2], before[0])
        own = name.removeprefix("recolor.")
        torch.testing.assert_close(now[1], before.mean(0) if own == name else colors[own][1])


def test_each_picture_of_a_batch_gets_its_own_style():
    net, x = different(), batch()
    with torch.inference_mode():
        mix = torch.cat([one_hot(2), torch.tensor([[0.5, 0.5, 0.0]])])
        together = net(x, mix)
        for number in range(2):
            torch.testing.assert_close(net(x[[number]], mix[[number]])[0], together[number], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(net(x), net(x, one_hot(0, pictures=2)))  # by default the first
        assert (net(x) - net(x, one_hot(1, pictures=2))).abs().mean() > 0.02


def test_a_blend_is_the_network_of_the_mean_vectors():
    net, x = different(), batch()
    blend = torch.tensor([[0.2, 0.3, 0.5]])
    alone = FastStyle(["mean"], channels=4, blocks=1).eval()
    state = {
        name: blend @ tensor if tensor.shape[:1] == (3,) and tensor.ndim == 2 else tensor
        for name, tensor in net.state_dict().items()
    }
    alone.load_state_dict(state)
    with torch.inference_mode():
        torch.testing.assert_close(net(x[:1], blend), alone(x[:1]), rtol=1e-4, atol=1e-4)


def test_can_be_exported():
    net, x = different(), torch.rand(1, 3, 20, 24)
    for given in ((x,), (x, torch.tensor([[0.5, 0.0, 0.5]]))):
        exported = torch.export.export(net, given).module()
        with torch.inference_mode():
            torch.testing.assert_close(exported(*given), net(*given), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("styles", [[], ["a", "a"], "starry_night", [""], ["a b"], ["nuit étoilée"], ["a" * 41], [1]])
def test_names_of_styles(styles: object):
    with pytest.raises(ZooError, match=r"^(styles must be one or more different names|a style's name has up to 40)"):
        FastStyle(styles)


def test_refuses_what_it_cannot_be():
    with pytest.raises(ZooError, match="1 or more"):
        FastStyle(blocks=0)
    with pytest.raises(ZooError, match="has no layer 'relu2_3'; did you mean"):
        FastStyleModule(vgg=None, content_layers={"relu2_3": 1.0})
    with pytest.raises(ZooError, match="0 or more"):
        FastStyleModule(vgg=None, style_weight=-1, **LAYERS)
    with pytest.raises(ZooError, match=r"nowhere\.safetensors: no such file.*\n.*--model\.vgg FILE"):
        FastStyleModule(vgg="nowhere.safetensors")
    with pytest.raises(ZooError, match=r"nowhere\.jpg: no such file\n.*--model\.styles '\{NAME: FILE\}'"):
        FastStyleModule(vgg=None, styles={"mine": Path("nowhere.jpg")}, **LAYERS)
    with pytest.raises(ZooError, match="styles_per_picture must be 1 or more"):
        FastStyleModule(vgg=None, styles_per_picture=0, **LAYERS)
    for name in ("trunk_after", "noise"):
        for value in (-1.0, 1.1, math.nan):
            with pytest.raises(ZooError, match=rf"model\.{name} must be from 0 to 1, not {value}"):
                FastStyleModule(vgg=None, **{name: value}, **LAYERS)
    for name in ("grid_weight", "steady_weight", "style_lr_factor"):
        for value in (-1.0, math.nan, math.inf):
            with pytest.raises(ZooError, match=rf"model\.{name} must be 0 or more, not {value}"):
                FastStyleModule(vgg=None, **{name: value}, **LAYERS)


def test_the_loss_network_and_the_style_are_in_no_checkpoint():
    own = module()
    assert all(key.startswith("net.") for key in own.state_dict())
    assert sum(p.numel() for p in own.parameters()) == count(own.net)


def test_validation_prints_loss_and_terms(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recipe = yaml.safe_load(recipes.find("fast_style_streets").read_text())
    options = ["--trainer.max_steps=2", "--trainer.accelerator=cpu", "--trainer.logger=false"]
    options += [f"--trainer.default_root_dir={tmp_path}", *miniature(recipe, tmp_path)]
    assert main.main(["fit", "--recipe", "fast_style_streets", *options, "--debug"]) == 0
    told = re.search(
        r"Loss on val: ([\d.]+) \(content ([\d.]+), style ([\d.]+), color ([\d.]+), tv ([\d.]+)\)",
        capsys.readouterr().out,
    )
    assert told
    total, *terms = map(float, told.groups())
    assert total == pytest.approx(sum(terms), abs=3e-4)
