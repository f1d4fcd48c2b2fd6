"""Stages the card that ``zoo publish --with`` sends: a copy with the exports that the card lacks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from zoo.base.errors import ZooError
from zoo.cards import described
from zoo.cards.card import add_export, read_card
from zoo.commands.figures import at_hand
from zoo.exports.settings import Settings
from zoo.hub import layout, locate


def kinds_of(text: str) -> list[str]:
    """The kinds of exports that ``--with`` names.

    Raises:
        ZooError: an unknown kind, or no kind.
    """
    kinds = text.split(",")
    if others := [kind for kind in kinds if kind not in described.KINDS]:
        raise ZooError(f"--with {others[0]!r:.60}: kinds of exports are {' and '.join(described.KINDS)}")
    return kinds


@contextmanager
def staged(folder: Path, kinds: Sequence[str], force: bool = False) -> Iterator[Path]:
    """Gives a copy of a card with the exports that it lacks; the card itself where it lacks none.

    Args:
        folder: folder of a complete card.
        kinds: kinds of exports.
        force: whether to take exports even if a runtime gives other outputs; the card then says so.

    Raises:
        ZooError: the network cannot be exported, or gives other outputs when exported.
    """
    card = read_card(folder)
    missing = [kind for kind in kinds if kind not in described.exports(card.config)]
    if not missing:
        yield folder
        return
    for kind in missing:
        Settings(to=kind).refuse(card.name, card.architecture)
    measure, _ = at_hand(card, locate.find(folder), ())
    from zoo.exports import job  # torch takes seconds to import
    from zoo.exports.certificate import UnlikeError

    with TemporaryDirectory(prefix="zoo-publish-") as temporary:
        copy = Path(temporary, folder.resolve().name)
        for name, path in layout.listing(folder)[0].items():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy / name)
        for kind in missing:
            try:
                done = job.export(copy, Settings(to=kind, force=force), copy, measure)
            except UnlikeError as error:
                way_out = "; --force publishes it anyway, and the card says so" if error.forced else ""
                raise ZooError(f"{error}\nnothing was published{way_out}") from None
            add_export(copy, kind, *done.files)
        yield copy
