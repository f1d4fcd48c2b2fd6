"""The metadata of a file: its model, its input and outputs, and one golden output to compare with."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence

import numpy as np

from zoo.base import __version__
from zoo.base.text import LINE, printable, shortened
from zoo.cards import golden, replay
from zoo.cards.front import commercial_use, license_text
from zoo.engines.graph import DIGEST, graph_sha256
from zoo.exports.convert import Example, Shape
from zoo.exports.settings import Size
from zoo.exports.subject import Subject
from zoo.models.base import Model

KEPT = 150_000  # bytes of a golden output
GOLDEN_TOLERANCE = {"fp32": 1e-3, "fp16": 1e-2, "int8": 0.3}  # relative RMS; float16 rounds the stored output by 3e-4


def of_model(subject: Subject, exporter: str) -> dict[str, str]:
    """The entries of ``metadata_props``, all texts.

    Args:
        subject: model to export.
        exporter: name of the exporter that made the file.
    """
    net, config, front, facts = subject.net, subject.card.config, subject.card.front, subject.net.facts()
    precision = subject.settings.precision
    return {
        "name": _line(subject.name),
        "revision": subject.revision,
        "weights_sha256": str(config["weights"]["sha256"]),
        "zoo_version": __version__,
        "architecture": str(config["architecture"]),
        "arguments": json.dumps(config["arguments"]),
        "facts": json.dumps(facts),
        "predicts": json.dumps(list(net.outputs)),
        **{name: json.dumps(facts[name]) for name in ("labels", "palette") if name in facts},
        "input": subject.declared.input,
        "input_range": "0..1",
        "halo": "" if net.halo is None else str(net.halo),
        "license": _line(license_text(front)),
        "data_license": _line(front.get("data_license", "")),
        "commercial_use": _line(commercial_use(front)),
        "precision": precision,
        "exporter": exporter,
        "golden": golden_answer(net, subject.example, subject.settings.size),
        "golden_tolerance": str(GOLDEN_TOLERANCE[precision]),
    }


def _line(text: object) -> str:
    """A text as one short line, since a file with other texts is refused."""
    return shortened(printable(" ".join(str(text).split())), LINE)


def golden_answer(net: Model, example: Example, size: Size | None) -> str:
    """A picture (uint8) and the network's first output for it (float16): an .npz in base64.

    For a file of fixed size the picture is enlarged to ``size``. Of the output only every ``step``-th row and column is
    kept, so that the .npz is not larger than :data:`zoo.cards.replay.LIMIT`.
    """
    scene, size = golden.picture(*example).numpy(), size or example[1:]
    output = net.engine(replay.enlarged(scene, size).astype(np.float32) / 255)[0].astype(np.float16)
    step = 1
    while output.ndim == 4 and output[..., ::step, ::step].nbytes > KEPT:
        step += 1
    kept = output[..., ::step, ::step] if step > 1 else output
    buffer = io.BytesIO()
    np.savez_compressed(buffer, input=scene, output=kept, size=np.array(size), step=np.array(step))
    return base64.b64encode(buffer.getvalue()).decode()


def describe(content: bytes, entries: Mapping[str, str], shapes: Sequence[Shape]) -> bytes:
    """The ONNX model with its entries, and with the shapes of its input and outputs."""
    import onnx

    model = onnx.load_model_from_string(content)
    model.doc_string, model.producer_name = f"{entries['name']} of lightning-zoo", "lightning-zoo"
    for value, shape in zip([*model.graph.input, *model.graph.output], shapes, strict=True):
        dimensions = value.type.tensor_type.shape
        del dimensions.dim[:]
        for side in shape:
            dimensions.dim.add(**{"dim_param" if isinstance(side, str) else "dim_value": side})
    onnx.helper.set_model_props(model, {**entries, DIGEST: graph_sha256(model.SerializeToString())})
    return model.SerializeToString()
