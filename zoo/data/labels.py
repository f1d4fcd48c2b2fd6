"""Names, colours and statistics of the label maps that data sets and cards share."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.base.errors import ZooError
from zoo.base.text import LINE, is_line

IDS = 256  # class ids that a mask may hold, 0..255


@dataclass(frozen=True)
class LabelMap:
    """The classes of a segmentation data set.

    Args:
        names: one name per class, in the order of the ids.
        palette: one RGB colour (0..255) per class.
        ignore_index: id of pixels that loss and metric ignore ("void"), 0..255; None: every pixel counts.

    Raises:
        ZooError: more classes than a mask has ids, an invalid ``ignore_index``, or a name that no card may have.
    """

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    ignore_index: int | None = 255

    def __post_init__(self) -> None:
        if len(self.names) > IDS:
            raise ZooError(f"data.classes: a mask has the ids 0..{IDS - 1}, so {len(self.names)} classes are too many")
        if self.ignore_index is not None and not 0 <= self.ignore_index < IDS:
            raise ZooError(
                f"data.ignore_index must be 0 to {IDS - 1}, or null if every pixel counts, not {self.ignore_index}"
            )
        if self.ignore_index == len(self.names) - 1 == IDS - 1:
            raise ZooError(
                f"data.ignore_index: {self.ignore_index} is the last of {IDS} classes; null ignores no pixel"
            )
        for number, name in enumerate(self.names):
            if not (name and is_line(name)):
                raise ZooError(
                    f"data.classes: the name of class {number}, {name!r:.60}, must have 1 to {LINE} characters, "
                    "all of them printable"
                )

    def __len__(self) -> int:
        return len(self.names)


CAMVID_VOID = 11
CAMVID = LabelMap(
    names=(
        "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
    ),
    palette=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
        (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
    ignore_index=CAMVID_VOID,
)  # fmt: skip
