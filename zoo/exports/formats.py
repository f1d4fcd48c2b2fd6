"""The kinds of files: each is made in memory, and opened from there for the comparison."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from zoo.base.errors import ZooError
from zoo.base.registry import import_object
from zoo.base.text import first_line
from zoo.engines import Engine, open_engine
from zoo.engines.graph import graph_sha256
from zoo.engines.ir import ir_sha256
from zoo.engines.runtime import first_alone
from zoo.engines.unreported import unreported
from zoo.exports import convert
from zoo.exports.convert import Example
from zoo.exports.settings import Size
from zoo.models.base import Model
from zoo.nn.mode import evaluating

HALF_FROM = 256  # numbers of a tensor; smaller tensors stay float32, since they need little space
EXTRA = "metadata.json"  # file inside a program of torch


@dataclass(frozen=True)
class File:
    """An export.

    Args:
        contents: bytes by the suffix of the file, the main one first.
    """

    contents: dict[str, bytes]

    def open(self, kind: str, outputs: Sequence[str]) -> Engine:
        """An engine that runs it."""
        parts = tuple(self.contents.values())
        if kind == "torch":
            return Program(parts[0], outputs)
        if kind == "spandrel":
            return Foreign(parts[0])
        return open_engine(kind, (parts[0], parts[1]) if len(parts) > 1 else parts[0], outputs)


def halved(content: bytes) -> bytes:
    """An ONNX model whose weights are stored in float16, and cast to float32 when it is read.

    So it computes in float32 on every runtime. ONNX Runtime's conversion of all operators is as inaccurate, and OpenCV
    does not read its result.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_model_from_string(content)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= HALF_FROM:
            name, stored = tensor.name, f"{tensor.name}.half"
            with np.errstate(over="ignore"):
                half = numpy_helper.to_array(tensor).astype(np.float16)
            if not np.isfinite(half).all():
                raise ZooError(f"{name} has values that float16 cannot hold: export with --precision fp32")
            tensor.CopyFrom(numpy_helper.from_array(half, stored))
            casts.append(helper.make_node("Cast", [stored], [name], name=f"{name}.cast", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()


def openvino_files(content: bytes, half: bool) -> File:
    """An ONNX model in OpenVINO's own format, with its metadata as ``rt_info`` named "zoo".

    Raises:
        ZooError: OpenVINO cannot read it.
    """
    import onnx

    with unreported():
        import openvino
    try:
        model = openvino.Core().read_model(content, b"")
    except RuntimeError as error:
        raise ZooError(f"OpenVINO cannot read the ONNX model: {first_line(error)}") from error
    for entry in onnx.load_model_from_string(content).metadata_props:
        model.set_rt_info(entry.value, ["zoo", entry.key])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.xml")
        openvino.save_model(model, path, compress_to_fp16=half)
        xml, weights = path.read_bytes(), path.with_suffix(".bin").read_bytes()
    digest = graph_sha256(content)  # digest of the ONNX model
    return File({".xml": xml.replace(digest.encode(), ir_sha256(xml, weights).encode()), ".bin": weights})


def torch_program(net: Model, example: Example, size: Size | None, entries: Mapping[str, str]) -> File:
    """The program of ``torch.export`` for the network; its entries are the JSON in the extra file ``metadata.json``.

    Raises:
        ZooError: torch refuses the network.
    """
    shape, free = convert.traced_shape(net, example, size)
    buffer = io.BytesIO()
    with evaluating(net), torch.no_grad(), convert.silenced():
        try:
            inputs = convert.inputs_of(net, torch.rand(shape))
            dynamic = convert.dynamic_shapes(inputs, free)
            program = torch.export.export(convert.Exported(net), tuple(inputs.values()), dynamic_shapes=dynamic)
            getattr(
                program, "_guards_code", []
            ).clear()  # guards, which allow only sizes that divide like the traced ones; it computes any size
            names = convert.output_names(net, torch.rand(shape))
            told = {**entries, "outputs": json.dumps(names), "blends": json.dumps(net.blends)}
            torch.export.save(program, buffer, extra_files={EXTRA: json.dumps(told)})
        except Exception as error:  # torch may raise anything
            raise ZooError(f"torch.export refuses {type(net).__name__}: {first_line(error)}") from error
    return File({".pt2": buffer.getvalue()})


def foreign_file(net: Model, foreign: str, entries: Mapping[str, str], half: bool) -> File:
    """The network's tensors in safetensors, under the names that other programs know.

    Args:
        net: the network.
        foreign: function that recognises such files, see :class:`zoo.base.registry.Architecture`.
        entries: metadata of the file.
        half: whether to store float16.

    Raises:
        ZooError: the network has other tensors.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    if import_object(foreign)({name: tuple(tensor.shape) for name, tensor in tensors.items()}) is None:
        raise ZooError(f"spandrel knows no network with the tensors of this {type(net).__name__}")
    if half:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
    return File({".safetensors": safetensors.torch.save(tensors, metadata={"format": "pt", **entries})})


class Foreign:
    """A safetensors file as an engine that spandrel runs, as ComfyUI and chaiNNer do."""

    device = "cpu"

    def __init__(self, content: bytes) -> None:
        from spandrel import ModelLoader

        try:
            self._run = ModelLoader("cpu").load_from_state_dict(safetensors.torch.load(content)).model.float()
        except Exception as error:  # its loaders raise many kinds
            raise ZooError(f"spandrel cannot read it: {first_line(error)}") from error

    @torch.no_grad()
    def __call__(self, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        return (self._run(torch.from_numpy(x)).contiguous().numpy(),)


class Program:
    """A program of ``torch.export`` as an engine."""

    device = "cpu"

    def __init__(self, content: bytes, outputs: Sequence[str]) -> None:
        extra: dict[str, Any] = {EXTRA: ""}
        with convert.silenced():
            self._run = torch.export.load(io.BytesIO(content), extra_files=extra).module()
        told = json.loads(extra[EXTRA])
        names, self._blends = json.loads(told["outputs"]), json.loads(told["blends"])
        self._places = [names.index(name) for name in outputs]

    @torch.no_grad()
    def __call__(self, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        given = [x]
        if self._blends:
            given.append(first_alone(len(x), self._blends[1]) if weights is None else weights)
        try:
            found = self._run(*map(torch.from_numpy, given))
        except Exception as error:  # its guards raise many kinds
            raise ZooError(f"torch cannot compute {'x'.join(map(str, x.shape))}: {first_line(error)}") from error
        return tuple(found[place].float().contiguous().numpy() for place in self._places)
