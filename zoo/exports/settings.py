"""What an export is asked for; what cannot be is refused here, before torch is imported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from zoo.base.errors import ZooError
from zoo.base.extras import require
from zoo.base.registry import Architecture

KINDS = ("onnx", "openvino", "torch", "spandrel")
PRECISIONS = ("fp32", "fp16", "int8")
SUFFIXES = {"onnx": (".onnx",), "openvino": (".xml", ".bin"), "torch": (".pt2",), "spandrel": (".safetensors",)}
SMALLEST, LARGEST = 8, 8192  # pixels of a side
NEEDED = {  # extra, and modules, of what writes and compares each kind
    "onnx": ("export", ("onnx", "onnxruntime", "onnxscript")),
    "openvino": ("export,openvino", ("onnx", "onnxruntime", "onnxscript", "openvino")),
    "torch": ("export", ()),
    "spandrel": ("spandrel", ("spandrel",)),
}
Size: TypeAlias = tuple[int, int]  # height and width


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    Args:
        to: the kind of file, one of ``KINDS``.
        size: height and width of the only input that the file takes, one at a time; None: any batch, and any size
            where the network takes any.
        precision: of the numbers in the file, one of ``PRECISIONS``.
        calibrate: pictures or folders of them that show int8 which values occur.
        check: likewise, to compare the outputs on; none: drawn street scenes.
        force: whether a file is written though a runtime gives something else, or int8 costs too much.
    """

    to: str
    size: Size | None = None
    precision: str = "fp32"
    calibrate: Sequence[Path] = ()
    check: Sequence[Path] = ()
    force: bool = False

    def refuse(self, name: str, declared: Architecture | None) -> None:
        """Refuses what cannot be, and says which packages are missing.

        Args:
            name: of the model.
            declared: its architecture.

        Raises:
            ZooError: in one line.
        """
        if declared is None or declared.example is None:
            raise ZooError(f"{name} cannot be exported: it is no forward pass of a network, but an optimisation")
        if self.to == "torch" and self.precision != "fp32":
            raise ZooError(f"--to torch is written in fp32 only; {self.precision} goes with --to onnx")
        if self.to == "spandrel" and not declared.foreign:
            raise ZooError(f"{name} cannot be exported to spandrel, which knows no such network")
        if self.to == "spandrel" and self.size:
            raise ZooError(f"--size {self.size[0]}x{self.size[1]}: spandrel computes pictures of any size")
        if self.precision == "int8" and self.to != "onnx":
            raise ZooError("--precision int8 is written for ONNX Runtime, with --to onnx only")
        if self.precision == "int8" and not self.calibrate:
            raise ZooError("--precision int8 needs pictures that show which values occur: --calibrate FOLDER")
        if self.calibrate and self.precision != "int8":
            raise ZooError(f"--calibrate is for --precision int8, not {self.precision}")
        for path in (*self.calibrate, *self.check):
            if not path.exists():
                raise ZooError(f"{path}: no such file or folder")
        stacked = len(declared.inputs) > 1  # pictures that belong together have one size
        self.refuse_size(name, declared.example[1:] if stacked else None)
        extra, modules = NEEDED[self.to]
        require(f"zoo export --to {self.to}", extra, *modules)

    def refuse_size(self, name: str, only: Size | None) -> None:
        """Refuses a size that the network does not take.

        Args:
            name: of the model.
            only: the one that it takes, or None for any.

        Raises:
            ZooError: with what it takes.
        """
        if self.size is None:
            return
        if only is not None and self.size != only:
            raise ZooError(f"--size {self.size[0]}x{self.size[1]}: {name} takes {only[0]}x{only[1]} only")
        if not all(SMALLEST <= side <= LARGEST for side in self.size):
            raise ZooError(f"--size {self.size[0]}x{self.size[1]}: a side is {SMALLEST} to {LARGEST} pixels")


def parse_size(text: str) -> Size:
    """Height and width of a text such as "360x480".

    Raises:
        ZooError: another text.
    """
    found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text)
    if not found:
        raise ZooError(f"--size is height and width in pixels, such as 360x480, not {text!r:.40}")
    return int(found[1]), int(found[2])
