"""The pictures on a card."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zoo.base.errors import ZooError

MAX_SIDE = 1200  # pixels of a side


def last_sheet(checkpoint: Path, samples: Sequence[str | Path]) -> Path | None:
    """The sheet of the run's last validation pictures, if no samples are given."""
    for sample in map(Path, samples):
        if not sample.is_file():
            raise ZooError(f"--samples {sample}: no such file")
    sheets = sorted((checkpoint.absolute().parent.parent / "pictures").glob("*.png"))
    if not samples and not sheets:
        raise ZooError(f"{checkpoint}: its run left no pictures; give some for the card, --samples PICTURE ...")
    return None if samples else sheets[-1]


def write_samples(net: Any, pictures: Sequence[str | Path], sheet: Path | None, folder: Path) -> list[str]:
    """Small pictures for the card; returns their names."""
    if sheet:
        return [_shrink(sheet, folder / "validation.jpg")]
    needed = [p for p in inspect.signature(net.predict).parameters.values() if p.default is p.empty]
    names = []
    with TemporaryDirectory() as temporary:
        for start in range(0, len(pictures), len(needed)):
            group = pictures[start : start + len(needed)]
            if len(group) < len(needed):
                raise ZooError(f"--samples: the model takes {len(needed)} at a time, and {len(group)} are left over")
            number = start // len(needed) + 1
            saved = net.predict(*group).save(Path(temporary, f"sample_{number}"))
            names += [_shrink(path, folder / f"{path.stem}.jpg") for path in saved if path.suffix in (".png", ".jpg")]
    return names


def _shrink(source: Path, path: Path) -> str:
    from zoo.pictures.images import open_rgb  # with NumPy, which the help of a verb does without

    path.parent.mkdir(exist_ok=True)
    small = open_rgb(source)
    small.thumbnail((MAX_SIDE, MAX_SIDE))
    small.save(path, quality=88)
    return path.name
