"""The addresses that the sources named, saved so that a collection resumes without sources, in the same order."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.collect.addresses import Address, Page, without_password
from zoo.collect.ledger import key_of


class Backlog:
    """``addresses.jsonl``: the addresses, and after each page of addresses the place of the next page in its source.

    Tokens in queries are saved here and nowhere else: requests for the pictures need them.

    Args:
        path: path of the file; an incomplete last page is cut off.

    Raises:
        ZooError: the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: set[int] = set()
        self._cursors: dict[str, Any] = {}
        self.repeated = 0  # addresses that were named again in this run
        path.touch()
        self._scan()
        self._writing = path.open("a", encoding="utf-8")

    def _scan(self) -> None:
        position = end = 0
        keys: list[int] = []
        with self._path.open("rb+") as file:
            for line in file:
                position += len(line)
                if not line.endswith(b"\n"):
                    break
                try:
                    record = json.loads(line)
                    if "url" in record:
                        keys.append(key_of(record["url"]))
                        continue
                    self._cursors[record["source"]] = record["next"]
                except (ValueError, TypeError, KeyError, AttributeError):
                    continue  # a line of an incomplete page: no cursor follows
                self._seen.update(keys)
                keys.clear()
                end = position
            file.truncate(end)

    def __len__(self) -> int:
        return len(self._seen)

    def start_of(self, source: str) -> Any:
        """The place to resume a source; None: its beginning."""
        return self._cursors.get(source)

    def ended(self, source: str) -> bool:
        return source in self._cursors and self._cursors[source] is None

    def add(self, source: str, page: Page) -> None:
        """Adds a page, without the addresses that were named before."""
        for address in page.addresses:
            key = key_of(address.url)
            if key in self._seen:
                self.repeated += 1
                continue
            self._seen.add(key)
            told = dataclasses.asdict(address.changed(without_password))
            known = {name: value for name, value in told.items() if value is not None}
            self._writing.write(json.dumps(known) + "\n")
        self._cursors[source] = page.next
        self._writing.write(json.dumps({"source": source, "next": page.next}) + "\n")
        self._writing.flush()

    def close(self) -> None:
        self._writing.close()

    def __iter__(self) -> Iterator[Address | None]:
        """Every address in order; None while there are no more."""
        with self._path.open("rb") as file:
            while True:
                line = file.readline()
                address = self._address(line) if line else None
                if address is not None or not line:
                    yield address

    def _address(self, line: bytes) -> Address | None:
        """The address in a line; None for a line with the place of a next page."""
        try:
            record = json.loads(line)
            if "url" not in record:
                return None
            if all(isinstance(value, str) for value in record.values()):
                return Address(**record)
        except (ValueError, TypeError, RecursionError):
            pass
        raise ZooError(f"{self._path}: damaged; delete it and give SOURCE again")
