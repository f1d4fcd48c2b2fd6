"""Warnings by the thread that gave them; Python itself records those of all threads together."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_own = threading.local()


@contextmanager
def listening() -> Iterator[None]:
    """While this lasts, :func:`overheard` works in every thread; other warnings are shown once each."""
    with warnings.catch_warnings():
        show, shown = warnings.showwarning, set[tuple[str, str, int]]()

        def take(message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any) -> None:
            if (told := getattr(_own, "told", None)) is not None:
                told.append(str(message))
            elif (key := (str(message), filename, lineno)) not in shown:
                shown.add(key)
                show(message, category, filename, lineno, *rest)

        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = take  # type: ignore[assignment]
        yield


@contextmanager
def overheard() -> Iterator[list[str]]:
    """The warnings that this thread gives meanwhile; see :func:`listening`."""
    _own.told = told = list[str]()
    try:
        yield told
    finally:
        _own.told = None
