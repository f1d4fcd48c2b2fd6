"""Any picture that people have (path, PIL, array, tensor) to a tensor in 0..1, and back."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.base.files import replacing

Picture: TypeAlias = "str | Path | Image.Image | np.ndarray | Tensor"

SLACK = 0.1  # by which floats may leave 0..1: bicubic resizing overshoots
SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def open_rgb(path: str | Path) -> Image.Image:
    """Decodes a picture file whole, upright by its EXIF orientation, without alpha.

    Raises:
        ZooError: the file is missing, no picture, truncated or a decompression bomb.
    """
    with _opened(path) as file:
        return _to_rgb(ImageOps.exif_transpose(file))


def to_picture(picture: Picture) -> tuple[Image.Image, tuple[str, ...]]:
    """Makes a PIL picture with 8 bits a channel that keeps grey and transparency: L, LA, RGB or RGBA.

    Args:
        picture: what :func:`to_tensor` takes, or a uint8 array ``(H, W, 4)``.

    Returns:
        It, and what of the original it has not, such as "16 bits a channel became 8".
    """
    if isinstance(picture, (str, Path)):
        with _opened(picture) as file:
            lost = _lost(file)  # decoding forgets it
            return _to_8_bits(ImageOps.exif_transpose(file)), lost
    if (
        isinstance(picture, np.ndarray)
        and picture.dtype == np.uint8
        and (picture.ndim == 2 or picture.shape[2:] == (4,))
    ):
        picture = Image.fromarray(picture)
    if isinstance(picture, Image.Image):
        return _to_8_bits(picture), _lost(picture)
    return Image.fromarray(to_array(to_tensor(picture))), ()


def _lost(picture: Image.Image) -> tuple[str, ...]:
    """What :func:`_to_8_bits` would not keep of a picture that is not decoded yet."""
    lost = []
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # a photograph with its preview
        lost.append(f"{frames} frames: only the first was taken")
    if picture.mode.startswith("I") or ";16" in str(getattr(picture, "tile", "")):
        lost.append("16 bits a channel became 8")
    if picture.mode == "CMYK":
        lost.append("CMYK became RGB")
    return tuple(lost)


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    """Opens a picture file; what is wrong with it, then or when it is decoded, is told in one line with its name."""
    try:
        with Image.open(path) as file:
            yield file
    except FileNotFoundError:
        raise ZooError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ZooError(f"{path}: a folder, not a picture") from None
    except UnidentifiedImageError:
        raise ZooError(f"{path}: not a picture that Pillow can read") from None
    except Image.DecompressionBombError:
        raise ZooError(
            f"{path}: {_stated_size(path)} may be a decompression bomb; resize it, or raise "
            "PIL.Image.MAX_IMAGE_PIXELS where it can be trusted"
        ) from None
    except ZooError as error:
        raise ZooError(f"{path}: {error}") from None
    except MemoryError:
        raise ZooError(f"{path}: memory ran out when it was decoded") from None
    except (OSError, SyntaxError, ValueError, IndexError, TypeError, RuntimeError) as error:  # of Pillow's plugins
        raise ZooError(f"{path}: damaged picture ({error})") from None


def _stated_size(path: str | Path) -> str:
    """The size that a picture's header claims, where ``Image.open`` refuses it: by the first plugin that knows it."""
    for factory, accept in Image.OPEN.values():
        with suppress(Exception), Path(path).open("rb") as file:
            if accept is None or accept(file.read(16)) is True:
                file.seek(0)
                width, height = factory(file, "").size
                return f"{width}x{height} pixels ({width * height / 1e6:,.0f} megapixels)"
    return "its size"


def to_tensor(picture: Picture) -> Tensor:
    """Makes an RGB tensor ``(3, H, W)``, float32 in 0..1.

    Args:
        picture: a path, a PIL picture of any mode (16 bits are scaled to 8), a uint8 array ``(H, W)`` or
            ``(H, W, 3)``, or a tensor ``(3, H, W)``, uint8 or float in 0..1.
    """
    if isinstance(picture, Tensor):
        known = picture.dtype == torch.uint8 or picture.is_floating_point()
        if picture.ndim != 3 or picture.shape[0] != 3 or not known:
            raise ZooError(
                f"a tensor picture is uint8 or float, (3, H, W), this one {picture.dtype} {tuple(picture.shape)}"
            )
        if picture.dtype == torch.uint8:
            return picture.float() / 255
        low, high = (float(value) for value in picture.detach().aminmax()) if picture.numel() else (0.0, 0.0)
        if not -SLACK <= low <= high <= 1 + SLACK:  # NaN compares false
            raise ZooError(f"values of a float picture are 0..1, these are {low:.4g}..{high:.4g}")
        return picture.float()
    if isinstance(picture, (str, Path)):
        picture = open_rgb(picture)
    if isinstance(picture, Image.Image):
        picture = np.array(_to_rgb(picture))
    if not isinstance(picture, np.ndarray):
        raise ZooError(f"a picture is a path, a PIL picture, an array or a tensor, not {type(picture).__name__}")
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] != 3):
        raise ZooError(f"an array picture is uint8, (H, W) or (H, W, 3), this one {picture.dtype} {picture.shape}")
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    return torch.from_numpy(np.require(picture, requirements=["C", "W"])).permute(2, 0, 1).float() / 255


def _to_rgb(picture: Image.Image) -> Image.Image:
    return _to_8_bits(picture, "RGB")


def _to_8_bits(picture: Image.Image, mode: str | None = None) -> Image.Image:
    """Any mode to one of L, LA, RGB, RGBA; what has 16 bits is scaled, where Pillow would clip it to white.

    Args:
        mode: None: that which keeps grey and transparency.
    """
    if picture.mode == "F":
        raise ZooError("a picture of floats has no known range: save it with 8 or 16 bits")
    if picture.mode.startswith("I"):  # I;16 of PNG and TIFF; Pillow reads a 16-bit PGM as I
        values, transparent = np.asarray(picture), picture.info.get("transparency")
        picture = Image.fromarray(np.rint(values.clip(0, 65535) / 257).astype(np.uint8))
        if transparent is not None:
            picture.putalpha(Image.fromarray(values != transparent))
    if mode is None:
        colors = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
        mode = colors + "A" * picture.has_transparency_data
    converted = picture.convert(mode)
    if picture.mode == "CMYK":
        converted.info.pop("icc_profile", None)  # of the inks
    return converted


def to_array(tensor: Tensor) -> np.ndarray:
    """``(3, H, W)`` in 0..1 -> ``(H, W, 3)`` uint8."""
    return tensor.detach().float().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()


def save_png(image: Image.Image, path: Path) -> None:
    """Writes a PNG whole or not at all, and without a copy of it in memory."""
    with replacing(path) as temporary:
        image.save(temporary, "PNG", compress_level=4)  # half the time of Pillow's 6, and hardly larger


def save_pngs(pictures: Mapping[str, Image.Image], destination: str | Path) -> list[Path]:
    """Writes ``DESTINATION_KIND.png`` a picture, each whole or not at all, and makes the folder.

    Args:
        pictures: by their kind.
        destination: beginning of the files' names, such as ``out/street``.
    """
    destination = Path(destination)
    if not destination.name:
        raise ZooError(f"{destination} names no files; give the beginning of their names, such as out/street")
    destination.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, picture in pictures.items():
        written.append(destination.with_name(f"{destination.name}_{kind}.png"))
        save_png(picture, written[-1])
    return written


def save_as(picture: Image.Image, path: Path) -> list[Path]:
    """Writes one file, whole or not at all, in the format that its suffix names, and makes the folder.

    Raises:
        ZooError: the format cannot hold the picture.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    format_ = Image.registered_extensions()[path.suffix.lower()]
    try:
        with replacing(path) as temporary:
            picture.save(temporary, format_, quality=95)  # where it has such
    except (OSError, ValueError) as error:  # of the format: no transparency, or no sides as long
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ZooError(f"{path}: {error}; save it as .png") from None
    return [path]


def on_white(picture: Image.Image) -> Image.Image:
    """RGB, with what is transparent on white."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA")).convert("RGB")


class PictureResult:
    """What a result that is one picture shares with it, so that it can be taken for one."""

    picture: Image.Image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.picture.size

    @property
    def mode(self) -> str:
        return self.picture.mode

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("the pixels of a PIL picture can only be copied")
        return np.array(self.picture, dtype)


def colorize(mask: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Class ids ``(H, W)`` -> RGB ``(H, W, 3)`` uint8; ids beyond the palette become black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = np.asarray(palette, np.uint8).reshape(-1, 3)
    return table[mask]


def contact_sheet(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str] = (), width: int = 320) -> Image.Image:
    """Lays pictures ``(H, W, 3)`` uint8 out as a table, each cell ``width`` pixels wide, with one title a column."""
    cells = [[Image.fromarray(cell) for cell in row] for row in rows]
    gap, top = 4, 18 if titles else 4
    heights = [max(round(cell.height * width / cell.width) for cell in row) for row in cells]
    columns = max(len(row) for row in cells)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, sum(h + gap for h in heights) + top), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        draw.text((gap + column * (width + gap), 3), title, fill="black")
    for row, height in zip(cells, heights, strict=True):
        for column, cell in enumerate(row):
            sheet.paste(cell.resize((width, height)), (gap + column * (width + gap), top))
        top += height + gap
    return sheet


def distinct_colors(count: int) -> list[tuple[int, int, int]]:
    """Colours far apart in hue, for classes that come without any."""
    hues = ((i * 0.618034) % 1 for i in range(count))  # the golden ratio spreads any number of hues evenly
    return [tuple(round(255 * c) for c in colorsys.hsv_to_rgb(h, 0.65, 0.9)) for h in hues]  # type: ignore[misc]
