"""How far a homography is off."""

from __future__ import annotations

import torch
from torch import Tensor


def corner_error(estimate: Tensor, truth: Tensor) -> Tensor:
    r"""Mean distance of the four corners from where they belong: ``(..., 4, 2)`` twice -> ``(...)``, pixels.

    Its mean over pairs i is the mean average corner error (MACE), k being the corners::

        1 / (4 N) sum_i sum_k |estimate_ik - truth_ik|

    Corners are those of the first patch in the second, or their offsets from where they lie in the first, which gives
    the same. The figure depends on how the pairs were made: it belongs to a protocol (:mod:`zoo.data.pairs`), and to
    the size of the patches. Protocol B: patches of 128 pixels, corners that move by up to 32 in x and y; answering
    "nothing moved" scores about 24.9 there.
    """
    return torch.linalg.vector_norm(estimate - truth, dim=-1).mean(-1)
