"""A server of pictures, each drawn from its address, that misbehaves as its address says."""

from __future__ import annotations

import io
import re
import zlib
from collections import Counter
from functools import lru_cache
from urllib.parse import quote

import numpy as np
from PIL import Image

from loopback import Answer, Cut, Fault, Loopback, Lost, Redirect, Request, Stall, Status

ROBOTS = """\
User-agent: somebody-else
Disallow: /

User-agent: *
Disallow: /private/
"""
HTML = b"<!doctype html><html><body><img src=x></body></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HUGE = 3 << 20  # bytes; the tests collect with a limit below
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "bmp": "BMP", "tif": "TIFF"}
# The first requests of each address of a kind meet its fault; None: all of them do.
FAULTS: dict[str, tuple[Fault, int | None]] = {
    "missing": (Status(404), None),
    "closed": (Status(403), None),
    "busy": (Status(429, {"Retry-After": "0"}), 1),
    "later": (Status(503), 1),
    "shaky": (Status(500), 2),
    "down": (Status(500), None),
    "reset": (Lost(), 1),
    "dead": (Lost(), None),
    "slow": (Stall(1.5), 1),
    "silent": (Stall(1.5), None),
    "cut": (Cut(700), 1),
    "torn": (Cut(700), None),
}


def picture(name: str, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """What looks like no other name's picture, also to a perceptual hash."""
    coarse = np.random.default_rng(zlib.crc32(name.encode())).integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@lru_cache(4096)
def encoded(name: str, format_: str = "JPEG", quality: int = 90) -> bytes:
    file = io.BytesIO()
    picture(name).save(file, format_, quality=quality)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG whose header promises 2.5 gigapixels."""
    head = b"IHDR" + (50_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    chunk = (13).to_bytes(4, "big") + head + zlib.crc32(head).to_bytes(4, "big")
    data = b"IDAT" + zlib.compress(bytes(1 << 16))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk + (len(data) - 4).to_bytes(4, "big") + data + zlib.crc32(data).to_bytes(4, "big")
    )


class Gallery(Loopback):
    """``/KIND/NAME.SUFFIX`` is a picture drawn from NAME, with the fault of its kind."""

    def __init__(self, robots: str = ROBOTS) -> None:
        super().__init__()
        self.robots = robots
        self._times: Counter[str] = Counter()

    def take(self, request: Request) -> Fault | None:
        planned = super().take(request)
        if planned is not None:
            return planned
        kind = request.path.split("/")[1]
        with self.lock:
            self._times[request.path] += 1
            fault, times = FAULTS.get(kind, (None, 0))
            if times is None or self._times[request.path] <= times:
                return fault
        if kind == "circle":
            return Redirect(request.path)
        if kind == "circles":
            first, second = request.path.replace("/b/", "/a/"), request.path.replace("/a/", "/b/")
            return Redirect(second if request.path == first else first)
        if found := re.fullmatch(r"/hops/(\d)/(.+)", request.path):
            return Redirect(f"/hops/{int(found[1]) - 1}/{found[2]}" if found[1] != "0" else f"/fine/{found[2]}")
        if kind == "sneaky":
            return Redirect(request.path.replace("/sneaky/", "/private/"))
        return None

    def answer(self, request: Request) -> Answer:
        if request.path == "/robots.txt":
            return Answer(200, {"Content-Type": "text/plain"}, self.robots.encode())
        kind, _, name = request.path[1:].partition("/")
        suffix = name.rpartition(".")[2]
        bodies = {
            "html": HTML,
            "svg": SVG,
            "bomb": bomb(),
            "huge": b"\xff\xd8\xff" + bytes(HUGE),
            "empty": b"",
            "same": encoded("same"),
            "text": b"no such picture, sorry",
        }
        if kind in bodies:
            body = bodies[kind]
        elif kind == "short":
            body = encoded(name)[:-400]
        elif kind == "tiny":
            file = io.BytesIO()
            picture(name, (16, 12)).save(file, "PNG")
            body = file.getvalue()
        elif kind == "alike":
            body = encoded(name, "JPEG", 60)
        elif kind == "liar":
            body = encoded(name, "PNG")
        else:
            body = encoded(name, FORMATS.get(suffix, "JPEG"))
        return Answer(200, {"Content-Type": "image/jpeg"}, body)


HOSTILE_NAMES = (
    "../../../etc/passwd.jpg",
    "..\\..\\windows\\syname32.jpg",
    "CON.jpg",
    "nul",
    'a:b*c?d"e<f>g|h.jpg',
    "x" * 400 + ".jpg",
    "é" * 200 + ".jpg",
    "图片.png",
    "\u202egpj.exe.jpg",
    "new\nline.jpg",
    "zero\0byte.jpg",
    ".hidden.jpg",
    "trailing dots....jpg",
    "-rf.jpg",
    "~.jpg",
    "%2e%2e%2f.jpg",
)


def hostile_paths() -> list[str]:
    return [f"/fine/{quote(name, safe='')}" for name in HOSTILE_NAMES]
