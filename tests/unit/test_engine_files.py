"""Engines that run exported files, and everything that is refused before or by them."""

from __future__ import annotations

import io
import os
import random
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from zoo.base.errors import ZooError
from zoo.engines import ENGINES, engine_class, open_engine, runtime
from zoo.engines.graph import DIGEST, METADATA, Graph, graph_sha256, read_graph
from zoo.engines.ir import ir_sha256, read_ir
from zoo.engines.unreported import unreported

onnx = pytest.importorskip("onnx", reason="onnx, which writes the files of these tests, is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
FLOAT, UINT8, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8, onnx.TensorProto.INT64

FREE = ("batch", 3, "height", "width")
KERNEL = np.random.default_rng(3).normal(size=(4, 3, 3, 3)).astype(np.float32)
ENTRIES = {"name": "tiny", "architecture": "linknet", "facts": "{}", "predicts": '["logits"]'}


def installed(kind: str) -> Any:
    reason = f"{kind} is not installed"
    module = {"onnx": "onnxruntime", "openvino": "openvino", "opencv": "cv2"}[kind]
    with unreported():
        return pytest.importorskip(module, reason=reason)


def constant(name: str, values: object, kind: int = INT64) -> Any:
    return numpy_helper.from_array(np.asarray(values, helper.tensor_dtype_to_np_dtype(kind)), name)


def nodes() -> list[Any]:
    """A convolution, its mask, and the mean of each channel."""
    return [
        helper.make_node("Conv", ["input", "kernel"], ["logits"], pads=[1, 1, 1, 1]),
        helper.make_node("ArgMax", ["logits"], ["best"], axis=1, keepdims=0),
        helper.make_node("Cast", ["best"], ["mask"], to=UINT8),
        helper.make_node("ReduceMean", ["logits", "sides"], ["mean"], keepdims=0),
    ]


def model(size: Sequence[int | str] = FREE, further: Sequence[Any] = (), outputs: Sequence[Any] = ()) -> Any:
    """A file as ``zoo export`` writes it, whose parts tests may change."""
    batch, _, height, width = size
    made = helper.make_graph(
        [*nodes(), *further],
        "tiny",
        [helper.make_tensor_value_info("input", FLOAT, size)],
        [
            helper.make_tensor_value_info("logits", FLOAT, (batch, 4, height, width)),
            helper.make_tensor_value_info("mask", UINT8, (batch, height, width)),
            helper.make_tensor_value_info("mean", FLOAT, (batch, 4)),
            *outputs,
        ],
        [constant("kernel", KERNEL, FLOAT), constant("sides", [2, 3])],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def written(proto: Any, **changed: str) -> bytes:
    """The bytes of a model, with its metadata."""
    digest = graph_sha256(proto.SerializeToString())
    helper.set_model_props(proto, {**ENTRIES, DIGEST: digest, **changed})
    return proto.SerializeToString()


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).random(shape, np.float32)


def expected(x: np.ndarray) -> np.ndarray:
    return torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(KERNEL), padding=1).numpy()


def refused(call: Callable[[], object], lines: int = 1) -> str:
    """The error of a call, which has so many lines, that are read in a terminal."""
    with pytest.raises(ZooError) as error:
        call()
    text = str(error.value)
    assert len(text.splitlines()) == lines, text
    assert all(len(line) < 320 and line.isprintable() for line in text.splitlines())
    return text


KINDS = pytest.mark.parametrize("kind", [kind for kind in ENGINES if kind != "torch"])


# What a file says of itself


def test_a_file_says_what_it_takes_and_gives():
    found = read_graph(written(model()), "tiny.onnx")
    assert found.opset == 18
    assert found.inputs == {"input": FREE}
    assert found.outputs == {
        "logits": ("batch", 4, "height", "width"),
        "mask": ("batch", "height", "width"),
        "mean": ("batch", 4),
    }
    assert {key: found.metadata[key] for key in ENTRIES} == ENTRIES
    assert set(METADATA) == {*ENTRIES, DIGEST}


def test_sizes_that_are_not_told_are_free():
    proto = model()
    for dimension in proto.graph.input[0].type.tensor_type.shape.dim[2:]:
        dimension.Clear()
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    assert read_graph(written(proto), "tiny.onnx").inputs == {"input": ("?", 3, "?", "?")}


def test_weights_are_no_inputs():
    """Files of old versions name them among the inputs as well."""
    proto = model()
    proto.graph.input.append(helper.make_tensor_value_info("kernel", FLOAT, KERNEL.shape))
    assert list(read_graph(written(proto), "tiny.onnx").inputs) == ["input"]


def test_a_file_of_torch_s_exporter_is_read_as_onnx_itself_reads_it():
    content = by_torch()
    found = read_graph(content, "tiny.onnx", keys=())
    proto = onnx.load_model_from_string(content)
    for ours, theirs in ((found.inputs, proto.graph.input), (found.outputs, proto.graph.output)):
        sides = {info.name: info.type.tensor_type.shape.dim for info in theirs}
        assert ours == {name: tuple(d.dim_value or d.dim_param for d in dims) for name, dims in sides.items()}
    assert found.inputs == {"input": FREE}


@cache
def by_torch() -> bytes:
    """A small network, by the faster of torch's exporters."""
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU()).eval()
    buffer, free = io.BytesIO(), {axis: name for axis, name in enumerate(FREE) if isinstance(name, str)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.rand(2, 3, 101, 75),),
            buffer,
            dynamo=False,
            opset_version=18,
            input_names=["input"],
            dynamic_axes={"input": free},
        )
    return buffer.getvalue()


def test_what_dynamo_writes_beside_the_graph_does_not_matter():
    proto = model()
    proto.ir_version = 10
    proto.graph.metadata_props.add(key="pkg.torch.onnx.original_node_name", value="x")
    for part in (*proto.graph.node, *proto.graph.input, *proto.graph.initializer):
        part.metadata_props.add(key="pkg.torch.export.graph_signature.InputSpec.kind", value="USER_INPUT")
    found = read_graph(written(proto), "tiny.onnx")
    assert set(found.metadata) == set(METADATA)
    assert list(found.outputs) == ["logits", "mask", "mean"]


# Files that are refused


def change(work: Callable[[Any], object]) -> bytes:
    """A file in which one thing is otherwise, its checksum being right."""
    proto = model()
    work(proto)
    return written(proto)


def external(tensor: Any) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def in_a_subgraph(proto: Any, node: Any, weights: Sequence[Any] = ()) -> None:
    """Puts a node into a branch within a branch."""
    for number in range(2):
        output = helper.make_tensor_value_info(node.output[0], FLOAT, None)
        branch = helper.make_graph([node], f"branch{number}", [], [output], weights if not number else ())
        node = helper.make_node("If", ["condition"], [f"chosen{number}"], then_branch=branch, else_branch=branch)
    proto.graph.node.append(node)


def custom(domain: str) -> Any:
    return helper.make_node("Steal", ["input"], ["stolen"], domain=domain)


def function(proto: Any) -> None:
    imports = [helper.make_opsetid("", 18)]
    node = helper.make_node("Relu", ["x"], ["y"])
    proto.functions.append(helper.make_function("ai.onnx", "Conv", ["x"], ["y"], [node], imports))


def constant_node(proto: Any) -> None:
    outside = constant("outside", [1.0], FLOAT)
    external(outside)
    proto.graph.node.append(helper.make_node("Constant", [], ["value"], value=outside))


def sparse(proto: Any) -> None:
    values, places = constant("values", [1.0], FLOAT), constant("places", [0])
    external(values)
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [3]))


def subgraph_weights(proto: Any) -> None:
    outside = constant("outside", [1.0], FLOAT)
    external(outside)
    in_a_subgraph(proto, helper.make_node("Relu", ["outside"], ["y"]), [outside])


def only_location(proto: Any) -> None:
    proto.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL


def only_entry(proto: Any) -> None:
    proto.graph.initializer[0].external_data.add(key="location", value="x")


def other_opset(version: int) -> Callable[[Any], None]:
    def work(proto: Any) -> None:
        proto.opset_import[0].version = version

    return work


def two_opsets(proto: Any) -> None:
    proto.opset_import.append(helper.make_opsetid("ai.onnx", 21))


def two_inputs(proto: Any) -> None:
    proto.graph.input.append(helper.make_tensor_value_info("other", FLOAT, FREE))


def flat_input(proto: Any) -> None:
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("input", FLOAT, (1, 3)))


def bytes_input(proto: Any) -> None:
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("input", UINT8, FREE))


CHANGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "external weights": (lambda proto: external(proto.graph.initializer[0]), "external data"),
    "external by its place alone": (only_location, "external data"),
    "external by an entry alone": (only_entry, "external data"),
    "an external constant": (constant_node, "external data"),
    "external sparse weights": (sparse, "external data"),
    "external weights of a subgraph": (subgraph_weights, "external data"),
    "a custom operator": (lambda proto: proto.graph.node.append(custom("evil")), "custom operator, Steal of evil"),
    "one of Microsoft's": (
        lambda proto: proto.graph.node.append(custom("com.microsoft")),
        "custom operator, Steal of com.microsoft",
    ),
    "one of ONNX's other domains": (
        lambda proto: proto.graph.node.append(custom("ai.onnx.ml")),
        "custom operator, Steal of ai.onnx.ml",
    ),
    "a domain that steers a terminal": (
        lambda proto: proto.graph.node.append(custom("\x1b[2J" + "x" * 999)),
        r"custom operator, Steal of \?\[2Jxxx",
    ),
    "a custom operator of a subgraph": (lambda proto: in_a_subgraph(proto, custom("evil")), "custom operator, Steal"),
    "a function": (function, "holds a function"),
    "training": (lambda proto: proto.training_info.add(), "holds a training"),
    "an older opset": (other_opset(17), "its opset is 17, not 18; zoo export MODEL --to onnx writes"),
    "a newer opset": (other_opset(22), "its opset is 22, not 18"),
    "an opset without number": (other_opset(2**62), r"its opset is 4611686018427387904, not 18"),
    "no opset": (lambda proto: proto.ClearField("opset_import"), "its opset is none, not 18"),
    "two opsets": (two_opsets, "its opset is 18, 21, not 18"),
    "two inputs": (two_inputs, "does not take one batch of pictures in float32"),
    "no input": (lambda proto: proto.graph.ClearField("input"), "does not take one batch of pictures"),
    "a flat input": (flat_input, "does not take one batch of pictures"),
    "an input of bytes": (bytes_input, "does not take one batch of pictures"),
    "no output": (lambda proto: proto.graph.ClearField("output"), "does not take one batch of pictures"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_foreign_file_is_refused_with_what_is_wrong(name: str):
    work, message = CHANGES[name]
    text = refused(lambda: read_graph(change(work), "foreign.onnx"))
    assert text.startswith("foreign.onnx: ")
    assert re.search(message, text)
    assert "zoo export MODEL --to onnx writes a readable file" in text


@KINDS
@pytest.mark.parametrize("name", [name for name in CHANGES if "exter" in name or "custom" in name or "func" in name])
def test_no_runtime_sees_a_foreign_file(kind: str, name: str):
    installed(kind)
    work, message = CHANGES[name]
    assert re.search(message, refused(lambda: open_engine(kind, change(work), ["logits"])))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"no ONNX at all",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
        b"ORTM",
        b"PK\3\4",
        b"<?xml version='1.0'?><net/>",
        bytes(1000),
        b"\xff" * 1000,
    ],
    ids=repr,
)
def test_what_is_no_onnx_is_refused(content: bytes):
    assert refused(lambda: read_graph(content, "cat.onnx")) == "cat.onnx: not an ONNX file"


def test_a_file_that_is_cut_anywhere_is_refused():
    content = written(model())
    texts = {refused(lambda end=end: read_graph(content[:end], "cut.onnx")) for end in range(len(content))}
    assert "cut.onnx: cut short or damaged: copy it again" in texts
    reasons = ("not an ONNX file", "cut short or damaged", "its metadata lack", "its opset is none")
    assert all(any(reason in text for reason in reasons) for text in texts), texts


def test_the_checksum_tells_a_damaged_graph():
    """Runtimes would give wrong answers for a weight with a flipped bit, and crash on some graphs."""
    content = written(model())
    place = content.index(KERNEL.tobytes()) + 17
    damaged = content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :]
    text = "tiny.onnx: damaged: the SHA-256 of its graph differs from its metadata; copy it again"
    assert refused(lambda: read_graph(damaged, "tiny.onnx")) == text
    assert read_graph(content, "tiny.onnx").outputs


@pytest.mark.parametrize("key", METADATA)
def test_a_file_without_the_zoo_s_metadata_is_refused(key: str):
    proto = model()
    written(proto)
    entries = [entry for entry in proto.metadata_props if entry.key != key]
    del proto.metadata_props[:]
    proto.metadata_props.extend(entries)
    text = refused(lambda: read_graph(proto.SerializeToString(), "strange.onnx"))
    assert text.startswith(f"strange.onnx: not an export of the zoo: its metadata lack {key}; zoo export MODEL")
    assert read_graph(proto.SerializeToString(), "strange.onnx", keys=()).outputs


def test_metadata_say_nothing_twice():
    proto = model()
    written(proto)
    proto.metadata_props.add(key="name", value="another")
    text = refused(lambda: read_graph(proto.SerializeToString(), "two.onnx"))
    assert text.startswith("two.onnx: its metadata have a duplicate entry")


def test_metadata_are_unicode():
    content = written(model()).replace(b"tiny", b"\xff\xfe\xfd\xfc")
    assert refused(lambda: read_graph(content, "x.onnx")) == "x.onnx: cut short or damaged: copy it again"


def nested(levels: int) -> bytes:
    """A node within a graph within an attribute, and so on."""
    content = b""
    for _ in range(levels):
        for number in (6, 5, 1):  # the graph of an attribute, the attribute of a node, the node of a graph
            content = varint(number << 3 | 2) + varint(len(content)) + content
    return b"\x08\x08" + b"\x3a" + varint(len(content)) + content


def varint(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


@pytest.mark.parametrize(
    "content",
    [
        nested(1000),
        b"\x08\x08" + b"\x3a\x00" * 1_000_000,
        b"\x08\x08\x3a" + varint(2_000_000) + b"\x0a\x00" * 1_000_000,
    ],
    ids=["deep", "a million graphs", "a million nodes"],
)
@pytest.mark.timeout(20)
def test_a_file_that_would_take_for_ever_is_refused(content: bytes):
    assert "cut short or damaged" in refused(lambda: read_graph(content, "bomb.onnx"))


# Engines


@KINDS
@pytest.mark.parametrize("shape", [(2, 3, 33, 50), (1, 3, 9, 7)], ids=str)
def test_outputs_are_those_asked_for_as_contiguous_arrays_of_float32(kind: str, shape: tuple[int, ...]):
    installed(kind)
    x = pictures(*shape)
    logits = expected(x)
    engine = open_engine(kind, written(model()), ["mean", "logits", "mask"])
    found = engine(x)
    assert engine.device == "cpu"
    assert isinstance(found, tuple)
    assert all(type(each) is np.ndarray and each.dtype == np.float32 and each.flags.c_contiguous for each in found)
    np.testing.assert_allclose(found[0], logits.mean((2, 3)), atol=1e-5)
    np.testing.assert_allclose(found[1], logits, atol=1e-5)
    assert np.array_equal(found[2], logits.argmax(1))
    (alone,) = open_engine(kind, written(model()), ["logits"])(np.asfortranarray(x))
    np.testing.assert_allclose(alone, logits, atol=1e-5)


@KINDS
def test_one_engine_takes_many_sizes(kind: str):
    installed(kind)
    engine = open_engine(kind, written(model()), ["logits"])
    for shape in [(1, 3, 16, 16), (2, 3, 31, 8), (5, 3, 8, 31), (1, 3, 16, 16)]:
        x = pictures(*shape)
        np.testing.assert_allclose(engine(x)[0], expected(x), atol=1e-5)


@KINDS
def test_what_an_engine_gave_stays_as_it_is(kind: str):
    installed(kind)
    engine = open_engine(kind, written(model()), ["logits"])
    x = pictures(1, 3, 16, 16)
    (before,) = engine(x)
    kept = before.copy()
    engine(1 - x)
    assert np.array_equal(before, kept)


@KINDS
def test_an_engine_is_safe_from_threads(kind: str):
    installed(kind)
    engine = open_engine(kind, written(model()), ["logits"])
    batches = [pictures(1, 3, 60 + number % 3, 80) * np.float32(number / 200) for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(engine, batches))
    for x, (logits,) in zip(batches, found, strict=True):
        np.testing.assert_allclose(logits, expected(x), atol=1e-5)


def test_openvino_is_given_no_output_that_nobody_asks_for():
    installed("openvino")
    engine = open_engine("openvino", written(model()), ["mean", "logits"])
    assert {name for output in engine._compiled.outputs for name in output.names} == {"mean", "logits"}


@KINDS
def test_an_output_that_is_not_there_is_refused(kind: str):
    installed(kind)
    text = refused(lambda: open_engine(kind, written(model()), ["logits", "depth"]))
    assert text == "the export has no output 'depth'; it has: logits, mask, mean"


@KINDS
def test_a_fixed_size_is_told_with_the_one_that_was_given(kind: str):
    installed(kind)
    engine = open_engine(kind, written(model((1, 3, 36, 48))), ["logits"])
    for shape, given in [((1, 3, 36, 50), "1x3x36x50"), ((2, 3, 48, 36), "2x3x48x36"), ((1, 1, 36, 48), "1x1x36x48")]:
        text = refused(lambda shape=shape: engine(pictures(*shape)))
        assert re.match(rf"the export takes 1x3x36x48, not \dx{given[2:]}; .* writes one that takes any$", text)
    assert "?x3x?x?, not 1x2x4x4" in refused(lambda: open_engine(kind, written(model()), [])(pictures(1, 2, 4, 4)))
    assert "not 3x4x4" in refused(lambda: engine(pictures(3, 4, 4)))


@KINDS
def test_a_file_of_one_picture_takes_batches(kind: str):
    installed(kind)
    x = pictures(3, 3, 36, 48)
    logits, mean = open_engine(kind, written(model((1, 3, 36, 48))), ["logits", "mean"])(x)
    np.testing.assert_allclose(logits, expected(x), atol=1e-5)
    np.testing.assert_allclose(mean, expected(x).mean((2, 3)), atol=1e-5)
    assert logits.flags.c_contiguous


@KINDS
def test_an_engine_says_which_runtime_it_is(kind: str):
    module = installed(kind)
    name, _, version = engine_class(kind).name.rpartition(" ")
    assert name == {"onnx": "onnxruntime", "openvino": "OpenVINO", "opencv": "OpenCV"}[kind]
    assert module.__version__.startswith(version)


# Errors of runtimes


def unknown_operator(proto: Any) -> None:
    proto.graph.node[0].op_type = "Steal"


def circle(proto: Any) -> None:
    proto.graph.node[0].input[0] = "mean"


def wrong_kernel(proto: Any) -> None:
    proto.graph.initializer[0].CopyFrom(constant("kernel", KERNEL[:, :2], FLOAT))


def too_few_bytes(proto: Any) -> None:
    proto.graph.initializer[0].dims[0] = 400


@pytest.mark.parametrize(
    ("kind", "work"),
    [
        *(
            (kind, work)
            for kind in ("onnx", "openvino")
            for work in (unknown_operator, circle, wrong_kernel, too_few_bytes)
        ),
        ("opencv", unknown_operator),  # which computes something of the last two: hence the checksum
        ("opencv", circle),
    ],
)
def test_a_graph_that_cannot_run_is_refused_in_one_line(kind: str, work: Callable[[Any], None], capfd: Any):
    installed(kind)
    text = refused(lambda: open_engine(kind, change(work), ["logits"])(pictures(1, 3, 8, 8)))
    assert re.match(rf"{engine_class(kind).name} cannot (read the export|compute 1x3x8x8)", text)
    assert not re.search(r"\[ONNXRuntimeError\]|\.(cc|cpp|hpp|h):\d|Exception from|error: \(-", text)
    assert capfd.readouterr() == ("", "")


def test_running_out_of_memory_is_told_as_such():
    """By more than any system could address."""
    node = helper.make_node("Pad", ["input", "sides_to_add"], ["wide"])
    proto = model(further=[node], outputs=[helper.make_tensor_value_info("wide", FLOAT, FREE)])
    proto.graph.initializer.append(constant("sides_to_add", [0, 0, 0, 0, 0, 0, 2**23, 2**23]))
    text = refused(lambda: open_engine("onnx", written(proto), ["wide"])(pictures(1, 3, 8, 8)))
    assert text == f"{engine_class('onnx').name} ran out of memory: take smaller pictures, tiles or batches"


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (RuntimeError("std::bad_alloc"), True),
        (
            Exception("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer"),
            True,
        ),
        (
            RuntimeError("OpenCV(5.0.0) /io/alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("memory is fine"), False),
        (KeyError("x"), False),
        (Exception(), False),
    ],
    ids=repr,
)
def test_errors_of_memory_and_others(error: Exception, memory: bool):
    def fail() -> None:
        with runtime.told("a runtime", "compute"):
            raise error

    assert ("ran out of memory" in refused(fail)) == memory


def test_what_was_told_is_not_told_again():
    def fail() -> None:
        with runtime.told("a runtime", "compute"):
            raise ZooError("as it is")

    assert refused(fail) == "as it is"


NOISY = {
    "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Conv node. Name:'y' Status Message: "
    "Input channels C is not equal": "Input channels C is not equal",
    "[ONNXRuntimeError] : 1 : FAIL : Status Message: /onnxruntime_src/a/b.h:91 f::g(const T&, bool) a == b was false. "
    "Cannot reshape {1,3}\n": "Cannot reshape {1,3}",
    "[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: /onnxruntime_src/a.cc:3 void f(int) Bad thing": (
        "Exception during initialization: Bad thing"
    ),
    "Exception from src/a.cpp:105:\nCheck 'false' failed at src/b.cpp:1:\nFrontEnd API failed with X:\n"
    "Model wasn't fully converted.\nSummary:\n-- No conversion rule found for operations: Foo-18\nTo facilitate": (
        "-- No conversion rule found for operations: Foo-18"
    ),
    "OpenCV(5.0.0) /io/a.cpp:745: error: (-215:Assertion failed) tensor.has_shape() in function 'parse'\n": (
        "tensor.has_shape()"
    ),
    "": "RuntimeError",
    "\x1b[31mred": "?[31mred",
}


@pytest.mark.parametrize("said", NOISY, ids=lambda said: repr(said)[:30])
def test_errors_are_cut_to_what_matters(said: str):
    def fail() -> None:
        with runtime.told("a runtime", "compute"):
            raise RuntimeError(said)

    assert refused(fail) == f"a runtime cannot compute: {NOISY[said]}"


# Devices and threads

MISSING = [
    ("onnx", "cuda", "for cuda: pip install onnxruntime-gpu"),
    ("onnx", "cuda:1", "for cuda: pip install onnxruntime-gpu"),
    ("onnx", "dml", "for dml: pip install onnxruntime-directml, on Windows"),
    ("onnx", "coreml", "for coreml: pip install onnxruntime, on macOS"),
    ("onnx", "mps", ""),
    ("onnx", "cpu:1", ""),
    ("onnx", "cpu:", ""),
    ("onnx", "", ""),
    ("onnx", "CPU", ""),
    ("openvino", "npu", "for npu: "),
    ("openvino", "gpu:7", "for gpu: "),
    ("openvino", "cuda", ""),
    ("openvino", "AUTO", ""),
    ("opencv", "cuda", ""),
]


@pytest.mark.parametrize(("kind", "device", "way_out"), MISSING)
def test_a_device_that_is_not_here_is_told_with_those_that_are(kind: str, device: str, way_out: str):
    installed(kind)
    if device.partition(":")[0] in there(kind) - {"cpu"}:
        pytest.skip(f"{device} is here")
    text = refused(lambda: open_engine(kind, written(model()), ["logits"], device))
    assert re.match(rf"device '{device}' is not here; {engine_class(kind).name} has: [a-z, ]*cpu", text)
    assert text.endswith(way_out) if not way_out.endswith(" ") else way_out in text
    assert ("for " in text) == bool(way_out)


def there(kind: str) -> set[str]:
    """Devices of an engine, as this machine has them."""
    module = installed(kind)
    if kind == "openvino":
        return {name.partition(".")[0].lower() for name in module.Core().available_devices}
    return {"cpu", *(["cuda"] if kind == "onnx" and module.get_device() == "GPU" else [])}


class Session:
    """Stands in for ONNX Runtime with a provider which this machine has not."""

    started: tuple[str, ...] = ("CUDAExecutionProvider", "CPUExecutionProvider")
    asked: list[tuple[Any, ...]] = []  # noqa: RUF012
    left: tuple[str, ...] = ()

    def __init__(self, content: bytes, options: Any, providers: list[Any], **switches: int) -> None:
        self.asked.append((content, options, providers, switches))

    def get_providers(self) -> list[str]:
        return list(self.started)

    def get_provider_graph_assignment_info(self) -> list[Any]:
        def part(provider: str, *operators: str) -> Any:
            return SimpleNamespace(
                ep_name=provider, get_nodes=lambda: [SimpleNamespace(op_type=operator) for operator in operators]
            )

        return [part("CUDAExecutionProvider", "Conv", "Conv"), *(part("CPUExecutionProvider", op) for op in self.left)]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Session]]:
    import onnxruntime

    from zoo.engines import onnx as module

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(Session, "asked", [])
    module._say.cache_clear()
    yield Session
    module._say.cache_clear()


def test_providers_are_asked_for_by_the_device(cuda: type[Session], capsys: Any):
    content = written(model())
    for device, number in (("cuda", "0"), ("cuda:1", "1")):
        assert open_engine("onnx", content, ["logits"], device).device == device
        given, _, (first, second), switches = cuda.asked[-1]
        assert given is content  # what was digested, and no path
        assert first[0] == "CUDAExecutionProvider"
        assert first[1]["device_id"] == number
        assert second == "CPUExecutionProvider"
        assert switches == {"enable_fallback": 0, "read_config_from_model": 0}
    assert capsys.readouterr() == ("", "")
    text = refused(lambda: open_engine("onnx", content, ["logits"], "cuda:x"))
    assert text.startswith("device 'cuda:x' is not here; onnxruntime")
    assert "has: cpu, cuda" in text


def test_what_a_provider_leaves_to_the_cpu_is_said_once(cuda: type[Session], capsys: Any, monkeypatch: Any):
    monkeypatch.setattr(cuda, "left", ("Shape", "Resize", "Shape"))
    for _ in range(3):
        open_engine("onnx", written(model()), ["logits"], "cuda")
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"zoo: onnxruntime \S+ computes on the CPU, not on cuda: 1 Resize, 2 Shape\n", err)


def test_a_provider_that_does_not_start_is_no_silent_cpu(cuda: type[Session], monkeypatch: Any):
    monkeypatch.setattr(cuda, "started", ("CPUExecutionProvider",))
    text = refused(lambda: open_engine("onnx", written(model()), ["logits"], "cuda"))
    assert re.match(r"onnxruntime \S+ cannot start cuda: its driver or a library is missing", text)


def test_the_cpu_says_nothing(capfd: Any):
    open_engine("onnx", written(model()), ["logits"])(pictures(1, 3, 8, 8))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("wish", "count"), [("3", 3), ("2,4", 2), ("0", None), ("", None), ("many", None), ("-1", None)]
)
def test_threads_are_the_cores_of_the_process_or_those_wished_for(
    wish: str, count: int | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", wish)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 4, 7, 9}, raising=False)
    assert runtime.threads() == (count or 5)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert runtime.threads() == (count or 12)


def test_onnx_runtime_computes_with_so_many_threads(monkeypatch: pytest.MonkeyPatch):
    from zoo.engines import onnx as module

    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert module._session_options().intra_op_num_threads == 3


# The rest of what engines promise


def test_bytes_that_also_look_like_another_format_are_read_as_onnx():
    """ONNX Runtime has a format of its own, which it tells by four letters that an ONNX file may hold as well."""
    proto = model()
    content = written(proto)
    producer = b"ORTM"
    disguised = content[:2] + b"\x12" + bytes([len(producer) + 0]) + producer + content[2:]
    assert disguised[4:8] == b"ORTM"
    x = pictures(1, 3, 8, 8)
    np.testing.assert_allclose(open_engine("onnx", disguised, ["logits"])(x)[0], expected(x), atol=1e-5)


def test_an_engine_of_no_such_name_is_told_with_those_there_are():
    text = refused(lambda: open_engine("onnxx", b"", []), lines=2)
    assert text.startswith(
        "no engine for exported files 'onnxx'; did you mean onnx?\nthere are: onnx, opencv, openvino"
    )


@pytest.mark.parametrize(
    ("kind", "package", "module"),
    [
        ("onnx", "onnxruntime", "onnxruntime"),
        ("openvino", "openvino", "openvino"),
        ("opencv", "opencv-python-headless", "cv2"),
    ],
)
def test_a_runtime_that_is_missing_is_told_with_its_package(
    kind: str, package: str, module: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delitem(sys.modules, f"zoo.engines.{kind}", raising=False)
    monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    text = f"the engine {kind} is not installed: pip install {package}"
    assert refused(lambda: engine_class(kind)) == text
    assert refused(lambda: open_engine(kind, b"", [])) == text


def test_a_runtime_whose_library_is_missing_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    monkeypatch.delitem(sys.modules, "zoo.engines.opencv", raising=False)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    text = "the engine opencv does not start: libGL.so.1: cannot open shared object file"
    assert refused(lambda: engine_class("opencv")) == text


def test_engines_import_their_runtime_and_nothing_else():
    code = (
        "import sys, pathlib; sys.modules.update(torch=None, onnx=None); import zoo.engines, zoo.engines.ir;"
        "heavy = {'onnxruntime', 'openvino', 'cv2', 'timm', 'lightning', 'pydantic'};"
        "assert not heavy & {*sys.modules}, heavy & {*sys.modules};"
        "import numpy as np;"
        "engine = zoo.engines.open_engine('onnx', sys.stdin.buffer.read(), ['logits']);"
        "print(engine(np.zeros((1, 3, 4, 5), 'f'))[0].shape);"
        "heavy -= {'onnxruntime'}; assert not heavy & {*sys.modules}, heavy & {*sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", code], input=written(model()), capture_output=True, check=True)
    assert done.stdout == b"(1, 4, 4, 5)\n"


@KINDS
def test_a_runtime_reports_nothing_to_its_maker(kind: str, tmp_path: Path):
    """Before they report, ONNX Runtime and OpenVINO write an identifier below the home folder."""
    installed(kind)
    (tmp_path / "home").mkdir()
    (tmp_path / "tiny.onnx").write_bytes(written(model()))
    code = (
        "import pathlib, sys, numpy as np, zoo.engines;"
        f"engine = zoo.engines.open_engine('{kind}', pathlib.Path('tiny.onnx').read_bytes(), ['logits']);"
        "engine(np.zeros((1, 3, 4, 5), 'f'));"
        "assert 'openvino_telemetry' not in sys.modules"
    )
    ours = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "CI")  # which keep it still by themselves, or elsewhere
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    environment |= {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(zoo.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert not list((tmp_path / "home").rglob("*"))


def test_opencv_4_takes_files_of_a_fixed_size_only(monkeypatch: pytest.MonkeyPatch):
    cv2 = installed("opencv")
    monkeypatch.setattr(cv2, "__version__", "4.10.0")
    text = refused(lambda: open_engine("opencv", written(model()), ["logits"]), lines=2)
    assert "takes exports of a fixed size only: zoo export MODEL --to onnx --size HxW\n" in text
    assert text.endswith("pip install 'opencv-python-headless>=5'")
    x = pictures(2, 3, 36, 48)
    found = open_engine("opencv", written(model((1, 3, 36, 48))), ["logits"])(x)
    np.testing.assert_allclose(found[0], expected(x), atol=1e-5)


def test_outputs_of_one_dimension_are_as_the_file_says():
    """OpenCV 4 gives at least two."""
    installed("opencv")
    from zoo.engines.opencv import _of_rank

    assert _of_rank(1, np.zeros((5, 1))).shape == (5,)
    assert _of_rank(2, np.zeros((5, 4))).shape == (5, 4)
    assert _of_rank(0, np.zeros((5, 4))).shape == (5, 4)  # the file does not say


def test_opencv_is_left_as_talkative_as_it_was():
    cv2 = installed("opencv")
    before = cv2.utils.logging.getLogLevel()
    refused(lambda: open_engine("opencv", change(unknown_operator), ["logits"]))
    assert cv2.utils.logging.getLogLevel() == before


# OpenVINO's own format


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("dropped", ["by the thread that made them", "by another thread"])
def test_a_signal_is_heard_after_models_were_let_go(tmp_path: Path, dropped: str):
    """OpenVINO's plugin, once unloaded, left the thread with a stack for signals that was no more."""
    installed("openvino")
    (tmp_path / "tiny.onnx").write_bytes(written(model()))
    program = """if True:
        import gc, os, pathlib, signal, sys, threading
        from zoo.engines import open_engine
        signal.signal(signal.SIGUSR1, lambda *_: print("heard"))
        content = pathlib.Path(sys.argv[1]).read_bytes()
        models = [open_engine("openvino", content, ["logits"]) for _ in range(2)]
        if sys.argv[2] == "by another thread":
            thread = threading.Thread(target=models.clear)
            thread.start()
            thread.join()
        while models:
            models.pop(0)
        gc.collect()
        os.kill(os.getpid(), signal.SIGUSR1)
    """
    arguments = [sys.executable, "-c", program, str(tmp_path / "tiny.onnx"), dropped]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


@cache
def ir() -> tuple[bytes, bytes]:
    openvino = installed("openvino")
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        made = openvino.Core().read_model(written(model()))
        for key, value in {**ENTRIES, DIGEST: "0" * 64}.items():
            made.set_rt_info(value, ["zoo", key])
        openvino.save_model(made, f"{folder}/tiny.xml", compress_to_fp16=False)
        xml, weights = Path(folder, "tiny.xml").read_bytes(), Path(folder, "tiny.bin").read_bytes()
    return xml.replace(b"0" * 64, ir_sha256(xml, weights).encode()), weights


def test_a_file_of_openvino_says_what_it_takes_and_gives():
    found = read_ir(*ir(), "tiny.xml")
    assert isinstance(found, Graph)
    assert found.inputs == {"input": ("?", 3, "?", "?")}
    assert found.outputs == {"logits": ("?", 4, "?", "?"), "mask": ("?", "?", "?"), "mean": ("?", 4)}
    assert {key: found.metadata[key] for key in ENTRIES} == ENTRIES


def test_openvino_runs_its_own_format():
    x = pictures(2, 3, 20, 30)
    mean, logits = open_engine("openvino", ir(), ["mean", "logits"])(x)
    np.testing.assert_allclose(logits, expected(x), atol=1e-5)
    np.testing.assert_allclose(mean, expected(x).mean((2, 3)), atol=1e-5)


BILLION = b"""<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><net>&b;</net>"""
SPOILED = {
    "empty": (b"", "not a file of OpenVINO, or cut short"),
    "no XML": (b"\x08\x08", "not a file of OpenVINO, or cut short"),
    "another XML": (b"<svg/>", "not a file of OpenVINO"),
    "entities": (BILLION, "not a file of OpenVINO, or cut short"),
    "an unknown encoding": (b'<?xml version="1.0" encoding="klingon"?><net/>', "not a file of OpenVINO, or cut short"),
    "two bytes a letter": ("<net/>".encode("utf-16"), "not a file of OpenVINO, or cut short"),
    "nothing in it": (b"<net/>", "does not take one batch of pictures"),
    "a custom operator": (
        b'<net><layers><layer type="Steal" version="extension"/></layers></net>',
        "has a custom operator, Steal of extension",
    ),
    "no version": (b'<net><layers><layer type="Add"/></layers></net>', "has a custom operator, Add of "),
    "a custom operator of a body": (
        b'<net><layers><layer type="If" version="opset8"><then_body><layers><layer type="Steal" version="evil"/>'
        b"</layers></then_body></layer></layers></net>",
        "has a custom operator, Steal of evil",
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_file_of_openvino_is_refused(name: str):
    content, message = SPOILED[name]
    text = refused(lambda: read_ir(content, b"", "spoiled.xml"))
    assert text.startswith(f"spoiled.xml: {message}")


def test_a_file_of_openvino_needs_the_zoo_s_metadata():
    stranger = ir()[0].replace(b"<zoo>", b"<other>").replace(b"</zoo>", b"</other>")
    assert "its metadata lack name, architecture" in refused(lambda: read_ir(stranger, ir()[1], "strange.xml"))


def test_the_checksum_tells_a_damaged_file_of_openvino():
    xml, weights = ir()
    text = "tiny.xml: damaged: the SHA-256 of its graph differs from its metadata; copy it again"
    assert refused(lambda: read_ir(xml.replace(b'pads_end="1, 1"', b'pads_end="1, 3"'), weights, "tiny.xml")) == text
    for other in (weights[:-1], bytes([weights[0] ^ 64]) + weights[1:], b""):
        assert refused(lambda other=other: read_ir(xml, other, "tiny.xml")) == text


def test_a_file_of_openvino_without_its_weights_is_refused():
    for weights in (b"", ir()[1][:-1]):
        text = refused(lambda weights=weights: open_engine("openvino", (ir()[0], weights), ["logits"]))
        assert re.match("OpenVINO .* cannot read the export", text)


# Spoiled files

FILES = 2000


def spoiled(content: bytes, number: int) -> bytes:
    """The file after one of the accidents that befall files; the same for the same number."""
    random_ = random.Random(number)
    how = random_.choice(["cut", "flip", "flip", "insert", "delete", "move", "random"])
    place, found = random_.randrange(len(content)), bytearray(content)
    if how == "cut":
        return content[:place]
    if how == "random":
        return content[: random_.choice([0, 2, 30])] + random_.randbytes(random_.randrange(300))
    if how == "flip":
        for _ in range(random_.choice([1, 1, 1, 2, 5, 50])):
            found[random_.randrange(len(content))] ^= 1 << random_.randrange(8)
    if how == "insert":
        found[place:place] = random_.randbytes(random_.choice([1, 2, 10]))
    if how == "delete":
        del found[place : place + random_.choice([1, 2, 10])]
    if how == "move":
        start = random_.randrange(len(content))
        found[place : place + 8] = content[start : start + 8]
    return bytes(found)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("part", range(4))
def test_spoiled_files_are_refused_or_compute_what_they_did(part: int):
    proto = onnx.load_model_from_string(by_torch()) if part % 2 else model()
    output, x = proto.graph.output[0].name, pictures(1, 3, 9, 11)
    whole = written(proto)
    (answer,) = open_engine("onnx", whole, [output])(x)
    ends = Counter(end(spoiled(whole, number), output, x, answer) for number in range(part, FILES, 4))
    assert ends.keys() <= {"ran", "refused", "refused by the runtime"}
    assert ends["ran"] > 0  # what lies outside of the graph may have changed
    assert ends["refused"] > FILES / 5


def end(content: bytes, output: str, x: np.ndarray, answer: np.ndarray) -> str:
    """How far a file gets; what is refused is refused in one line."""
    try:
        read_graph(content, "spoiled.onnx")
    except ZooError as error:
        return "refused" if re.fullmatch("spoiled.onnx: .+", str(error)) else str(error)
    try:
        (found,) = open_engine("onnx", content, [output])(x)
    except ZooError as error:
        return "refused by the runtime" if re.fullmatch("onnxruntime .+", str(error)) else str(error)
    return "ran" if np.array_equal(found, answer) else "computed something else"


def test_spoiled_files_of_openvino_are_refused_or_say_what_they_did():
    xml, weights = ir()
    whole, texts, read = read_ir(xml, weights, "whole.xml"), [], 0
    for number in range(FILES):
        try:
            found = read_ir(spoiled(xml, number), weights, "spoiled.xml")
        except ZooError as error:
            texts.append(str(error))
        else:
            read += 1
            assert (found.inputs, found.outputs) == (whole.inputs, whole.outputs)
    assert all(text.isprintable() for text in texts)
    assert len(texts) > FILES / 2
    assert read > 0


def test_reading_ends_in_a_graph_or_in_a_refusal():
    """Also of graphs whose damage no checksum tells, with branches in branches."""
    proto = model()
    in_a_subgraph(proto, helper.make_node("Relu", ["input"], ["y"]))
    whole = written(proto)
    texts, read = [], 0
    for number in range(FILES):
        try:
            read += len(read_graph(spoiled(whole, number), "spoiled.onnx", keys=()).inputs) == 1
        except ZooError as error:
            texts.append(str(error))
    assert all(text.isprintable() for text in texts)
    assert read + len(texts) == FILES
    assert min(read, len(texts)) > FILES / 20
