"""What ``zoo publish --with`` sends: a card with the exports that it lacks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from zoo.base.errors import ZooError
from zoo.cards import described
from zoo.cards.card import certify, read_card
from zoo.hub import layout


def kinds_of(text: str) -> list[str]:
    """The kinds of exports that ``--with`` names.

    Raises:
        ZooError: another kind, or none.
    """
    kinds = text.split(",")
    if others := [kind for kind in kinds if kind not in described.KINDS]:
        raise ZooError(f"--with {others[0]!r:.60}: kinds of exports are {' and '.join(described.KINDS)}")
    return kinds


@contextmanager
def staged(folder: Path, kinds: Sequence[str]) -> Iterator[Path]:
    """Gives a copy of a card with the exports that it lacks; the card itself where it lacks none.

    Args:
        folder: of a complete card.
        kinds: of exports.

    Raises:
        ZooError: a network that cannot be exported, or one that answers differently when it is.
    """
    have = described.exports(read_card(folder).config)
    missing = [kind for kind in kinds if kind not in have]
    if not missing:
        yield folder
        return
    from zoo.exports import job  # torch takes seconds to import
    from zoo.exports.settings import Settings

    with TemporaryDirectory(prefix="zoo-publish-") as temporary:
        copy = Path(temporary, folder.resolve().name)
        for name, path in layout.listing(folder)[0].items():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy / name)
        for kind in missing:
            certify(copy, kind, *job.export(copy, Settings(to=kind), copy).files)
        yield copy
