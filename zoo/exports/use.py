"""``USE.md`` beside an export: complete programs that run it without the zoo."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.base.files import read_text, replace
from zoo.base.registry import architectures
from zoo.exports.settings import Size

FILE = "USE.md"
OWN = "USE*.md"  # templates that lie beside an architecture's network
PLACE = re.compile(r"@(\w+)@")  # place of a value in a template
FOR = re.compile(r"<!-- for: (.+) -->\n+")  # in a template's first line: the facts that it is written for
PART = re.compile(r"^(?=# `)", re.MULTILINE)  # where the part of a file begins
OPENCV = re.compile(r"^## [^\n]*OpenCV\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)  # a section of programs for it
NO_INT8 = "\n\n## OpenCV\n\nIt computes int8 otherwise, or refuses it: export fp32 or fp16 for it.\n"
GENERAL = Path(__file__).with_name("texts")  # templates for any architecture, by the suffix of the file


def render(architecture: str, file_name: str, metadata: Mapping[str, str], size: Size | None = None) -> str:
    """The text of ``USE.md``, from the architecture's template or, if none fits, from a general one.

    A template lies beside the architecture's network, and begins with a title ``# `@file@` ...``. A line
    ``<!-- for: FACT = VALUE, ... -->`` before the title may say which networks it is for. ``@name@`` in it stands for
    an entry of the metadata; see :func:`values` for others.

    Args:
        architecture: name of the architecture.
        file_name: name of the export; programs in languages other than Python are given for ``.onnx`` only.
        metadata: metadata of the export, see :func:`zoo.exports.metadata.of_model`.
        size: fixed height and width of the input; None: any that the network takes.
    """
    example = architectures()[architecture].example
    known = {**values(file_name, metadata, size), "channels": str(example[0] if example else 3)}
    text = _template(architecture, Path(file_name).suffix, json.loads(metadata["facts"]))
    if metadata["precision"] == "int8":
        text = OPENCV.sub("", text).rstrip() + NO_INT8
    return PLACE.sub(lambda place: known[place[1]], text)


def write(folder: Path, text: str) -> None:
    """Writes a text of :func:`render` into a folder; parts about other files stay."""
    path, title = folder / FILE, text.splitlines()[0]
    before = PART.split(read_text(path)) if path.is_file() else []
    others = [part.strip() for part in before if part.strip() and part.splitlines()[0] != title]
    replace(path, "\n\n".join([*others, text.strip()]) + "\n")


def values(file_name: str, metadata: Mapping[str, str], size: Size | None) -> dict[str, str]:
    """Values that templates may name: the metadata, facts of the network, the file, its size, and literals of programs.

    ``literal`` is the file's name in quotes, as Python, C++ and JavaScript read it; ``height`` and ``width`` are 0
    if they are free; ``braces`` is the palette as C++ reads it; ``output`` is the first output.
    """
    height, width = size or (0, 0)
    return {
        "palette": "[]",
        "labels": "[]",
        **{name: json.dumps(fact) for name, fact in json.loads(metadata["facts"]).items()},
        **{name: value or "not said" for name, value in metadata.items()},
        "file": file_name,
        "literal": json.dumps(file_name),
        "height": str(height),
        "width": str(width),
        "sizes": f"height {height} and width {width}, which are fixed" if size else "any height and width",
        "opencv": "OpenCV 4.10 or newer" if size else "OpenCV 5; for OpenCV 4 export with `--size HxW`",
        "style_count": str(len(json.loads(metadata["facts"]).get("styles", ()))),
        "braces": metadata.get("palette", "[]").translate(str.maketrans("[]", "{}")),
        "output": json.loads(metadata["predicts"])[0],
    }


def _template(architecture: str, suffix: str, facts: Mapping[str, Any]) -> str:
    package = importlib.import_module(architectures()[architecture].net.rpartition(".")[0].rpartition(".")[0])
    own = sorted(Path(package.__file__ or "").parent.glob(OWN)) if suffix == ".onnx" else []
    for text in map(read_text, own):
        wanted = FOR.match(text)
        conditions = [each.split(" = ") for each in wanted[1].split(", ")] if wanted else []
        if all(str(facts.get(fact)) == value for fact, value in conditions):
            return FOR.sub("", text, count=1)
    return read_text(GENERAL / f"{suffix[1:]}.md")
