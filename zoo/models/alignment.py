"""How methods that align two pictures are measured: pairs whose homography is known, scores, tables, times."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch

from zoo.data.changes import Pair, changed, low_texture
from zoo.models.evaluation import Figure, Table, claims_of
from zoo.models.real_pairs import Method
from zoo.models.trials import Known, Matrix
from zoo.pictures import classical
from zoo.pictures.classical import ecc, orb_ransac, sift_magsac, to_grey
from zoo.pictures.geometry import corner_points, resizing, transform_points

Claim: TypeAlias = tuple[str, str, str, float]  # metric, method, score and tolerance of a figure

IDENTITY, ORB, SIFT, ECC = "identity", "ORB + RANSAC", "SIFT + MAGSAC", "ECC from identity"
OTHER_ORDER = ", b to a"
SHORT_SCORES = ("mean", "< 3 px", "failures")


def without_network() -> dict[str, Method]:
    """Methods without a network. The pictures of a pair may differ in size."""
    return {
        IDENTITY: lambda pairs: [resizing(a.shape, b.shape) for a, b in pairs],
        ORB: partial(each, lambda pair: orb_ransac(*map(to_grey, pair))),
        SIFT: partial(each, lambda pair: sift_magsac(*map(to_grey, pair))),
        ECC: partial(each, lambda pair: ecc(*map(to_grey, pair))),
    }


def both_orders(
    trial: Known,
    every: dict[str, Method],
    wanted: Sequence[Claim],
    best: str,
    times: dict[str, float] | None = None,
    by_torch: bool = True,
) -> tuple[list[Figure], list[Table]]:
    """Measures each method from a to b, and from b to a by the inverse of its estimate.

    Args:
        trial: the pairs.
        every: methods by their names.
        wanted: figures to make for each order.
        best: name of the method whose disagreement between both orders becomes a further figure.
        times: milliseconds per pair of each method.
        by_torch: see :func:`comparison`.
    """
    exchanged = [(b, a) for a, b in trial.pairs]
    there = {name: method(trial.pairs) for name, method in every.items()}
    back = {name: method(exchanged) for name, method in every.items()}
    errors = {name: trial.errors(partial(_known, found)) for name, found in there.items()}
    other = {name: trial.errors(partial(_known, inverses(found))) for name, found in back.items()}
    figures = claims(trial, errors, wanted)
    figures += claims(trial, other, [(metric + OTHER_ORDER, of, score, within) for metric, of, score, within in wanted])
    figures += disagreement(trial, best, there[best], back[best])
    return figures, [comparison(trial, errors, times, by_torch), comparison(trial, other, order=OTHER_ORDER)]


def _known(found: list[Matrix], _: Sequence[Pair]) -> list[Matrix]:
    return found


def inverses(found: Sequence[Matrix]) -> list[Matrix]:
    return [None if matrix is None else np.linalg.inv(matrix) for matrix in found]


def disagreement(trial: Known, name: str, there: Sequence[Matrix], back: Sequence[Matrix]) -> list[Figure]:
    """Median round-trip error of the corners of a, in pixels, over the pairs with an estimate in both orders."""
    lengths = []
    for (a, _), one, two in zip(trial.pairs, there, back, strict=True):
        if one is not None and two is not None:
            corners = corner_points(*a.shape[1::-1])
            lengths.append(np.linalg.norm(transform_points(two @ one, corners) - corners, axis=1).mean())
    found = [(f"a to b and back, {name}", float(np.median(lengths)), 0.05)] if lengths else []
    return claims_of(found, trial.data, protocol=trial.protocol)


def each(work: Callable[..., Matrix], *arguments: Sequence[Any]) -> list[Matrix]:
    """Applies an OpenCV function to each item, on all cores: OpenCV releases Python's lock."""
    if len(arguments[0]) == 1:  # as when time is measured
        return [work(*next(zip(*arguments, strict=True)))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, *arguments))


def polish(pair: Pair, start: Matrix) -> Matrix:
    """An estimate refined by ECC at the pictures' own sizes; unchanged where ECC diverges."""
    if start is None:
        return None
    a, b = map(to_grey, pair)
    better = classical.polish(a, b, start)
    return start if better is None else better


def scores(errors: np.ndarray, still: np.ndarray) -> dict[str, float]:
    """Scores of errors ``(N,)``, NaN without an estimate; ``still`` holds the errors ``(N,)`` of the identity."""
    counted = np.where(np.isnan(errors), still, errors)
    found = {
        "mean": counted.mean(),
        "median": np.median(counted),
        "< 1 px": (errors < 1).mean(),  # a pair without an estimate is not solved, however little it moved
        "< 3 px": (errors < 3).mean(),
        "no estimate": np.isnan(errors).mean(),
        "failures": (counted >= still).mean(),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def claims(trial: Known, errors: dict[str, np.ndarray], wanted: Sequence[Claim]) -> list[Figure]:
    """Figures of the methods that were measured.

    Args:
        trial: the pairs.
        errors: errors of each method.
        wanted: figures to make.
    """
    found = {method: scores(each, trial.still()) for method, each in errors.items()}
    made = [(metric, found[of][score], tolerance) for metric, of, score, tolerance in wanted if of in found]
    return claims_of(made, trial.data, protocol=trial.protocol)


def comparison(
    trial: Known,
    errors: dict[str, np.ndarray],
    times: dict[str, float] | None = None,
    by_torch: bool = True,
    order: str = "",
) -> Table:
    """Every method on the same pairs.

    Args:
        trial: the pairs.
        errors: errors of each method.
        times: milliseconds per pair of each method.
        by_torch: whether torch computes the network; other engines choose their own number of threads.
        order: order of the pictures, for the title.
    """
    height, width = trial.pairs[0][0].shape[:2]
    pairs = f"{len(trial.pairs)} test pairs of {width}x{height}{order}"
    title = f"{trial.data}, {trial.protocol}, {pairs}, errors in their pixels"
    rows = {name: scores(found, trial.still()) for name, found in errors.items()}
    if times:
        title += f", ms a pair on one thread{'' if by_torch else ' but for the network'} ({platform.machine()})"
        rows = {name: {**row, "ms": round(times[name], 2)} for name, row in rows.items()}
    return Table.of(title, rows)


def robustness(
    trial: Known, every: dict[str, Method], named: dict[str, str], changes: Sequence[str], what: str
) -> Table:
    """Compares methods on pairs changed in several ways, and on the pairs with little texture.

    Args:
        trial: the pairs.
        every: methods by their names.
        named: names of the methods to compare, by their labels in the table.
        changes: names of changes, from :data:`zoo.data.changes.CHANGES`.
        what: description of these methods, for the title.
    """
    harder: dict[str, Known] = {change: trial.alike(changed(trial.pairs, change)) for change in changes}
    harder["none, little texture"] = trial.take(low_texture(trial.pairs))
    rows: dict[str, dict[str, float]] = {}
    for change, one in harder.items():
        found = {name: scores(one.errors(every[method]), one.still()) for name, method in named.items()}
        rows[change] = {f"{name} {s}": values[s] for name, values in found.items() for s in SHORT_SCORES}
    return Table.of(f"The first {len(trial.pairs)} of these pairs, changed: {what}", rows, "change")


@contextmanager
def one_thread(get: Callable[[], int], change: Callable[[int], object]) -> Iterator[None]:
    """Makes a library compute on one thread meanwhile; ``get`` and ``change`` read and set its number of threads."""
    threads = get()
    change(1)
    try:
        yield
    finally:
        change(threads)


def remembered(method: Method) -> Method:
    """A method that caches its last result, for another call with the same list of pairs."""
    last: list[tuple[Sequence[Pair], list[Matrix]]] = []

    def method_or_memory(pairs: Sequence[Pair]) -> list[Matrix]:
        if not last or last[0][0] is not pairs:
            last[:] = [(pairs, method(pairs))]
        return last[0][1]

    return method_or_memory


def ms_a_pair(method: Method, pairs: Sequence[Pair]) -> float:
    """Mean wall-clock milliseconds per pair, one pair at a time, the network on one thread too."""
    with one_thread(torch.get_num_threads, torch.set_num_threads):
        method(pairs[:1])
        start = time.perf_counter()
        for pair in pairs:
            method([pair])
        return 1000 * (time.perf_counter() - start) / len(pairs)
