"""Finds the mask file of each picture: in which folder it lies, and by which name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from zoo.base.errors import ZooError
from zoo.base.splits import Split
from zoo.data.masks.names import Pattern, candidates, parse, word_of
from zoo.data.naming import below_any, folders_above, mask_folders, meaning
from zoo.data.pictures import say_once
from zoo.pictures.folders import find

Pair: TypeAlias = tuple[Path, Path]  # a picture and its mask
Names: TypeAlias = dict[str, Path]  # files of a folder by their names in small letters


@dataclass
class Files:
    """The pictures of one folder and the masks of the same or another one.

    Args:
        root: folder of the pictures.
        masks: folder of the masks; may be ``root``.
    """

    root: Path
    masks: Path
    pictures: list[Path] = field(init=False)
    mask_files: list[Path] = field(init=False)
    mixed: bool = field(init=False)  # whether a file may be either

    def __post_init__(self) -> None:
        own, other = self.root.resolve(), self.masks.resolve()
        if own == other:
            self.masks = self.root  # by one name, if a link has another
        pictures, masks = find(self.root).pictures, find(self.masks).pictures
        apart = mask_folders(folders_above(pictures, self.root)) if own == other or own in other.parents else set()
        if own in other.parents:
            pictures = [path for path in pictures if not (own / path.relative_to(self.root)).is_relative_to(other)]
        if other in own.parents:
            masks = [path for path in masks if not (other / path.relative_to(self.masks)).is_relative_to(own)]
        self.mixed = own == other and not apart
        if own == other and apart:
            masks = [path for path in masks if below_any(path, apart)]
        self.pictures = [path for path in pictures if not below_any(path, apart)]
        self.mask_files = masks

    @cached_property
    def folders(self) -> dict[Path, Names]:
        """The masks of each folder that holds some, by their names."""
        found = dict[Path, Names]()
        for path in self.mask_files:
            found.setdefault(path.parent, {})[path.name.casefold()] = path
        return found

    @cached_property
    def _folders_of(self) -> dict[Path, list[Path]]:
        """The folders that may hold the masks of the pictures of each folder.

        One of the same path below the root goes before one whose path says the same, such as ``masks/valid`` for
        ``images/val`` and ``train/labels`` for ``train/images``. Either side may lack folders for the splits.
        """
        meanings = dict[tuple[object, ...], list[Path]]()
        undivided = dict[tuple[object, ...], list[Path]]()
        for folder in self.folders:
            below = folder.relative_to(self.masks)
            meanings.setdefault(meant(below), []).append(folder)
            undivided.setdefault(meant(below, splits=False), []).append(folder)
        found = {}
        for folder in {path.parent for path in self.pictures}:
            below = folder.relative_to(self.root)
            same, without = self.masks / below, meant(below, splits=False)
            if same in self.folders:
                found[folder] = [same]
            elif meant(below) in meanings:
                found[folder] = meanings[meant(below)]
            elif meant(below) == without:  # the folders of the masks tell the splits
                found[folder] = undivided.get(without, [])
            else:
                found[folder] = meanings.get(without, [])
        return found

    @cached_property
    def names(self) -> dict[Path, dict[str, list[Path]]]:
        """For each folder of pictures the masks among which theirs are, by their names in small letters."""
        found = dict[Path, dict[str, list[Path]]]()
        for folder, places in self._folders_of.items():
            own = found.setdefault(folder, {})
            for name, path in (item for place in places for item in self.folders[place].items()):
                own.setdefault(name, []).append(path)
        return found

    def expected(self, picture: Path, pattern: Pattern) -> Path:
        """Where the mask of a picture should lie."""
        below = picture.parent.relative_to(self.root)
        folder = next(iter(self._folders_of.get(picture.parent, [])), self.masks / below)
        return folder / f"{pattern.start}{picture.stem}{pattern.end}"


def meant(below: Path, splits: bool = True) -> tuple[object, ...]:
    """What a path of folders says, without the words for pictures and for masks, and without those for splits."""
    every = [(part, meaning(part)) for part in below.parts]
    said = [(own.split if splits else None) if own.known else part for part, own in every]
    return tuple(part for part in said if part is not None)


@dataclass
class Reading:
    """Masks by one pattern.

    Args:
        pattern: the names of the masks.
        mask_of: the mask of each picture that has one.
    """

    pattern: Pattern
    mask_of: dict[Path, Path]


def read_names(files: Files, wanted: str | None) -> tuple[Reading, list[Path]]:
    """The masks of the pictures, and the pictures: files that are the mask of no other.

    Args:
        files: pictures and masks.
        wanted: the names of masks that the user chose; None: found by the names that there are.

    Raises:
        ZooError: several patterns name a mask for every picture, or a picture has two masks.
    """
    masks_of = {path: files.names[path.parent] for path in files.pictures}
    found = candidates(files.pictures, masks_of, whole=files.mixed) if files.pictures else []
    if files.mixed:  # of 00.jpg and 00.png the latter is the mask
        found = [each for each in found if each.start or each.end == ".png" or any(map(str.isalpha, each.inserted))]
    chosen = parse(wanted, [path.stem for path in files.pictures]) if wanted else []
    readings = _readings(files, list(dict.fromkeys([*found, *chosen])))
    others = {mask for each in readings for mask in each.mask_of.values()} if files.mixed else set()
    pictures = [path for path in files.pictures if path not in others]
    for each in readings:
        each.mask_of = {path: each.mask_of[path] for path in pictures if path in each.mask_of}
    if wanted:
        own = [each for each in readings if any(_alike(each.pattern, one) for one in chosen)]
        return max(own, key=lambda each: len(each.mask_of), default=Reading(chosen[0], {})), pictures
    complete = [each for each in readings if len(each.mask_of) == len(pictures)]
    if len({tuple(sorted(each.mask_of.items())) for each in complete}) > 1:
        raise _several(files, complete)
    best = max(readings, key=lambda each: len(each.mask_of), default=Reading(Pattern(), {}))
    _refuse_two(files, best, readings)
    return best, pictures


def _alike(pattern: Pattern, wanted: Pattern) -> bool:
    names = (pattern.start, pattern.end, pattern.cut) == (wanted.start, wanted.end, wanted.cut)
    return names and wanted.folder in ("", pattern.folder)


def _readings(files: Files, patterns: Sequence[Pattern]) -> list[Reading]:
    """What each pattern finds in folders of each word, such as "masks" and "labels", if there is more than one word."""
    words = {word_of(folder.relative_to(files.masks)) for folder in files.folders}
    several = any(len(paths) > 1 for names in files.names.values() for paths in names.values())
    found = []
    for pattern in patterns:
        for word in sorted(words) if several and len(words) > 1 else [""]:
            own = Pattern(pattern.start, pattern.end, pattern.cut, word)
            found.append(Reading(own, _found_by(files, own)))
    return [each for each in found if each.mask_of]


def _found_by(files: Files, pattern: Pattern) -> dict[Path, Path]:
    """The mask of each picture that has one by this pattern.

    Raises:
        ZooError: one mask belongs to two pictures, or two masks to one picture.
    """
    found, pictures = dict[Path, Path](), dict[Path, Path]()
    for picture in files.pictures:
        masks = [path for path in files.names[picture.parent].get(pattern.of(picture.stem), []) if path != picture]
        if pattern.folder:
            masks = [path for path in masks if word_of(path.parent.relative_to(files.masks)) == pattern.folder]
        if len(masks) > 1:
            raise _two(picture, masks)
        for mask in masks:
            if (other := pictures.setdefault(mask, picture)) != picture and not files.mixed:
                raise ZooError(f"{mask} would be the mask of two pictures, {other} and {picture}; rename one of them")
            found[picture] = mask
    return found


def _several(files: Files, complete: Sequence[Reading]) -> ZooError:
    texts = sorted({str(each.pattern) for each in complete})
    return ZooError(
        f"{files.masks}: several files could be the mask of each picture: {', '.join(texts)}\n"
        f"choose by --data.mask_name {texts[0]}"
    )


def _two(picture: Path, masks: Sequence[Path]) -> ZooError:
    return ZooError(
        f"{picture} has two masks: {' and '.join(map(str, sorted(masks)[:2]))}\n"
        "move one of them away, or name the masks: --data.mask_name NAME_mask.png"
    )


def _refuse_two(files: Files, best: Reading, readings: Sequence[Reading]) -> None:
    """Refuses a second file that could be the mask of a picture, such as ``00.bmp`` beside ``00.png``."""
    used = set(best.mask_of.values())
    for each in readings:
        for picture, mask in each.mask_of.items():
            if mask not in used and picture in best.mask_of:
                raise _two(picture, [best.mask_of[picture], mask])
    by_stem = {(folder, path.stem.casefold()): path for path, mask in best.mask_of.items() for folder in [mask.parent]}
    for path in files.mask_files if not files.mixed else ():
        if path in used:
            continue
        stem = path.stem.casefold()
        for place in [i for i, letter in enumerate(stem) if not letter.isalnum()] + [len(stem)]:
            named, rest = stem[:place], stem[place:]
            belongs = by_stem.get((path.parent, named)) if not rest or any(map(str.isalpha, rest)) else None
            if belongs:
                raise _two(belongs, [best.mask_of[belongs], path])


def pairs_of(files: Files, reading: Reading, pictures: Sequence[Path], wanted: Sequence[Path]) -> list[Pair]:
    """The wanted pictures with their masks. A line is printed once about masks without a picture.

    Args:
        files: pictures and masks.
        reading: the masks of the pictures.
        pictures: all pictures; counts in messages cover them.
        wanted: some of them.

    Raises:
        ZooError: a mask is missing, or a picture would be its own mask.
    """
    missing = [path for path in pictures if path not in reading.mask_of]
    if lacking := [path for path in wanted if path not in reading.mask_of]:
        raise _missing(files, reading, lacking[0], f"{len(missing)} of {len(pictures)}")
    if unused := unpaired(files, reading):
        masks_are = f"{len(unused)} mask{'s' * (len(unused) > 1)}"
        shown = unused[0].relative_to(files.masks).as_posix()
        say_once(f"{files.masks}: left out {masks_are} without a picture, such as {shown}")
    return [(path, reading.mask_of[path]) for path in wanted]


def unpaired(files: Files, reading: Reading) -> list[Path]:
    """Files with names of masks that belong to no picture."""
    used, end = set(reading.mask_of.values()), reading.pattern.end
    if files.mixed:
        return []
    return [path for path in files.mask_files if path not in used and path.name.casefold().endswith(end)]


def splits_by_masks(reading: Reading, files: Files) -> Mapping[Path, Split] | None:
    """The split of each picture by the folders of its mask; None if the masks of several splits are not apart."""
    found = dict[Path, Split]()
    for picture, mask in reading.mask_of.items():
        names = [meaning(part).split for part in mask.relative_to(files.masks).parts[:-1]]
        if told := [split for split in names if split]:
            found[picture] = told[0]
    return found if len(set(found.values())) > 1 else None


def _missing(files: Files, reading: Reading, picture: Path, many: str) -> ZooError:
    """The error for a missing mask; it names a similar file if there is one."""
    if files.mixed:
        return ZooError(
            f"{picture} would be its own mask, as would {many} pictures\n"
            "put pictures and masks into two folders, --data.pictures FOLDER --data.masks FOLDER,\n"
            "or name the masks after their pictures: 00.png or 00_mask.png for 00.jpg"
        )
    mask = files.expected(picture, reading.pattern)
    told = f"{mask}: no such mask ({many} are missing)"
    if near := _like(picture, mask):
        return ZooError(f"{told}; there is {near.name}: the mask of {picture.name} must be called {mask.name}")
    if not files.mask_files:
        there = find(files.masks).left_out()
        return ZooError(f"{files.masks}: no masks{f'; the folder holds {there}' if there else ''}")
    example = files.mask_files[0].relative_to(files.masks).as_posix()
    shown = picture.relative_to(files.root).as_posix()
    return ZooError(f"{told}; a mask needs the path of its picture: pictures are like {shown}, masks like {example}")


def _like(picture: Path, mask: Path) -> Path | None:
    """A file whose name begins like the picture's, such as 00_mask.png or 00.jpg.png for 00.jpg."""
    start, own = picture.stem.casefold(), picture.resolve()
    for path in sorted(mask.parent.iterdir()) if mask.parent.is_dir() else ():
        rest = path.name[len(start) :]
        if path.name.casefold().startswith(start) and not rest[:1].isalnum() and path.resolve() != own:
            return path
    return None
