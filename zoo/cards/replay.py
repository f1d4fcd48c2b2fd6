"""Replays the golden input that an exported file keeps in its metadata, without torch."""

from __future__ import annotations

import base64
import io
import math
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from zoo.base.errors import ZooError
from zoo.engines import Engine

LIMIT = 200_000  # bytes of a golden file
UNPACKED = 20 * LIMIT  # and of the arrays in one that is compressed
SIDE = 8192  # pixels, at most
COARSE = 1e-2  # where TF32 may round to ten bits, which moved the outputs of the cards by up to 4e-3


def check(engine: Engine, metadata: Mapping[str, str], where: str) -> float:
    """Compares what an engine makes of the golden input with what the network made of it.

    Args:
        engine: that runs the file.
        metadata: of the file.
        where: it is, for errors.

    Returns:
        What :func:`difference` says.

    Raises:
        ZooError: no golden input, one that is damaged, or an output that differs.
    """
    picture, want, step = read(metadata, where)
    have = engine(picture.astype(np.float32) / 255)[0]
    have = have[..., ::step, ::step] if step > 1 else have
    if have.shape != want.shape:
        raise ZooError(f"{where}: the golden output has the shape {want.shape}, and here it is {have.shape}")
    found, allowed = difference(have, want), tolerance(metadata, where)
    if engine.device != "cpu":
        allowed = max(allowed, COARSE)
    if not found <= allowed:  # NaN too
        raise ZooError(
            f"{where}: its answer to the golden input is off by {100 * found:.3g} %, more than {allowed:.1%}\n"
            "the file is not what was exported, or this engine computes something else"
        )
    return found


def difference(have: np.ndarray, want: np.ndarray) -> float:
    """RMS of the difference over the RMS of what is wanted."""
    have, want = have.astype(np.float64), want.astype(np.float64)
    return float(np.sqrt(np.square(have - want).mean()) / np.sqrt(np.square(want).mean()))


def tolerance(metadata: Mapping[str, str], where: str) -> float:
    """The difference that the file allows, above 0 and at most 1."""
    try:
        found = float(metadata["golden_tolerance"])
    except (KeyError, ValueError):
        found = math.nan
    if not 0 < found <= 1:
        raise ZooError(f"{where}: refused, golden_tolerance in its metadata is no number above 0 to 1")
    return found


def enlarged(picture: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """A picture ``(..., H, W)`` at another height and width, by its nearest pixels."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, picture.shape[-2:], strict=True))
    return np.ascontiguousarray(picture[..., rows, :][..., columns])


def read(metadata: Mapping[str, str], where: str) -> tuple[np.ndarray, np.ndarray, int]:
    """The golden input, ``(1, C, H, W)`` uint8, the output for it, float16, and the step of rows and columns kept."""
    if not (text := metadata.get("golden", "")):
        raise ZooError(f"{where}: keeps no golden input, so that it cannot be checked")
    try:
        content = base64.b64decode(text, validate=True)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if len(content) > LIMIT or sum(each.file_size for each in archive.infolist()) > UNPACKED:
                raise ValueError
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            picture, output, step = arrays["input"], arrays["output"], int(arrays["step"])
            size = [int(side) for side in arrays["size"]]
        if picture.dtype != np.uint8 or picture.ndim != 4 or len(picture) != 1 or output.dtype != np.float16:
            raise ValueError
        if len(size) != 2 or not 0 < min(*size, step) <= max(size) <= SIDE:
            raise ValueError
    except Exception as error:  # of zip, zlib and NumPy, whatever a stranger put there
        raise ZooError(f"{where}: refused, golden in its metadata is damaged") from error
    return enlarged(picture, size), output, step
