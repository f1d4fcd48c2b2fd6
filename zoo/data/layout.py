"""The split of each picture of a folder: by its subfolders train, val and test, or otherwise by its path."""

from __future__ import annotations

from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.splits import SPLITS, Split, split_of
from zoo.data.pictures import find_pictures, say_once
from zoo.pictures.images import SUFFIXES

CALLED = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}  # other names for the splits


def split_folders(root: Path) -> dict[Split, Path]:
    """The folders of a root that have the name of a split, in upper or lower case."""
    if not root.is_dir():
        return {}
    folders = {path.name.lower(): path for path in root.iterdir() if path.is_dir()}
    named = {CALLED.get(name, name): name for name in sorted(folders, reverse=True)}  # val is last, after valid
    return {split: folders[named[split]] for split in SPLITS if split in named}


def pictures_of(root: Path, split: Split, fraction: float) -> list[Path]:
    """The pictures of a split; the list may be empty.

    If a root has two or three of the folders train, val and test (or valid, validation and so on), they are the splits.
    Otherwise a hash of each picture's path decides its split, so that adding other pictures never moves it.

    Args:
        root: folder of pictures.
        split: the requested split.
        fraction: fraction of the pictures for val, and the same fraction for test, if there are no such folders.

    Raises:
        ZooError: no pictures; or only one folder has the name of a split, so that a picture could come to another split
            than intended.
    """
    laid_out = split_folders(root)
    if len(laid_out) > 1:
        if split not in laid_out:
            there = " and ".join(path.name for path in laid_out.values())
            raise ZooError(f"{root}: has the folders {there}, but no folder {split}\nmove some pictures into one")
        _say_beside(root, set(laid_out.values()))
        return find_pictures(laid_out[split])
    found = find_pictures(root)
    for name, folder in laid_out.items():
        _refuse_half(root, name, folder, found)
    return [path for path in found if split_of(key_of(path, root), fraction) == split]


def key_of(path: Path, root: Path) -> str:
    """The text whose hash decides the split of a picture: its path below the root without its suffix."""
    return path.relative_to(root).with_suffix("").as_posix()


def _refuse_half(root: Path, split: Split, folder: Path, found: list[Path]) -> None:
    """Refuses pictures beside a lone split folder; other folders may lie beside train, which may show trains."""
    beside = [path for path in found if not path.is_relative_to(folder)]
    if split == "train":
        beside = [path for path in beside if path.parent == root]
    if beside:
        name = beside[0].relative_to(root).as_posix()
        raise ZooError(
            f"{root}: has a folder {folder.name} and other pictures beside it, such as {name}; "
            "use folders train, val and test, or no folder with one of these names"
        )


def _say_beside(root: Path, laid_out: set[Path]) -> None:
    """Prints which pictures and folders beside the folders of the splits are not used."""
    beside = [path for path in sorted(root.iterdir()) if path not in laid_out and not path.name.startswith(".")]
    if unused := [path.name for path in beside if path.is_dir() or path.suffix.lower() in SUFFIXES]:
        there = ", ".join(sorted(path.name for path in laid_out))
        say_once(f"{root}: only its folders {there} are used; left out {len(unused)} beside them, such as {unused[0]}")
