"""The protocol of HomographyNet's figures, and how other methods fare on the same pairs."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch

from zoo.base.errors import ZooError
from zoo.data.homography import HomographyPairs
from zoo.data.pairs import PROTOCOLS
from zoo.models.evaluation import Context, Figure, Results, Table, claims_of
from zoo.models.homographynet.net import HomographyNet
from zoo.models.homographynet.predict import Aligner, to_grey, to_input
from zoo.models.homographynet.real import Method, read_real_pairs, real_table
from zoo.models.homographynet.robustness import CHANGES, Pair, changed, low_texture
from zoo.nn.cost import macs, parameter_count
from zoo.pictures import classical
from zoo.pictures.classical import ecc, orb_ransac, sift_magsac, usable
from zoo.pictures.geometry import NET_SIZE, corner_points, net_scaling, resizing, transform_points

Matrix: TypeAlias = "np.ndarray | None"  # (3, 3), from pixels of a to those of b; None: the method has no estimate

IDENTITY, ORB, SIFT, ECC = "identity", "ORB + RANSAC", "SIFT + MAGSAC", "ECC from identity"
ONE, TWO, THREE, POLISHED = "network, 1 pass", "network, 2 passes", "network, 3 passes", "network, 3 passes + ECC"
SHORT_SCORES = ("mean", "< 3 px", "failures")
CLAIMS = (  # metric, method, score, tolerance: other kernels round differently, and tip a few pairs over
    ("MACE, 1 pass", ONE, "mean", 0.02),
    ("MACE, 3 passes", THREE, "mean", 0.02),
    ("MACE, 3 passes + ECC", POLISHED, "mean", 0.05),
    ("share < 3 px, 3 passes", THREE, "< 3 px", 0.005),
    ("share < 1 px, 3 passes + ECC", POLISHED, "< 1 px", 0.01),
    ("share < 3 px, 3 passes + ECC", POLISHED, "< 3 px", 0.01),
)
UNDER_PROTOCOL_A = (IDENTITY, ORB, SIFT, ONE, THREE)
WHEN_CHANGED = {"network": THREE, "+ ECC": POLISHED, "SIFT": SIFT}
CHANGED_PAIRS, TIMED_PAIRS, BATCH = 300, 50, 100


def evaluate(net: HomographyNet, data: HomographyPairs, context: Context, *, real: Path | None = None) -> Results:
    """Measures the network, and what is done without one, on the test pairs of the data, in pixels of their patches.

    A pair for which a method has no estimate counts with the error of the identity; one that throws a corner further
    than a side of the patch is none, as anybody sees without the truth. Failures are the share of these pairs and of
    those whose error is no smaller than the identity's. Classical methods see grey patches. Where the data follow
    Protocol B, the network is measured under Protocol A too, and on pairs that were changed.

    Args:
        net: the network.
        data: only the pairs of test are used.
        context: which says what the data are called.
        real: folder of real pairs, NAME.csv with NAMEA.jpg and NAMEB.jpg, to be measured as well
    """
    if data.grey is not (net.channels == 1):
        raise ZooError(f"the network's pictures have {net.channels} channels, but data.grey is {data.grey}")
    real_pairs = read_real_pairs(real) if real else []
    every, trial = methods(net), Trial.of(data, context)
    with one_thread(cv2.getNumThreads, cv2.setNumThreads):  # pairs go to the cores instead
        errors = {name: trial.errors(method) for name, method in every.items()}
        times = {name: ms_a_pair(method, trial.pairs[:TIMED_PAIRS]) for name, method in every.items()}
        figures, tables = claims(trial, errors), [comparison(trial, errors, times, hasattr(net.engine, "net"))]
        digests = {"test": data.digest("test")}
        if data.protocol == PROTOCOLS["B"]:
            large = under_protocol_a(data)
            trial_a = Trial.of(large, context)
            errors_a = {name: trial_a.errors(every[name]) for name in UNDER_PROTOCOL_A}
            figures += claims(trial_a, errors_a)
            tables += [comparison(trial_a, errors_a), robustness(trial, every)]
            digests["test of Protocol A"] = large.digest("test")
        if real_pairs:
            tables.append(real_table(real_pairs, {name: every[name] for name in every if name != TWO}))
    return Results(
        figures=figures,
        tables=tables,
        parameters=parameter_count(net),
        macs={f"{NET_SIZE}x{NET_SIZE}": macs(net, 2 * net.channels, NET_SIZE, NET_SIZE)},
        data_digest=digests,
    )


@dataclass(frozen=True)
class Trial:
    """Pairs whose homography is known.

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


def methods(net: HomographyNet) -> dict[str, Method]:
    """What is compared. The pictures of a pair may differ in size."""
    aligner = Aligner(net.engine, **net.facts())
    return {
        IDENTITY: lambda pairs: [resizing(a.shape, b.shape) for a, b in pairs],
        ORB: partial(each, lambda pair: orb_ransac(*map(to_grey, pair))),
        SIFT: partial(each, lambda pair: sift_magsac(*map(to_grey, pair))),
        ECC: partial(each, lambda pair: ecc(*map(to_grey, pair))),
        ONE: partial(look, aligner, 1),
        TWO: partial(look, aligner, 2),
        THREE: partial(look, aligner, 3),
        POLISHED: lambda pairs: each(polish, pairs, look(aligner, 3, pairs)),
    }


def each(work: Callable[..., Matrix], *arguments: Sequence[Any]) -> list[Matrix]:
    """What OpenCV does to each, on all cores: it needs no interpreter."""
    if len(arguments[0]) == 1:  # which is how time is measured
        return [work(*next(zip(*arguments, strict=True)))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, *arguments))


def look(aligner: Aligner, passes: int, pairs: Sequence[Pair]) -> list[Matrix]:
    """The network's estimates at the pictures' own sizes, as ``predict`` makes them."""
    found: list[Matrix] = []
    for first in range(0, len(pairs), BATCH):
        batch = pairs[first : first + BATCH]
        inputs = [np.concatenate([to_input(picture, aligner.channels) for picture in pair]) for pair in batch]
        answer = aligner.estimate(np.stack(inputs), passes)
        for (a, b), matrix, valid in zip(batch, answer.matrix, answer.valid.tolist(), strict=True):
            to_a, to_b = (net_scaling(*picture.shape[1::-1]) for picture in (a, b))
            found.append(usable(np.linalg.inv(to_b) @ matrix @ to_a, a.shape, b.shape) if valid else None)
    return found


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


def claims(trial: Trial, errors: dict[str, np.ndarray]) -> list[Figure]:
    """Figures of the methods that were measured."""
    found = {method: scores(each, trial.still()) for method, each in errors.items()}
    made = [(metric, found[of][score], tolerance) for metric, of, score, tolerance in CLAIMS if of in found]
    return claims_of(made, trial.data, protocol=trial.protocol)


def comparison(
    trial: Trial, errors: dict[str, np.ndarray], times: dict[str, float] | None = None, by_torch: bool = True
) -> Table:
    """Every method on the same pairs.

    Args:
        trial: the pairs.
        errors: of each method.
        times: likewise, in ms a pair.
        by_torch: whether torch computes the network; other engines choose their own number of threads.
    """
    size = trial.pairs[0][0].shape[0]
    title = f"{trial.data}, {trial.protocol}, {len(trial.pairs)} test pairs of {size}x{size}, errors in their pixels"
    rows = {name: scores(found, trial.still()) for name, found in errors.items()}
    if times:
        title += f", ms a pair on one thread{'' if by_torch else ' but for the network'} ({platform.machine()})"
        rows = {name: {**row, "ms": round(times[name], 2)} for name, row in rows.items()}
    return Table.of(title, rows)


def robustness(trial: Trial, every: dict[str, Method]) -> Table:
    """Some methods on the first pairs after each of ``CHANGES``, and on those of them that have little texture."""
    first = trial.take(np.arange(min(CHANGED_PAIRS, len(trial.pairs))))
    harder = {change: replace(first, pairs=changed(first.pairs, change)) for change in CHANGES}
    harder["none, little texture"] = first.take(low_texture(first.pairs))
    rows: dict[str, dict[str, float]] = {}
    for change, one in harder.items():
        found = {name: scores(one.errors(every[method]), one.still()) for name, method in WHEN_CHANGED.items()}
        rows[change] = {f"{name} {s}": values[s] for name, values in found.items() for s in SHORT_SCORES}
    what = "the network's three passes, these polished by ECC, and SIFT + MAGSAC"
    return Table.of(f"The first {len(first.pairs)} of these pairs, changed: {what}", rows, "change")


def describe(data: HomographyPairs, context: Context) -> tuple[str, str]:
    """Source and protocol, such as "photos" and "Protocol B"."""
    source = context.name_of(data.root.resolve()) if data.root else "drawn streets"
    known = (f"Protocol {name}" for name, protocol in PROTOCOLS.items() if protocol == data.protocol)
    return source, next(known, str(data.protocol))


def under_protocol_a(data: HomographyPairs) -> HomographyPairs:
    """The same pictures, enlarged where they are below 640x480."""
    return HomographyPairs(
        data.root, protocol="A", grey=data.grey, test_pairs=data.counts["test"], held_out=data.held_out, num_workers=0
    )


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
