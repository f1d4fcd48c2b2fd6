"""Inspects a downloaded picture by its content: type, whether it decodes, perceptual hash. Imports no torch."""

from __future__ import annotations

import errno
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO

import imagehash
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from zoo.base.files import CHUNK
from zoo.collect.options import Options
from zoo.collect.trouble import RejectedError
from zoo.pictures.images import ORIENTATION, open_listed

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp"}
HEAD = 512  # bytes that tell a type
DECODED = 150 << 20  # bytes of pixels in memory at a time, of all threads
WEBP = 16  # bytes per pixel that libwebp and Pillow take together
SCANS = 100  # scans of a JPEG, at most; encoders make about ten
TURNED = range(2, 9)  # values of EXIF's orientation that turn or mirror a picture
FLAT = 8  # contrast out of 255: with less a perceptual hash cannot tell pictures apart
_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"GIF8": "GIF",
    b"%PDF": "PDF",
    b"PK\x03\x04": "ZIP",
    b"\x1f\x8b": "gzip",
    b"8BPS": "PSD",
    b"\0\0\1\0": "ICO",
}


@dataclass(frozen=True)
class Picture:
    format: str  # a key of SUFFIXES
    width: int
    height: int
    phash: str | None  # 16 hexadecimal digits; None if it would mean nothing
    upright: bytes | None = None  # the re-encoded file, if its EXIF orientation was applied


def kind(head: bytes) -> str | None:
    """The type that the first bytes tell: a key of ``SUFFIXES``, or the name of something else."""
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return {b"avif": "AVIF", b"heic": "HEIC", b"mif1": "HEIC"}.get(head[8:12], "video")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<"):
        return "SVG" if b"<svg" in text else "HTML" if b"<html" in text or b"<!doctype html" in text else "markup"
    return "text" if text and all(byte >= 32 or byte in b"\t\r\n\f" for byte in text[:64]) else None


def refuse_kind(head: bytes) -> None:
    """Refuses unwanted types by the first bytes; other checks follow.

    Raises:
        RejectedError: the type is not a key of ``SUFFIXES``.
    """
    found = kind(head)
    if found not in SUFFIXES:
        raise RejectedError(f"{found or 'unknown data'}, not {', '.join(SUFFIXES)}" if head else "empty")


class Memory:
    """Limits the bytes of pixels decoded at a time; a larger picture waits until it is alone."""

    def __init__(self, size: int = DECODED) -> None:
        self._size, self._used, self._changed = size, 0, threading.Condition()

    @contextmanager
    def of(self, size: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + size <= self._size)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()


def inspect(file: IO[bytes], options: Options, memory: Memory) -> Picture:
    """Checks a picture's header against the limits, then decodes the whole picture.

    Raises:
        RejectedError: its type or size is not wanted, or it is damaged.
    """
    _refuse_scans(file)
    try:
        with open_listed(file, SUFFIXES) as image:
            _refuse_size(image, options)
            return _decoded(image, options, memory)
    except RejectedError:
        raise
    except UnidentifiedImageError:
        raise RejectedError("damaged: unreadable header") from None
    except Image.DecompressionBombError:
        raise RejectedError(f"more than {options.max_pixels:,} pixels") from None
    except MemoryError:
        raise RejectedError("out of memory while decoding") from None
    except Exception as error:  # Pillow's plugins raise what the damaged bytes led to, struct.error and KeyError too
        if isinstance(error, OSError) and error.errno == errno.EIO:  # the disk fails
            raise
        raise RejectedError(f"damaged: {error}") from None


def _refuse_scans(file: IO[bytes]) -> None:
    """Refuses a JPEG with too many scans: a few kilobytes can take hours, since each scan covers the whole picture.

    Raises:
        RejectedError: there are more scans than any encoder makes.
    """
    if file.read(2) == b"\xff\xd8":
        scans = sum(chunk.count(b"\xff\xda") for chunk in iter(partial(file.read, CHUNK), b""))
        if scans > SCANS:
            raise RejectedError(f"a JPEG with {scans} scans")
    file.seek(0)


def _load_bytes(image: Image.Image, copies: int) -> int:
    """Bytes that decoding takes at the size after ``draft``, with the copies for the hash; measured."""
    a_pixel = WEBP if image.format == "WEBP" else copies * (6 if image.mode in ("P", "PA") else 5)
    return a_pixel * image.width * image.height


def _refuse_size(image: Image.Image, options: Options) -> None:
    """Refuses by the header alone, before anything is decoded.

    Raises:
        RejectedError: too many pixels, sides too short, too long or too different, or more than one frame.
    """
    width, height = image.size
    stated = f"{width}x{height} pixels"
    if width * height > options.max_pixels:
        raise RejectedError(f"{stated}, more than {options.max_pixels:,} in all")
    if min(width, height) < options.min_side:
        raise RejectedError(f"{stated}, a side below {options.min_side}", smaller=False)
    if options.max_side is not None and max(width, height) > options.max_side:
        raise RejectedError(f"{stated}, a side above {options.max_side}")
    if max(width, height) > options.max_aspect * min(width, height):
        raise RejectedError(f"{stated}, longer than {options.max_aspect:g}:1", smaller=False)
    if image.format in ("PNG", "WEBP") and getattr(image, "is_animated", False):
        raise RejectedError("animated")


def _decoded(image: Image.Image, options: Options, memory: Memory) -> Picture:
    width, height = image.size
    format_ = "JPEG" if image.format == "MPO" else str(image.format)
    coefficients = 0
    if image.format == "JPEG" and image.info.get("progressive"):  # libjpeg keeps all coefficients, whatever the draft
        coefficients = 2 * width * height * len(image.getbands())
    if image.format == "JPEG" and not (options.upright and _is_turned(image)):
        # An eighth of the pixels shows whether all of the file decodes, at a fraction of time and memory.
        image.draft("L", (64, 64))
    copies = 3 if options.upright else 1
    with memory.of(_load_bytes(image, copies) + coefficients):
        turned = options.upright and _is_turned(image)  # decodes a PNG if its start does not tell
        image.load()
        if not turned:
            return Picture(format_, width, height, _phash(image))
        image.info.pop("exif", None)  # else Pillow writes it again, damaged as it may be
        shown = ImageOps.exif_transpose(image)
        return Picture(format_, *shown.size, _phash(shown), _encoded(shown, format_, image.info.get("icc_profile")))


def _is_turned(image: Image.Image) -> bool:
    return image.getexif().get(ORIENTATION) in TURNED


def _encoded(image: Image.Image, format_: str, profile: bytes | None) -> bytes:
    """The picture as a file, with its colour profile."""
    written = io.BytesIO()
    image.save(written, format_, quality=95, icc_profile=profile, exif=b"")
    return written.getvalue()


def _phash(image: Image.Image) -> str | None:
    """The perceptual hash; None without contrast, and for pictures with 16 bits, which Pillow would clip to white."""
    if image.mode.startswith(("I", "F")):
        return None
    if image.mode in ("L", "RGB", "RGBA", "CMYK") and (factor := min(image.size) // 128) > 1:
        image = image.reduce(factor)
    grey = (image.convert("RGB") if image.mode in ("P", "PA") else image).convert("L")
    small = np.asarray(grey.resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    return str(imagehash.phash(grey)) if np.ptp(small) >= FLAT else None
