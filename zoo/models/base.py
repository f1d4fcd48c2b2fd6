"""What every network of the zoo has, and what every prediction gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, architecture_of, architectures
from zoo.engines import Engine
from zoo.engines.torch import TorchEngine
from zoo.models.prediction import Predicts


class Result(Protocol):
    """What a prediction gives for one picture, or for the pictures that belong together.

    It may have ``notes``, lines that a user should know, and ``trusted``, whether it is likely right: ``zoo predict``
    prints the notes, and the warnings of ``save``, and counts the results that are not trusted.
    """

    def save(self, destination: str | Path) -> list[Path]:
        """Writes files whose names begin with the destination, such as ``out/street``; returns their paths."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without pixels."""
        ...

    def _repr_png_(self) -> bytes: ...

    def _repr_html_(self) -> str: ...


class Model(nn.Module, Predicts):
    """A network that predicts; ``zoo.load`` returns one. A subclass says what is computed.

    Attributes:
        outputs: names of what :meth:`infer` gives, which an export bears.
        any_size: whether height and width of the input are free; else they are those of the architecture's example.
        halo: pixels around a part of a picture that matter to it, for who cuts pictures into tiles; None: the whole
            picture matters.
    """

    outputs: ClassVar[tuple[str, ...]] = ("output",)
    any_size: ClassVar[bool] = True
    _other: Engine | None = None

    @property
    def halo(self) -> int | None:
        return None

    @property
    def engine(self) -> Engine:
        """What computes predictions: torch, unless another engine was set, such as an export that is to be measured."""
        return self._other or TorchEngine(self)

    @engine.setter
    def engine(self, engine: Engine | None) -> None:
        self.__dict__["_other"] = engine  # no submodule, whatever it is

    @property
    def declared(self) -> Architecture:
        name = architecture_of(type(self))
        if name is None:
            raise ZooError(f"{type(self).__name__} belongs to no architecture of the zoo, and so cannot predict")
        return architectures()[name]

    def infer(self, x: Tensor) -> tuple[Tensor, ...]:
        """What engines compute of a batch ``(B, C, H, W)`` in 0..1; the forward pass, unless more is needed."""
        return (self(x),)

    def further(self, *outputs: Tensor) -> dict[str, Tensor]:
        """What an export gives beside :meth:`infer`'s outputs, for users without the zoo, by name."""
        return {}
