"""What computes a forward pass, and that prediction knows no more of it than that."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor, nn

from zoo import load
from zoo.base.errors import ZooError
from zoo.base.registry import architectures, import_object
from zoo.engines import network_of
from zoo.engines.torch import TorchEngine
from zoo.models.base import Model
from zoo.models.fast_style.net import FastStyle
from zoo.models.fast_style.predict import Stylizer
from zoo.models.homographynet.net import HomographyNet
from zoo.models.homographynet.predict import Aligner
from zoo.models.linknet.net import LinkNet
from zoo.models.linknet.predict import Segmenter
from zoo.models.neural_style.predict import Painter
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.models.perceptual_sr.predict import Upscaler

CAT = data.chelsea()[100:191, 120:187]


class Probe(Model):
    """Says how it is run; its second output is not contiguous."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.dropout = nn.BatchNorm2d(3), nn.Dropout(0.5)
        self.seen: list[tuple[bool, bool, torch.dtype, bool]] = []

    def infer(self, x: Tensor) -> tuple[Tensor, ...]:
        modes = {module.training for module in self.modules()}
        gradients = torch.is_grad_enabled() or not torch.is_inference_mode_enabled()
        self.seen.append((modes == {False}, gradients, x.dtype, x.is_contiguous(memory_format=torch.channels_last)))
        y = self.dropout(self.norm(x))
        return y, y.transpose(2, 3), y.mean((1, 2, 3))


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).random((2, 3, 5, 7), np.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_outputs_are_contiguous_arrays_of_float32(x: np.ndarray, dtype: torch.dtype):
    net = Probe().eval().to(dtype)
    outputs = TorchEngine(net)(x)
    assert isinstance(outputs, tuple)
    assert [output.shape for output in outputs] == [(2, 3, 5, 7), (2, 3, 7, 5), (2,)]
    for output in outputs:
        assert isinstance(output, np.ndarray)
        assert output.dtype == np.float32
        assert output.flags.c_contiguous
    assert net.seen == [(True, False, dtype, True)]
    np.testing.assert_allclose(outputs[0], x, atol=1e-2)


def test_a_network_in_training_goes_on_as_it_was(x: np.ndarray):
    net = Probe().train()
    net.norm.eval()  # frozen, as some are
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    TorchEngine(net)(x)
    assert net.seen == [(True, False, torch.float32, True)]
    assert (net.training, net.dropout.training, net.norm.training) == (True, True, False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert torch.is_grad_enabled()
    assert all(parameter.requires_grad for parameter in net.parameters())
    net.norm(torch.from_numpy(x)).sum().backward()
    assert net.norm.weight.grad is not None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_weights_of_styles_reach_the_network(dtype: torch.dtype):
    torch.manual_seed(0)
    net = FastStyle(["a", "b"], channels=4, blocks=1).eval().to(dtype)
    net.style_parameters()[-1].data[1] += 0.5
    x, mix = np.random.default_rng(0).random((2, 3, 12, 16), np.float32), np.array([[0, 1], [0.5, 0.5]], np.float32)
    (found,) = net.engine(x, mix)
    with torch.inference_mode():
        expected = net(torch.from_numpy(x).to(dtype), torch.from_numpy(mix).to(dtype))
    np.testing.assert_allclose(found, expected.float().numpy(), atol=1e-5 if dtype != torch.bfloat16 else 0.05)
    assert np.abs(found - net.engine(x)[0]).max() > 0.01


def test_the_device_is_the_network_s():
    assert TorchEngine(Probe()).device == "cpu"
    assert TorchEngine(Probe().to("meta")).device == "meta"


def test_a_view_is_taken_as_it_is(x: np.ndarray):
    engine = TorchEngine(Probe().eval())
    for view in (np.asfortranarray(x), x[..., 1:4, ::2], x.transpose(0, 1, 3, 2)):
        assert not view.flags.c_contiguous
        np.testing.assert_array_equal(engine(view)[0], engine(np.ascontiguousarray(view))[0])


@dataclass
class Numpy:
    """An engine without torch, of recorded or of given answers; what it was asked is kept."""

    answer: Callable[..., tuple[np.ndarray, ...]]
    asked: list[np.ndarray] = field(default_factory=list)
    device: str = "cpu"

    def __call__(self, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        assert type(x) is np.ndarray
        assert x.dtype == np.float32
        assert x.ndim == 4
        assert x.min() >= 0
        assert x.max() <= 1
        self.asked.append(x)
        return self.answer(x) if weights is None else self.answer(x, weights)


def both(net: Model, *pictures: object, **options: object) -> tuple[object, object, Numpy]:
    """The result of a network, that of an engine in NumPy which gives the same arrays, and this engine."""
    torchs = TorchEngine(net)
    numpys = Numpy(lambda *given: tuple(np.array(output) for output in torchs(*given)))
    name = next(name for name, each in architectures().items() if each.net.endswith(f".{type(net).__name__}"))
    predictor = import_object(architectures()[name].predictor)
    expected = net.predict(*pictures, **options)
    return expected, predictor(numpys, **net.facts()).predict(*pictures, **options), numpys


def linknet() -> LinkNet:
    torch.manual_seed(0)
    return LinkNet(4, "test_resnet", labels=("a", "b", "c", "d")).eval()


@pytest.mark.parametrize("tile", [64, 1024])
def test_the_same_segmentation(tile: int):
    expected, found, engine = both(linknet(), CAT, tile=tile, probabilities=True)
    assert np.array_equal(found.mask, expected.mask)
    assert np.array_equal(found.probabilities, expected.probabilities)
    assert np.array_equal(found.picture, CAT)
    assert (found.labels, found.palette) == (expected.labels, expected.palette)
    assert len(engine.asked) == (1 if tile > 100 else 6)


def test_the_same_segmentation_of_many():
    expected, found, engine = both(linknet(), [CAT, CAT[:50], CAT[:50], CAT[:50]], batch_size=2)
    assert [len(x) for x in engine.asked] == [1, 2, 1]
    assert all(np.array_equal(one.mask, other.mask) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("tile", [20, "auto"])
@pytest.mark.parametrize("given", [CAT, CAT[..., 0], np.dstack([CAT, CAT[..., 0]])], ids=["RGB", "L", "RGBA"])
def test_the_same_enlargement(given: np.ndarray, tile: int | str):
    torch.manual_seed(0)
    net = PerceptualSR(channels=4, blocks=1).eval()
    expected, found, engine = both(net, given, tile=tile, match_histogram=True)
    assert np.array_equal(found, expected)
    assert (found.mode, found.notes) == (expected.mode, expected.notes)
    assert np.array_equal(found.source, expected.source)
    assert (len(engine.asked) > 1) == (tile == 20)


@pytest.mark.parametrize(
    "options",
    [{}, {"strength": 0.4}, {"preserve_color": True}, {"style": {"one": 1, "three": 2}}, {"style": "two", "size": 50}],
    ids=str,
)
def test_the_same_style(style_net: FastStyle, options: dict[str, object]):
    expected, found, engine = both(style_net, CAT, **options)
    assert np.array_equal(found, expected)
    assert np.array_equal(found.content, expected.content)
    frame = Stylizer(engine, **style_net.facts()).predict_frame(CAT, **options)
    assert np.array_equal(frame, style_net.predict_frame(CAT, **options))


@pytest.mark.parametrize("arguments", [{}, {"head": "classification"}, {"channels": 3}], ids=str)
def test_the_same_homography(arguments: dict[str, object]):
    torch.manual_seed(0)
    net = HomographyNet(**arguments).eval()
    expected, found, engine = both(net, CAT, np.roll(CAT, 3, 1), passes=2)
    assert np.array_equal(found.matrix, expected.matrix)
    same = ("confidence", "valid", "refined", "passes", "names")
    assert [getattr(found, name) for name in same] == [getattr(expected, name) for name in same]
    assert len(engine.asked) == 2 + found.valid  # once more for the confidence


def test_answers_are_those_of_the_engine():
    """And of nothing beside it: a predictor never sees a network."""
    zebra = Numpy(lambda x: (np.stack([x[:, 0], 1 - x[:, 0]], 1),))
    result = Segmenter(zebra, ("bright", "dark"), ((255, 255, 255), (0, 0, 0))).predict(CAT)
    assert np.array_equal(result.mask == 0, CAT[..., 0] >= 128)
    repeated = Upscaler(Numpy(lambda x: (x.repeat(4, 2).repeat(4, 3),)), reach=1, bytes_a_pixel=1).predict(CAT, tile=9)
    assert np.array_equal(repeated, CAT.repeat(4, 0).repeat(4, 1))
    negative = Stylizer(Numpy(lambda x, _: (1 - x,)), ("a",), channels=1).predict(CAT, size="original")
    assert np.array_equal(negative, 255 - CAT)
    grey = Stylizer(Numpy(lambda x, mix: (0 * x + mix[:, 1, None, None, None],)), ("a", "b"), channels=1)
    assert set(np.asarray(grey.predict(CAT, style={"a": 4, "b": 1})).flat) == {51}
    moved = Aligner(Numpy(lambda x: (np.full((len(x), 4, 2), (2.0, 0.0), np.float32),)), channels=1)
    found = moved.predict(CAT, CAT[::-1], passes=1)
    np.testing.assert_allclose(found.matrix, [[1, 0, 2 * CAT.shape[1] / 128], [0, 1, 0], [0, 0, 1]], atol=1e-6)


def test_what_needs_the_network_says_so_in_one_line():
    net = Probe()
    assert network_of(TorchEngine(net), "this") is net
    engine = Numpy(lambda x: (x,))
    with pytest.raises(ZooError, match=r"^this needs the network itself, which only torch's engine has$"):
        network_of(engine, "this")
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: Stylizer(engine, ("a",), channels=4).predict(CAT, tile=16), "a picture by strips"),
        (lambda: Painter(engine).predict(CAT, CAT), "neural style"),
    ]
    for call, what in calls:
        with pytest.raises(ZooError, match=f"^{what}.* needs the network itself") as error:
            call()
        assert len(str(error.value).splitlines()) == 1
    assert not engine.asked


def test_a_network_of_no_architecture_cannot_predict():
    with pytest.raises(ZooError, match="Probe belongs to no architecture of the zoo"):
        _ = Probe().predict
    with pytest.raises(ZooError, match="HomographyNet takes pictures, not videos"):
        _ = load("homographynet").predict_frame


@pytest.mark.parametrize("name", ["linknet", "homographynet", "perceptual_sr", "fast_style"])
def test_prediction_imports_no_torch(name: str):
    code = f"import sys, zoo.models.{name}.predict; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
