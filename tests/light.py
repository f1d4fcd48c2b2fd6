"""Runs the command as where only NumPy, Pillow, OpenCV, onnxruntime and huggingface_hub are installed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MISSING = (  # all else that the distribution requires, and what that brings
    "torch", "torchvision", "torchmetrics", "timm", "lightning", "lightning_utilities", "pydantic", "pydantic_core",
    "jsonargparse", "docstring_parser", "annotated_types", "rich", "safetensors", "scipy", "albumentations",
    "tensorboard", "onnx", "onnxscript", "openvino", "av", "aiohttp", "pyarrow", "skimage", "starlette", "uvicorn",
)  # fmt: skip
PROGRAM = f"""
import json, sys
from importlib.machinery import PathFinder

found = PathFinder.find_spec

def find_spec(cls, name, path=None, target=None):
    return None if name.partition(".")[0] in {MISSING} else found(name, path, target)

PathFinder.find_spec = classmethod(find_spec)
modules, *arguments = sys.argv[1:]
from zoo.commands import main
try:
    code = main.main(arguments)
except SystemExit as end:
    code = end.code
with open(modules, "w") as file:
    json.dump(sorted(sys.modules), file)
sys.exit(code)
"""


@dataclass(frozen=True)
class Done:
    """What a command came to.

    Args:
        code: its exit code.
        out: what it printed.
        err: likewise, to standard error.
        modules: that it imported.
    """

    code: int
    out: str
    err: str
    modules: frozenset[str]

    @property
    def packages(self) -> set[str]:
        """Those of the modules."""
        return {module.partition(".")[0] for module in self.modules}


def run(folder: Path, *arguments: str) -> Done:
    """Runs ``zoo`` with these arguments in a folder, which gets a list of modules beside what the command writes."""
    listed = folder / "modules.json"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(listed), *arguments], capture_output=True, text=True, cwd=folder
    )
    assert listed.exists(), done.stderr
    return Done(done.returncode, done.stdout, done.stderr, frozenset(json.loads(listed.read_text())))
