"""What every network of the zoo has, and what every prediction gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.base.registry import architecture_of, architectures, import_object
from zoo.engines.torch import TorchEngine


class Result(Protocol):
    """What a prediction gives for one picture, or for the pictures that belong together.

    It may have ``notes``, lines that a user should know, and ``doubtful``, whether it is likely wrong: ``zoo predict``
    prints the notes and counts the doubtful results.
    """

    def save(self, destination: str | Path) -> list[Path]:
        """Writes files whose names begin with the destination, such as ``out/street``; returns their paths."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without pixels."""
        ...

    def _repr_png_(self) -> bytes: ...

    def _repr_html_(self) -> str: ...


class Model(nn.Module):
    """A network that predicts; ``zoo.load`` returns one.

    A subclass says what is computed. From pictures to results is the work of the architecture's predictor, which
    knows the network as an engine and by :meth:`facts` only.
    """

    def facts(self) -> dict[str, Any]:
        """Plain values of the network that prediction needs: keyword arguments of the predictor."""
        return {}

    def infer(self, x: Tensor) -> tuple[Tensor, ...]:
        """What engines compute of a batch ``(B, C, H, W)`` in 0..1; the forward pass, unless more is needed."""
        return (self(x),)

    def _predictor(self) -> Any:
        name = architecture_of(type(self))
        if name is None:
            raise ZooError(f"{type(self).__name__} belongs to no architecture of the zoo, and so cannot predict")
        make = import_object(architectures()[name].predictor)
        try:
            return make(TorchEngine(self), **self.facts())
        except AttributeError as error:  # as which torch would say that there is no ``predict``
            raise TypeError(f"{type(self).__name__} cannot predict: {error}") from error

    @property
    def predict(self) -> Callable[..., Any]:
        """Makes results of pictures; ``help(net.predict)`` tells of which, and with what options."""
        return self._predictor().predict

    @property
    def predict_frame(self) -> Callable[..., np.ndarray]:
        """Changes a frame of a video, ``(H, W, 3)`` uint8, where the architecture has such."""
        frame = getattr(self._predictor(), "predict_frame", None)
        if frame is None:
            raise ZooError(f"{type(self).__name__} takes pictures, no videos")
        return frame
