"""``report.html``: what a person looks at to judge a collection; one file, safe to mail."""

from __future__ import annotations

import base64
import io
import os
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
import numpy as np
from PIL import Image, ImageOps

from zoo.base.errors import ZooError
from zoo.base.files import replacing
from zoo.collect.addresses import without_secrets
from zoo.collect.ledger import FAILURES, KEPT, read
from zoo.collect.options import Options
from zoo.collect.picture import SUFFIXES, Memory
from zoo.collect.sources.values import shown
from zoo.pictures.images import open_listed

THUMBNAILS, ROWS, NAMES = 1000, 2000, 50  # shown at most: pictures, failures, names of a table
SIDE = 128  # pixels of a thumbnail's longer side
COPIES = 8  # bytes of memory per pixel for a thumbnail, the converted picture included
QUALITY = 70  # JPEG quality; every mail program shows JPEG
LINK = 2048  # characters of a linked address, at most
DIFFERENT, OTHERS = 10_000, "all others"  # names that a table tells apart, and the name of the rest
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
_FIGURE = re.compile(r"(?:^|(?<=thumbnail: )|(?<=\())\S*\d\S*(?= )")  # a number, which differs between reasons


def write_report(folder: Path) -> Path:
    """Writes ``report.html`` of a collection beside its ledger, which has one line per address after a run.

    Raises:
        ZooError: there is no ledger, or a line of it is damaged.
    """
    ledger, path = folder / "ledger.jsonl", folder / "report.html"
    if not ledger.is_file():
        raise ZooError(f"{ledger}: no such file; zoo collect SOURCE -o {folder} creates it")
    summary = _summarize(ledger)
    template = _environment().get_template("report.html.j2")
    with warnings.catch_warnings(), ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool, replacing(path) as part:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is our own
        tiles = pool.map(partial(_with_thumbnail, folder.resolve(), Memory()), summary.tiles)
        stream = template.stream(name=shown(folder.resolve().name), summary=summary, tiles=tiles)
        stream.enable_buffering(64)
        stream.dump(str(part), encoding="utf-8", errors="backslashreplace")
    return path


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    return environment


class Tally:
    """Counts of addresses, and of pictures among them, by name.

    Args:
        title: title of the table.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._addresses: Counter[str] = Counter()
        self._pictures: Counter[str] = Counter()

    def add(self, name: str, kept: bool = True) -> None:
        if name not in self._addresses and len(self._addresses) >= DIFFERENT:
            name = OTHERS
        self._addresses[name] += 1
        self._pictures[name] += kept

    @property
    def rows(self) -> list[tuple[str, int, int]]:
        """Names with their addresses and pictures, the most frequent first; the last row may sum up all others."""
        names = sorted(self._addresses.keys() - {OTHERS}, key=lambda name: (-self._addresses[name], name))
        rows = [(name, self._addresses[name], self._pictures[name]) for name in names[:NAMES]]
        others = [*names[NAMES:], OTHERS]
        if rest := sum(self._addresses[name] for name in others):
            rows.append((OTHERS, rest, sum(self._pictures[name] for name in others)))
        return rows


@dataclass
class Summary:
    """What the template shows of a ledger, without the thumbnails themselves."""

    addresses: int = 0
    pictures: int = 0
    bytes: int = 0
    failed: int = 0
    first: str | None = None
    last: str | None = None
    status: Tally = field(default_factory=lambda: Tally("Outcome"))
    label: Tally = field(default_factory=lambda: Tally("Label"))
    license: Tally = field(default_factory=lambda: Tally("Licence"))
    split: Tally = field(default_factory=lambda: Tally("Split"))
    type: Tally = field(default_factory=lambda: Tally("Type"))
    host: Tally = field(default_factory=lambda: Tally("Host"))
    reason: Tally = field(default_factory=lambda: Tally("Reason"))
    tiles: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)

    def count(self, record: Mapping[str, Any]) -> None:
        kept = record["status"] in KEPT
        self.addresses += 1
        self.status.add(record["status"].replace("_", " "), kept)
        self.label.add(_text(record, "label") or "no label", kept)
        self.license.add(_text(record, "license") or "unknown", kept)
        host = _host(record.get("final_url"))
        if host is not None:
            self.host.add(host, kept)
        if kept:
            self.pictures += 1
            self.bytes += _whole(record.get("bytes"))
            self.type.add(_text(record, "type") or "unknown")
            self.split.add(_text(record, "split") or "none")
        if record["status"] in FAILURES:
            self.failed += 1
            self.reason.add(_FIGURE.sub("…", _text(record, "reason") or "unknown"), False)
        time = record.get("time")
        if isinstance(time, str) and _TIME.fullmatch(time):
            self.first, self.last = min(self.first or time, time), max(self.last or time, time)


def _summarize(ledger: Path) -> Summary:
    summary = Summary()
    for record in read(ledger):
        summary.count(record)
    summary.tiles = list(map(_tile, _evenly(ledger, KEPT, summary.pictures, THUMBNAILS)))
    summary.failures = list(map(_failure, _evenly(ledger, FAILURES, summary.failed, ROWS)))
    return summary


def _evenly(ledger: Path, statuses: Collection[str], count: int, most: int) -> Iterator[Mapping[str, Any]]:
    """Yields at most ``most`` of the ``count`` records with these statuses, evenly spread."""
    most = min(most, count)
    drawn = {index * count // most for index in range(most)}
    matching = (record for record in read(ledger) if record["status"] in statuses)
    return (record for index, record in enumerate(matching) if index in drawn)


def _tile(record: Mapping[str, Any]) -> dict[str, Any]:
    url, size = record["url"], record.get("size")
    width, height = map(_whole, size) if isinstance(size, list) and len(size) == 2 else (0, 0)
    return {
        "file": record.get("file"),
        "label": _text(record, "label"),
        "size": f"{width} x {height}" if width and height else None,
        "license": _text(record, "license"),
        "creator": _text(record, "creator"),
        "thumbnail": record["status"] == "thumbnail",
        "host": _host(url),
        "link": _link(record.get("page")) or _link(url),
    }


def _failure(record: Mapping[str, Any]) -> dict[str, Any]:
    url = record["url"]
    return {
        "url": shown(without_secrets(url[:LINK])),
        "link": _link(url),
        "status": record["status"],
        "reason": _text(record, "reason") or "unknown",
    }


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    return shown(value) or None if isinstance(value, str) else None


def _whole(value: Any) -> int:
    """The value if it can be a size; 0 for whatever else a line may hold."""
    return value if isinstance(value, int) and 0 < value < 1 << 40 else 0


def _link(url: Any) -> str | None:
    """An address that a person may follow: whole, and without secrets."""
    if not isinstance(url, str) or len(url) > LINK or without_secrets(url) != url or "***" in url:
        return None
    return url if url.lower().startswith(("http://", "https://")) else None


def _host(url: Any) -> str | None:
    try:
        return shown(urlsplit(url).hostname or "") or None if isinstance(url, str) else None
    except ValueError:
        return None


def _with_thumbnail(folder: Path, memory: Memory, tile: Mapping[str, Any]) -> dict[str, Any]:
    """A tile with ``image``, a data URI, or with ``missing``, which says why there is none. Called by threads.

    Args:
        folder: folder of the collection, with links resolved.
    """
    try:
        path = (folder / str(tile["file"])).resolve()
        inside = path.is_relative_to(folder) and path.is_file()
    except (OSError, ValueError, RuntimeError):  # a path too long or with a zero byte; circular links
        inside = False
    if not inside:
        return {**tile, "missing": "not in the folder"}
    try:
        with open_listed(path, SUFFIXES) as image:
            if image.width * image.height > Options.max_pixels:
                return {**tile, "missing": "too large to show"}
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            with memory.of(image.width * image.height * COPIES):
                small = _small(image)
    except Exception:  # Pillow's errors about damaged files have no common class
        return {**tile, "missing": "damaged"}
    written = io.BytesIO()
    # Pixels and nothing else: no EXIF, no comment and no profile of the file goes into the report.
    Image.frombytes(small.mode, small.size, small.tobytes()).save(written, "JPEG", quality=QUALITY)
    image_url = f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"
    return {**tile, "image": image_url, "width": small.width, "height": small.height}


def _small(image: Image.Image) -> Image.Image:
    """The picture in RGB on white, turned upright by EXIF, with its longer side at most ``SIDE`` pixels."""
    deep = image.mode.startswith(("I", "F"))
    image = image.convert("F" if deep else "RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((SIDE, SIDE), reducing_gap=2.0)
    if deep:  # without scaling, all values but the lowest would be white
        values = np.asarray(image)
        scaled = np.interp(values, (values.min(), values.max()), (0, 255))
        return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
    image = ImageOps.exif_transpose(image)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
