from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import skimage.data
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.nn.vgg import VGGFeatures, layer_names

SHALLOW = ("relu1_2", "pool1")


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.rand(2, 3, 39, 46, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def photograph() -> Tensor:
    return torch.from_numpy(skimage.data.astronaut()[:128, 160:288]).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Random weights under timm's names, with a classifier, by depth."""
    return {depth: save_random(depth, tmp_path_factory.mktemp("vgg")) for depth in (16, 19)}


@pytest.fixture
def few(tmp_path: Path) -> dict[str, Tensor]:
    """Weights of the first block, by timm's names."""
    return {
        "features.0.weight": torch.randn(64, 3, 3, 3),
        "features.0.bias": torch.randn(64),
        "features.2.weight": torch.randn(64, 64, 3, 3),
        "features.2.bias": torch.randn(64),
    }


def timm_layers(depth: int) -> nn.Sequential:
    """timm's own, without the memory of its classifier."""
    with torch.device("meta"):
        layers = timm.create_model(f"vgg{depth}").features
    return layers.to_empty(device="cpu")


def save_random(depth: int, folder: Path) -> Path:
    generator = torch.Generator().manual_seed(depth)
    tensors = {
        f"features.{name}": torch.randn(tensor.shape, generator=generator) * (2 / tensor[0].numel()) ** 0.5
        for name, tensor in timm_layers(depth).named_parameters()
    }
    path = folder / f"vgg{depth}.safetensors"
    safetensors.torch.save_file({**tensors, "head.fc.bias": torch.zeros(1000)}, path)
    return path


def of_timm(depth: int, file: Path, pictures: Tensor, pool: nn.Module | None = None) -> dict[str, Tensor]:
    """Layer by layer through timm's network, with the normalisation of timm's transforms."""
    layers = timm_layers(depth)
    stored = safetensors.torch.load_file(file)
    layers.load_state_dict({k.removeprefix("features."): v.float() for k, v in stored.items() if "features" in k})
    mean, std = (torch.tensor(timm.get_pretrained_cfg(f"vgg{depth}").to_dict()[key]) for key in ("mean", "std"))
    x = (pictures - mean[:, None, None]) / std[:, None, None]
    features = {}
    with torch.no_grad():
        for name, layer in zip(layer_names(depth), layers, strict=True):
            x = pool(x) if pool and isinstance(layer, nn.MaxPool2d) else layer(x.clone())  # its ReLU is in place
            features[name] = x
    return features


def agree(features: dict[str, Tensor], truth: dict[str, Tensor]) -> None:
    for name, feature in features.items():
        assert feature.shape == truth[name].shape
        assert torch.allclose(feature, truth[name], rtol=1e-4, atol=1e-4 * truth[name].abs().max().item()), name


# Layers


@pytest.mark.parametrize(("depth", "last", "count"), [(16, "relu5_3", 31), (19, "relu5_4", 37)])
def test_layers_have_the_names_of_the_papers(depth: int, last: str, count: int):
    names = layer_names(depth)
    assert names[:6] == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1"]
    assert names[-2:] == [last, "pool5"]
    assert len(names) == count
    weights = [name for name in names if name.startswith("conv")]
    assert len(weights) == depth - 3  # the others are the classifier


@pytest.mark.parametrize("depth", [16, 19])
def test_every_layer_is_that_of_timm(depth: int, files: dict[int, Path], pictures: Tensor):
    vgg = VGGFeatures(layer_names(depth), depth, files[depth])
    agree(vgg(pictures), of_timm(depth, files[depth], pictures))


def test_average_pooling(files: dict[int, Path], pictures: Tensor):
    vgg = VGGFeatures(["pool1", "pool3", "conv4_1"], weights=files[16], pooling="average")
    agree(vgg(pictures), of_timm(16, files[16], pictures, nn.AvgPool2d(2)))


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_replicate_padding_leaves_no_frame(files: dict[int, Path], value: float):
    """Features of a blank picture are the same up to the border; zeros around it look like a dark frame."""
    layers, blank = ["relu1_1", "relu2_2", "pool3", "relu4_1"], torch.full((1, 3, 48, 64), value)
    for padding, framed in (("replicate", False), ("zeros", True)):
        for name, feature in VGGFeatures(layers, weights=files[16], padding=padding)(blank).items():
            middle = feature[..., feature.shape[2] // 2, feature.shape[3] // 2][..., None, None]
            off = (feature - middle).abs().max() / feature.abs().max()
            assert (off > 0.05) == framed, (name, padding)
            assert off < 1e-4 or framed


def test_padding_matters_near_the_border_only(files: dict[int, Path], pictures: Tensor):
    zeros, replicate = (
        VGGFeatures(["relu1_2", "relu2_2"], weights=files[16], padding=padding)(pictures)
        for padding in ("zeros", "replicate")
    )
    for name, reach in (("relu1_2", 2), ("relu2_2", 3)):
        inner = np.s_[..., reach:-reach, reach:-reach]
        torch.testing.assert_close(zeros[name][inner], replicate[name][inner], rtol=1e-4, atol=1e-4)
        assert (zeros[name] - replicate[name]).abs().max() > 0.1
        assert zeros[name].shape == replicate[name].shape


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (3, 40)])
def test_replicate_padding_of_small_pictures(size: tuple[int, int]):
    features = VGGFeatures(["relu1_2"], weights=None, padding="replicate")(torch.rand(1, 3, *size))
    assert features["relu1_2"].shape == (1, 64, *size)
    assert features["relu1_2"].isfinite().all()


def test_the_published_weights_on_a_photograph(real_data: Path, photograph: Tensor):
    file = real_data / "weights" / "vgg16_features.safetensors"
    features = VGGFeatures(["relu1_2", "relu2_2", "relu3_3", "relu4_3"], weights=file)(photograph)
    agree(features, of_timm(16, file, photograph))
    assert all(feature.dtype == torch.float32 for feature in features.values())  # the file is in float16


@pytest.mark.parametrize("layers", [("relu3_1", "relu1_1", "pool2"), ("conv1_1", "relu1_1", "conv1_2")])
def test_what_was_asked_for_in_the_order_asked_and_unspoilt(
    layers: tuple[str, ...], files: dict[int, Path], pictures: Tensor
):
    """A ReLU in place would leave the convolution's features without their negative values."""
    vgg = VGGFeatures(layers, weights=files[16])
    features = vgg(pictures)
    assert tuple(features) == layers
    assert [feature.min() < 0 for feature in features.values()] == [name.startswith("conv") for name in layers]
    agree(features, of_timm(16, files[16], pictures))


def test_nothing_deeper_is_computed_or_held(pictures: Tensor, monkeypatch: pytest.MonkeyPatch):
    vgg = VGGFeatures(["relu2_1", "relu1_1"], weights=None)
    convolutions = []
    conv2d = F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda *a, **k: convolutions.append(a[1].shape) or conv2d(*a, **k))
    vgg(pictures)
    assert convolutions == [(64, 3, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3)]
    held = sum(buffer.numel() for buffer in vgg.buffers())
    assert held == sum(shape.numel() + shape[0] for shape in convolutions) + 6  # biases; mean and deviation


# Frozen, hidden


def test_it_hides_from_optimisers_and_state_dicts():
    holder = nn.Module()
    holder.vgg = VGGFeatures(SHALLOW, weights=None)
    assert list(holder.parameters()) == []
    assert holder.state_dict() == {}
    holder.load_state_dict({}, strict=True)
    assert all(buffer.dtype == torch.float64 for buffer in holder.to(torch.float64).buffers())  # and yet it moves


def test_train_mode_changes_nothing(pictures: Tensor):
    vgg = VGGFeatures(SHALLOW, weights=None)
    assert torch.equal(vgg.train()(pictures)["pool1"], vgg.eval()(pictures)["pool1"])


def test_copies_give_the_same(pictures: Tensor):
    vgg = VGGFeatures(SHALLOW, weights=None)
    for twin in (copy.deepcopy(vgg), pickle.loads(pickle.dumps(vgg))):
        assert torch.equal(twin(pictures)["pool1"], vgg(pictures)["pool1"])


@pytest.mark.parametrize("layers", [("relu1_1", "relu2_2"), ("conv1_2", "pool2")])
def test_gradients_reach_the_picture_and_are_those_of_timm(
    layers: tuple[str, ...], files: dict[int, Path], pictures: Tensor
):
    def gradient(extract: Callable[[Tensor], list[Tensor]]) -> Tensor:
        x = pictures.clone().requires_grad_()
        return torch.autograd.grad(sum(feature.square().mean() for feature in extract(x)), x)[0]

    def by_timm(x: Tensor) -> list[Tensor]:
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        x, features = (x - mean) / std, []
        for name, layer in zip(layer_names(16)[:10], reference, strict=False):
            x = F.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
            features += [x] if name in layers else []
        return features

    stored = safetensors.torch.load_file(files[16])
    reference = timm_layers(16)
    reference.load_state_dict({k.removeprefix("features."): v for k, v in stored.items() if "features" in k})
    vgg = VGGFeatures(layers, weights=files[16])
    ours, theirs = gradient(lambda x: list(vgg(x).values())), gradient(by_timm)
    assert theirs.abs().max() > 0
    assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-5 * theirs.abs().max().item())


def test_memory_layout_does_not_matter(pictures: Tensor):
    vgg = VGGFeatures(["relu2_2"], weights=None)
    assert vgg.conv1_2_weight.is_contiguous(memory_format=torch.channels_last)
    features = vgg(pictures)["relu2_2"]
    assert torch.allclose(features, vgg(pictures.to(memory_format=torch.channels_last))["relu2_2"], atol=1e-5)


def test_random_start_follows_the_seed_and_keeps_the_scale(pictures: Tensor):
    networks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        networks.append(VGGFeatures(["conv4_1"], weights=None))
    a, b, c = (network(pictures)["conv4_1"] for network in networks)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert 0.1 < a.std() < 10  # neither vanished nor exploded after eight convolutions


# Errors


@pytest.mark.parametrize(
    ("layers", "options", "message"),
    [
        (["relu2_3"], {}, r"VGG-16 has no layer 'relu2_3'; did you mean relu2_2"),
        (["relu3_4"], {}, r"VGG-16 has no layer 'relu3_4'; did you mean relu3_3"),
        (["relu5_5"], {"depth": 19}, "VGG-19 has no layer 'relu5_5'"),
        (["Conv1_1"], {}, "did you mean conv1_1"),
        ([], {}, "at least one layer"),
        (["relu1_1"], {"depth": 13}, "depth 16 or 19"),
        (["relu1_1"], {"pooling": "mean"}, "'mean'"),
        (["relu1_1"], {"padding": "reflect"}, 'padding must be "zeros" or "replicate", not \'reflect\''),
        (["relu1_1"], {"weights": "vgg.pth"}, r"\"timm\", the path of a \.safetensors file or null, not 'vgg\.pth'"),
        (["relu1_1"], {"weights": "imagenet"}, "not 'imagenet'"),
        (["relu1_1"], {"weights": "no.safetensors"}, r"no\.safetensors: no such file"),
    ],
)
def test_what_cannot_be_had_is_named(layers: list[str], options: dict, message: str):
    with pytest.raises(ZooError, match=message) as caught:
        VGGFeatures(layers, **{"weights": None, **options})
    assert len(str(caught.value).splitlines()) <= 3


def test_files_that_are_no_weights_of_it(few: dict[str, Tensor], tmp_path: Path):
    whole = safetensors.torch.save(few)
    lacking = {name: tensor for name, tensor in few.items() if name != "features.2.bias"}
    contents = {
        "torn": (whole[:-100], "not a whole safetensors file"),
        "empty": (b"", "not a whole safetensors file"),
        "pickle": (pickle.dumps({"features.0.weight": np.zeros(3)}), "not a whole safetensors file"),
        "lacking": (safetensors.torch.save(lacking), "lacks features.2.bias of VGG-16"),
        "wide": (
            safetensors.torch.save({**few, "features.2.weight": torch.zeros(64, 32, 3, 3)}),
            r"features.2.weight of VGG-16 is \(64, 64, 3, 3\), not \(64, 32, 3, 3\)",
        ),
        "norm": (safetensors.torch.save({**few, "features.1.weight": torch.zeros(64)}), "has no features.1.weight"),
    }
    for name, (content, message) in contents.items():
        (tmp_path / f"{name}.safetensors").write_bytes(content)
        with pytest.raises(ZooError, match=rf"{name}\.safetensors: .*{message}") as caught:
            VGGFeatures(SHALLOW, weights=tmp_path / f"{name}.safetensors")
        assert len(str(caught.value).splitlines()) <= 3


def test_the_other_depth_is_refused(files: dict[int, Path]):
    """Up to relu3_3 their shapes agree."""
    for depth, other in ((16, 19), (19, 16)):
        with pytest.raises(ZooError, match=f"VGG-{depth}"):
            VGGFeatures(["relu3_4" if depth == 19 else "relu3_3"], depth, files[other])


def test_half_precision_and_strangers_in_a_file(few: dict[str, Tensor], tmp_path: Path, pictures: Tensor):
    path = tmp_path / "half.safetensors"
    strangers = {"features.10.weight": torch.zeros(1), "classifier.0.weight": torch.zeros(3)}  # deeper: of no interest
    safetensors.torch.save_file({**{name: tensor.half() for name, tensor in few.items()}, **strangers}, path)
    vgg = VGGFeatures(SHALLOW, weights=str(path))
    assert torch.equal(vgg.conv1_2_weight, few["features.2.weight"].half().float())
    assert vgg(pictures)["relu1_2"].dtype == torch.float32


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 1, 32, 32), (2, 4, 32, 32)])
def test_only_rgb(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"pictures must be \(B, 3, H, W\)"):
        VGGFeatures(SHALLOW, weights=None)(torch.zeros(shape))


def test_the_smallest_picture():
    vgg = VGGFeatures(["relu3_1"], weights=None)
    assert vgg(torch.zeros(1, 3, 4, 5))["relu3_1"].shape == (1, 256, 1, 1)
    with pytest.raises(ZooError, match="40x3 pixels are too few for relu3_1 of VGG; it needs 4x4"):
        vgg(torch.zeros(1, 3, 3, 40))
