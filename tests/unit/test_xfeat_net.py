"""The network of XFeat: any size in, three outputs for each of its cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.engines import open_engine
from zoo.engines.torch import TorchEngine
from zoo.exports import convert
from zoo.models.xfeat.net import CELL, XFeat, padded, standardize
from zoo.models.xfeat.predict import Matcher


@pytest.fixture(scope="module")
def net() -> XFeat:
    """With statistics of batch norm that are not its defaults."""
    torch.manual_seed(0)
    net = XFeat(0.25)
    net.train()(photograph(64, 96).expand(4, -1, -1, -1) * torch.rand(4, 1, 64, 96))
    return net.eval()


def photograph(height: int, width: int, top: int = 100) -> Tensor:
    grey = data.astronaut()[top : top + height, 20 : 20 + width, 1].astype(np.float32) / 255
    return torch.from_numpy(grey)[None, None]


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 9), (8, 8), (33, 500), (64, 96), (65, 97)])
@pytest.mark.parametrize("batch", [1, 3])
def test_outputs_have_the_shapes_that_prediction_expects(net: XFeat, size: tuple[int, int], batch: int):
    taken, *given = Matcher(TorchEngine(net)).shapes(batch, *size)
    with torch.inference_mode():
        outputs = net(torch.rand(taken))
    assert [tuple(output.shape) for output in outputs] == list(given)
    assert all(output.isfinite().all() for output in outputs)
    assert len(net.outputs) == len(given)


@pytest.mark.parametrize("shape", [(2, 3, 64, 64), (1, 64, 64), (1, 2, 8, 8)])
def test_other_shapes_are_refused(net: XFeat, shape: tuple[int, ...]):
    with pytest.raises(ZooError, match=r"pictures must be \(B, 1, H, W\), not .*; predict takes any pictures"):
        net(torch.rand(shape))


def test_memory_format_does_not_matter(net: XFeat):
    x = torch.cat((photograph(67, 101), photograph(67, 101, 200)))
    with torch.inference_mode():
        first = net(x)
        for outputs in (net(x.contiguous(memory_format=torch.channels_last)), net(x.mT.contiguous().mT)):
            torch.testing.assert_close(outputs, first, rtol=1e-4, atol=1e-5)


def test_the_others_in_a_batch_do_not_matter(net: XFeat):
    x = torch.cat((photograph(64, 96), torch.zeros(1, 1, 64, 96), photograph(64, 96, 250)))
    with torch.inference_mode():
        together = net(x)
        for i in range(len(x)):
            torch.testing.assert_close(net(x[i : i + 1]), tuple(each[i : i + 1] for each in together))


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_blank_pictures_give_what_black_ones_do(net: XFeat, value: float):
    with torch.inference_mode():
        blank, black = net(torch.full((1, 1, 50, 70), value)), net(torch.zeros(1, 1, 50, 70))
    assert all(each.isfinite().all() for each in blank)
    torch.testing.assert_close(blank, black, rtol=1e-3, atol=1e-3)


def test_light_does_not_matter(net: XFeat):
    x = photograph(64, 96)
    assert x.std() > 0.1
    with torch.inference_mode():
        torch.testing.assert_close(net(0.6 * x + 0.3), net(x), rtol=0.05, atol=0.05)


def test_a_picture_becomes_one_of_mean_0_and_deviation_1():
    x = standardize(torch.cat((photograph(64, 96), 0.5 * photograph(64, 96, 250))))
    torch.testing.assert_close(x.mean((1, 2, 3)), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(x.std((1, 2, 3)), torch.ones(2), rtol=0, atol=1e-2)


def test_the_edge_is_repeated_to_the_right_and_below():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    out = padded(x)
    assert out.shape == (1, 1, 32, 32)
    assert torch.equal(out[..., :2, :3], x)
    assert (out[..., 2:, 2:] == 5).all()
    assert padded(torch.zeros(1, 1, 64, 33)).shape == (1, 1, 64, 64)


def test_a_cell_is_where_its_pixels_are(net: XFeat):
    """What a keypoint's logits say of a cell depends on its 64 pixels, in rows, and on no others."""
    x = photograph(64, 96)
    x = x - x.mean()
    changed = x.clone()
    changed[..., 3 * CELL : 4 * CELL, 5 * CELL : 6 * CELL].mul_(-1)  # leaves mean and deviation nearly as they were
    with torch.inference_mode():
        one, other = net(x)[1], net(changed)[1]
    off = (one - other).abs().amax(1)[0]
    assert off.argmax().item() == 3 * (96 // CELL) + 5
    off[3, 5] = 0
    assert off.max() < 0.05 * (one - other).abs().max()


@pytest.mark.parametrize("width", [0.01, 0.5, 4.0])
def test_any_width_that_is_allowed(width: float):
    with torch.device("meta"):
        assert XFeat(width)(torch.zeros(1, 1, 64, 64))[0].shape == (1, 64, 8, 8)


@pytest.fixture(scope="module")
def graph(net: XFeat) -> bytes:
    return convert.to_onnx(net, (1, 96, 128), "torchscript")


@pytest.mark.parametrize("shape", [(1, 96, 128), (3, 33, 47), (2, 200, 31), (1, 1, 1), (1, 64, 64)])
def test_an_exported_file_computes_the_same_at_any_size(net: XFeat, graph: bytes, shape: tuple[int, int, int]):
    x = np.random.default_rng(0).random((shape[0], 1, *shape[1:]), np.float32)
    found, want = open_engine("onnx", graph, net.outputs)(x), TorchEngine(net)(x)
    for one, other in zip(found, want, strict=True):
        assert np.abs(one - other).max() <= 1e-4 * max(1.0, np.abs(other).max())


@pytest.mark.parametrize("size", [(96, 128), (67, 117)])
def test_opencv_computes_the_same(net: XFeat, graph: bytes, size: tuple[int, int]):
    x = photograph(*size).numpy()
    for one, other in zip(open_engine("opencv", graph, net.outputs)(x), TorchEngine(net)(x), strict=True):
        assert np.abs(one - other).max() <= 1e-4 * max(1.0, np.abs(other).max())


def test_an_exported_file_names_its_outputs(net: XFeat):
    assert convert.output_names(net, torch.rand(1, 1, 32, 32)) == ["descriptors", "keypoints", "reliability"]
