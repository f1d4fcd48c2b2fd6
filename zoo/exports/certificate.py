"""The comparison of a file with the network that it was made of, on every runtime that is installed and reads it.

One runtime a kind of file must read it and agree with torch: ONNX Runtime for ONNX, OpenVINO for its own format, torch
for its own programs, spandrel for its files, both of which nothing else reads. The others are told of too. One that
cannot read the file, such as OpenCV 4 a file of free sizes, is entered with its reason. One that reads it and gives
something else counts as a failure like the first, since whoever uses it would not be told: ``--force`` writes the file
then, and the certificate says where they part. Of int8 only ONNX Runtime is judged, by the card's figure, and of any
other the certificate tells whether it computes the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeAlias

import numpy as np
import torch

from zoo.base.errors import ZooError
from zoo.base.text import LINE, cell_text, first_line, shortened
from zoo.cards.parity import Compared, Measured, OnRuntime
from zoo.engines import Engine, engine_class
from zoo.exports.pictures import Input
from zoo.models.base import Model

RUNTIMES = {
    "onnx": ("onnx", "openvino", "opencv"),
    "openvino": ("openvino",),
    "torch": ("torch",),
    "spandrel": ("spandrel",),
}  # the first must
# The largest difference, of outputs in units of 1: those that are larger are divided by their RMS. Half a bit of the 11
# that fp16 has in each weight comes to 5e-3 of the cards' outputs.
LARGEST = {"fp32": 1e-4, "fp16": 2e-2}
EQUAL = {"fp32": 0.9999, "fp16": 0.99}  # share of the mask's pixels; near ties fall either way
STRANGE = 2.0  # times the mean difference of ONNX Runtime: what another runtime of int8 may have
COST = 0.01  # of int8, relative, of the card's first figure
ROUNDING = 1.5e-4  # of figures, which have four decimals: the last may fall either way

Opener: TypeAlias = "Callable[[str, Sequence[str]], Engine]"  # of a runtime and the outputs that it is asked for


class UnlikeError(ZooError):
    """A runtime gives something else than torch, or int8 costs too much; nothing was written.

    Attributes:
        forced: whether ``--force`` writes it all the same.
    """

    def __init__(self, message: str, forced: bool) -> None:
        super().__init__(message)
        self.forced = forced


@dataclass(frozen=True)
class Reference:
    """What torch computes.

    Args:
        inputs: batches of pictures.
        answers: to each, its outputs.
        names: of the outputs.
        numbers: how many of them are numbers; the rest are masks.
    """

    inputs: list[Input]
    answers: list[tuple[np.ndarray, ...]]
    names: list[str]
    numbers: int

    @classmethod
    def of(cls, net: Model, inputs: list[Input]) -> Reference:
        answers, names = [], list(net.outputs)
        for each in inputs:
            outputs = net.engine(each.x)
            further = net.further(*map(torch.from_numpy, outputs))
            answers.append((*outputs, *(mask.numpy() for mask in further.values())))
            names = [*net.outputs, *further]
        return cls(inputs, answers, names, len(net.outputs))

    def compare(self, engine: Engine) -> list[Compared]:
        """The differences for each input.

        Raises:
            ZooError: the engine cannot compute one of them.
        """
        return [self._one(x.name, want, engine(x.x)) for x, want in zip(self.inputs, self.answers, strict=True)]

    def _one(self, name: str, want: Sequence[np.ndarray], have: Sequence[np.ndarray]) -> Compared:
        if shapes := [(a.shape, b.shape) for a, b in zip(want, have, strict=True) if a.shape != b.shape]:
            raise ZooError(f"its output for {name} has the shape {shapes[0][1]}, that of torch {shapes[0][0]}")
        off = [np.abs(a - b) for a, b in zip(want[: self.numbers], have[: self.numbers], strict=True)]
        masks = list(zip(want[self.numbers :], have[self.numbers :], strict=True))
        return Compared(
            name,
            max(float(each.max()) for each in off),
            float(sum(each.sum() for each in off) / sum(each.size for each in off)),
            min(float((a == b).mean()) for a, b in masks) if masks else None,
        )

    def share(self, compared: Sequence[Compared]) -> float | None:
        """The share of all masks' pixels that are equal; None where there is no mask."""
        sized = [(x.x.size, each.equal) for x, each in zip(self.inputs, compared, strict=True)]
        known = [(size, equal) for size, equal in sized if equal is not None]
        return sum(size * equal for size, equal in known) / sum(size for size, _ in known) if known else None

    @property
    def scale(self) -> float:
        """The RMS of torch's numbers, or 1 where they are smaller."""
        numbers = [each for answer in self.answers for each in answer[: self.numbers]]
        return max(1.0, max(float(np.sqrt(np.square(each, dtype=np.float64).mean())) for each in numbers))


@dataclass
class Found:
    """What a runtime makes of a file.

    Args:
        kind: of the runtime, as engines are called.
        name: with its version.
        cannot: why it cannot read or compute the file.
        fault: in how far it gives something else than torch, or that it cannot, where it must.
        parting: where it parts from torch.
        pictures: differences for each input.
        equal: share of all masks' pixels; None where there is no mask.
        figures: of the card.
    """

    kind: str
    name: str
    cannot: str = ""
    fault: str = ""
    parting: str = ""
    pictures: list[Compared] = field(default_factory=list)
    equal: float | None = None
    figures: list[Measured] = field(default_factory=list)

    @property
    def largest(self) -> float:
        return max((each.largest for each in self.pictures), key=_badness, default=0.0)

    @property
    def mean(self) -> float:
        return max((each.mean for each in self.pictures), default=0.0)

    def worst(self, inputs: Sequence[Input]) -> np.ndarray | None:
        """The smallest input whose outputs are about as far off as any."""
        pairs = zip(inputs, self.pictures, strict=False)
        bad = [x.x for x, each in pairs if not 2 * each.largest < self.largest]  # NaN too
        return min(bad, key=np.size, default=None)

    def certified(self) -> OnRuntime:
        """As ``parity.json`` tells it; of numbers that are none only the fault does."""
        numbers = [each for each in self.pictures if math.isfinite(each.largest) and math.isfinite(each.mean)]
        told = [replace(each, largest=_rounded(each.largest), mean=_rounded(each.mean)) for each in numbers]
        parting = shortened("; ".join(filter(None, (self.fault, self.parting))), LINE)
        return OnRuntime(told, self.figures, shortened(self.cannot, LINE), parting)


def _rounded(difference: float) -> float:
    """To two digits: the others vary with the number of threads."""
    return float(f"{difference:.2g}")


def _badness(difference: float) -> float:
    return math.inf if math.isnan(difference) else difference


def unlike(found: Found, precision: str, scale: float) -> str:
    """In how far outputs are not those of torch; empty where they are. Of int8 the card's figure is judged instead.

    Args:
        found: the differences.
        precision: of the file.
        scale: of torch's outputs.
    """
    if found.cannot or precision == "int8":
        return ""
    allowed = LARGEST[precision] * scale
    if not found.largest <= allowed:  # NaN too
        bad = next(each for each in found.pictures if not each.largest <= allowed)
        return f"its output for {bad.what} is off by {bad.largest:.2g}, more than {allowed:.2g}"
    if found.equal is not None and found.equal < EQUAL[precision]:
        return f"{found.equal:.3%} of the mask's pixels are equal, fewer than {EQUAL[precision]:.2%}"
    return ""


def examine(
    kinds: Sequence[str], make: Opener, reference: Reference, precision: str = "fp32", must: str = ""
) -> list[Found]:
    """What the runtimes that are installed make of a file.

    Args:
        kinds: of runtimes.
        make: opens the file.
        reference: what torch computes.
        precision: of the file.
        must: the runtime that has to read it.
    """
    found = [_examined(kind, name, make, reference) for kind, name in installed(kinds).items()]
    for each in found:
        each.fault = (each.cannot if each.kind == must else "") or unlike(each, precision, reference.scale)
        if precision == "int8" and each.mean > STRANGE * found[0].mean:
            each.parting = f"it computes something else than {found[0].name}: use that"
    return found


def _examined(kind: str, name: str, make: Opener, reference: Reference) -> Found:
    found = Found(kind, name)
    try:
        found.pictures = reference.compare(make(kind, reference.names))
        found.equal = reference.share(found.pictures)
    except ZooError as error:
        found.cannot = first_line(error)
    return found


def installed(kinds: Sequence[str]) -> dict[str, str]:
    """Names with versions, such as "onnxruntime 1.32.0", of the runtimes that are here."""
    names = {}
    for kind in kinds:
        with suppress(ZooError, PackageNotFoundError):
            names[kind] = f"{kind} {version(kind)}" if kind in ("torch", "spandrel") else str(engine_class(kind).name)
    return names


def measure_figures(
    net: Model, measure: Callable[[Model], Any], make: Opener, found: Sequence[Found], precision: str
) -> None:
    """Enters the card's figures, of torch and of each runtime that computes the file, measured in one run.

    Those of fp32 may differ by the rounding of their last digit, and those of fp16 by what they claim to be sure of.
    """
    own = measure(net).figures
    for each in found if own else ():
        if each.cannot:
            continue
        net.engine = make(each.kind, list(net.outputs))
        try:
            values = [figure.value for figure in measure(net).figures]
        finally:
            net.engine = None
        for figure, value in zip(own, values, strict=True):  # an evaluator gives the same ones in the same order
            told = Measured(f"{figure.metric} on {figure.where} {figure.split}", figure.value, value)
            each.figures.append(told)
            allowed = {"fp32": ROUNDING, "fp16": figure.tolerance}.get(precision, math.inf)
            if not (abs(told.torch - told.engine) <= allowed or cell_text(told.torch) == cell_text(told.engine)):
                each.fault = f"{told.name} is {told.engine:.4f}, with torch {told.torch:.4f}"


def refuse_cost(name: str, figure: Measured) -> None:
    """Refuses what changes a figure by too much.

    Raises:
        UnlikeError: it does.
    """
    if (share := cost(figure)) > COST:
        values = f"{figure.name} is {figure.engine:.4f}, in float32 {figure.torch:.4f}"
        raise UnlikeError(f"{name}: not exported: int8 costs {share:.1%}, more than {COST:.0%}: {values}", forced=True)


def cost(figure: Measured) -> float:
    """By which share of itself a figure changes."""
    return abs(figure.engine - figure.torch) / abs(figure.torch) if figure.torch else math.inf
