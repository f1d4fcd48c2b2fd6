"""The split of each picture of a folder: by its subfolders train, val and test, by a list, or otherwise by its path."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.splits import SPLITS, Split, dealt
from zoo.data.naming import below_any, folders_above, mask_folders, meaning
from zoo.data.pictures import find_pictures, say_once
from zoo.pictures.folders import find
from zoo.pictures.images import SUFFIXES


def split_folders(root: Path, pictures: Collection[Path]) -> dict[Split, list[Path]]:
    """The outermost folders below a root whose names are those of splits, also where pictures lie in none of them.

    ``images/train`` is one, as are ``train`` and ``Validation``; folders of masks beside folders of pictures are none.
    """
    above = folders_above(pictures, root)
    outermost = [folder for folder in above if _split(folder) and not any(map(_split, _between(folder, root)))]
    places = {root, *(folder.parent for folder in outermost)}
    every = sorted({*above, *(path for place in places if place.is_dir() for path in place.iterdir() if path.is_dir())})
    masks, found = mask_folders(every), dict[Split, list[Path]]()
    for path in every:
        is_masks = path in masks or below_any(path, masks)
        if (split := _split(path)) and not is_masks and not any(map(_split, _between(path, root))):
            found.setdefault(split, []).append(path)
    return {split: found[split] for split in SPLITS if split in found}


def pictures_of(
    root: Path,
    split: Split,
    fraction: float,
    among: Collection[Path] | None = None,
    listed: Mapping[Path, Split] | None = None,
) -> list[Path]:
    """The pictures of a split; the list may be empty.

    If folders named train, val and test (or valid, test_images and so on) lie in a root or deeper, at least two of
    them, they are the splits. Otherwise a hash of each picture's path decides its split, so that adding other pictures
    never moves it (:func:`zoo.base.splits.dealt`).

    Args:
        root: folder of pictures.
        split: the requested split.
        fraction: fraction of the pictures for val, and the same fraction for test, if there are no such folders.
        among: pictures to choose from; None: all in the root.
        listed: split of each picture that a list names, instead of the folders; others are left out.

    Raises:
        ZooError: no pictures; or only one folder has the name of a split, so that a picture could come to another split
            than intended.
    """
    if listed is not None:
        found = find_pictures(root)
        return [path for path in found if listed.get(path) == split]
    pictures = find(root).pictures
    masks = mask_folders(folders_above(pictures, root))
    wanted = {path for path in (pictures if among is None else among) if not below_any(path, masks)}
    laid_out = split_folders(root, wanted)
    if len(laid_out) > 1:
        return [path for path in _laid_out(root, laid_out, split, pictures) if path in wanted]
    found = [path for path in find_pictures(root) if path in wanted]
    for name, folders in laid_out.items():
        _refuse_half(root, name, folders[0], found)
    splits = dealt([key_of(path, root) for path in found], fraction)
    return [path for path, own in zip(found, splits, strict=True) if own == split]


def folder_splits(root: Path, pictures: Collection[Path]) -> dict[Path, Split]:
    """The split of each picture in a folder of a split; empty unless there are folders of two splits."""
    laid_out = split_folders(root, pictures)
    split_of_folder = {path: split for split, paths in laid_out.items() for path in paths}
    if len(laid_out) < 2:
        return {}
    pairs = ((path, [split_of_folder[up] for up in path.parents if up in split_of_folder]) for path in pictures)
    return {path: told[0] for path, told in pairs if told}


def training_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder to train on: those of its folder train if it is split, else all.

    Raises:
        ZooError: no pictures.
    """
    if len(split_folders(folder, find(folder).pictures)) > 1:
        return pictures_of(folder, "train", 0.0)
    return find_pictures(folder)


def key_of(path: Path, root: Path) -> str:
    """The text whose hash decides the split of a picture: its path below the root without its suffix."""
    return path.relative_to(root).with_suffix("").as_posix()


def _split(path: Path) -> Split | None:
    return None if path.name.startswith(".") else meaning(path.name).split


def _between(path: Path, root: Path) -> Iterator[Path]:
    """The folders between a path and a root, both excluded."""
    for folder in path.parents:
        if folder == root:
            return
        yield folder


def _laid_out(root: Path, laid_out: dict[Split, list[Path]], split: Split, pictures: list[Path]) -> list[Path]:
    """The pictures in the folders of a split."""
    there = {one: " and ".join(_below(path, root) for path in paths) for one, paths in laid_out.items()}
    if split not in laid_out:
        raise ZooError(f"{root}: has the folders {' and '.join(there.values())}, but no folder {split}\n{_way(split)}")
    used = [path for paths in laid_out.values() for path in paths]
    _say_beside(root, used, pictures)
    folders = [path for path in laid_out[split] if find(path).pictures]
    if not folders:
        raise ZooError(f"{laid_out[split][0]}: no pictures; {_way(split)}, at least one")
    return [path for folder in folders for path in find_pictures(folder)]


def _way(split: Split) -> str:
    return f"move some pictures{' of train' * (split != 'train')} into a folder {split}"


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _refuse_half(root: Path, split: Split, folder: Path, found: list[Path]) -> None:
    """Refuses pictures beside a lone split folder; other folders may lie beside train, which may show trains."""
    beside = [path for path in found if not path.is_relative_to(folder)]
    if split == "train":
        beside = [path for path in beside if path.parent == folder.parent]
    if beside:
        raise ZooError(
            f"{root}: has a folder {_below(folder, root)} and other pictures beside it, such as "
            f"{_below(beside[0], root)}; use folders train, val and test, or no folder with one of these names"
        )


def _say_beside(root: Path, used: list[Path], pictures: list[Path]) -> None:
    """Prints which pictures and folders beside the folders of the splits are not used."""
    beside = [path for path in sorted(root.iterdir()) if not path.name.startswith(".")]
    beside = [path for path in beside if not any(folder.is_relative_to(path) for folder in used)]
    inner = [path for path in pictures if path.parent != root and not below_any(path, {*used, *beside})]
    masks = mask_folders(folders_above(pictures, root))
    names = [path for path in beside if path.is_dir() or path.suffix.lower() in SUFFIXES] + inner
    if unused := [_below(path, root) for path in names if path not in masks and not below_any(path, masks)]:
        there = ", ".join(sorted(_below(path, root) for path in used))
        say_once(f"{root}: only its folders {there} are used; left out {len(unused)} beside them, such as {unused[0]}")
