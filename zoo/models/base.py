"""The base class of the zoo's networks, and the protocol of prediction results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, architecture_of, architectures
from zoo.engines import Engine
from zoo.engines.torch import TorchEngine
from zoo.models.prediction import Predicts


class Result(Protocol):
    """The result of a prediction for one picture, or for several pictures that belong together.

    Two attributes are optional: ``notes``, lines that a user should know, and ``trusted``, whether the result is likely
    right. ``zoo predict`` prints the notes and the warnings of ``save``, and counts the results that are not trusted.
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
    """A network that predicts; ``zoo.load`` returns one. A subclass defines the computation.

    Attributes:
        outputs: names of the outputs of :meth:`infer`, which an export uses too.
        any_size: whether the input may have any height and width; else it has the size of the architecture's example.
        halo: pixels around a tile that influence its result, for code that cuts pictures into tiles; None: the whole
            picture influences it.
    """

    outputs: ClassVar[tuple[str, ...]] = ("output",)
    any_size: ClassVar[bool] = True
    _other: Engine | None = None

    @property
    def halo(self) -> int | None:
        return None

    @property
    def blends(self) -> tuple[str, int] | None:
        """Name and number of what the network can blend, such as styles; None: nothing.

        :meth:`infer` then takes their weights too, ``(B, N)``, and exports have an input of that name.
        """
        return None

    @property
    def engine(self) -> Engine:
        """The engine that computes predictions: torch, unless another was set, such as an export to be measured."""
        return self._other or TorchEngine(self)

    @engine.setter
    def engine(self, engine: Engine | None) -> None:
        self.__dict__["_other"] = engine  # never registered as a submodule

    @property
    def declared(self) -> Architecture:
        name = architecture_of(type(self))
        if name is None:
            raise ZooError(f"{type(self).__name__} belongs to no architecture of the zoo, so it cannot predict")
        return architectures()[name]

    def infer(self, x: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        """What engines compute from a batch ``(B, C, H, W)`` in 0..1; by default the forward pass."""
        return (self(x, *weights),)

    def adopted(self, tensors: dict[str, Tensor], arguments: Mapping[str, Any]) -> dict[str, Tensor]:
        """Tensors of another network of this class, changed to what this one starts from in a training.

        Args:
            tensors: the tensors by name.
            arguments: constructor arguments of the other network.
        """
        return tensors

    def further(self, *outputs: Tensor) -> dict[str, Tensor]:
        """Further outputs of an export by name, beside those of :meth:`infer`, for users without the zoo."""
        return {}
