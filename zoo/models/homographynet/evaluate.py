"""The protocol of HomographyNet's figures, and a comparison with other methods on the same pairs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from zoo.base.errors import ZooError
from zoo.data.changes import CHANGES, Pair
from zoo.data.homography import HomographyPairs
from zoo.data.pairs import PROTOCOLS
from zoo.models.alignment import (
    IDENTITY,
    ORB,
    SIFT,
    both_orders,
    claims,
    comparison,
    each,
    ms_a_pair,
    one_thread,
    polish,
    remembered,
    robustness,
    without_network,
)
from zoo.models.evaluation import Context, Results
from zoo.models.homographynet.net import HomographyNet
from zoo.models.homographynet.predict import Aligner, to_input
from zoo.models.real_pairs import Method, estimates, pairs_to_show, real_table, save_sheet
from zoo.models.trials import Matrix, Trial
from zoo.nn.cost import macs, parameter_count
from zoo.pictures.classical import usable
from zoo.pictures.geometry import NET_SIZE, net_scaling

ONE, ONE_LOOK = "network, 1 pass", "network, 1 look"
TWO, THREE, POLISHED = "network, 2 passes", "network, 3 passes", "network, 3 passes + ECC"
CLAIMS = (  # metric, method, score, tolerance: other kernels round differently, which flips a few pairs
    ("MACE, 1 look", ONE_LOOK, "mean", 0.02),
    ("MACE, 1 pass", ONE, "mean", 0.02),
    ("MACE, 3 passes", THREE, "mean", 0.02),
    ("MACE, 3 passes + ECC", POLISHED, "mean", 0.05),
    ("share < 3 px, 3 passes", THREE, "< 3 px", 0.005),
    ("share < 1 px, 3 passes + ECC", POLISHED, "< 1 px", 0.01),
    ("share < 3 px, 3 passes + ECC", POLISHED, "< 3 px", 0.01),
    ("failures, 3 passes + ECC", POLISHED, "failures", 0.002),
)
UNDER_PROTOCOL_A = (IDENTITY, ORB, SIFT, ONE, THREE)
WHEN_CHANGED = {"network": THREE, "+ ECC": POLISHED, "SIFT": SIFT}
CHANGED_PAIRS, TIMED_PAIRS, BATCH = 300, 50, 100


def evaluate(
    net: HomographyNet,
    data: HomographyPairs,
    context: Context,
    *,
    real: Path | None = None,
    sheet: Path | None = None,
) -> Results:
    """Measures the network, and methods without one, on the test pairs of the data, in pixels of their patches.

    A pair for which a method has no estimate counts with the error of the identity. An estimate that moves a corner
    further than a side of the patch counts as none, since anybody sees without the truth that it is wrong. Failures are
    the fraction of pairs without an estimate, or with an error no smaller than the identity's. Classical methods see
    grey patches. In the other order, methods estimate b to a, and the inverse of their estimate is measured, at the
    corners of a too. Where the data follow Protocol B, the network is measured under Protocol A too, and on changed
    pairs, a to b.

    Args:
        net: the network.
        data: the data; only the test pairs are used.
        context: gives the name of the data.
        real: folder of real pairs to measure as well: NAME.csv with NAMEA.jpg and NAMEB.jpg
        sheet: PNG to write: the real pairs with the estimate of each method
    """
    if data.grey is not (net.channels == 1):
        raise ZooError(f"the network's pictures have {net.channels} channels, but data.grey is {data.grey}")
    real_pairs = pairs_to_show(real, sheet)
    every, trial = methods(net), Trial.of(data, context)
    with one_thread(cv2.getNumThreads, cv2.setNumThreads):  # the cores work on different pairs instead
        times = {name: ms_a_pair(method, trial.pairs[:TIMED_PAIRS]) for name, method in every.items()}
        figures, tables = both_orders(trial, every, CLAIMS, POLISHED, times, hasattr(net.engine, "net"))
        digests = {"test": data.digest("test")}
        if data.protocol == PROTOCOLS["B"]:
            large = under_protocol_a(data)
            trial_a = Trial.of(large, context)
            errors_a = {name: trial_a.errors(every[name]) for name in UNDER_PROTOCOL_A}
            figures += claims(trial_a, errors_a, CLAIMS)
            first = trial.take(np.arange(min(CHANGED_PAIRS, len(trial.pairs))))
            what = "the network's three passes, these polished by ECC, and SIFT + MAGSAC"
            tables += [comparison(trial_a, errors_a), robustness(first, every, WHEN_CHANGED, list(CHANGES), what)]
            digests["test of Protocol A"] = large.digest("test")
        if real_pairs:
            tables.append(real_table(real_pairs, found := estimates(real_pairs, every)))
            if sheet:
                save_sheet(sheet, real_pairs, found)
    return Results(
        figures=figures,
        tables=tables,
        parameters=parameter_count(net),
        macs={f"{NET_SIZE}x{NET_SIZE}": macs(net, 2 * net.channels, NET_SIZE, NET_SIZE)},
        data_digest=digests,
    )


def methods(net: HomographyNet) -> dict[str, Method]:
    """The methods to compare. The pictures of a pair may differ in size."""
    aligner = Aligner(net.engine, **net.facts())
    three = remembered(partial(look, aligner, 3))
    return {
        **without_network(),
        ONE_LOOK: partial(look, aligner, 1, both_ways=False),
        ONE: partial(look, aligner, 1),
        TWO: partial(look, aligner, 2),
        THREE: three,
        POLISHED: lambda pairs: each(polish, pairs, three(pairs)),
    }


def look(aligner: Aligner, passes: int, pairs: Sequence[Pair], *, both_ways: bool = True) -> list[Matrix]:
    """The network's estimates at the pictures' own sizes.

    ``predict`` always looks both ways, and then also checks whether anything moved at all.
    """
    estimate = aligner.estimate_both_ways if both_ways else aligner.estimate
    found: list[Matrix] = []
    for first in range(0, len(pairs), BATCH):
        batch = pairs[first : first + BATCH]
        inputs = [np.concatenate([to_input(picture, aligner.channels) for picture in pair]) for pair in batch]
        answer = estimate(np.stack(inputs), passes)
        for (a, b), matrix, valid in zip(batch, answer.matrix, answer.valid.tolist(), strict=True):
            to_a, to_b = (net_scaling(*picture.shape[1::-1]) for picture in (a, b))
            found.append(usable(np.linalg.inv(to_b) @ matrix @ to_a, a.shape, b.shape) if valid else None)
    return found


def under_protocol_a(data: HomographyPairs) -> HomographyPairs:
    """The same pictures under Protocol A, enlarged where they are below 640x480."""
    return HomographyPairs(
        data.root,
        protocol="A",
        grey=data.grey,
        test_pairs=data.counts["test"],
        val_fraction=data.val_fraction,
        num_workers=0,
    )
