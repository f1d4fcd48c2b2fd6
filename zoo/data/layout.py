"""Which pictures of a folder belong to which split: by its folders train, val and test, or else by their names."""

from __future__ import annotations

from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.splits import SPLITS, Split, split_of
from zoo.data.pictures import find_pictures, say_once
from zoo.pictures.images import SUFFIXES

CALLED = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}  # by others


def split_folders(root: Path) -> dict[Split, Path]:
    """The folders of a root that are called as splits are, in letters of any size."""
    if not root.is_dir():
        return {}
    folders = {path.name.lower(): path for path in root.iterdir() if path.is_dir()}
    named = {CALLED.get(name, name): name for name in sorted(folders, reverse=True)}  # val is last, after valid
    return {split: folders[named[split]] for split in SPLITS if split in named}


def pictures_of(root: Path, split: Split, share: float) -> list[Path]:
    """The pictures of a split, which may be none.

    A root with two or three of the folders train, val and test, or of what others call them, is taken as it is laid
    out. Else each picture goes to a split by the digest of its path, so that adding others never moves it.

    Args:
        root: folder of pictures.
        split: that is asked for.
        share: of val, and as large a one of test, where there are no such folders.

    Raises:
        ZooError: no pictures; or the root is laid out by halves, so that a picture could come to a split that it was
            not meant for.
    """
    laid_out = split_folders(root)
    if len(laid_out) > 1:
        if split not in laid_out:
            there = " and ".join(path.name for path in laid_out.values())
            raise ZooError(f"{root}: has the folders {there}, and none called {split}\nmove some pictures there")
        _say_beside(root, set(laid_out.values()))
        return find_pictures(laid_out[split])
    found = find_pictures(root)
    for name, folder in laid_out.items():
        _refuse_half(root, name, folder, found)
    return [path for path in found if split_of(key_of(path, root), share) == split]


def key_of(path: Path, root: Path) -> str:
    """What decides on the split of a picture: its path below the root without its suffix."""
    return path.relative_to(root).with_suffix("").as_posix()


def _refuse_half(root: Path, split: Split, folder: Path, found: list[Path]) -> None:
    """A folder train may be one of several kinds of things; one called val or test is never to be trained on."""
    beside = [path for path in found if not path.is_relative_to(folder)]
    if split == "train":
        beside = [path for path in beside if path.parent == root]
    if beside:
        name = beside[0].relative_to(root).as_posix()
        raise ZooError(
            f"{root}: has a folder {folder.name} and other pictures beside it, such as {name}; "
            "have folders train, val and test, or none of these names"
        )


def _say_beside(root: Path, laid_out: set[Path]) -> None:
    """Names pictures and folders that lie beside the folders of the splits and so are not used."""
    beside = [path for path in sorted(root.iterdir()) if path not in laid_out and not path.name.startswith(".")]
    if unused := [path.name for path in beside if path.is_dir() or path.suffix.lower() in SUFFIXES]:
        there = ", ".join(sorted(path.name for path in laid_out))
        say_once(f"{root}: only its folders {there} are used; left out {len(unused)} beside them, such as {unused[0]}")
