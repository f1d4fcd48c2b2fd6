"""What can name pictures: lists, saved pages and catalogues. One more is one file and one line here."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.text import did_you_mean, unknown
from zoo.collect.addresses import Api, Source
from zoo.collect.sources.columns import checked
from zoo.collect.sources.commons import open_commons
from zoo.collect.sources.delimited import open_delimited
from zoo.collect.sources.jsonl import open_jsonl
from zoo.collect.sources.openverse import open_openverse
from zoo.collect.sources.options import Options
from zoo.collect.sources.parquet import open_parquet
from zoo.collect.sources.saved import open_saved
from zoo.collect.sources.text import open_text
from zoo.collect.sources.values import shown


@dataclass(frozen=True)
class _File:
    """A kind of file and the option that it takes, if any."""

    open: Callable[[Path, Options], Source]
    suffixes: tuple[str, ...]
    option: str | None = None


FILES = (
    _File(open_text, (".txt", ".lst", ".urls", "")),
    _File(open_delimited, (".csv", ".tsv"), "--column"),
    _File(open_jsonl, (".jsonl", ".ndjson"), "--column"),
    _File(open_parquet, (".parquet",), "--column"),
    _File(open_saved, (".html", ".htm", ".xhtml", ".mhtml", ".mht"), "--base"),
)
CATALOGUES: Mapping[str, Callable[[str, Api, Options], Source]] = {
    "commons": open_commons,
    "openverse": open_openverse,
}

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CATALOGUE = re.compile(r"([A-Za-z][A-Za-z0-9_-]+):(.*)", re.DOTALL)  # C:\pictures.csv is a path


def open_source(
    text: str,
    api: Api,
    *,
    columns: Mapping[str, str] = {},
    base: str | None = None,
    endpoint: str | None = None,
) -> Source:
    """The source that the user names.

    Args:
        text: ``openverse:red bicycle``, a catalogue and a query, or the path of a list or a saved page.
        columns: see :class:`Options`, as are ``base`` and ``endpoint``.

    Raises:
        ZooError: no such file or catalogue, or an option that this source does not take.
    """
    options = Options(checked(columns), base, endpoint)
    text = text.strip()
    if _SCHEME.match(text):
        raise ZooError(f"{shown(text)} is an address: save the page, or put the address in a text file")
    match = _CATALOGUE.fullmatch(text)
    if match and (match[1].lower() in CATALOGUES or not _exists(Path(text))):
        return _catalogue(match[1].lower(), match[2].strip(), api, options)
    return _file(text, options)


def _catalogue(name: str, query: str, api: Api, options: Options) -> Source:
    if name not in CATALOGUES:
        raise unknown("catalogue", name, CATALOGUES)
    if not query:
        raise ZooError(f"{name}: has no query; write for example {name}:red bicycle")
    _fits(name, options, "--endpoint")
    return CATALOGUES[name](query, api, options)


def _file(text: str, options: Options) -> Source:
    path = Path(text)
    if not text or not _exists(path):
        what = f"{shown(text)}: no such file" if text else "no source"
        raise ZooError(f"{what}; a search is CATALOGUE:QUERY\ncatalogues: {', '.join(sorted(CATALOGUES))}")
    if path.is_dir():
        raise ZooError(f"{path}: a folder; a list of addresses or a saved page is wanted")
    if not path.is_file():
        raise ZooError(f"{path}: no regular file")
    suffix = path.suffix.lower()
    for kind in FILES:
        if suffix in kind.suffixes:
            _fits(str(path), options, kind.option)
            return kind.open(path, options)
    known = [suffix for kind in FILES for suffix in kind.suffixes if suffix]
    raise ZooError(
        f"{path}: no list or page ends in {suffix}{did_you_mean(suffix, known)}\nthere are: {', '.join(known)}"
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise ZooError(f"{path}: {error.strerror}") from None


def _fits(source: str, options: Options, taken: str | None) -> None:
    """An option that does nothing is a misunderstanding.

    Raises:
        ZooError: an option is given that the source does not take.
    """
    given = {"--column": options.columns, "--base": options.base, "--endpoint": options.endpoint}
    belongs = {"--column": "lists with columns", "--base": "saved pages", "--endpoint": "catalogues"}
    for option, value in given.items():
        if value and option != taken:
            raise ZooError(f"{shown(source)}: {option} is for {belongs[option]}")
