"""Any picture that people have (path, PIL, array, tensor) to floats in 0..1, and back. Nothing here imports torch."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias, TypeVar

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from zoo.base.ahead import ahead
from zoo.base.errors import ZooError
from zoo.base.text import first_line
from zoo.pictures.held import PicturePath


class TensorLike(Protocol):
    """A tensor of torch, described without importing torch."""

    @property
    def ndim(self) -> int: ...

    def detach(self) -> Any: ...


Picture: TypeAlias = str | Path | Image.Image | np.ndarray | TensorLike
Made = TypeVar("Made")

READERS = 2  # threads that decode the files of an iterator
SLACK = 0.1  # how far floats may leave 0..1: bicubic resizing overshoots
FORMATS = {  # Pillow's formats that are opened, with the suffixes to find them by
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
    "TGA": (".tga",),
}
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
_FORMATS = ", ".join(FORMATS)
ORIENTATION = 0x0112  # a tag of EXIF
SIDEWAYS = range(5, 9)  # its values that exchange width and height


def open_listed(file: str | Path | IO[bytes], formats: Iterable[str] = FORMATS) -> Image.Image:
    """Opens a picture in one of the formats only, whatever its name; the zoo opens all pictures here.

    Pillow would try all formats that it knows, and hand files that look like PostScript to Ghostscript.
    """
    Image.init()  # or Pillow fails at a format that this version lacks
    return Image.open(file, formats=[name for name in formats if name in Image.OPEN])


def open_rgb(path: str | Path) -> Image.Image:
    """Decodes a picture file whole, upright by its EXIF orientation, transparent parts on white.

    Raises:
        ZooError: the file is missing, not a picture, truncated or a decompression bomb.
    """
    if (decoded := getattr(path, "decoded", None)) is not None:
        return on_white(decoded[0])
    with opened(path) as file:
        return upright_rgb(file)


def decoded(path: Path) -> PicturePath:
    """The same path with its picture decoded, so that whoever reads it next has it at once.

    Raises:
        ZooError: see :func:`open_rgb`.
    """
    held = PicturePath(path)
    held.archive, held.decoded = getattr(path, "archive", None), to_picture(path)
    return held


def upright_rgb(picture: Image.Image) -> Image.Image:
    """A picture with 8 bits a channel, upright by its EXIF orientation, transparent parts on white."""
    return _to_8_bits(ImageOps.exif_transpose(picture), "RGB")


def to_picture(picture: Picture) -> tuple[Image.Image, tuple[str, ...]]:
    """Makes a PIL picture with 8 bits a channel that keeps grey and transparency: L, LA, RGB or RGBA.

    Args:
        picture: what :func:`to_floats` takes, or a uint8 array ``(H, W, 4)``.

    Returns:
        The picture, and notes on what was lost, such as "16 bits a channel became 8".
    """
    if (decoded := getattr(picture, "decoded", None)) is not None:
        return decoded
    if isinstance(picture, (str, Path)):
        with opened(picture) as file:
            lost = conversions(file)  # decoding forgets it
            return _to_8_bits(ImageOps.exif_transpose(file)), lost
    if (
        isinstance(picture, np.ndarray)
        and picture.dtype == np.uint8
        and (picture.ndim == 2 or picture.shape[2:] == (4,))
    ):
        picture = Image.fromarray(picture)
    if isinstance(picture, Image.Image):
        return _to_8_bits(picture), conversions(picture)
    return Image.fromarray(to_pixels(to_floats(picture))), ()


def conversions(picture: Image.Image) -> tuple[str, ...]:
    """Notes on what becomes of a picture that is not decoded yet, such as "16 bits a channel became 8"."""
    lost = []
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # a photograph with its preview
        lost.append(f"{frames} frames: only the first was taken")
    if picture.mode.startswith("I") or ";16" in str(getattr(picture, "tile", "")):
        lost.append("16 bits a channel became 8")
    if picture.mode == "CMYK":
        lost.append("CMYK became RGB")
    if picture.mode == "1":
        lost.append("1 bit a pixel became grey")
    return tuple(lost)


@contextmanager
def opened(path: str | Path) -> Iterator[Image.Image]:
    """Opens a picture file; errors at opening or decoding become one line with its name."""
    content = getattr(path, "content", None)
    try:
        with open_listed(path if content is None else io.BytesIO(content())) as file:
            yield file
    except UnidentifiedImageError:
        empty = content is None and Path(path).stat().st_size == 0
        raise ZooError(f"{path}: {'an empty file' if empty else f'not a picture ({_FORMATS})'}") from None
    except Image.DecompressionBombError:
        raise ZooError(
            f"{path}: {_stated_size(path)} may be a decompression bomb; resize it, or raise "
            "PIL.Image.MAX_IMAGE_PIXELS if you trust it"
        ) from None
    except ZooError as error:
        raise ZooError(f"{path}: {error}") from None
    except MemoryError:
        raise ZooError(f"{path}: memory ran out while decoding it") from None
    except Exception as error:  # Pillow's plugins raise what the damaged bytes led to, struct.error and KeyError too
        raise ZooError(f"{path}: {_trouble(error)}") from None


def _trouble(error: Exception) -> str:
    """What is wrong with a file that could not be opened or decoded."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder, not a picture"
    if isinstance(error, OSError) and error.errno is not None:  # an error of the disk, not of the content
        return error.strerror or str(error)
    return f"damaged picture ({first_line(error)})"


def _stated_size(path: str | Path) -> str:
    """The size in the header of a picture that ``Image.open`` refuses, by the first plugin that knows it."""
    for factory, accept in (Image.OPEN[name] for name in FORMATS if name in Image.OPEN):
        with suppress(Exception), Path(path).open("rb") as file:
            if accept is None or accept(file.read(16)) is True:
                file.seek(0)
                width, height = factory(file, "").size
                return f"{width}x{height} pixels ({width * height / 1e6:,.0f} megapixels)"
    return "its size"


def _to_8_bits(picture: Image.Image, mode: str | None = None) -> Image.Image:
    """Converts any mode to L, LA, RGB or RGBA; 16 bits are scaled, while Pillow would clip them to white.

    Args:
        mode: mode of the result, where transparent parts become white; None: the mode that keeps grey and transparency.
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
    if picture.mode == "CMYK":
        picture = _without_inks(picture)
    return on_white(picture) if mode == "RGB" else picture.convert(mode)


def on_white(picture: Image.Image) -> Image.Image:
    """RGB, with transparent parts on white."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA")).convert("RGB")


def _without_inks(picture: Image.Image) -> Image.Image:
    """Converts CMYK to RGB, by the profile of its inks if there is a valid one."""
    profile = picture.info.get("icc_profile")
    with suppress(ImageCms.PyCMSError, ImportError, OSError, TypeError, ValueError):  # Pillow may lack LittleCMS
        inks, screen = ImageCms.ImageCmsProfile(io.BytesIO(profile or b"")), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, inks, screen, outputMode="RGB")
        assert converted is not None  # it was not asked to change the picture itself
        return _without_profile(converted)
    return _without_profile(picture.convert("RGB"))


def _without_profile(picture: Image.Image) -> Image.Image:
    picture.info.pop("icc_profile", None)
    return picture


def to_floats(picture: Picture) -> np.ndarray:
    """Makes an RGB array ``(3, H, W)``, float32 in 0..1, channels last in memory.

    Args:
        picture: a path, a PIL picture of any mode (16 bits are scaled to 8), a uint8 array ``(H, W)`` or
            ``(H, W, 3)``, or a tensor ``(3, H, W)``, uint8 or float in 0..1.
    """
    if is_tensor(picture):
        return _floats_of_tensor(picture)
    if isinstance(picture, (str, Path)):
        picture = open_rgb(picture)
    if isinstance(picture, Image.Image):
        picture = np.asarray(_to_8_bits(picture, "RGB"))
    if not isinstance(picture, np.ndarray):
        raise ZooError(f"a picture must be a path, a PIL picture, an array or a tensor, not {type(picture).__name__}")
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] != 3):
        raise ZooError(f"an array picture must be uint8, (H, W) or (H, W, 3), not {picture.dtype} {picture.shape}")
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    return np.divide(picture, 255, dtype=np.float32, order="C").transpose(2, 0, 1)


def to_pixels(floats: np.ndarray) -> np.ndarray:
    """``(3, H, W)`` in 0..1 -> ``(H, W, 3)`` uint8; values outside 0..1 are clipped, NaN becomes 0."""
    scaled = np.rint(np.nan_to_num(floats.clip(0, 1), copy=False).astype(np.float32, copy=False) * 255)
    return np.ascontiguousarray(scaled.astype(np.uint8).transpose(1, 2, 0))


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of torch; wherever tensors exist, torch is imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _floats_of_tensor(picture: Any) -> np.ndarray:
    array: np.ndarray = picture.detach().cpu().float().numpy()
    kind = str(picture.dtype).removeprefix("torch.")
    if array.ndim != 3 or array.shape[0] != 3 or not (kind == "uint8" or picture.is_floating_point()):
        raise ZooError(f"a tensor picture must be uint8 or float, (3, H, W), not {picture.dtype} {array.shape}")
    if kind == "uint8":
        return array / np.float32(255)
    low, high = (array.min(), array.max()) if array.size else (0.0, 0.0)
    if not -SLACK <= low <= high <= 1 + SLACK:  # NaN compares false
        raise ZooError(f"values of a float picture must be 0..1, not {low:.4g}..{high:.4g}")
    return array


def one_or_many(pictures: Any, predict: Callable[[Iterable[Any]], Iterable[Made]]) -> Any:
    """Predicts for one picture; for a list or batch of them, which gives a list; or for an iterator, which gives one.

    Args:
        pictures: one picture; a list or tuple of pictures, or a tensor ``(B, 3, H, W)``; or an iterator of pictures,
            whose files are decoded ahead by threads, and whose results are made when they are asked for.
        predict: function that makes a result from each of some pictures.
    """
    if isinstance(pictures, Iterator):
        return iter(predict(ahead(_decoded, pictures, READERS, 2 * READERS)))
    if isinstance(pictures, (list, tuple)) or (is_tensor(pictures) and pictures.ndim == 4):
        return list(predict(list(pictures)))
    return next(iter(predict([pictures])))


def _decoded(picture: Picture) -> Picture:
    return decoded(Path(picture)) if isinstance(picture, (str, Path)) else picture


@contextmanager
def naming(picture: Picture) -> Iterator[None]:
    """Puts the name of a picture's file before the errors about it, if they do not begin with it."""
    try:
        yield
    except ZooError as error:
        if not isinstance(picture, (str, Path)) or str(error).startswith(str(picture)):
            raise
        raise ZooError(f"{picture}: {error}") from error


def name_of(picture: Picture) -> str | None:
    """The path that a picture was given as, or None."""
    return str(picture) if isinstance(picture, (str, Path)) else None
