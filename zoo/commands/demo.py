"""``zoo demo [MODEL ...] -o DIR``: writes pages on which models run in a browser; ``--serve`` runs them itself."""

from __future__ import annotations

import sys
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.extras import require
from zoo.base.files import expanded
from zoo.base.paths import shown
from zoo.commands import serve
from zoo.commands.terminal import Parser
from zoo.exports.settings import NEEDED

EPILOG = """The folder needs no installation and no program: any web server or static Space serves it. Each page loads
its model with the first picture, replays the card's golden input, and refuses to work if the answer differs from the
published one. Pictures do not leave the browser. The runtime, onnxruntime-web, comes from npm's registry, is verified
by its SHA-256, and is kept in the cache. With --serve nothing is written: a server on this machine shows the same
pages, and runs models itself, also those that browsers cannot run, on large pictures and videos, and on the GPU."""


def main(argv: list[str]) -> int:
    """Writes the folder, and prints its pages and how to open them; or serves them."""
    options = _parser().parse_args(argv)
    if options.output == "":  # a variable of the shell that is not set
        raise ZooError("-o is empty; name a folder")
    if "" in options.models:
        raise ZooError("the name of a model is empty; see zoo list")
    serve.refuse_needless(options)
    if options.serve:
        return serve.serve(options)
    if options.output is None:
        raise ZooError(
            "-o DIR is required: it names the new folder; or start a server with --serve\nsee zoo demo --help"
        )
    folder = expanded(options.output)
    require("zoo demo", *_needed())
    from zoo.exports.demo import runtime, site  # which import NumPy and Pillow
    from zoo.exports.demo.model import Shown

    site.check_place(folder, options.overwrite)
    names = dict.fromkeys(options.models or site.default_models())
    models = list({each.card.name: each for each in map(Shown.of, names)}.values())
    files = runtime.find(expanded(options.runtime) if options.runtime else None, _say)
    pages = site.write(models, files, folder, _say)
    print("\n".join(map(shown, pages)))  # noqa: T201
    megabytes = site.size_of(folder) / 1e6
    _say(f"{megabytes:.1f} MB. Open it: python -m http.server -d {shown(folder)}, then http://localhost:8000")
    return 0


def _needed() -> tuple[str, ...]:
    """The extra that exports need, and its modules."""
    extra, modules = NEEDED["onnx"]
    return extra, *modules


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


def _parser() -> Parser:
    parser = Parser(
        prog="zoo demo", epilog=EPILOG,
        description="Writes a folder of pages on which people try models in their browser, before installing anything.",
    )  # fmt: skip
    parser.add_argument(
        "models", nargs="*", metavar="MODEL",
        help="a model's or an architecture's name, a folder, or USER/NAME (default: all installed models with a page)",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="DIR", help="new folder of the pages")
    parser.add_argument(
        "--runtime", type=Path, metavar="PATH",
        help="folder or archive of onnxruntime-web, instead of the cache or npm's registry",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace the folder of an earlier zoo demo")
    parser.add_argument("--serve", action="store_true", help="start a server that runs the models, instead of writing")
    serve.add_options(parser)
    return parser
