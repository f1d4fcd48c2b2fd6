"""``zoo evaluate --devices N``: several processes measure the pictures by turns; the figures are those of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.processes import processors
from zoo.base.registry import Architecture, import_object
from zoo.commands import shards
from zoo.models.evaluation import Each


class _Known(BaseException):
    """The work of an evaluator, which ends there; no error, so that nobody takes it for one."""

    def __init__(self, work: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self.work, self.items = work, items


def each_of(
    serve: Callable[..., Iterator[Any]], argv: list[str], declared: Architecture, count: int, device: str
) -> Each:
    """Applies an evaluator's function to its items in several processes; the results come in the order of the items.

    Args:
        serve: function of a module, ``(argv, device, index, count, share)``, that calls :func:`part`.
        argv: arguments after the verb.
        declared: architecture of the card.
        count: number of processes.
        device: the device that one process would take.

    Raises:
        ZooError: the protocol does not go picture by picture, or there are too few devices.
    """
    if not getattr(import_object(declared.evaluate), "by_picture", False):
        net = declared.net.rpartition(".")[2]
        raise ZooError(f"the protocol of {net} compares times, too, so it takes one device; leave out --devices")
    places = shards.devices(count, device)

    def each(_: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
        some = max(1, min(count, len(items)))
        share = max(1, processors() // some)
        return shards.spread(serve, [(argv, places[index], index, some, share) for index in range(some)])

    return each


def part(measure: Callable[[Each], Any], index: int, count: int, share: int) -> Iterator[Any]:
    """The results of one of several processes.

    Args:
        measure: runs the evaluator, with what applies its function to its items.
        index: number of the process.
        count: number of processes.
        share: processors that it may keep busy.
    """
    import torch  # help needs none of it

    torch.set_num_threads(share)

    def stop(work: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
        raise _Known(work, items)

    try:
        measure(stop)
    except _Known as known:
        yield from map(known.work, shards.Shard(index, count).part(known.items))
