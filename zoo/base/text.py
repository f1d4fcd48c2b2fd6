"""Names, errors and what a terminal may show, as text."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterable, Iterator

from zoo.base.errors import ZooError

LISTS = {"model": "zoo list", "recipe": "zoo fit"}  # what lists all names
LINE = 200  # characters of a line of names


def nearest(name: str, names: Iterable[str], alike: float = 0.66) -> str | None:
    """The name that is spelt most like this one; None where no name shares at least ``alike`` of the letters."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=alike)
    return near[0] if near else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``"; did you mean X?"`` with the nearest of the names, or nothing where none is near."""
    near = nearest(name, names)
    return f"; did you mean {near}?" if near else ""


def unknown(what: str, name: str, names: Iterable[str]) -> ZooError:
    """The error for a name that does not exist, with the nearest one and the list, of two lines at most."""
    known = sorted(set(names))
    rest = f" ... ({LISTS[what]} shows all)" if what in LISTS else " ..."
    listed = textwrap.fill(", ".join(known), LINE, max_lines=2, placeholder=rest)
    return ZooError(f"no {what} {name!r}{did_you_mean(name, known)}\nthere are: {listed or 'none'}")


def listing(names: Iterable[str]) -> str:
    """Names in few lines, as long as terminals are wide nowadays."""
    return textwrap.fill(", ".join(names), LINE)


def printable(text: str, keep: str = "") -> str:
    """The text with a question mark for each character that could steer a terminal, except those in ``keep``.

    Texts that are shown may come from a stranger's card.
    """
    return "".join(letter if letter.isprintable() or letter in keep else "?" for letter in text)


def is_line(text: str) -> bool:
    """Whether a text fits into a line of a card: printable characters, and not too many."""
    return len(text) <= LINE and text.isprintable()


def shortened(text: str, longest: int) -> str:
    """The text without its middle, if it has more than ``longest`` characters."""
    end = longest // 3
    return text if len(text) <= longest else f"{text[: longest - end - 3]}...{text[-end:]}"


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class if the message is empty."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its chain of causes: errors that it was raised from or while handling; loops end."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def cell_text(cell: str | float | None) -> str:
    """The content of a cell in a results' table: a text, a number to four digits, or nothing."""
    return "" if cell is None else cell if isinstance(cell, str) else f"{cell:.4g}"
