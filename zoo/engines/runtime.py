"""The common part of engines that run an exported file."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from zoo.base.errors import ZooError
from zoo.base.memory import ran_out
from zoo.base.processes import processors
from zoo.base.text import listing, printable, shortened
from zoo.engines.graph import Graph, Shape

# Parts of runtimes' messages that do not tell what is wrong: codes, places in their source, their current task.
_NOISE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |.*Status Message: |/\S+:\d+ (.* was false\. |.*\) (?=[A-Z]))|\w+\.cc:\d+ \w+ "
    r"|OpenCV\(\S+ \S+ error: \([^)]*\) | in function '.*'"
    r"|^(Exception from|Check|FrontEnd API|Model wasn't|Summary|While validating|To facilitate).*",
    re.MULTILINE,
)
_OUT_OF_MEMORY = re.compile("bad.alloc|bad allocation|insufficient memory", re.IGNORECASE)


class FileEngine(ABC):
    """Runs an exported file; see :class:`zoo.engines.Engine`. A subclass computes one batch.

    Args:
        graph: metadata and shapes of the file.
        outputs: names of the outputs to compute, in the order of the results.
        device: device that computes, as the engine names it.

    Raises:
        ZooError: the file has no such output.
    """

    name: str  # name of the runtime, with its version

    def __init__(self, graph: Graph, outputs: Sequence[str], device: str) -> None:
        for output in outputs:
            if output not in graph.outputs:
                there = shortened(printable(", ".join(graph.outputs)), 200)
                raise ZooError(f"the export has no output {output!r:.60}; it has: {there}")
        self.graph = graph
        self.device = device
        self.outputs = list(outputs)
        self.input, self.shape = graph.pictures

    def __call__(self, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        alone = self.shape[0] == 1 != len(x)  # a file of fixed size takes one picture at a time
        parts = np.split(x, len(x)) if alone and x.ndim == len(self.shape) else [x]
        check_size(parts[0].shape, self.shape)
        blended = self._weights(weights, len(x))
        with told(self.name, f"compute {size_text(x.shape)}"):
            found = []
            for number, part in enumerate(parts):
                given = {self.input: np.ascontiguousarray(part, np.float32)}
                own = blended if len(parts) == 1 else {key: rows[number : number + 1] for key, rows in blended.items()}
                found.append(self._run({**given, **own}))
        whole = found[0] if len(found) == 1 else map(np.concatenate, zip(*found, strict=True))
        return tuple(np.ascontiguousarray(output, np.float32) for output in whole)

    def _weights(self, weights: np.ndarray | None, batch: int) -> dict[str, np.ndarray]:
        """Weights ``(B, N)`` of what is blended, for the input that takes them, if the file has one."""
        if self.graph.weights is None:
            if weights is not None:
                raise ZooError("the export blends nothing: it has no input for weights")
            return {}
        name, (_, count) = self.graph.weights
        weights = first_alone(batch, int(count)) if weights is None else weights
        if weights.shape != (batch, count):
            raise ZooError(f"the export takes {batch}x{count} weights, not {size_text(weights.shape)}")
        return {name: np.ascontiguousarray(weights, np.float32)}

    @abstractmethod
    def _run(self, given: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        """The outputs for the arrays of the inputs, by name, contiguous and of shapes that the file takes."""


def first_alone(batch: int, count: int) -> np.ndarray:
    """Weights ``(batch, count)`` of which only the first is not 0: the default of what is blended."""
    weights = np.zeros((batch, count), np.float32)
    weights[:, 0] = 1
    return weights


def threads() -> int:
    """How many threads to compute with: the cores that this process may use, or ``OMP_NUM_THREADS`` if that is set."""
    wish = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if wish.isdecimal() and int(wish) > 0:
        return int(wish)
    return processors()


def device_of(name: str, runtime: str, there: Mapping[str, bool], packages: Mapping[str, str]) -> tuple[str, int]:
    """Kind and number of a device.

    Args:
        name: name of a device, such as "cpu", "cuda" or "cuda:1".
        runtime: its name, for errors.
        there: available kinds of devices, and whether they have numbers.
        packages: what to install for kinds that may not be available.

    Raises:
        ZooError: the device is not available; names the available ones, and what to install.
    """
    kind, colon, number = name.partition(":")
    if kind in there and (not colon or (there[kind] and re.fullmatch("[0-9]{1,3}", number))):
        return kind, int(number or 0)
    way_out = f"; for {kind}: {packages[kind]}" if kind in packages and kind not in there else ""
    raise ZooError(f"device {name!r:.60} is not here; {runtime} has: {listing(there)}{way_out}")


def check_size(shape: Sequence[int], wanted: Shape) -> None:
    """Refuses a batch whose size an input does not take.

    Raises:
        ZooError: names both sizes and the way out.
    """
    fits = len(shape) == len(wanted) and all(
        isinstance(side, str) or side == given for side, given in zip(wanted, shape, strict=True)
    )
    if not fits:
        sizes = f"{size_text(wanted)}, not {size_text(shape)}"
        raise ZooError(f"the export takes {sizes}; zoo export without --size writes one that takes any")


def size_text(shape: Sequence[int | str]) -> str:
    """A shape as "1x3x360x480", with a question mark for a free side."""
    return "x".join(str(side) if isinstance(side, int) else "?" for side in shape)


@contextmanager
def told(runtime: str, task: str) -> Iterator[None]:
    """Turns any error of a runtime into a :class:`ZooError` of one line.

    Args:
        runtime: its name.
        task: what it cannot do: "read the export".
    """
    try:
        yield
    except ZooError:
        raise
    except Exception as error:  # each runtime has its own classes, some only Exception
        if ran_out(error) or _OUT_OF_MEMORY.search(str(error)):
            raise ZooError(f"{runtime} ran out of memory: take smaller pictures, tiles or batches") from error
        raise ZooError(f"{runtime} cannot {task}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The first line of an error that tells a reader something."""
    lines = (line.strip() for line in _NOISE.sub("", str(error)).splitlines())
    return shortened(printable(next(filter(None, lines), type(error).__name__)), 200)
