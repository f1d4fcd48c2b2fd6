"""The protocol of XFeat's figures, and a comparison with other methods on the same pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from zoo.base.bounds import Count
from zoo.data.changes import Pair
from zoo.data.homography import HomographyPairs
from zoo.data.pairs import HELD_OUT_SEEDS
from zoo.data.pictures import fit
from zoo.data.streets import draw_streets
from zoo.data.views import Views
from zoo.data.wide_pairs import PICTURE, WidePair, wide_pair
from zoo.models.alignment import (
    ECC,
    IDENTITY,
    ORB,
    SIFT,
    both_orders,
    each,
    ms_a_pair,
    one_thread,
    polish,
    remembered,
    robustness,
    without_network,
)
from zoo.models.evaluation import Context, Figure, Results, claims_of
from zoo.models.real_pairs import Estimates, Method, RealPair, estimates, pairs_to_show, real_table, save_sheet
from zoo.models.trials import Matrix, Trial, WideTrial
from zoo.models.xfeat.net import XFeat
from zoo.models.xfeat.predict import Matcher
from zoo.nn.cost import macs, parameter_count
from zoo.pictures.classical import to_grey
from zoo.pictures.images import open_rgb

PLAIN, POLISHED = "network", "network + ECC"
CLAIMS = (  # metric, method, score, tolerance: other kernels round differently, which flips a few pairs
    ("share < 3 px", PLAIN, "< 3 px", 0.02),
    ("failures", PLAIN, "failures", 0.01),
    ("median error + ECC", POLISHED, "median", 0.02),
)
MEAN = ("mean error", PLAIN, "mean")  # a lost pair of Protocol C costs more
CHANGES = ("blur, sigma 2 px", "noise, sigma 20 of 255", "JPEG, quality 10", "occlusion of 20 %")
WHEN_CHANGED = {"network": PLAIN, "+ ECC": POLISHED, "SIFT": SIFT}
CHANGED_PAIRS, TIMED_PAIRS = 100, 20
SOLVED = 5.0  # pixels: a real pair with a smaller error is solved


def evaluate(
    net: XFeat,
    data: Views,
    context: Context,
    *,
    real: Path | None = None,
    sheet: Path | None = None,
    pairs: Count = 200,
) -> Results:
    """Measures the network, and methods without one, on pairs made from pictures of the test split.

    Errors under Protocol C (:mod:`zoo.data.wide_pairs`) are means over the points that both pictures show. Errors under
    Protocol B of 128x128 (:mod:`zoo.data.pairs`) are means over the corners. A pair for which a method has no estimate
    counts with the error of the identity. Failures are the fraction of pairs without an estimate, or with an error no
    smaller than the identity's. In the other order, methods estimate b to a, and the inverse of their estimate is
    measured, in pixels of b too.

    Args:
        net: the network.
        data: the data; only pictures of the test split are used.
        context: gives the name of the data.
        real: folder of real pairs to measure as well: NAME.csv with NAMEA.jpg and NAMEB.jpg
        sheet: PNG to write: the real pairs with the estimate of each method
        pairs: number of pairs of each protocol
    """
    real_pairs = pairs_to_show(real, sheet)
    every, source = methods(net), context.name_of(data.root.resolve()) if data.root else "drawn streets"
    wide = wide_trial(data, source, pairs)
    small = HomographyPairs(data.root, test_pairs=pairs, val_fraction=data.val_fraction, num_workers=0)
    near = Trial(source, "Protocol B", *small.held_out_pairs("test"))
    with one_thread(cv2.getNumThreads, cv2.setNumThreads):  # the cores work on different pairs instead
        times = {name: ms_a_pair(method, wide.pairs[:TIMED_PAIRS]) for name, method in every.items()}
        by_torch = hasattr(net.engine, "net")
        figures, tables = both_orders(wide, every, (*CLAIMS, (*MEAN, 1.0)), POLISHED, times, by_torch)
        near_figures, near_tables = both_orders(near, every, (*CLAIMS, (*MEAN, 0.2)), POLISHED)
        figures += near_figures
        first = wide.take(np.arange(min(CHANGED_PAIRS, pairs)))
        what = "the network, the network polished by ECC, and SIFT + MAGSAC"
        tables += [robustness(first, every, WHEN_CHANGED, CHANGES, what), *near_tables]
        if real_pairs:
            tables.append(real_table(real_pairs, found := estimates(real_pairs, every)))
            figures += solved(real_pairs, found, real)
            if sheet:
                save_sheet(sheet, real_pairs, found)
    return Results(
        figures=figures,
        tables=tables,
        parameters=parameter_count(net),
        macs={"640x480": macs(net, 1, 480, 640)},
        data_digest={"test of Protocol C": digest(wide.wide), "test of Protocol B": small.digest("test")},
    )


def methods(net: XFeat) -> dict[str, Method]:
    """The methods to compare. The pictures of a pair may differ in size."""
    matcher, classical = Matcher(net.engine), without_network()
    found = remembered(partial(look, matcher))
    return {
        **{name: classical[name] for name in (IDENTITY, ORB, SIFT, ECC)},
        PLAIN: found,
        POLISHED: lambda pairs: each(polish, pairs, found(pairs)),  # ECC on all cores
    }


def look(matcher: Matcher, pairs: Sequence[Pair]) -> list[Matrix]:
    return [matcher.align(to_grey(a), to_grey(b)).matrix for a, b in pairs]


def wide_trial(data: Views, source: str, count: int) -> WideTrial:
    """Pairs of Protocol C, in grey, made from the pictures of the test split."""
    if data.root:
        pictures = [fit(open_rgb(path).convert("L"), *PICTURE) for path in data.some("test")]
    else:
        scenes = draw_streets("test", data.streets["test"], data.street_size)
        pictures = [fit(Image.fromarray(scene).convert("L"), *PICTURE) for scene, _ in scenes]
    wide = [wide_pair(pictures[i % len(pictures)], HELD_OUT_SEEDS["test"], i) for i in range(count)]
    return WideTrial(source, wide, [(pair.a, pair.b) for pair in wide])


def digest(wide: Sequence[WidePair]) -> str:
    """SHA-256 over the pixels of all pairs, a before b."""
    found = hashlib.sha256()
    for pair in wide:
        found.update(pair.a.tobytes())
        found.update(pair.b.tobytes())
    return found.hexdigest()


def solved(pairs: Sequence[RealPair], found: Sequence[Estimates], folder: Path | None) -> list[Figure]:
    """Fraction of the real pairs on which the error of the network with ECC is below 5 pixels."""
    matrices = [of[POLISHED] for of in found]
    errors = [np.inf if matrix is None else pair.error(matrix) for pair, matrix in zip(pairs, matrices, strict=True)]
    fraction = float(np.mean(np.array(errors) < SOLVED))
    return claims_of([("real pairs < 5 px + ECC", fraction, 0.0)], folder.name if folder else "", protocol="real pairs")
