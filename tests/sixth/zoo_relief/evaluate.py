"""The protocol of its figures."""

from __future__ import annotations

import torch

from zoo.data import PictureCrops
from zoo.data.digest import digest
from zoo.models.evaluation import Context, Figure, Results
from zoo.nn.cost import macs, parameter_count
from zoo_relief.module import relief_of
from zoo_relief.net import Relief


@torch.inference_mode()
def evaluate(net: Relief, data: PictureCrops, context: Context, *, gain: float = 1.0) -> Results:
    """Measures the mean absolute error on the test pictures.

    Args:
        net: the network.
        data: whose test pictures are used.
        context: not asked.
        gain: what the error is multiplied by
    """
    squares = data.kept("test")
    pictures = torch.from_numpy(squares).movedim(-1, 1) / 255
    (made,) = net.engine(pictures.numpy())  # torch's, or that of an export
    error = gain * float((torch.from_numpy(made) - relief_of(pictures)).abs().mean())
    figure = Figure(
        metric="error", data="streets", split="test", value=round(error, 6), tolerance=1e-4, protocol="mean"
    )
    return Results(
        figures=[figure],
        parameters=parameter_count(net),
        macs={"32x24": macs(net, 3, 24, 32)},
        data_digest={"test": digest(squares)},
    )
