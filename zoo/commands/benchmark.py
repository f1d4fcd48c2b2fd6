"""``zoo benchmark``: how fast models are on this machine, with every engine, in turns."""

from __future__ import annotations

from zoo.base.processes import processors
from zoo.commands.terminal import Parser

EPILOG = """Every combination runs in a process of its own. All take turns, so that a busy moment of the machine hits
all. Times are medians over the rounds of the network's pass alone, without reading and drawing pictures; ± is half the
distance of the quartiles. They are compared with the first row, or with that of --baseline. Memory is the peak of the
process, with its libraries, or of the GPU. Exports are made where a card has none. What is not installed, or cannot
compute a model, is left out with its reason."""
ENGINES = (
    "of torch, torch-bfloat16, torch-compile, onnx, openvino, opencv, or all (default torch,onnx; all for --write)"
)
FORMS = ("table", "markdown", "csv", "json")


def main(argv: list[str]) -> int:
    """Measures models, and prints a table."""
    options = _parser().parse_args(argv)
    from zoo.commands import benchmarked  # NumPy and torch take a while to import

    return benchmarked.run(options)


def _parser() -> Parser:
    parser = Parser(prog="zoo benchmark", description="Measures how fast models are on this machine.", epilog=EPILOG)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="model, architecture, folder or USER/NAME")
    parser.add_argument("--engines", metavar="NAMES", help=ENGINES)
    parser.add_argument("--sizes", metavar="SIZES", help="such as 480x360,960x720 (default: each card's own)")
    parser.add_argument("--batch", default="1", metavar="NUMBERS", help="pictures in a batch, such as 1,8 (default 1)")
    parser.add_argument("--threads", type=int, default=processors(), metavar="N", help="default: all cores")
    parser.add_argument("--device", default="cpu", help="device, such as cuda (default cpu)")
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="turns of each (default 10)")
    parser.add_argument("--baseline", metavar="WORDS", help="words of the row to compare with, such as 'onnx 480x360'")
    parser.add_argument("--form", choices=FORMS, default="table", help="how to print it (default table)")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the cards' figure against the time")
    parser.add_argument("--write", action="store_true", help="put the times on the cards, which are folders of yours")
    return parser
