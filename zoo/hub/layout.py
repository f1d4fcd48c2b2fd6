"""Files that a model's folder may hold, and the largest size of each. Other files in it are left alone."""

from __future__ import annotations

import re
import stat
from pathlib import Path

PROSE = 1 << 20  # bytes of a text
PICTURE = 16 << 20  # bytes
WEIGHTS = 1 << 30  # bytes; the network's size, or config.json for an export, sets a lower limit
GRAPH = 64 << 20  # bytes of the XML beside OpenVINO's weights
_NAME = r"[A-Za-z0-9_][\w-]*(\.[\w-]+)*"
_KINDS = {
    r"README\.md|USE\.md|LICENSE|config\.json|results\.json|parity\.json|recipe\.yaml|sources\.csv": PROSE,
    rf"\.eval_results/{_NAME}\.yaml|splits/{_NAME}\.txt": PROSE,
    rf"samples/{_NAME}\.(jpg|jpeg|png|gif|webp|mp4)": PICTURE,
    rf"{_NAME}\.(safetensors|onnx|bin)": WEIGHTS,
    rf"{_NAME}\.xml": GRAPH,
}
DESCRIBED = (".safetensors", ".onnx", ".xml", ".bin")  # suffixes of files that config.json must name
EXPORTED = (".onnx", ".xml", ".bin", "parity.json", "USE.md")  # endings of exports and of files that describe them
MAX_NAME = 200  # most characters of a name


def limit(name: str) -> int | None:
    """The most bytes of a file of this name; None for a name that does not belong in a model's folder."""
    if len(name) > MAX_NAME:
        return None
    return next((size for kind, size in _KINDS.items() if re.fullmatch(kind, name, re.ASCII)), None)


def listing(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The files of a model's folder by name, and the names of files that do not belong there.

    Links do not belong there: their targets might be anything. The cache of the Hub's client, whose files are links
    into itself, is not read by this function.
    """
    belonging: dict[str, Path] = {}
    others: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if stat.S_ISREG(path.lstat().st_mode) and limit(name) is not None:
            belonging[name] = path
        elif not stat.S_ISDIR(path.lstat().st_mode):
            others.append(name)
    return belonging, others
