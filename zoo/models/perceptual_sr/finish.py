"""Properties of a picture that no network enlarges: transparency, histogram, colour profile."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops

STRIP = 256  # rows of a picture that are changed at a time


def complete(enlarged: Image.Image, source: Image.Image, match_histogram: bool) -> None:
    """Gives the enlarged colours the source's transparency, colour profile and, if asked for, histogram."""
    if source.mode.endswith("A"):
        enlarged.putalpha(source.getchannel("A").resize(enlarged.size, Image.Resampling.BICUBIC))
    if match_histogram:
        _match_histogram(enlarged, source)
    if "icc_profile" in source.info:
        enlarged.info["icc_profile"] = source.info["icc_profile"]


def is_grey(picture: Image.Image) -> bool:
    """Whether no pixel of a picture, L or RGB, has a colour: networks would tint it slightly."""
    if picture.mode == "L":
        return True
    red, *others = picture.split()
    return all(ImageChops.difference(red, other).getbbox() is None for other in others)


def spread_colors(picture: Image.Image) -> Image.Image:
    """The colours of a transparent picture, L or RGB; wholly transparent pixels take colours of visible ones nearby.

    The colours stored there, mostly black, would darken the edges. Nearby colours come from the picture at half the
    size, whose gaps are filled in the same way (push and pull, Gortler et al., 1996,
    https://doi.org/10.1145/237170.237200).
    """
    colors = picture.convert(picture.mode[:-1])
    seen = picture.getchannel("A").point([0] + 255 * [255])
    if seen.getextrema() != (0, 255):
        return colors
    gaps = colors.copy()
    gaps.putalpha(seen)
    half = spread_colors(gaps.reduce(2))  # Pillow weights colours by their alpha
    box = (0, 0, picture.width / 2, picture.height / 2)
    spread = half.resize(picture.size, Image.Resampling.BILINEAR, box)
    spread.paste(colors, mask=seen)
    return spread


def _match_histogram(picture: Image.Image, reference: Image.Image) -> None:
    """Matches the histogram of each channel but transparency, in place, to the reference's.

    Wholly transparent pixels do not count. A value becomes the reference's value of the same quantile, interpolated and
    rounded down, as ``skimage.exposure.match_histograms`` does it.
    """
    channels = picture.getbands()
    own, wanted = (_histograms(image) for image in (picture, reference))
    if not (own.any() and wanted.any()):
        return
    tables: list[int] = []
    for channel, counts, reference_counts in zip(channels, own, wanted, strict=True):
        values = np.flatnonzero(reference_counts)
        quantiles = counts.cumsum() / counts.sum()
        reference_quantiles = reference_counts[values].cumsum() / reference_counts.sum()
        matched = np.interp(quantiles, reference_quantiles, values).astype(int)
        tables += list(range(256)) if channel == "A" else matched.tolist()
    for top in range(0, picture.height, STRIP):  # applying a table makes a copy
        box = (0, top, picture.width, min(top + STRIP, picture.height))
        picture.paste(picture.crop(box).point(tables), box)


def _histograms(picture: Image.Image) -> np.ndarray:
    """Counts of the values of each channel, ``(C, 256)``, without wholly transparent pixels."""
    mask = picture.getchannel("A") if picture.mode.endswith("A") else None
    return np.reshape(picture.histogram(mask), (-1, 256))
