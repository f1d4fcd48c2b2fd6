"""Which file names masks have: ``NAME_mask.png`` for the mask of ``NAME.jpg``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.data.naming import meaning

NAME = "NAME"  # stands for the picture's name without its suffix


@dataclass(frozen=True)
class Pattern:
    """The names of masks, such as ``NAME_mask.png``.

    Args:
        start: text before the picture's name, in small letters.
        end: text after it, with the suffix, in small letters.
        cut: number of letters at the start and at the end of the picture's name that the mask's name lacks.
        folder: word of the masks' folders, such as "labels"; empty: any.
    """

    start: str = ""
    end: str = ".png"
    cut: tuple[int, int] = (0, 0)
    folder: str = ""

    @property
    def inserted(self) -> str:
        """Text between the picture's name and the suffix, such as "_mask"."""
        return Path(f"_{self.end}").stem[1:]

    def of(self, stem: str) -> str:
        """The mask's name in small letters, for a picture's name without its suffix."""
        left, right = self.cut
        return f"{self.start}{stem[left : len(stem) - right]}{self.end}".casefold()

    def __str__(self) -> str:
        return f"{self.folder}{'/' * bool(self.folder)}{self.start}{NAME}{self.end}"


def parse(text: str, stems: Sequence[str]) -> list[Pattern]:
    """The patterns that a text of a user may mean: with the whole name, or without what the names of pictures share.

    Args:
        text: such as "NAME_mask.png" or "labels/NAME.png".
        stems: names of the pictures without their suffixes.

    Raises:
        ZooError: NAME is missing, or more than one folder is named.
    """
    folder, _, name = text.rpartition("/")
    start, found, end = name.partition(NAME)
    if not found or NAME in end or "/" in folder or not Path(f"_{end}").suffix:
        raise ZooError(
            f"data.mask_name: {text!r:.100} is no name of masks; write {NAME} for the name of the picture, "
            f"such as {NAME}_mask.png, or labels/{NAME}.png for masks in folders labels"
        )
    return [Pattern(start.casefold(), end.casefold(), cut, folder.casefold()) for cut in _cuts(stems)]


def patterns_of(stem: str, masks: Collection[str], cut: tuple[int, int] = (0, 0)) -> Iterator[Pattern]:
    """Yields the patterns by which some of the masks' names belong to a picture.

    Args:
        stem: name of the picture without its suffix.
        masks: names of masks in small letters.
        cut: number of letters of the name that are left out at either end.
    """
    own = stem[cut[0] : len(stem) - cut[1]].casefold()
    for name in sorted(masks):
        for match in re.finditer(re.escape(own), name) if own else ():
            start, end = name[: match.start()], name[match.end() :]
            if not (_joined(start, own) or _joined(own, end)) and Path(f"_{end}").suffix:
                yield Pattern(start, end, cut)


def candidates(
    pictures: Sequence[Path], masks_of: Mapping[Path, Collection[str]], whole: bool = False, most: int = 3
) -> list[Pattern]:
    """The patterns that name masks of the first pictures; the whole name of a picture goes before a part of it.

    Args:
        pictures: all pictures.
        masks_of: names of the masks, in small letters, for each picture.
        whole: whether the whole name of a picture must be in that of its mask.
        most: number of pictures to look at.
    """
    for cut in [(0, 0)] if whole else _cuts([path.stem for path in pictures]):
        found = dict[Pattern, None]()
        for path in pictures[:most]:
            names = set(masks_of[path]) - ({path.name.casefold()} if whole else set())  # then it is among them
            found |= dict.fromkeys(patterns_of(path.stem, names, cut))
        if found:
            return list(found)
    return []


def _cuts(stems: Sequence[str]) -> list[tuple[int, int]]:
    """No letters, and those that all names share at their start and their end, without halves of words and numbers."""
    if len(stems) < 2:
        return [(0, 0)]
    start, end = _shared(stems), _shared([stem[::-1] for stem in stems])
    return [(0, 0)] + [(start, end)] * (0 < start + end < min(map(len, stems)))


def _shared(stems: Sequence[str]) -> int:
    """The number of letters that all texts begin with, up to a place where no text is in a word or number."""
    letters = takewhile(lambda each: len(set(each)) == 1, zip(*stems, strict=False))
    count = sum(1 for _ in letters)
    while count and any(_joined(stem[:count], stem[count:]) for stem in stems):
        count -= 1
    return count


def _joined(before: str, after: str) -> bool:
    """Whether two texts part a word or a number between them."""
    one, other = before[-1:], after[:1]
    return (one.isdigit() and other.isdigit()) or (one.isalpha() and other.isalpha())


def word_of(folder: Path) -> str:
    """The word by which a folder of masks is called, such as "labels" or "annot" for ``trainannot``; may be empty."""
    for path in (folder, *folder.parents):
        if own := meaning(path.name).kind == "masks" and meaning(path.name).word:
            return own
    return ""
