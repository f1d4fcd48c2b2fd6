"""Predictions by the engine of a network or of an export. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, import_object
from zoo.engines import Engine

if TYPE_CHECKING:
    import numpy as np


class Predicts:
    """An engine, and the plain values that the architecture's predictor needs beside it.

    The predictor turns pictures into results. It knows a network only by its engine and by :meth:`facts`.
    """

    @property
    def engine(self) -> Engine:
        raise NotImplementedError

    @property
    def declared(self) -> Architecture:
        """The architecture's entry in the registry."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """Plain values of the network that prediction needs: keyword arguments of the predictor."""
        return {}

    def _predictor(self) -> Any:
        make, name = import_object(self.declared.predictor), type(self).__name__
        try:
            return make(self.engine, **self.facts())
        except AttributeError as error:  # torch would report it as a missing ``predict``
            raise TypeError(f"{name} cannot predict: {error}") from error

    @property
    def predict(self) -> Callable[..., Any]:
        """Predicts results from pictures; ``help(net.predict)`` lists the inputs and options."""
        return self._predictor().predict

    @property
    def predict_frame(self) -> Callable[..., np.ndarray]:
        """Processes a frame of a video, ``(H, W, 3)`` uint8, where the architecture supports videos."""
        frame = getattr(self._predictor(), "predict_frame", None)
        if frame is None:
            raise ZooError(f"{self.declared.net.rpartition('.')[2]} takes pictures, not videos")
        return frame
