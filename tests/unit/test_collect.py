"""`zoo collect` against a server that misbehaves in every way it can."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gallery import Gallery, hostile_paths
from zoo.collect.ledger import KEPT
from zoo.collect.ledger import read as read_ledger
from zoo.commands import main

EXPECTED = {  # status by kind, and whether a word of the reason says why
    "fine": ("saved", ""),
    "liar": ("saved", ""),
    "busy": ("saved", ""),
    "later": ("saved", ""),
    "shaky": ("saved", ""),
    "reset": ("saved", ""),
    "slow": ("saved", ""),
    "cut": ("saved", ""),
    "hops": ("saved", ""),
    "missing": ("failed", "404"),
    "closed": ("failed", "403"),
    "down": ("failed", "500"),
    "dead": ("failed", "lost"),
    "silent": ("failed", "timed out"),
    "torn": ("failed", "lost"),
    "circle": ("failed", "loop"),
    "circles": ("failed", "loop"),
    "html": ("rejected", "HTML"),
    "svg": ("rejected", "SVG"),
    "text": ("rejected", "text"),
    "empty": ("rejected", "empty"),
    "short": ("rejected", "damaged"),
    "tiny": ("rejected", "side below"),
    "huge": ("rejected", "bytes"),
    "bomb": ("rejected", "pixels"),
    "private": ("forbidden", "robots.txt"),
    "sneaky": ("forbidden", "robots.txt"),
    "alike": ("near_duplicate", ""),
}
RARE = {
    "busy": 12,
    "later": 12,
    "slow": 4,
    "silent": 2,
    "down": 6,
    "dead": 6,
    "torn": 6,
    "bomb": 8,
    "huge": 6,
}  # since each takes its time
QUICK = ["--allow-private", "--delay", "0", "--contact", "tests", "--timeout", "1", "--max-bytes", "2M"]


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    with Gallery() as server:
        yield server


def collect(*arguments: object) -> int:
    return main.main(["collect", *map(str, arguments)])


def ledger(folder: Path) -> list[dict[str, Any]]:
    return list(read_ledger(folder / "ledger.jsonl"))


def pictures(folder: Path) -> dict[str, str]:
    """Every file of a collection but its own, with the digest of its content."""
    found = [path for path in folder.rglob("*") if path.is_file() and ".collect" not in path.parts]
    found = [path for path in found if path != folder / "ledger.jsonl"]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def write_list(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(count: int, endpoint: str) -> list[dict[str, str]]:
    """So many addresses of all kinds, in an order that is the same every time."""
    rare = [kind for kind, most in RARE.items() for _ in range(most)]
    paths = [f"/{kind}/{number}.jpg" for number, kind in enumerate(rare, 10_000)]
    paths += [f"/alike/{number}.jpg" for number in range(20)] + [f"/same/{number}.jpg" for number in range(20)]
    paths += [f"/fine/{number}.{suffix}" for number in range(20) for suffix in ("jpg",)]
    paths += [f"/fine/{suffix}.{suffix}" for suffix in ("png", "webp", "bmp", "tif")]
    paths += hostile_paths()
    kinds = sorted(set(EXPECTED) - set(RARE) - {"alike", "fine"})
    number = 100
    while len(paths) < count:
        kind = ("fine", *kinds)[number % (len(kinds) + 1)]
        middle = {"hops": "3/", "circles": "a/"}.get(kind, "")
        paths.append(f"/{kind}/{middle}{number}.jpg")
        number += 1
    random.Random(1).shuffle(paths)
    paths.sort(key=lambda path: path.startswith("/alike/"))  # those whose originals come first
    return [{"url": endpoint + path, "label": f"kind {path.split('/')[1]}"} for path in paths[:count]]


def test_a_thousand_addresses_that_misbehave(gallery: Gallery, tmp_path: Path, capsys):
    rows = rows_of(1000, gallery.endpoint)
    folder = tmp_path / "out"
    assert collect(write_list(tmp_path / "list.jsonl", rows), "-o", folder, *QUICK, "--retries", "2") == 0, capsys
    records = ledger(folder)

    assert [record["url"] for record in records] == [row["url"] for row in rows]  # all of them, once, in order
    for record in records:
        kind = record["url"].removeprefix(gallery.endpoint).split("/")[1]
        if kind == "same":
            continue
        status, word = EXPECTED[kind]
        assert record["status"] == status, record
        assert word in (record["reason"] or ""), record
    same = [record["status"] for record in records if "/same/" in record["url"]]
    assert Counter(same) == {"saved": 1, "duplicate": 19}

    kept = [record for record in records if record["status"] in KEPT]
    assert pictures(folder) == {record["file"]: record["digest"] for record in kept}
    assert not any((folder / ".collect" / "parts").iterdir())
    for record in kept:
        path = folder / record["file"]
        with Image.open(path) as image:
            image.load()
            assert [image.format.lower(), list(image.size)] == [record["type"], record["size"]]
        assert path.suffix == {"jpeg": ".jpg", "tiff": ".tif"}.get(record["type"], f".{record['type']}")
        assert path.stat().st_size == record["bytes"]
        assert path.resolve().is_relative_to(folder.resolve())
        assert path.parent.name == record["label"]

    asked = Counter(request.path for request in gallery.requests)
    assert not [path for path in asked if path.startswith("/private/")]
    assert asked["/robots.txt"] == 1
    assert gallery.requests[0].path == "/robots.txt"
    assert max(count for path, count in asked.items()) <= 3
    assert {request.headers["User-Agent"].split("/")[0] for request in gallery.requests} == {"lightning-zoo"}


def tree(folder: Path) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    records = [
        tuple(record.get(name) for name in ("url", "status", "file", "of", "digest")) for record in ledger(folder)
    ]
    return pictures(folder), records


def test_killed_at_any_moment_it_ends_in_the_same_folder(gallery: Gallery, tmp_path: Path):
    rows = [row for row in rows_of(300, gallery.endpoint) if row["label"] not in ("kind slow", "kind silent")]
    source = write_list(tmp_path / "list.jsonl", rows)
    quick = [*QUICK, "--retries", "2", "--delay", "0.02"]  # so that it takes longer than its twelve lives
    assert collect(source, "-o", tmp_path / "whole", *quick) == 0

    folder = tmp_path / "killed"
    chance, known, first = random.Random(), set[str](), 0
    for start in range(12):
        command = [sys.executable, "-m", "zoo.commands.main", "collect"]
        command += ["--resume", folder] if start else [source, "-o", folder]
        process = subprocess.Popen([*command, *quick], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        wait_for(folder / ".collect" / "settings.json", process)
        time.sleep(chance.uniform(0, 0.8))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it was over before it was killed"
        for path in pictures(folder):
            with Image.open(folder / path) as image:
                image.load()
        before, known = known, accounted(folder)
        assert before <= known  # nothing that was on disk is lost
        first = first or len(known)
    assert len(known) > first > 0

    assert collect("--resume", folder, *quick) == 0
    assert tree(folder) == tree(tmp_path / "whole")
    assert not any((folder / ".collect" / "parts").iterdir())


def accounted(folder: Path) -> set[str]:
    """Addresses in the ledger, but for a line that is not whole, and those of pictures that wait for their turn."""
    lines = (folder / "ledger.jsonl").read_bytes().split(b"\n")[:-1] if (folder / "ledger.jsonl").exists() else []
    waiting = [path.read_bytes() for path in (folder / ".collect" / "parts").glob("*.json")]
    return {json.loads(record)["url"] for record in (*lines, *waiting)}


def wait_for(path: Path, process: subprocess.Popen) -> None:
    """Until the process has written the file anew."""
    before = time.time()
    while not path.exists() or path.stat().st_mtime < before - 1e-3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
