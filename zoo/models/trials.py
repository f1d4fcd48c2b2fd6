"""Pairs of pictures whose homography is known, and the errors of methods that estimate it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np

from zoo.data.changes import Pair
from zoo.data.homography import HomographyPairs
from zoo.data.pairs import PROTOCOLS
from zoo.data.wide_pairs import WidePair
from zoo.models.evaluation import Context
from zoo.models.real_pairs import Method
from zoo.pictures.classical import usable
from zoo.pictures.geometry import corner_points, transform_points

Matrix: TypeAlias = "np.ndarray | None"  # (3, 3), from pixels of a to pixels of b; None: the method has no estimate


class Known(Protocol):
    """Pairs whose homography is known."""

    @property
    def data(self) -> str:
        """Name of the source."""
        ...

    @property
    def protocol(self) -> str:
        """Name of the protocol, such as "Protocol B"."""
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
        """The same pairs with other pictures."""
        ...


@dataclass(frozen=True)
class Trial:
    """Pairs of square patches; errors are distances of the corners of a.

    Args:
        data: name of the source.
        protocol: name of the protocol, such as "Protocol B".
        pairs: square patches of one size.
        offsets: positions of the corners of a in b minus their positions in a, ``(N, 4, 2)`` in pixels.
    """

    data: str
    protocol: str
    pairs: list[Pair]
    offsets: np.ndarray

    @classmethod
    def of(cls, data: HomographyPairs, context: Context) -> Trial:
        return cls(*describe(data, context), *data.held_out_pairs("test"))

    def errors(self, method: Method) -> np.ndarray:
        """Mean distance of the four corners from their true positions, ``(N,)`` pixels; NaN without an estimate."""
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
        pairs: the pictures of the pairs, perhaps changed.
    """

    data: str
    wide: list[WidePair]
    pairs: list[Pair]
    protocol: str = "Protocol C"

    def errors(self, method: Method) -> np.ndarray:
        found = [
            usable(matrix, a.shape, b.shape) for matrix, (a, b) in zip(method(self.pairs), self.pairs, strict=True)
        ]
        pairs = zip(self.wide, found, strict=True)
        return np.array([np.nan if matrix is None else pair.error(matrix) for pair, matrix in pairs])

    def still(self) -> np.ndarray:
        return np.array([pair.error(np.eye(3)) for pair in self.wide])

    def take(self, chosen: np.ndarray) -> WideTrial:
        return replace(self, wide=[self.wide[i] for i in chosen], pairs=[self.pairs[i] for i in chosen])

    def alike(self, pairs: list[Pair]) -> WideTrial:
        return replace(self, pairs=pairs)


def describe(data: HomographyPairs, context: Context) -> tuple[str, str]:
    """Source and protocol, such as "photos" and "Protocol B"."""
    source = context.name_of(data.root.resolve()) if data.root else "drawn streets"
    known = (f"Protocol {name}" for name, protocol in PROTOCOLS.items() if protocol == data.protocol)
    return source, next(known, str(data.protocol))
