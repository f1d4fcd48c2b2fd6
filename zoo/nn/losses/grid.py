"""A loss that penalises grids; feature losses hardly see them: layers pool grids away, or are rewarded for them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def grid_loss(prediction: Tensor, target: Tensor, scale: int, windows: Sequence[int] = (2, 4, 8)) -> Tensor:
    """Squared error of the pattern that repeats from one s x s block of pixels to the next: a scalar.

    A network that enlarges by s makes each block from one pixel. An error at the same position of all blocks in a
    window, beyond the mean error there, is a grid. Detail that the network cannot know lies at different positions of
    the blocks, and cancels.

    Args:
        prediction: ``(B, 3, sH, sW)`` in 0..1.
        target: target, of the same shape.
        scale: factor s of width and height.
        windows: sides of the windows, in blocks; windows larger than the picture are left out.
    """
    error = (prediction - target).flatten(0, 1)[:, None]
    blocks = F.pixel_unshuffle(error, scale)  # (3 * B, s * s, H, W): a channel is a position in the blocks
    total = error.new_zeros(())
    for side in windows:
        if min(blocks.shape[-2:]) >= side:
            repeated = F.avg_pool2d(blocks, side, stride=1)
            total = total + torch.var(repeated, 1, unbiased=False).mean()
    return total
