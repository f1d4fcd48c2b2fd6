"""What the names of folders and lists say: whether they hold pictures or masks, and of which split."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from zoo.base.splits import Split

Kind: TypeAlias = Literal["pictures", "masks"]
SPLIT_WORDS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test",
}  # fmt: skip
PICTURE_WORDS = ("images?", "imgs?", "pictures?", "photos?", "rgb", "jpegimages", "leftimg8bit")
MASK_WORDS = (
    "masks?", "labels?", "annotations?", "annots?", "annos?", "gt", "gtfine", "ground[ _-]?truth", "segmentations?",
    "segmentationclass", "seg", "targets?",
)  # fmt: skip
_KINDS = f"(?P<pictures%d>{'|'.join(PICTURE_WORDS)})|(?P<masks%d>{'|'.join(MASK_WORDS)})|set|data"
_NAME = re.compile(
    rf"(?:{_KINDS % (1, 1)})?[\W_]*(?P<split>{'|'.join(SPLIT_WORDS)})?[\W_]*(?:{_KINDS % (2, 2)})?(?:[\W_]*\d{{4}})?"
)


@dataclass(frozen=True)
class Meaning:
    """What a name says.

    Args:
        split: split that it names, as "train", "Validation", "train2017", "test_images" and "images-test" do.
        kind: "pictures" for names such as "images", "masks" for names such as "labels" or "trainannot".
        word: the word of the kind, in small letters.
    """

    split: Split | None = None
    kind: Kind | None = None
    word: str = ""

    @property
    def known(self) -> bool:
        """Whether the name says anything."""
        return self.split is not None or self.kind is not None


def meaning(name: str) -> Meaning:
    """What the name of a folder, or of a list without its suffix, says; a name with any other word says nothing."""
    if not (match := _NAME.fullmatch(name.casefold())):
        return Meaning()
    split = SPLIT_WORDS.get(match["split"] or "")
    for kind in ("pictures", "masks"):
        if word := match[f"{kind}1"] or match[f"{kind}2"]:
            return Meaning(split, kind, word)
    return Meaning(split)


def mask_folders(folders: Iterable[Path]) -> set[Path]:
    """Those of the folders that hold the masks of another one of them, beside which they lie.

    Such as ``masks`` beside ``images``, or ``trainannot`` beside ``train``; ``labels`` alone may show labels.
    """
    every = [(path, meaning(path.name)) for path in folders]
    beside = {(path.parent, own.split) for path, own in every if own.kind == "pictures" or (own.split and not own.kind)}
    return {path for path, own in every if own.kind == "masks" and (path.parent, own.split) in beside}


def folders_above(paths: Iterable[Path], root: Path) -> set[Path]:
    """Every folder below a root that leads to one of the paths, which lie below it."""
    found = set[Path]()
    for path in paths:
        folder = path.parent
        while folder != root and folder not in found:
            found.add(folder)
            folder = folder.parent
    return found


def below_any(path: Path, folders: set[Path]) -> bool:
    """Whether a path lies below one of the folders."""
    return bool(folders) and not folders.isdisjoint(path.parents)
