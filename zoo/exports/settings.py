"""Settings of an export; impossible ones are refused here, before torch is imported."""

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
MIN_SIDE, MAX_SIDE = 8, 8192  # pixels of a side
NEEDED = {  # extra and modules that write and compare each kind
    "onnx": ("export", ("onnx", "onnxruntime", "onnxscript")),
    "openvino": ("export,openvino", ("onnx", "onnxruntime", "onnxscript", "openvino")),
    "torch": ("export", ()),
    "spandrel": ("spandrel", ("spandrel",)),
}
Size: TypeAlias = tuple[int, int]  # height and width


@dataclass(frozen=True)
class Settings:
    """Settings of an export.

    Args:
        to: kind of file, one of ``KINDS``.
        size: fixed height and width of the input, one picture at a time; None: any batch, and any size if the network
            takes any.
        precision: precision of the numbers in the file, one of ``PRECISIONS``.
        calibrate: pictures, or folders of pictures, to calibrate int8 with.
        check: pictures, or folders of pictures, to compare the outputs on; default: drawn street scenes.
        force: whether to write a file although a runtime computes something else, or int8 costs too much.
    """

    to: str
    size: Size | None = None
    precision: str = "fp32"
    calibrate: Sequence[Path] = ()
    check: Sequence[Path] = ()
    force: bool = False

    def refuse(self, name: str, declared: Architecture | None) -> None:
        """Refuses impossible settings, and names missing packages.

        Args:
            name: name of the model.
            declared: its architecture.

        Raises:
            ZooError: the reason in one line.
        """
        if declared is None or declared.example is None:
            raise ZooError(f"{name} cannot be exported: it is an optimisation, not a forward pass of a network")
        if self.to == "torch" and self.precision != "fp32":
            raise ZooError(f"--to torch supports fp32 only; use --to onnx for {self.precision}")
        if self.to == "spandrel" and not declared.foreign:
            raise ZooError(f"{name} cannot be exported to spandrel, which does not know this network")
        if self.to == "spandrel" and self.size:
            raise ZooError(f"--size {self.size[0]}x{self.size[1]}: spandrel takes pictures of any size")
        if self.precision == "int8" and self.to != "onnx":
            raise ZooError("--precision int8 works with --to onnx only, for ONNX Runtime")
        if self.precision == "int8" and not self.calibrate:
            raise ZooError("--precision int8 needs pictures for its calibration: --calibrate FOLDER")
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
            name: name of the model.
            only: the only size that it takes, or None for any.

        Raises:
            ZooError: names the sizes that it takes.
        """
        if self.size is None:
            return
        if only is not None and self.size != only:
            raise ZooError(f"--size {self.size[0]}x{self.size[1]}: {name} takes {only[0]}x{only[1]} only")
        if not all(MIN_SIDE <= side <= MAX_SIDE for side in self.size):
            raise ZooError(f"--size {self.size[0]}x{self.size[1]}: sides must be {MIN_SIDE} to {MAX_SIDE} pixels")


def parse_size(text: str) -> Size:
    """Height and width of a text such as "360x480".

    Raises:
        ZooError: the text has another form.
    """
    found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text)
    if not found:
        raise ZooError(f"--size must be height and width in pixels, such as 360x480, not {text!r:.40}")
    return int(found[1]), int(found[2])
