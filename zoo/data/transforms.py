"""Training augmentation for segmentation: one albumentations pipeline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from zoo.base.errors import ZooError
from zoo.data.labels import LabelMap

MAX_CROP = 4096
QUIET = "NO_ALBUMENTATIONS_UPDATE"  # without it the import looks for a newer version on the network
was_quiet = QUIET in os.environ
os.environ.setdefault(QUIET, "1")
try:
    import albumentations as A
finally:
    if not was_quiet:
        del os.environ[QUIET]


class RandomScaleCrop(A.DualTransform):
    """Cuts a random window and resizes it to ``height`` x ``width``: random scale and random crop in one resize.

    If the window is larger than the picture, the rest is black, and void in the mask; without a void id the picture is
    mirrored there.

    Args:
        scale: range of the zoom; 2.0 shows things twice as large.
        focus: ids of rare classes. In a fraction ``focus_p`` of the crops, the window contains a random pixel of one of
            these classes, chosen at random among those in the picture. This balances classes that cover few pixels.
        void: void id of the mask; None: the mask has no void.
    """

    _targets = (A.core.transforms_interface.Targets.IMAGE, A.core.transforms_interface.Targets.MASK)
    InitSchema = object  # nothing for albumentations to validate: :class:`Augment` did

    def __init__(
        self,
        height: int,
        width: int,
        scale: tuple[float, float],
        focus: Sequence[int],
        focus_p: float,
        void: int | None,
    ) -> None:
        super().__init__(p=1.0)
        self.height, self.width, self.scale = height, width, scale
        self.focus, self.focus_p, self.void = focus, focus_p, void

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        zoom = self.py_random.uniform(*self.scale)
        size = np.array([round(self.height / zoom), round(self.width / zoom)])
        shape = np.array(params["shape"][:2])
        low, high = np.minimum(0, shape - size), np.maximum(0, shape - size)
        if self.py_random.random() < self.focus_p and (pixel := self._rare_pixel(data["mask"])) is not None:
            low, high = np.clip(pixel - size + 1, low, high), np.clip(pixel, low, high)
        top, left = (self.py_random.randint(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return {"window": (top, left, int(size[0]), int(size[1])), "zoom": zoom}

    def _rare_pixel(self, mask: np.ndarray) -> np.ndarray | None:
        present = np.bincount(mask.ravel(), minlength=256)
        classes = [c for c in self.focus if present[c]]
        if not classes:
            return None
        pixels = np.flatnonzero(mask == self.py_random.choice(classes))
        return np.array(np.unravel_index(pixels[self.py_random.randrange(len(pixels))], mask.shape))

    def apply(self, img: np.ndarray, window: tuple[int, ...], zoom: float, **params: Any) -> np.ndarray:
        interpolation = cv2.INTER_LINEAR if zoom >= 1 else cv2.INTER_AREA
        return self._cut(img, window, interpolation, None if self.void is None else 0)

    def apply_to_mask(self, mask: np.ndarray, window: tuple[int, ...], **params: Any) -> np.ndarray:
        return self._cut(mask, window, cv2.INTER_NEAREST, self.void)

    def _cut(self, array: np.ndarray, window: tuple[int, ...], interpolation: int, fill: int | None) -> np.ndarray:
        top, left, height, width = window
        bottom, right = top + height - array.shape[0], left + width - array.shape[1]
        cut = array[max(top, 0) : top + height, max(left, 0) : left + width]
        above, below, before, after = (max(n, 0) for n in (-top, bottom, -left, right))
        if above or below or before or after:
            border = cv2.BORDER_REFLECT if fill is None else cv2.BORDER_CONSTANT
            cut = cv2.copyMakeBorder(cut, above, below, before, after, border, value=[fill or 0] * 3)
        return cv2.resize(cut, (self.width, self.height), interpolation=interpolation)


@dataclass
class Augment:
    """Augmentation of training samples.

    Args:
        crop: height and width of a training sample, in pixels.
        scale: range of the random zoom; 2.0 shows things twice as large.
        photometric: whether brightness, contrast, gamma, colour and sharpness vary.
        focus: names of rare classes; a fraction ``focus_p`` of the crops is placed to show one of them.
        focus_p: fraction of the crops, 0..1.
    """

    crop: tuple[int, int] = (320, 480)
    scale: tuple[float, float] = (0.5, 2.0)
    photometric: bool = True
    focus: tuple[str, ...] = ()
    focus_p: float = 0.5

    def __post_init__(self) -> None:
        if not all(1 <= side <= MAX_CROP for side in self.crop):
            raise ZooError(f"data.augment.crop: height and width must be 1 to {MAX_CROP} pixels, not {list(self.crop)}")
        if not 0.1 <= self.scale[0] <= self.scale[1] <= 10:
            raise ZooError(f"data.augment.scale: a range from 0.1 or more to 10 or less, not {list(self.scale)}")

    def transform(self, labels: LabelMap) -> A.Compose:
        """Random scale and crop, flip and, with ``photometric``, brightness, contrast, gamma, colour and blur."""
        if unknown := set(self.focus) - set(labels.names):
            raise ZooError(f"data.augment.focus: no class {sorted(unknown)[0]!r}; there are {', '.join(labels.names)}")
        focus = [labels.names.index(name) for name in self.focus]
        steps: list[Any] = [
            RandomScaleCrop(*self.crop, self.scale, focus, self.focus_p if focus else 0.0, labels.ignore_index),
            A.HorizontalFlip(p=0.5),
        ]
        if self.photometric:
            steps += [
                A.RandomBrightnessContrast(brightness_limit=0.3, contrast_limit=0.3, p=0.7),
                A.RandomGamma(gamma_limit=(60, 160), p=0.3),
                A.HueSaturationValue(hue_shift_limit=10, sat_shift_limit=40, val_shift_limit=0, p=0.5),
                A.GaussianBlur(blur_limit=(3, 5), p=0.1),
            ]
        return A.Compose(steps)
