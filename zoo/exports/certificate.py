"""Compares a file with the network that it was made from, on every installed runtime that reads it.

For each kind of file one runtime must read it and agree with torch: ONNX Runtime for ONNX, OpenVINO for its own format,
torch for its own programs, spandrel for its files; nothing else reads the last two. The other runtimes are recorded
too. A runtime that cannot read the file, such as OpenCV 4 a file of free sizes, is entered with its reason. A runtime
that reads it and computes something else counts as a failure like the first, since its users would not notice:
``--force`` writes the file anyway, and the certificate says where the outputs differ. For int8 only ONNX Runtime is
judged, by the card's figure; for any other runtime the certificate says whether it computes the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import torch

from zoo.base.errors import ZooError
from zoo.base.packages import version_of
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
}  # the first must agree with torch
# The largest allowed difference of outputs; outputs with an RMS above 1 are divided by it. Rounding the weights to the
# 11 bits of fp16 changes the cards' outputs by 5e-3.
MAX_DIFFERENCE = {"fp32": 1e-4, "fp16": 2e-2}
MIN_EQUAL = {"fp32": 0.9999, "fp16": 0.99}  # least fraction of equal pixels of a mask; near ties fall either way
STRANGE = 2.0  # allowed mean difference of another int8 runtime, as a multiple of ONNX Runtime's
COST = 0.01  # most that int8 may change the card's first figure, relative
ROUNDING = 1.5e-4  # allowed difference of figures, which have four decimals: the last may fall either way
NO_ENGINE = ("torch", "spandrel")  # runtimes that are packages without an engine of their own

Opener: TypeAlias = "Callable[[str, Sequence[str]], Engine]"  # takes a runtime and names of outputs


class UnlikeError(ZooError):
    """A runtime computes something else than torch, or int8 costs too much; nothing was written.

    Attributes:
        forced: whether ``--force`` would write the file anyway.
    """

    def __init__(self, message: str, forced: bool) -> None:
        super().__init__(message)
        self.forced = forced


@dataclass(frozen=True)
class Reference:
    """The outputs of torch, to compare with.

    Args:
        inputs: batches of pictures.
        weights: weights of what the network blends, for each input; None: the first alone.
        answers: outputs for each input.
        names: names of the outputs.
        numbers: how many outputs are numbers; the rest are masks.
    """

    inputs: list[Input]
    weights: list[np.ndarray | None]
    answers: list[tuple[np.ndarray, ...]]
    names: list[str]
    numbers: int

    @classmethod
    def of(cls, net: Model, inputs: list[Input]) -> Reference:
        """What torch answers to the inputs, each in a blend of styles where the network has some."""
        answers, names = [], list(net.outputs)
        weights = [blend(net, len(each.x), number) for number, each in enumerate(inputs)]
        for each, blended in zip(inputs, weights, strict=True):
            outputs = net.engine(each.x, blended)
            further = net.further(*map(torch.from_numpy, outputs))
            answers.append((*outputs, *(mask.numpy() for mask in further.values())))
            names = [*net.outputs, *further]
        return cls(inputs, weights, answers, names, len(net.outputs))

    def compare(self, engine: Engine) -> list[Compared]:
        """The differences for each input.

        Raises:
            ZooError: the engine cannot compute one of the inputs.
        """
        wanted = zip(self.inputs, self.weights, self.answers, strict=True)
        return [self._one(x.name, want, engine(x.x, weights)) for x, weights, want in wanted]

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

    def equal(self, compared: Sequence[Compared]) -> float | None:
        """The fraction of equal pixels over all masks; None if there is no mask."""
        sized = [(x.x.size, each.equal) for x, each in zip(self.inputs, compared, strict=True)]
        known = [(size, equal) for size, equal in sized if equal is not None]
        return sum(size * equal for size, equal in known) / sum(size for size, _ in known) if known else None

    @property
    def scale(self) -> float:
        """The largest RMS of torch's numbers, at least 1."""
        numbers = [each for answer in self.answers for each in answer[: self.numbers]]
        return max(1.0, max(float(np.sqrt(np.square(each, dtype=np.float64).mean())) for each in numbers))


def blend(net: Model, batch: int, number: int) -> np.ndarray | None:
    """Weights ``(batch, N)`` for an input: of the first input the default, of others two halves, each time others."""
    if net.blends is None or number == 0:
        return None
    count = net.blends[1]
    weights = np.zeros((batch, count), np.float32)
    weights[:, number % count] += 0.5
    weights[:, 2 * number % count] += 0.5
    return weights


@dataclass
class Found:
    """The results of a runtime for a file.

    Args:
        kind: kind of the runtime, a name of an engine.
        name: name of the runtime, with its version.
        cannot: why it cannot read or compute the file.
        fault: how its outputs differ from torch's, or why it cannot read the file although it must.
        parting: where its outputs begin to differ.
        pictures: differences for each input.
        equal: fraction of equal pixels over all masks; None if there is no mask.
        figures: figures of the card.
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
        """The smallest input whose difference is at least half of the largest."""
        pairs = zip(inputs, self.pictures, strict=False)
        bad = [x.x for x, each in pairs if not 2 * each.largest < self.largest]  # NaN too
        return min(bad, key=np.size, default=None)

    def certified(self) -> OnRuntime:
        """The entry in ``parity.json``; inputs with NaN or infinite differences are left out, the fault names them."""
        numbers = [each for each in self.pictures if math.isfinite(each.largest) and math.isfinite(each.mean)]
        told = [replace(each, largest=_rounded(each.largest), mean=_rounded(each.mean)) for each in numbers]
        parting = shortened("; ".join(filter(None, (self.fault, self.parting))), LINE)
        return OnRuntime(told, self.figures, shortened(self.cannot, LINE), parting)


def _rounded(difference: float) -> float:
    """Rounds to two digits: the others vary with the number of threads."""
    return float(f"{difference:.2g}")


def _badness(difference: float) -> float:
    return math.inf if math.isnan(difference) else difference


def unlike(found: Found, precision: str, scale: float) -> str:
    """How outputs differ too much from torch's; else empty. For int8 the card's figure is judged instead.

    Args:
        found: the differences.
        precision: precision of the file.
        scale: scale of torch's outputs.
    """
    if found.cannot or precision == "int8":
        return ""
    allowed = MAX_DIFFERENCE[precision] * scale
    if not found.largest <= allowed:  # NaN too
        bad = next(each for each in found.pictures if not each.largest <= allowed)
        return f"its output for {bad.what} is off by {bad.largest:.2g}, more than {allowed:.2g}"
    if found.equal is not None and found.equal < MIN_EQUAL[precision]:
        return f"{found.equal:.3%} of the mask's pixels are equal, fewer than {MIN_EQUAL[precision]:.2%}"
    return ""


def examine(
    kinds: Sequence[str], make: Opener, reference: Reference, precision: str = "fp32", must: str = ""
) -> list[Found]:
    """The results of the installed runtimes for a file.

    Args:
        kinds: kinds of runtimes.
        make: function that opens the file.
        reference: outputs of torch.
        precision: precision of the file.
        must: the runtime that must read it.
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
        found.equal = reference.equal(found.pictures)
    except ZooError as error:
        found.cannot = first_line(error)
    return found


def installed(kinds: Sequence[str]) -> dict[str, str]:
    """Names with versions, such as "onnxruntime 1.32.0", of the installed runtimes."""
    names = {}
    for kind in kinds:
        with suppress(ZooError):
            if kind not in NO_ENGINE:
                names[kind] = str(engine_class(kind).name)
            elif version := version_of(kind):
                names[kind] = f"{kind} {version}"
    return names


def measure_figures(
    net: Model, measure: Callable[[Model], Any], make: Opener, found: Sequence[Found], precision: str
) -> None:
    """Enters the card's figures, with torch and with each runtime that computes the file, measured in one run.

    Figures of fp32 may differ by the rounding of their last digit, and figures of fp16 by their tolerance.
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
    """Refuses an int8 file that changes a figure by too much.

    Raises:
        UnlikeError: the change is above :data:`COST`.
    """
    if (loss := cost(figure)) > COST:
        values = f"{figure.name} is {figure.engine:.4f}, in float32 {figure.torch:.4f}"
        raise UnlikeError(f"{name}: not exported: int8 costs {loss:.1%}, more than {COST:.0%}: {values}", forced=True)


def cost(figure: Measured) -> float:
    """The relative change of a figure."""
    return abs(figure.engine - figure.torch) / abs(figure.torch) if figure.torch else math.inf
