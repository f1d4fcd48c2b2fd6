"""How methods that align two pictures are measured: pairs whose homography is known, scores, tables, times."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch

from zoo.data.changes import Pair, changed, low_texture
from zoo.data.homography import HomographyPairs
from zoo.data.pairs import PROTOCOLS
from zoo.data.wide_pairs import WidePair
from zoo.models.evaluation import Context, Figure, Table, claims_of
from zoo.models.real_pairs import Method
from zoo.pictures import classical
from zoo.pictures.classical import ecc, orb_ransac, sift_magsac, to_grey, usable
from zoo.pictures.geometry import corner_points, resizing, transform_points

Matrix: TypeAlias = "np.ndarray | None"  # (3, 3), from pixels of a to those of b; None: the method has no estimate

IDENTITY, ORB, SIFT, ECC = "identity", "ORB + RANSAC", "SIFT + MAGSAC", "ECC from identity"
SHORT_SCORES = ("mean", "< 3 px", "failures")


class Known(Protocol):
    """Pairs whose homography is known."""

    @property
    def data(self) -> str:
        """Name of the source."""
        ...

    @property
    def protocol(self) -> str:
        """Such as "Protocol B"."""
        ...

    @property
    def pairs(self) -> list[Pair]: ...

    def errors(self, method: Method) -> np.ndarray:
        """Errors of a method, ``(N,)`` pixels; NaN where the method has no usable estimate."""
        ...

    def still(self) -> np.ndarray:
        """Errors of the identity, ``(N,)`` pixels."""
        ...

    def take(self, chosen: np.ndarray) -> Known:
        """Some of the pairs, by index."""
        ...

    def alike(self, pairs: list[Pair]) -> Known:
        """Other pictures of the same pairs."""
        ...


@dataclass(frozen=True)
class Trial:
    """Square patches; errors are those of the corners of a.

    Args:
        data: name of the source.
        protocol: such as "Protocol B".
        pairs: square patches of one size.
        offsets: where the corners of a lie in b less where they lie in a, ``(N, 4, 2)`` in pixels.
    """

    data: str
    protocol: str
    pairs: list[Pair]
    offsets: np.ndarray

    @classmethod
    def of(cls, data: HomographyPairs, context: Context) -> Trial:
        return cls(*describe(data, context), *data.held_out_pairs("test"))

    def errors(self, method: Method) -> np.ndarray:
        """Mean distance of the four corners from where they belong, ``(N,)`` pixels; NaN where no estimate is."""
        size = self.pairs[0][0].shape[0]
        corners, nowhere = corner_points(size), np.full((3, 3), np.nan)
        matrices = np.stack([nowhere if matrix is None else matrix for matrix in method(self.pairs)])
        with np.errstate(divide="ignore", invalid="ignore"):  # corners at infinity
            found = transform_points(matrices, corners)
        errors = np.linalg.norm(found - corners - self.offsets, axis=2).mean(1)
        believable = (np.abs(found - corners) <= size).all((1, 2))
        return np.where(believable, errors, np.nan)

    def still(self) -> np.ndarray:
        """The error of the identity, ``(N,)`` pixels."""
        return np.linalg.norm(self.offsets, axis=2).mean(1)

    def take(self, chosen: np.ndarray) -> Trial:
        return replace(self, pairs=[self.pairs[i] for i in chosen], offsets=self.offsets[chosen])

    def alike(self, pairs: list[Pair]) -> Trial:
        return replace(self, pairs=pairs)


@dataclass(frozen=True)
class WideTrial:
    """Pairs of Protocol C; errors are the mean over points that both pictures show, in pixels of b.

    Args:
        data: name of the source.
        wide: the pairs.
        pairs: their pictures, or these changed.
    """

    data: str
    wide: list[WidePair]
    pairs: list[Pair]
    protocol: str = "Protocol C"

    def errors(self, method: Method) -> np.ndarray:
        found = [
            matrix if matrix is None else usable(matrix, a.shape, b.shape)
            for matrix, (a, b) in zip(method(self.pairs), self.pairs, strict=True)
        ]
        pairs = zip(self.wide, found, strict=True)
        return np.array([np.nan if matrix is None else pair.error(matrix) for pair, matrix in pairs])

    def still(self) -> np.ndarray:
        return np.array([pair.error(np.eye(3)) for pair in self.wide])

    def take(self, chosen: np.ndarray) -> WideTrial:
        return replace(self, wide=[self.wide[i] for i in chosen], pairs=[self.pairs[i] for i in chosen])

    def alike(self, pairs: list[Pair]) -> WideTrial:
        return replace(self, pairs=pairs)


def without_network() -> dict[str, Method]:
    """What one does without a network. The pictures of a pair may differ in size."""
    return {
        IDENTITY: lambda pairs: [resizing(a.shape, b.shape) for a, b in pairs],
        ORB: partial(each, lambda pair: orb_ransac(*map(to_grey, pair))),
        SIFT: partial(each, lambda pair: sift_magsac(*map(to_grey, pair))),
        ECC: partial(each, lambda pair: ecc(*map(to_grey, pair))),
    }


def each(work: Callable[..., Matrix], *arguments: Sequence[Any]) -> list[Matrix]:
    """What OpenCV does to each, on all cores: it needs no interpreter."""
    if len(arguments[0]) == 1:  # which is how time is measured
        return [work(*next(zip(*arguments, strict=True)))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, *arguments))


def polish(pair: Pair, start: Matrix) -> Matrix:
    """An estimate improved by ECC at the pictures' own sizes; where that diverges, as it was."""
    if start is None:
        return None
    a, b = map(to_grey, pair)
    better = classical.polish(a, b, start)
    return start if better is None else better


def scores(errors: np.ndarray, still: np.ndarray) -> dict[str, float]:
    """What a table shows of errors, NaN where no estimate is, and of those of the identity, ``(N,)``."""
    counted = np.where(np.isnan(errors), still, errors)
    found = {
        "mean": counted.mean(),
        "median": np.median(counted),
        "< 1 px": (errors < 1).mean(),  # without an estimate nothing is solved, however little moved
        "< 3 px": (errors < 3).mean(),
        "no estimate": np.isnan(errors).mean(),
        "failures": (counted >= still).mean(),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def claims(trial: Known, errors: dict[str, np.ndarray], wanted: Sequence[tuple[str, str, str, float]]) -> list[Figure]:
    """Figures of the methods that were measured.

    Args:
        trial: the pairs.
        errors: of each method.
        wanted: metric, method, score and tolerance of each figure.
    """
    found = {method: scores(each, trial.still()) for method, each in errors.items()}
    made = [(metric, found[of][score], tolerance) for metric, of, score, tolerance in wanted if of in found]
    return claims_of(made, trial.data, protocol=trial.protocol)


def comparison(
    trial: Known, errors: dict[str, np.ndarray], times: dict[str, float] | None = None, by_torch: bool = True
) -> Table:
    """Every method on the same pairs.

    Args:
        trial: the pairs.
        errors: of each method.
        times: milliseconds a pair of each method.
        by_torch: whether torch computes the network; other engines choose their own number of threads.
    """
    height, width = trial.pairs[0][0].shape[:2]
    title = f"{trial.data}, {trial.protocol}, {len(trial.pairs)} test pairs of {width}x{height}, errors in their pixels"
    rows = {name: scores(found, trial.still()) for name, found in errors.items()}
    if times:
        title += f", ms a pair on one thread{'' if by_torch else ' but for the network'} ({platform.machine()})"
        rows = {name: {**row, "ms": round(times[name], 2)} for name, row in rows.items()}
    return Table.of(title, rows)


def robustness(
    trial: Known, every: dict[str, Method], named: dict[str, str], changes: Sequence[str], what: str
) -> Table:
    """Some methods on pairs after each of some of :data:`zoo.data.changes.CHANGES`, and on those of little texture.

    Args:
        trial: the pairs.
        every: method by its name.
        named: the methods that the table has, by what it calls them.
        changes: of the pairs.
        what: these methods are, for the title.
    """
    harder: dict[str, Known] = {change: trial.alike(changed(trial.pairs, change)) for change in changes}
    harder["none, little texture"] = trial.take(low_texture(trial.pairs))
    rows: dict[str, dict[str, float]] = {}
    for change, one in harder.items():
        found = {name: scores(one.errors(every[method]), one.still()) for name, method in named.items()}
        rows[change] = {f"{name} {s}": values[s] for name, values in found.items() for s in SHORT_SCORES}
    return Table.of(f"The first {len(trial.pairs)} of these pairs, changed: {what}", rows, "change")


def describe(data: HomographyPairs, context: Context) -> tuple[str, str]:
    """Source and protocol, such as "photos" and "Protocol B"."""
    source = context.name_of(data.root.resolve()) if data.root else "drawn streets"
    known = (f"Protocol {name}" for name, protocol in PROTOCOLS.items() if protocol == data.protocol)
    return source, next(known, str(data.protocol))


@contextmanager
def one_thread(get: Callable[[], int], change: Callable[[int], object]) -> Iterator[None]:
    """Makes a library compute on one thread for a while, by the functions that tell and change how many it takes."""
    threads = get()
    change(1)
    try:
        yield
    finally:
        change(threads)


def ms_a_pair(method: Method, pairs: Sequence[Pair]) -> float:
    """Mean wall-clock time, one pair at a time, the network on one thread too."""
    with one_thread(torch.get_num_threads, torch.set_num_threads):
        method(pairs[:1])
        start = time.perf_counter()
        for pair in pairs:
            method([pair])
        return 1000 * (time.perf_counter() - start) / len(pairs)
