"""Sources of pictures: lists, saved pages and catalogues. A new source is one file and one line here."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.text import did_you_mean, unknown
from zoo.collect.addresses import Address, Api, without_password
from zoo.collect.options import SourceOptions
from zoo.collect.sources import delimited, jsonl, parquet, saved
from zoo.collect.sources.catalogue import Catalogue
from zoo.collect.sources.columns import checked
from zoo.collect.sources.commons import Commons
from zoo.collect.sources.openverse import Openverse
from zoo.collect.sources.rows import addresses, text_rows
from zoo.collect.sources.values import absolute, shown

TEXTS = (".txt", ".lst", ".urls", "")
TABLES = {
    ".csv": delimited.rows,
    ".tsv": delimited.rows,
    ".jsonl": jsonl.rows,
    ".ndjson": jsonl.rows,
    ".parquet": parquet.rows,
}
PAGES = (".html", ".htm", ".xhtml", ".mhtml", ".mht")
CATALOGUES: dict[str, type[Catalogue]] = {one.name: one for one in (Commons, Openverse)}
BELONGS = {"--column": "lists with columns", "--base": "saved pages", "--endpoint": "catalogues"}

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CATALOGUE = re.compile(r"([A-Za-z][A-Za-z0-9_-]+):(.*)", re.DOTALL)  # C:\pictures.csv is a path


def open_source(source: SourceOptions, api: Api) -> Catalogue | Iterator[Address]:
    """Opens the source that the user names.

    Raises:
        ZooError: no such file or catalogue, or an option that this source does not take.
    """
    columns, text = checked(dict(source.columns)), source.text.strip()
    given = [option for option, value in zip(BELONGS, (columns, source.base, source.endpoint), strict=True) if value]
    if _SCHEME.match(text):
        raise ZooError(f"{shown(text)} is an address: save the page, or put the address in a text file")
    match = _CATALOGUE.fullmatch(text)
    if match and (match[1].lower() in CATALOGUES or not _exists(Path(text))):
        name, query = _query(match[1].lower(), match[2].strip())
        _refuse_others(name, given, "--endpoint")
        return CATALOGUES[name](query, api, _web("--endpoint", source.endpoint))
    path = _existing(text)
    suffix = path.suffix.lower()
    if suffix in TABLES:
        _refuse_others(str(path), given, "--column")
        return addresses(path, TABLES[suffix](path, columns))
    if suffix in PAGES:
        _refuse_others(str(path), given, "--base")
        return addresses(path, saved.rows(path, _web("--base", source.base)))
    _refuse_others(str(path), given, None)
    return addresses(path, text_rows(path))


def _web(option: str, given: str | None) -> str | None:
    address = None if given is None else absolute(given.strip())
    if given is not None and address is None:
        raise ZooError(f"{option} {shown(given)}: not a web address; it must begin with https:// or http://")
    if address is not None and without_password(address) != address:
        raise ZooError(f"{option}: has a password, which zoo collect never sends; leave it out")
    return address


def _query(name: str, query: str) -> tuple[str, str]:
    if name not in CATALOGUES:
        raise unknown("catalogue", name, CATALOGUES)
    if not query:
        raise ZooError(f"{name}: the query is missing; write for example {name}:red bicycle")
    return name, query


def _existing(text: str) -> Path:
    """The path of a file of a known kind."""
    path = Path(text)
    if not text or not _exists(path):
        what = f"{shown(text)}: no such file" if text else "SOURCE is empty"
        raise ZooError(f"{what}; a search is CATALOGUE:QUERY\ncatalogues: {', '.join(CATALOGUES)}")
    if path.is_dir():
        raise ZooError(f"{path}: a folder; SOURCE must be a list of addresses or a saved page")
    if not path.is_file():
        raise ZooError(f"{path}: not a regular file")
    suffix, known = path.suffix.lower(), [*TEXTS, *TABLES, *PAGES]
    if suffix not in known:
        near = did_you_mean(suffix, known)
        raise ZooError(f"{path}: no list or page ends in {suffix}{near}\nthere are: {', '.join(filter(None, known))}")
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise ZooError(f"{path}: {error.strerror}") from None


def _refuse_others(source: str, given: list[str], taken: str | None) -> None:
    """Refuses an option that would do nothing: the user misunderstood it.

    Raises:
        ZooError: an option is given that the source does not take.
    """
    for option in given:
        if option != taken:
            raise ZooError(f"{shown(source)}: {option} is for {BELONGS[option]}")
