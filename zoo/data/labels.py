"""Names, colours and statistics of the label maps that data sets and cards share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelMap:
    """The classes of a segmentation data set.

    Args:
        names: one name a class, in the order of the ids.
        palette: one RGB colour (0..255) a class.
        ignore_index: id of pixels that neither loss nor metric counts ("void").
    """

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    ignore_index: int = 255

    def __len__(self) -> int:
        return len(self.names)


CAMVID = LabelMap(
    names=(
        "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
    ),
    palette=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
        (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
    ignore_index=11,
)  # fmt: skip
