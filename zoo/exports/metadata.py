"""What a file says of itself: which model it is, what it takes and gives, and one answer to compare with."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence

import numpy as np

from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.cards import golden, replay
from zoo.engines.graph import DIGEST, graph_sha256
from zoo.exports.convert import Example, Shape
from zoo.exports.subject import Subject
from zoo.models.base import Model

GOLDEN_TOLERANCE = {"fp32": 1e-3, "fp16": 1e-2, "int8": 0.3}  # relative RMS; float16 rounds the stored output by 3e-4


def of_model(subject: Subject, exporter: str) -> dict[str, str]:
    """The entries of ``metadata_props``, all texts.

    Args:
        subject: what is exported.
        exporter: of torch that made the file.
    """
    net, config, front, facts = subject.net, subject.card.config, subject.card.front, subject.net.facts()
    precision, size = subject.settings.precision, subject.settings.size
    example = (subject.example[0], *(size or subject.example[1:]))
    return {
        "name": subject.name,
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
        "license": str(front.get("license", "")),
        "data_license": str(front.get("data_license", "")),
        "precision": precision,
        "exporter": exporter,
        "golden": golden_answer(net, example),
        "golden_tolerance": str(GOLDEN_TOLERANCE[precision]),
    }


def golden_answer(net: Model, example: Example) -> str:
    """A picture (uint8) and the network's first output for it (float16): an .npz in base64.

    Raises:
        ZooError: it would be too large.
    """
    scene = golden.picture(*example).numpy()
    output = net.engine(scene.astype(np.float32) / 255)[0].astype(np.float16)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, input=scene, output=output)
    if len(buffer.getvalue()) > replay.LIMIT:
        raise ZooError(f"the golden answer would have {len(buffer.getvalue())} bytes, more than {replay.LIMIT}")
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
