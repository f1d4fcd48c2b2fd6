"""From an engine to what makes results of pictures by it, of a network or of an export. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, import_object
from zoo.engines import Engine

if TYPE_CHECKING:
    import numpy as np


class Predicts:
    """What predicts: an engine that computes, and the plain values that the architecture's predictor needs beside it.

    From pictures to results is the work of the predictor, which knows a network as an engine and by :meth:`facts` only.
    """

    @property
    def engine(self) -> Engine:
        raise NotImplementedError

    @property
    def declared(self) -> Architecture:
        """What the zoo knows of the architecture."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """Plain values of the network that prediction needs: keyword arguments of the predictor."""
        return {}

    def _predictor(self) -> Any:
        make, name = import_object(self.declared.predictor), type(self).__name__
        try:
            return make(self.engine, **self.facts())
        except AttributeError as error:  # as which torch would say that there is no ``predict``
            raise TypeError(f"{name} cannot predict: {error}") from error

    @property
    def predict(self) -> Callable[..., Any]:
        """Makes results of pictures; ``help(net.predict)`` tells of which, and with what options."""
        return self._predictor().predict

    @property
    def predict_frame(self) -> Callable[..., np.ndarray]:
        """Changes a frame of a video, ``(H, W, 3)`` uint8, where the architecture has such."""
        frame = getattr(self._predictor(), "predict_frame", None)
        if frame is None:
            raise ZooError(f"{self.declared.net.rpartition('.')[2]} takes pictures, no videos")
        return frame
