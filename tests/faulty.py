"""Makes a small segmentation data set, healthy or with seeded faults."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ground", "crack", "rust", "moss")
SPLITS = {"train": 12, "val": 4, "test": 4}
WIDTH, HEIGHT = 96, 80
VOID = 255


def scene(seed: int) -> np.ndarray:
    """A picture of coarse colours, unlike those of other seeds: ``(80, 96, 3)`` uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (10, 12, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def ids(seed: int, missing: int | None = None) -> np.ndarray:
    """A mask that shows every class in a stripe, except a missing one: ``(80, 96)`` uint8."""
    mask = np.repeat(np.arange(WIDTH) * len(CLASSES) // WIDTH, HEIGHT).reshape(WIDTH, HEIGHT).T.astype(np.uint8)
    mask = np.roll(mask, 7 * seed, axis=1)
    if missing is not None:
        mask[mask == missing] = 0
    return mask


def healthy(root: Path) -> None:
    """Writes pictures and masks in folders of the splits."""
    for split, count in SPLITS.items():
        for number in range(count):
            seed = 100 * list(SPLITS).index(split) + number
            save(Image.fromarray(scene(seed)), root / "pictures" / split / f"{number:02}.png")
            save(Image.fromarray(ids(seed)), root / "masks" / split / f"{number:02}.png")


def save(picture: Image.Image, path: Path, kind: str = "PNG", **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, kind, **options)


class Faults:
    """Seeds faults into a healthy data set; each method makes one and yields what must be named.

    Args:
        root: folder of the healthy data set.
    """

    def __init__(self, root: Path) -> None:
        self.pictures, self.masks = root / "pictures", root / "masks"

    def seed(self) -> dict[str, tuple[str, str]]:
        """Seeds all faults; returns the check and a part of a name that tell each of them."""
        return {name[6:]: getattr(self, name)() for name in sorted(vars(Faults)) if name.startswith("fault_")}

    def fault_truncated_picture(self) -> tuple[str, str]:
        path = self.pictures / "train" / "00.png"
        path.write_bytes(path.read_bytes()[:-2000])
        return "picture-unreadable", "train/00.png"

    def fault_empty_picture(self) -> tuple[str, str]:
        (self.pictures / "val" / "00.png").write_bytes(b"")
        return "picture-unreadable", "val/00.png"

    def fault_missing_mask(self) -> tuple[str, str]:
        (self.masks / "train" / "01.png").unlink()
        return "mask-missing", "train/01.png"

    def fault_mask_without_picture(self) -> tuple[str, str]:
        save(Image.fromarray(ids(0)), self.masks / "train" / "lonely.png")
        return "mask-unpaired", "train/lonely.png"

    def fault_mask_of_another_size(self) -> tuple[str, str]:
        save(Image.fromarray(ids(2, missing=3)[:-8]), self.masks / "train" / "02.png")
        return "mask-size", "train/02.png"

    def fault_unknown_value(self) -> tuple[str, str]:
        mask = ids(3, missing=3)
        mask[:4, :4] = 77
        save(Image.fromarray(mask), self.masks / "train" / "03.png")
        return "mask-values", "train/03.png"

    def fault_mask_as_jpeg(self) -> tuple[str, str]:
        save(Image.fromarray(ids(4)), self.masks / "train" / "04.png", "JPEG")
        return "mask-unreadable", "train/04.png"

    def fault_mask_in_colours(self) -> tuple[str, str]:
        save(Image.fromarray(scene(5)), self.masks / "train" / "05.png")
        return "mask-unreadable", "train/05.png"

    def fault_void_mask(self) -> tuple[str, str]:
        save(Image.fromarray(np.full((HEIGHT, WIDTH), VOID, np.uint8)), self.masks / "train" / "06.png")
        return "mask-void", "train/06.png"

    def fault_turned_picture(self) -> tuple[str, str]:
        turned = Image.Exif()
        turned[0x0112] = 3
        save(Image.fromarray(scene(7)), self.pictures / "train" / "07.png", exif=turned)
        return "mask-turn", "train/07.png"

    def fault_small_picture(self) -> tuple[str, str]:
        save(Image.fromarray(scene(8)[:40]), self.pictures / "train" / "08.png")
        save(Image.fromarray(ids(8)[:40]), self.masks / "train" / "08.png")
        return "picture-small", "train/08.png"

    def fault_16_bits(self) -> tuple[str, str]:
        deep = scene(9)[..., 0].astype(np.uint16) * 257
        save(Image.fromarray(deep), self.pictures / "train" / "09.png")
        return "picture-converted", "train/09.png"

    def fault_grey_picture(self) -> tuple[str, str]:
        save(Image.fromarray(scene(10)).convert("L"), self.pictures / "train" / "10.png")
        return "picture-grey", "train/10.png"

    def fault_transparent_picture(self) -> tuple[str, str]:
        picture = Image.fromarray(scene(11))
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
        save(picture, self.pictures / "train" / "11.png")
        return "picture-transparent", "train/11.png"

    def fault_picture_in_two_splits(self) -> tuple[str, str]:
        packed = io.BytesIO()
        brighter = np.clip(scene(6) * 1.1, 0, 255).astype(np.uint8)
        Image.fromarray(brighter).resize((120, 100)).save(packed, "JPEG", quality=60)
        with Image.open(packed) as again:
            save(again, self.pictures / "test" / "01.png")
        save(Image.fromarray(ids(6)).resize((120, 100), Image.Resampling.NEAREST), self.masks / "test" / "01.png")
        return "split-leak", "test/01.png"

    def fault_mirrored_in_two_splits(self) -> tuple[str, str]:
        save(Image.fromarray(scene(6)[:, ::-1]), self.pictures / "val" / "01.png")
        return "split-leak", "val/01.png"

    def fault_two_masks_of_a_picture(self) -> tuple[str, str]:
        save(Image.fromarray(scene(202)), self.pictures / "test" / "03.png")
        return "mask-contradiction", "test/03.png"

    def fault_blank_picture(self) -> tuple[str, str]:
        save(Image.new("RGB", (WIDTH, HEIGHT), "navy"), self.pictures / "test" / "00.png")
        return "picture-blank", "test/00.png"

    def fault_zz_class_missing_from_train(self) -> tuple[str, str]:
        self._without(3, "train")
        return "class-missing", "moss"

    def fault_zz_class_missing_from_val(self) -> tuple[str, str]:
        self._without(2, "val")
        return "class-missing", "rust"

    def _without(self, missing: int, split: str) -> None:
        for path in self._plain_masks(split):
            with Image.open(path) as file:
                mask = np.array(file)
            mask[mask == missing] = 0
            save(Image.fromarray(mask), path)

    def _plain_masks(self, split: str) -> Iterator[Path]:
        readable: Callable[[Image.Image], bool] = lambda file: file.mode == "L" and file.format == "PNG"  # noqa: E731
        for path in sorted((self.masks / split).glob("*.png")):
            with Image.open(path) as file:
                if readable(file):
                    yield path
