"""Engines compute a forward pass: arrays in, arrays out. Prediction is written once, against their interface."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from zoo.base.errors import ZooError
from zoo.base.text import first_line, printable, shortened, unknown

if TYPE_CHECKING:
    import numpy as np

Shapes: TypeAlias = "tuple[tuple[int, ...], ...]"  # shapes of the input and of each output, for one size
ENGINES = ("torch", "onnx", "openvino", "opencv")
BATCH_PIXELS, MOST_BATCH = 1 << 22, 32  # most pixels and pictures of a batch that is chosen automatically
# Engines that run a file: class, module, package to install.
_FILES = {
    "onnx": ("OnnxEngine", "zoo.engines.onnx", "onnxruntime"),
    "openvino": ("OpenVinoEngine", "zoo.engines.openvino", "openvino"),
    "opencv": ("OpenCVEngine", "zoo.engines.opencv", "opencv-python-headless"),
}


class Engine(Protocol):
    """Computes a network's forward pass, by whatever library.

    Attributes:
        device: device that computes, such as "cpu" or "cuda:0"; its memory limits the batches.
    """

    @property
    def device(self) -> str: ...

    def __call__(self, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """The network's outputs for a batch.

        Args:
            x: ``(B, C, H, W)`` float32 in 0..1.
            weights: weights ``(B, N)`` of what the network can blend, such as styles; None: the first alone.

        Returns:
            The outputs of :meth:`zoo.models.base.Model.infer`, as contiguous float32 arrays.
        """
        ...


def auto_batch(device: str, width: int, height: int) -> int:
    """How many pictures of a size to compute at a time: on a CPU larger batches are no faster.

    Args:
        device: device that computes.
        width: width in pixels.
        height: height in pixels.
    """
    if device.partition(":")[0] == "cpu":
        return 1
    return max(1, min(MOST_BATCH, BATCH_PIXELS // max(1, width * height)))


def network_of(engine: Engine, work: str) -> Any:
    """The network itself, for work that needs more than its forward pass.

    Args:
        engine: torch's engine, or another.
        work: the work, for the error.

    Raises:
        ZooError: the engine is not torch's and has no network.
    """
    net = getattr(engine, "net", None)
    if net is None:
        raise ZooError(f"{work} needs the network itself, which only torch's engine has")
    return net


def open_engine(kind: str, content: bytes | tuple[bytes, bytes], outputs: Sequence[str], device: str = "cpu") -> Engine:
    """An engine that runs an exported file.

    Args:
        kind: one of :data:`ENGINES` but torch.
        content: an ONNX file; for OpenVINO also ``(xml, bin)``.
        outputs: names of the outputs to compute, in the order of the results.
        device: name of the device, as the engine has it.

    Raises:
        ZooError: the engine does not exist or is not installed, refuses the file, or lacks the device.
    """
    engine: Engine = engine_class(kind)(content, outputs, device)
    return engine


def engine_class(kind: str) -> Any:
    """The class of an engine that runs exported files; its ``name`` is that of the runtime, with its version.

    Raises:
        ZooError: there is no such engine, or it is not installed.
    """
    if kind not in _FILES:
        raise unknown("engine for exported files", kind, _FILES)
    name, module, package = _FILES[kind]
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError:
        raise ZooError(f"the engine {kind} is not installed: pip install {package}") from None
    except ImportError as error:  # in a library that its package needs
        raise ZooError(f"the engine {kind} does not start: {shortened(printable(first_line(error)), 200)}") from None
