"""The scores that L-BFGS reaches on a picture with a network's training loss: the baseline of fast style."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from filelock import FileLock
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.base.files import read_json, replace
from zoo.nn.descent import Step, descend
from zoo.nn.losses.style_transfer import StyleTransferLoss

Scores: TypeAlias = "dict[str, float]"  # the loss and its terms
Start: TypeAlias = Literal["noise", "content"]

SEED = 0  # seed of the noise
TIMED = 3  # iterations that are timed
TRIED = 50  # iterations after which the ways of clipping are compared


def score(criterion: StyleTransferLoss, picture: Tensor, targets: dict[str, Tensor], mix: Tensor) -> Scores:
    """Loss and terms of a picture ``(1, 3, H, W)`` in one style, clipped to 0..1, in float32."""
    with torch.no_grad():
        terms = criterion.terms(picture.float().clamp(0, 1), targets, mix)
        return {name: float(term) for name, term in terms.items()}


def begin(content: Tensor, start: Start) -> Tensor:
    """The picture to start from: the content, or noise of its shape, the same on every device."""
    if start == "content":
        return content
    return torch.rand(content.shape, generator=torch.Generator().manual_seed(SEED)).to(content)


@dataclass(frozen=True)
class Descent:
    """L-BFGS on the loss of a picture, in float32: bfloat16 reaches less in 500 iterations.

    Args:
        criterion: the loss.
        mix: weights ``(1, S)`` of the styles.
        start: picture that the descent starts from.
        clip: whether the loss also clips the picture, so that no value is driven out of 0..1; else only the scored
            picture is clipped.
    """

    criterion: StyleTransferLoss
    mix: Tensor
    start: Start
    clip: bool

    def steps(self, content: Tensor, iterations: int) -> Iterator[Step]:
        """Steps towards the content ``(1, 3, H, W)`` in 0..1; each evaluates loss and gradient once."""
        targets = self.criterion.targets(content)

        def loss(picture: Tensor) -> Tensor:
            return self.criterion(picture.clamp(0, 1) if self.clip else picture, targets, self.mix)

        return descend(begin(content, self.start), loss, iterations)

    def reach(
        self, content: Tensor, iterations: Sequence[int], tick: Callable[[], object] = lambda: None
    ) -> dict[int, Scores]:
        """Scores of the best clipped picture so far, by the number of iterations.

        Args:
            content: ``(1, 3, H, W)`` in 0..1.
            iterations: numbers of iterations after which the picture is scored.
            tick: called after every iteration.
        """
        targets, picture = self.criterion.targets(content), begin(content, self.start)
        best, smallest = picture, math.inf
        reached: dict[int, Scores] = {}
        for step in self.steps(content, max(iterations)):
            if step.loss < smallest:  # the loss of the picture before this step
                smallest, best = step.loss, picture
            picture = step.picture
            if step.number in iterations:
                found = [score(self.criterion, each, targets, self.mix) for each in (best, picture)]
                reached[step.number] = min([*found, *reached.values()], key=lambda scores: scores["loss"])
            tick()
        return reached

    def seconds_an_iteration(self, content: Tensor) -> float:
        """Mean seconds of an iteration, after two that allocate memory and begin the history."""
        steps = self.steps(content, 2 + TIMED)
        next(steps), next(steps)
        began = time.perf_counter()
        for _ in steps:
            pass
        return (time.perf_counter() - began) / TIMED

    def name(self, iterations: int) -> str:
        return f"L-BFGS({iterations})" if self.start == "content" else f"L-BFGS({iterations}, {self.start})"


def better_descent(criterion: StyleTransferLoss, content: Tensor, mix: Tensor, start: Start) -> Descent:
    """The better descent, with or without clipping on the way, found by trying both: the baseline must not be weak.

    The better way depends on the loss. A loss that asks for much contrast drives values far out of 0..1, and clipping
    them only at the end undoes the gain. With other losses, clipping on the way slows a descent from noise down.
    """
    ways = (Descent(criterion, mix, start, clip) for clip in (False, True))
    return min(ways, key=lambda way: way.reach(content, [TRIED])[TRIED]["loss"])


class Reference:
    """The scores of a :class:`Descent`, cached in a file: they take hours, and do not depend on the network.

    Several evaluations may share the file: each adds its scores to the others'.

    Args:
        path: path of a JSON file, which need not exist; None: no file is written.
        objective: values that identify the loss, such as its weights and the digest of its style.

    Raises:
        ZooError: the file holds something else, or its folder does not exist.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path | None, objective: dict[str, Any]) -> None:
        self.path, self.objective = path, objective
        self.kept: dict[str, Scores] = {}
        if path and not path.parent.is_dir():
            raise ZooError(f"{path}: no such folder")
        self._keep({})  # a file that cannot be written fails now, not after hours

    def __call__(
        self, descent: Descent, content: Tensor, iterations: Sequence[int], tick: Callable[[], object] = lambda: None
    ) -> dict[int, Scores]:
        """As :meth:`Descent.reach`, which computes only the scores that are not cached yet."""
        keys = {number: self._key(descent, content, number) for number in iterations}
        self.kept |= self._read()
        if missing := [number for number, key in keys.items() if key not in self.kept]:
            found = descent.reach(content, missing, tick)
            self._keep({keys[number]: scores for number, scores in found.items()})
        return {number: self.kept[key] for number, key in keys.items()}

    def _keep(self, found: dict[str, Scores]) -> None:
        """Adds scores to the cache, and to the scores that others have written meanwhile."""
        self.kept |= found
        if self.path is None:
            return
        with FileLock(self.path.with_name(f".{self.path.name}.lock")):
            self.kept |= self._read()
            replace(self.path, json.dumps(self.kept, indent=1) + "\n")

    def _read(self) -> dict[str, Scores]:
        """The scores in the file."""
        kept = read_json(self.path) if self.path and self.path.exists() else {}
        for entry in kept.values():
            if not isinstance(entry, dict) or not {"loss", "content", "style", "color", "tv"} <= entry.keys():
                raise ZooError(f"{self.path}: is not a file of L-BFGS scores; name a new file")
        return kept

    def _key(self, descent: Descent, content: Tensor, number: int) -> str:
        """Key of scores in the file: a digest of everything that they depend on."""
        way = {"iterations": number, "start": descent.start, "clip": descent.clip, "shape": list(content.shape)}
        way["mix"] = descent.mix.tolist()
        found = hashlib.sha256(json.dumps({**self.objective, **way}, sort_keys=True).encode())
        found.update(content.cpu().numpy().tobytes())
        return found.hexdigest()
