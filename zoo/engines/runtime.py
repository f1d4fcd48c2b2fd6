"""What engines that run an exported file share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from zoo.base.errors import ZooError
from zoo.base.memory import ran_out
from zoo.base.text import first_line, printable, shortened
from zoo.engines.graph import Graph, Shape


def threads() -> int:
    """How many threads to compute with: the cores that this process may use, or ``OMP_NUM_THREADS`` if that is set."""
    wish = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if wish.isdecimal() and int(wish) > 0:
        return int(wish)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_outputs(graph: Graph, outputs: Sequence[str]) -> None:
    """Refuses names of outputs that a file has not."""
    for name in outputs:
        if name not in graph.outputs:
            raise ZooError(f"the export has no output {name!r:.60}; it has {', '.join(graph.outputs)}"[:300])


def check_size(shape: tuple[int, ...], wanted: Shape) -> None:
    """Refuses a batch that does not go into an input.

    Raises:
        ZooError: with both sizes, and the way out.
    """
    fits = len(shape) == len(wanted) and all(
        isinstance(side, str) or side == given for side, given in zip(wanted, shape, strict=True)
    )
    if not fits:
        raise ZooError(f"the export takes {_size(wanted)}, not {_size(shape)}; exported without --size, it takes any")


def _size(shape: Sequence[int | str]) -> str:
    return "x".join(str(side) if isinstance(side, int) else "?" for side in shape)


@contextmanager
def told(runtime: str, task: str) -> Iterator[None]:
    """Makes a :class:`ZooError` of one line of whatever a runtime raises.

    Args:
        runtime: its name.
        task: what it cannot do: "read this export".
    """
    try:
        yield
    except ZooError:
        raise
    except Exception as error:  # each has classes of its own, some none but Exception
        if ran_out(error):
            raise ZooError(f"{runtime} ran out of memory; take smaller pictures, tiles or batches") from error
        raise ZooError(f"{runtime} cannot {task}: {shortened(printable(first_line(error)), 200)}") from error


def float_arrays(outputs: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """As engines give them."""
    return tuple(np.ascontiguousarray(output, np.float32) for output in outputs)
