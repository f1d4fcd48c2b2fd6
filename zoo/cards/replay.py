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
UNPACKED = 20 * LIMIT  # bytes of its unpacked arrays
SIDE = 8192  # most pixels of a side
COARSE = 1e-2  # with TF32, which may round to ten bits: it changed the outputs of the cards by up to 4e-3


def check(engine: Engine, metadata: Mapping[str, str], where: str) -> float:
    """Compares an engine's output for the golden input with the network's.

    Args:
        engine: engine that runs the file.
        metadata: metadata of the file.
        where: path of the file, for errors.

    Returns:
        The :func:`difference` of the outputs.

    Raises:
        ZooError: the golden input is missing or damaged, or the output differs.
    """
    picture, want, step = read(metadata, where)
    have = engine(picture.astype(np.float32) / 255)[0]
    have = have[..., ::step, ::step] if step > 1 else have
    if have.shape != want.shape:
        raise ZooError(f"{where}: the output has the shape {have.shape}, the golden output {want.shape}")
    found, allowed = difference(have, want), tolerance(metadata, where)
    if engine.device != "cpu":
        allowed = max(allowed, COARSE)
    if not found <= allowed:  # NaN too
        raise ZooError(
            f"{where}: the output for its golden input differs by {100 * found:.3g} %, more than {allowed:.1%}\n"
            "the file is not what was exported, or this engine computes something else"
        )
    return found


def difference(have: np.ndarray, want: np.ndarray) -> float:
    """RMS of the difference, relative to the RMS of the wanted output."""
    have, want = have.astype(np.float64), want.astype(np.float64)
    return float(np.sqrt(np.square(have - want).mean()) / np.sqrt(np.square(want).mean()))


def tolerance(metadata: Mapping[str, str], where: str) -> float:
    """The difference that the file allows, above 0 and at most 1."""
    try:
        found = float(metadata["golden_tolerance"])
    except (KeyError, ValueError):
        found = math.nan
    if not 0 < found <= 1:
        raise ZooError(f"{where}: refused, golden_tolerance in its metadata must be above 0 and at most 1")
    return found


def enlarged(picture: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """A picture ``(..., H, W)`` resized to another height and width by nearest neighbour."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, picture.shape[-2:], strict=True))
    return np.ascontiguousarray(picture[..., rows, :][..., columns])


def read(metadata: Mapping[str, str], where: str) -> tuple[np.ndarray, np.ndarray, int]:
    """The golden input, ``(1, C, H, W)`` uint8, the output for it, float16, and the step of rows and columns kept."""
    if not (text := metadata.get("golden", "")):
        raise ZooError(f"{where}: has no golden input, so it cannot be checked")
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
    except Exception as error:  # errors of zip, zlib or NumPy, for a stranger's bytes
        raise ZooError(f"{where}: refused, golden in its metadata is damaged") from error
    return enlarged(picture, size), output, step
