"""The error of a homography."""

from __future__ import annotations

import torch
from torch import Tensor


def corner_error(estimate: Tensor, truth: Tensor) -> Tensor:
    r"""Mean distance of the four corners from their true places: ``(..., 4, 2)`` twice -> ``(...)``, pixels.

    Its mean over pairs i is the mean average corner error (MACE), k being the corners::

        1 / (4 N) sum_i sum_k |estimate_ik - truth_ik|

    Corners are the first patch's corners in the second patch, or their offsets from their places in the first; both
    give the same. The error depends on how the pairs were made: it belongs to a protocol (:mod:`zoo.data.pairs`) and to
    the size of the patches. Protocol B: patches of 128 pixels, corners that move by up to 32 in x and y; predicting
    "nothing moved" scores about 24.9 there.
    """
    return torch.linalg.vector_norm(estimate - truth, dim=-1).mean(-1)
