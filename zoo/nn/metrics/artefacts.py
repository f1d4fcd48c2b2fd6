"""Measures grids in pictures, which eyes notice but PSNR and feature distances hardly do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.nn.metrics.super_resolution import luma

ROUNDING = 1 / 12  # noise power of rounding to 8 bits, in levels squared: avoids 0 / 0 for a blank picture
PEAK = 1  # bins on each side of a frequency that the window smears it over
NEAR, FAR = 3, 8  # first bin of the neighbouring band on each side; divisor of the length that gives its last bin
MIN_SIDE = 64  # minimum side in pixels: smaller pictures have no neighbouring bins


def periodic_energy(picture: Tensor, truth: Tensor | None = None, periods: Sequence[int] = (2, 4)) -> Tensor:
    """Power at a grid's frequencies relative to neighbouring frequencies: RGB in 0..1 ``(B, 3, H, W)`` -> ``(B,)``.

    The power is of the luma differences of neighbouring pixels, along rows and along columns, with a Hann window. The
    result is the maximum over both directions and all periods: about 1 for photographs, many times that with a grid.

    Args:
        picture: pictures; values outside 0..1 are clipped, nothing is rounded.
        truth: truths of the same shape; the result is divided by their relative power. None: no division.
        periods: periods of the grid in pixels; a network that enlarges by n may draw grids of n and of its divisors.

    Raises:
        ZooError: a side has fewer than 64 pixels.
    """
    if picture.ndim != 4 or picture.shape[1] != 3 or (truth is not None and truth.shape != picture.shape):
        raise ValueError(f"pictures must be (B, 3, H, W), not {tuple(picture.shape)}")
    if min(picture.shape[-2:]) < MIN_SIDE:
        size = f"{picture.shape[-1]}x{picture.shape[-2]}"
        raise ZooError(f"a picture of {size} is too small to be searched for a grid: each side needs {MIN_SIDE} pixels")
    energy = _largest_ratio(picture, periods)
    return energy if truth is None else energy / _largest_ratio(truth, periods)


def _largest_ratio(picture: Tensor, periods: Sequence[int]) -> Tensor:
    brightness = luma(picture.clamp(0, 1))[:, 0]
    lines = brightness, brightness.transpose(-1, -2)
    return torch.stack([_ratio(_power(each, period), period) for each in lines for period in periods]).amax(0)


def _power(lines: Tensor, period: int) -> Tensor:
    """Mean power of the differences along the lines ``(B, N, L)``: ``(B, 1 + L' / 2)`` for a multiple L' of the period.

    The unit is levels squared: white noise of deviation 1 has power 1 in each bin.
    """
    differences = lines.diff(dim=-1)
    length = differences.shape[-1] // (2 * period) * (2 * period)
    window = torch.hann_window(length, dtype=lines.dtype, device=lines.device)
    spectrum = torch.fft.rfft(differences[..., :length] * window)
    return spectrum.abs().square().mean(1) / window.square().sum()


def _ratio(power: Tensor, period: int) -> Tensor:
    last = power.shape[-1] - 1  # the bin of period 2
    middle, width = 2 * last // period, max(2 * last // FAR // period, NEAR + 1)
    peak = power[:, middle - PEAK : middle + PEAK + 1].mean(-1)
    below, above = power[:, middle - width : middle - NEAR + 1], power[:, middle + NEAR : middle + width + 1]
    return (peak + ROUNDING) / (torch.cat([below, above], -1).mean(-1) + ROUNDING)
