"""Masks that are drawn class by class: which ids they get, and what lies in no class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.base.errors import ZooError
from zoo.base.text import did_you_mean

BACKGROUND = "background"


@dataclass(frozen=True)
class Scheme:
    """The ids of classes that are drawn.

    Args:
        names: the classes, in the order of their ids.
        ids: id of each name that is drawn; that of ignored pixels for ignored names.
        background: id of pixels that nothing is drawn on.
    """

    names: tuple[str, ...]
    ids: dict[str, int]
    background: int


def scheme_of(
    found: Sequence[str],
    classes: Sequence[str] | None,
    ignore: Sequence[int | str],
    ignore_index: int | None,
    where: str,
) -> Scheme:
    """The ids of the names that a data set has.

    What is in no class is the one class of ``classes`` that is not drawn, or the one called background; where every
    class is drawn, it is ignored. Without ``classes``, the background comes first, then the names as they are found.

    Args:
        found: names in the data set, in their order.
        classes: the wanted classes; None: background and all names that are found.
        ignore: names that are ignored.
        ignore_index: id of ignored pixels.
        where: place and kind of the names, such as "masks: folder", for errors.

    Raises:
        ZooError: a name is no class, or nothing tells which class is the background.
    """
    if strange := [one for one in ignore if one not in found]:
        near = did_you_mean(str(strange[0]), found)
        raise ZooError(
            f"data.ignore: {strange[0]!r} is no {where.rpartition(' ')[2]} of {where.partition(':')[0]}{near}"
        )
    kept = [name for name in found if name not in ignore]
    if classes is None:
        names = tuple(kept) if BACKGROUND in kept else (BACKGROUND, *kept)
    else:
        names = tuple(classes)
        if unknown := [name for name in kept if name not in names]:
            raise ZooError(
                f"{where} {unknown[0]!r} is no class of data.classes{did_you_mean(unknown[0], names)}; "
                f"add it there, or ignore it: --data.ignore '[{unknown[0]}]'"
            )
    rest = [name for name in names if name not in kept or name == BACKGROUND]
    background = BACKGROUND if BACKGROUND in rest else rest[0] if len(rest) == 1 else None
    if len(rest) > 1 and background is None:
        raise ZooError(
            f"{where}s lack {' and '.join(map(repr, rest[:2]))}; call the class of all other pixels background"
        )
    if ignore_index is None and (ignore or background is None):
        raise ZooError(f"{where}s leave pixels without a class: give --data.ignore_index 255 or a class background")
    void = ignore_index or 0
    ids = {name: void if name in ignore else names.index(name) for name in found}
    return Scheme(names, ids, void if background is None else names.index(background))
