"""What computes a forward pass: arrays in, arrays out. Prediction is written once, against this."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from zoo.base.errors import ZooError
from zoo.base.text import first_line, printable, shortened, unknown

if TYPE_CHECKING:
    import numpy as np

Shapes: TypeAlias = "tuple[tuple[int, ...], ...]"  # of what an engine takes, and of each output, for one size
ENGINES = ("torch", "onnx", "openvino", "opencv")
# Of those that run a file: class, module, what to install.
_FILES = {
    "onnx": ("OnnxEngine", "zoo.engines.onnx", "onnxruntime"),
    "openvino": ("OpenVinoEngine", "zoo.engines.openvino", "openvino"),
    "opencv": ("OpenCVEngine", "zoo.engines.opencv", "opencv-python-headless"),
}


class Engine(Protocol):
    """Computes a network's forward pass, by whatever library.

    Attributes:
        device: where it computes, such as "cpu" or "cuda:0": whose memory limits what it can be given.
    """

    @property
    def device(self) -> str: ...

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """The network's outputs for a batch.

        Args:
            x: ``(B, C, H, W)`` float32 in 0..1.

        Returns:
            What :meth:`zoo.models.base.Model.infer` gives, as contiguous float32 arrays.
        """
        ...


def network_of(engine: Engine, work: str) -> Any:
    """The network itself, for what needs more than its forward pass.

    Args:
        engine: torch's, or another.
        work: what needs it, for the error.

    Raises:
        ZooError: the engine has no network that can be reached into.
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
        outputs: names of those to compute, in the order of the results.
        device: as the engine names it.

    Raises:
        ZooError: there is no such engine, it is not installed, it refuses the file or has no such device.
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
    except ImportError as error:  # of a library that its package needs
        raise ZooError(f"the engine {kind} does not start: {shortened(printable(first_line(error)), 200)}") from None
