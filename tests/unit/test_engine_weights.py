"""Exported files with a second input: the weights of what they blend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from zoo.base.errors import ZooError
from zoo.engines import open_engine
from zoo.engines.graph import MAX_BLENDED, read_graph
from zoo.engines.runtime import first_alone
from zoo.engines.unreported import unreported

onnx = pytest.importorskip("onnx", reason="onnx, which writes the files of these tests, is not installed")
helper = onnx.helper
FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64

PICTURES = ("batch", 3, "height", "width")
KINDS = pytest.mark.parametrize(
    ("kind", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino"), ("opencv", "cv2")]
)


def written(
    mix: Sequence[int | str] | None = ("batch", 3),
    pictures: Sequence[int | str] = PICTURES,
    first: bool = False,
    kind: int = FLOAT,
    further: Sequence[Any] = (),
) -> bytes:
    """A file that multiplies each channel of a picture by its weight."""
    inputs = [helper.make_tensor_value_info("input", FLOAT, pictures)]
    if mix is not None:
        inputs.insert(0 if first else 1, helper.make_tensor_value_info("mix", kind, mix))
    nodes = [
        helper.make_node("Unsqueeze", ["mix", "axes"], ["column"]),
        helper.make_node("Mul", ["input", "column"], ["picture"]),
    ]
    axes = onnx.numpy_helper.from_array(np.array([2, 3]), "axes")
    outputs = [helper.make_tensor_value_info("picture", FLOAT, pictures)]
    graph = helper.make_graph(nodes, "tiny", [*inputs, *further], outputs, [axes])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return made.SerializeToString()


@pytest.mark.parametrize("first", [False, True])
def test_inputs_are_told_apart_by_their_rank(first: bool):
    """Whatever their names and their order."""
    graph = read_graph(written(first=first), "tiny.onnx", keys=())
    assert graph.pictures == ("input", PICTURES)
    assert graph.weights == ("mix", ("batch", 3))


@pytest.mark.parametrize(
    "content",
    [
        written(mix=("batch", "count")),
        written(mix=("batch", MAX_BLENDED + 1)),
        written(mix=("batch", 2**31 - 1)),
        written(mix=("batch",)),
        written(mix=("batch", 3, 1)),
        written(mix=()),
        written(kind=INT64),
        written(further=[helper.make_tensor_value_info("more", FLOAT, ("batch", 3))]),
        written(further=[helper.make_tensor_value_info("more", FLOAT, PICTURES)]),
        written(pictures=("batch", 3)),
    ],
    ids=["free", "many", "memory", "flat", "deep", "scalar", "whole", "two blends", "two pictures", "no picture"],
)
def test_other_inputs_are_refused(content: bytes):
    with pytest.raises(ZooError, match=r"^tiny\.onnx: does not take one batch of pictures in float32; zoo export"):
        read_graph(content, "tiny.onnx", keys=())


def test_as_many_weights_as_a_file_may_have():
    assert read_graph(written(mix=("batch", MAX_BLENDED)), "tiny.onnx", keys=()).weights == (
        "mix",
        ("batch", MAX_BLENDED),
    )


@KINDS
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("batch", ["batch", 1])
def test_each_picture_gets_its_weights(kind: str, package: str, first: bool, batch: int | str):
    """Also where a file of fixed size computes one picture after the other."""
    with unreported():
        module = pytest.importorskip(package)
    if kind == "opencv" and batch != 1 and int(module.__version__.split(".")[0]) < 5:
        pytest.skip("OpenCV 4 takes fixed sizes only")
    sides = (5, 7) if batch == 1 else ("height", "width")
    engine = open_engine(kind, written((batch, 3), (batch, 3, *sides), first), ["picture"])
    random = np.random.default_rng(0)
    x, mix = random.random((3, 3, 5, 7), np.float32), random.random((3, 3), np.float32)
    np.testing.assert_allclose(engine(x, mix)[0], x * mix[..., None, None], rtol=1e-6)
    np.testing.assert_allclose(engine(x, mix.astype(np.float64))[0], x * mix[..., None, None], rtol=1e-6)
    np.testing.assert_allclose(engine(x, mix[:, ::-1])[0], x * mix[:, ::-1, None, None], rtol=1e-6)  # not contiguous
    np.testing.assert_allclose(engine(x)[0], x * np.array([1, 0, 0])[:, None, None], rtol=1e-6)
    for wrong in (mix[:2], mix[:, :2], mix[0]):
        with pytest.raises(ZooError, match=r"^the export takes 3x3 weights, not "):
            engine(x, wrong)


def test_the_default_is_the_first_alone():
    weights = first_alone(2, 4)
    assert weights.dtype == np.float32
    assert weights.tolist() == [[1, 0, 0, 0]] * 2
