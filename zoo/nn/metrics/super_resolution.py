"""PSNR and SSIM by the protocol of super resolution, and the feature distance in a loss network.

The protocol: results are rounded to 8 bits and compared in the Y channel of ITU-R BT.601 in float64, without ``scale``
pixels at each border. The figure of a data set is the mean over its pictures. By this protocol, bicubic interpolation
x4 (Pillow's, down and up) has 28.42 dB on Set5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.base.errors import ZooError

Channels = Literal["y", "rgb"]
LUMA = (65.481, 128.553, 24.966)  # weights of R, G, B in 0..1
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def luma(pictures: Tensor) -> Tensor:
    """Y of ITU-R BT.601 in studio range: RGB in 0..1 ``(B, 3, H, W)`` -> 16..235 ``(B, 1, H, W)``, float64."""
    pictures = _double(pictures)
    return 16 + (pictures * pictures.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)


def psnr(
    prediction: Tensor, target: Tensor, *, crop: int = 4, channels: Channels = "y", quantize: bool = True
) -> Tensor:
    """Peak signal-to-noise ratio of each picture: RGB in 0..1 ``(B, 3, H, W)`` twice -> dB ``(B,)``, float64.

    The peak is 255. Identical pictures have infinity.

    Args:
        prediction: predictions; values may leave 0..1, rounding clips them.
        target: targets of the same size.
        crop: pixels at each border that do not count.
        channels: "y" for the luma, "rgb" for the squared error over all three channels.
        quantize: whether both are rounded to 8 bits first.

    Raises:
        ZooError: the crop leaves nothing.
    """
    a, b = _comparable(prediction, target, crop, channels, quantize, least=1)
    return 10 * torch.log10(255**2 / (a - b).square().mean((1, 2, 3)))


def ssim(
    prediction: Tensor, target: Tensor, *, crop: int = 4, channels: Channels = "y", quantize: bool = True
) -> Tensor:
    """Structural similarity of each picture (Wang et al., 2004): arguments of :func:`psnr` -> -1..1 ``(B,)``, float64.

    11x11 Gaussian window of sigma 1.5 where it lies within the picture, biased covariance, K1 0.01, K2 0.03. For "rgb"
    it is the mean over the channels.

    Raises:
        ZooError: the window does not fit within the crop.
    """
    a, b = _comparable(prediction, target, crop, channels, quantize, least=SSIM_WINDOW)
    mean_a, mean_b = _blur(a), _blur(b)
    var_a, var_b = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + SSIM_C1) / (mean_a**2 + mean_b**2 + SSIM_C1)
    structure = (2 * covariance + SSIM_C2) / (var_a + var_b + SSIM_C2)
    return (luminance * structure).mean((1, 2, 3))


def feature_distance(features: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Mean squared difference of features (Johnson et al., 2016, equation 2) of each picture, ``(B,)`` by layer.

    Args:
        features: features of predictions from :class:`zoo.nn.vgg.VGGFeatures`, ``(B, C, h, w)`` for each layer.
        truth: features of targets, in the same form. Nothing is cropped, and values outside 0..1 are not clipped.
    """
    return {layer: (features[layer].float() - truth[layer].float()).square().mean((1, 2, 3)) for layer in features}


def _comparable(
    prediction: Tensor, target: Tensor, crop: int, channels: Channels, quantize: bool, least: int
) -> tuple[Tensor, Tensor]:
    """Prediction and target as float64 in 0..255, ``(B, 1 or 3, H, W)``, cropped."""
    _check(prediction, target)
    if channels not in ("y", "rgb") or crop < 0:
        raise ValueError(f'channels must be "y" or "rgb" and crop 0 or more, not {channels!r} and {crop}')
    height, width = target.shape[-2:]
    if min(height, width) < least + 2 * crop:
        need = f"{least} pixels" + (f" and {crop} more at each border" if crop else "")
        raise ZooError(f"pictures of {width}x{height} are too small to be compared: each side needs {need}")
    a, b = (_values(pictures, channels, quantize) for pictures in (prediction, target))
    inside = (..., slice(crop, height - crop), slice(crop, width - crop))
    return a[inside], b[inside]


def _check(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape or target.ndim != 4 or target.shape[1] != 3:
        raise ValueError(f"pictures must be (B, 3, H, W), not {tuple(prediction.shape)} and {tuple(target.shape)}")


def _values(pictures: Tensor, channels: Channels, quantize: bool) -> Tensor:
    pictures = _double(pictures)
    if quantize:
        pictures = pictures.clamp(0, 1).mul(255).round() / 255
    return luma(pictures) if channels == "y" else 255 * pictures


def _double(pictures: Tensor) -> Tensor:
    return pictures.to("cpu" if pictures.device.type == "mps" else pictures.device, torch.float64)  # MPS lacks float64


def _blur(x: Tensor) -> Tensor:
    """Means under the Gaussian window: ``(B, C, H, W)`` -> ``(B, C, H - 10, W - 10)``."""
    places = torch.arange(SSIM_WINDOW, dtype=x.dtype, device=x.device) - SSIM_WINDOW // 2
    window = torch.exp(-((places / SSIM_SIGMA) ** 2) / 2)
    window = window / window.sum()
    planes = x.flatten(0, 1)[:, None]
    planes = F.conv2d(F.conv2d(planes, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    return planes.view(*x.shape[:2], *planes.shape[2:])
