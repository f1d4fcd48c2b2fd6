"""Training pairs made on the network's device, a batch at a time, from pictures in its memory.

Random numbers are drawn as in :func:`zoo.data.homography.training_batch`, so that the same generator gives the same
places, offsets and estimates; the patches differ by interpolation and rounding. Photometric differences have the same
distribution but other random numbers; JPEG treats each channel as grey.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.data import photometric as ph
from zoo.data.pairs import Protocol
from zoo.data.training_pairs import PLAIN, Fractions, draw_training
from zoo.pictures.geometry import MIN_DENOMINATOR, NET_SIZE


def as_pictures(pictures: np.ndarray, device: torch.device) -> Tensor:
    """``(N, H, W)`` or ``(N, H, W, 3)`` uint8 -> ``(N, C, H, W)`` uint8 on the device."""
    tensor = torch.from_numpy(pictures).to(device)
    return tensor[:, None] if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2).contiguous()


def can_make(protocol: Protocol) -> bool:
    """Whether a patch is a whole multiple of the networks' size, so that average pooling resizes it."""
    return protocol.patch % NET_SIZE == 0


def device_batch(
    rng: np.random.Generator,
    pictures: Tensor,
    count: int,
    protocol: Protocol,
    fractions: Fractions = PLAIN,
) -> tuple[Tensor, Tensor]:
    """Random pairs, on the device of the pictures.

    Args:
        rng: the only source of random numbers.
        pictures: ``(N, C, H, W)`` uint8 at the protocol's size.
        count: number of pairs.
        protocol: sizes of pictures and patches; the side of the patches is a multiple of 128.
        fractions: fractions of the kinds of pairs.

    Returns:
        Pairs ``(B, 2 * C, 128, 128)`` float32 in 0..255, not rounded, and offsets ``(B, 4, 2)`` float32.
    """
    drawn = draw_training(rng, len(pictures), count, protocol, fractions)
    moved = partial(_moved, device=pictures.device)
    chosen, size = moved(drawn.chosen), protocol.patch
    a = warp(pictures[chosen].float(), moved(drawn.matrices), size, size)
    b = crop(pictures, chosen, moved(drawn.places), size)
    patches = torch.stack([to_net_size(patch) for patch in (a, b)])
    if (unlike := np.flatnonzero(drawn.unlike)).size:
        which = moved(unlike)
        alike = patches[:, which]
        patches[:, which] = differ(alike.flatten(0, 1), rng).view_as(alike)
    if (other := np.flatnonzero(drawn.swapped)).size:
        which = moved(other)
        patches[:, which] = patches[:, which].flip(0)
    if (again := np.flatnonzero(drawn.second_pass)).size:
        which = moved(again)
        patches[1, which] = warp(patches[1, which], moved(drawn.estimates[again]), NET_SIZE, NET_SIZE)
    return patches.transpose(0, 1).flatten(1, 2), moved(drawn.offsets)


def warp(pictures: Tensor, matrices: Tensor, width: int, height: int) -> Tensor:
    """:func:`zoo.pictures.geometry.warp` of pictures ``(B, C, H, W)`` by matrices ``(B, 3, 3)``, the edge repeated."""
    x, y = (torch.arange(side, device=matrices.device, dtype=matrices.dtype) for side in (width, height))
    rows = matrices[..., None, None]  # (B, 3, 3, 1, 1)
    moved = rows[:, :, 0] * x + (rows[:, :, 1] * y[:, None] + rows[:, :, 2])  # (B, 3, height, width)
    below = moved[:, 2:]
    below = torch.where(below.abs() < MIN_DENOMINATOR, torch.full_like(below, MIN_DENOMINATOR), below)
    size = matrices.new_tensor([pictures.shape[-1], pictures.shape[-2]]).view(2, 1, 1)
    grid = moved[:, :2] * (2 / size) / below + (1 / size - 1)
    return F.grid_sample(pictures, grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)


def to_net_size(patches: Tensor) -> Tensor:
    factor = patches.shape[-1] // NET_SIZE
    return patches if factor == 1 else F.avg_pool2d(patches, factor)


def crop(pictures: Tensor, chosen: Tensor, places: Tensor, size: int) -> Tensor:
    """Square crops of chosen pictures, at left and top ``(B, 2)``: ``(B, C, size, size)`` float32."""
    windows = pictures.unfold(2, size, 1).unfold(3, size, 1)  # (N, C, tops, lefts, size, size), a view
    return windows[chosen, :, places[:, 1], places[:, 0]].float()


def differ(patches: Tensor, rng: np.random.Generator) -> Tensor:
    """:func:`zoo.data.photometric.differ` for patches ``(B, C, H, W)`` float in 0..255, each with its own strengths."""
    count, channels, device = len(patches), patches.shape[1], patches.device
    grain = torch.Generator(device).manual_seed(int(rng.integers(2**62)))

    def drawn(kind: str, *ranges: tuple[float, float]) -> list[Tensor]:
        """Strengths of a kind of difference, each ``(B, 1, 1, 1)``; the last tensor tells which patches have it."""
        values = [rng.uniform(*each, count) for each in ranges] + [rng.random(count) < ph.PROBABILITIES[kind]]
        return [_moved(v, device).view(-1, 1, 1, 1) for v in values]

    contrast, brightness, has = drawn("light", ph.CONTRAST, ph.BRIGHTNESS)
    patches = torch.where(has, light(patches, contrast, brightness), patches)
    sigma, has = drawn("blur", ph.BLUR)
    patches = torch.where(has, blur(patches, sigma), patches)
    fraction, aspect, x, y, has = drawn("occlude", ph.OCCLUSION, ph.LOG_ASPECT, (0, 1), (0, 1))
    value = _moved(rng.integers(0, 256, (count, channels, 1, 1)), device).float()
    patches = torch.where(has, occlude(patches, fraction, aspect.exp(), x, y, value), patches)
    sigma, has = drawn("noise", ph.NOISE)
    patches = torch.where(has, noise(patches, sigma, grain), patches)
    quality, has = drawn("jpeg", ph.QUALITY)
    return torch.where(has, jpeg(patches, quality.floor()), patches)


def _moved(array: np.ndarray, device: torch.device) -> Tensor:
    """The array on the device; float64 becomes float32, since some devices lack float64."""
    return torch.from_numpy(array.astype(np.float32) if array.dtype == np.float64 else array).to(device)


def light(patches: Tensor, contrast: Tensor, brightness: Tensor) -> Tensor:
    return (patches * contrast + brightness).clamp(0, 255)


def blur(patches: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur. The radius of the kernel is 3 times the largest sigma; patches are mirrored beyond their edges."""
    radius = int(np.ceil(3 * max(ph.BLUR)))
    channels = patches.shape[1]
    steps = torch.arange(-radius, radius + 1, device=patches.device)
    kernel = torch.exp(-0.5 * (steps / sigma.flatten()[:, None]).square())
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    padded = F.pad(patches, (radius,) * 4, mode="reflect").flatten(0, 1)[None]
    rows = F.conv2d(padded, kernel[:, None, None], groups=len(kernel))
    return F.conv2d(rows, kernel[:, None, :, None], groups=len(kernel)).reshape(-1, channels, *patches.shape[-2:])


def occlude(patches: Tensor, fraction: Tensor, aspect: Tensor, x: Tensor, y: Tensor, value: Tensor) -> Tensor:
    """Covers each patch with a rectangle of ``value``.

    ``fraction`` is its part of the area, ``aspect`` its height relative to a rectangle with the patch's proportions,
    ``x`` and ``y`` in 0..1 its position between the edges: all ``(B, 1, 1, 1)``.
    """
    height, width = patches.shape[-2:]
    h = (height * (fraction.sqrt() * aspect).clamp(fraction, torch.ones_like(fraction))).round()
    w = (height * width * fraction / h).round()
    top, left = ((height - h + 1) * y).floor(), ((width - w + 1) * x).floor()
    rows = torch.arange(height, device=patches.device)[:, None]
    columns = torch.arange(width, device=patches.device)
    covered = (rows >= top) & (rows < top + h) & (columns >= left) & (columns < left + w)
    return torch.where(covered, value, patches)


def noise(patches: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
    grain = torch.randn(patches.shape, generator=generator, device=patches.device)
    return (patches + grain * sigma).clamp(0, 255)


def jpeg(patches: Tensor, quality: Tensor) -> Tensor:
    """The loss of JPEG (ITU-T T.81), libjpeg's quality, on grey patches whose sides are multiples of 8."""
    scale = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    table = torch.tensor(LUMINANCE, device=patches.device, dtype=torch.float32).view(8, 1, 8)
    table = ((table * scale[..., None, None] + 50) / 100).floor().clamp(1, 255)
    n = torch.arange(8, device=patches.device)
    dct = torch.cos((2 * n + 1) * n[:, None] * (torch.pi / 16)) / 2
    dct[0] *= 0.5**0.5
    count, channels, height, width = patches.shape
    blocks = (patches.round() - 128).reshape(count, channels, height // 8, 8, width // 8, 8)
    waves = torch.einsum("iy,bcryqx,jx->bcriqj", dct, blocks, dct)
    waves = (waves / table).round() * table
    blocks = torch.einsum("iy,bcriqj,jx->bcryqx", dct, waves, dct) + 128
    return blocks.reshape(patches.shape).round().clamp(0, 255)


LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)  # ITU-T T.81, table K.1
