"""``zoo export MODEL --to onnx``: a model as a file for other runtimes."""

from __future__ import annotations

from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.extras import require
from zoo.base.files import replace
from zoo.cards.card import read_card
from zoo.commands.terminal import Parser
from zoo.hub import locate


def main(argv: list[str]) -> int:
    parser = Parser(prog="zoo export", description="Writes a model as a file for other runtimes.")
    parser.add_argument("model", help="a model's or an architecture's name, a folder, or USER/NAME")
    parser.add_argument("--to", required=True, choices=("onnx",), help="kind of the file")
    parser.add_argument("-o", "--output", type=Path, default=Path(), metavar="DIR", help="folder of the files")
    options = parser.parse_args(argv)
    card = read_card(options.model)
    if card.architecture is None or card.architecture.example is None:
        raise ZooError(f"{card.name} has no forward pass, so nothing can be exported")
    require("zoo export", "export", "onnx", "onnxruntime", "onnxscript")
    from zoo.cards import weights
    from zoo.exports import convert, metadata

    net, example = weights.load(options.model), card.architecture.example
    content = convert.to_onnx(net, example, "torchscript")
    entries = metadata.of_model(net, card, locate.find(options.model), "torchscript", "fp32", None)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{card.name}.onnx"
    replace(path, metadata.describe(content, entries, convert.named_shapes(net, example, None)))
    print(path)  # noqa: T201
    return 0
