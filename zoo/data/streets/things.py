"""Things that stand in a street. Each function paints one thing at ``x``, ``z`` of the world, in metres."""

from __future__ import annotations

import math
from random import Random

import cv2
import numpy as np

from zoo.data.streets.canvas import FENCE, LIT, POLE, SIGN, TREE, VOID, Canvas, Colour, Ink, Point2, Upright, darker

FOLIAGE = (
    (78, 124, 46), (100, 142, 54), (64, 110, 60), (128, 144, 52), (180, 126, 44), (68, 118, 42),
)  # fmt: skip
FENCES = ((152, 100, 52), (232, 230, 220), (60, 92, 84), (112, 84, 60))
BINS = ((190, 30, 36), (44, 66, 54), (70, 72, 76))
FIR = (52, 104, 66)
BARK = (104, 74, 48)
STEEL = (92, 98, 104)
GALVANISED = (136, 142, 148)
SLOT = (24, 24, 26)
RED = (206, 24, 34)
WHITE = (246, 246, 244)
BLUE = (24, 84, 190)
YELLOW = (250, 204, 32)


def _crown(seed: int, sun: int) -> np.ndarray:
    """Centre and radius of ten blobs in each of four layers, from shade to sun; the crown is the unit circle."""
    rng = Random(seed)
    layers = []
    for k, spread in enumerate((0.86, 0.78, 0.68, 0.6)):
        away = [(2 * math.pi * (i + rng.random()) / 10, spread * math.sqrt(rng.uniform(0.15, 1.0))) for i in range(10)]
        x, y, shrink = 0.13 * sun * k, 0.13 * k, 1 - 0.14 * k
        layers.append([(x + r * math.cos(a), y + r * math.sin(a), shrink * rng.uniform(0.24, 0.4)) for a, r in away])
    return np.array(layers)


CROWNS = [{sun: _crown(seed, sun) for sun in (-1, 0, 1)} for seed in range(16)]


def tree(canvas: Canvas, rng: Random, x: float, z: float, foliage: Colour, height: float) -> None:
    t = Upright(canvas, x, z, TREE)
    trunk, crown = 0.3 * height, 0.3 * height
    bark = t.ink(BARK)
    w = 0.045 * height
    t.poly([(-w, 0), (w, 0), (0.6 * w, 0.5 * height), (-0.6 * w, 0.5 * height)], bark)
    t.poly([(0, 0), (w, 0), (0.6 * w, 0.5 * height), (0, 0.5 * height)], darker(bark, 0.75))
    if rng.random() < 0.18:
        for k in range(4):
            y, r = trunk * 0.6 + k * 0.2 * height, (0.26 - 0.05 * k) * height
            t.poly([(-r, y), (r, y), (0, y + 0.32 * height)], t.ink(FIR, 0.62 + 0.12 * k))
            t.poly([(0, y), (r, y), (0, y + 0.32 * height)], t.ink(FIR, 0.55 + 0.12 * k))
        return
    leaves(t, rng, foliage, (0.0, trunk + crown), (crown * rng.uniform(0.8, 1.1), crown))


def leaves(t: Upright, rng: Random, foliage: Colour, centre: Point2, radii: Point2) -> None:
    """A crown of blobs: a dark mass, then brighter ones towards the light."""
    (x, y), (rx, ry) = centre, radii
    blob = min(rx, ry)
    size = blob * t.metre
    slant = t.canvas.light.slant[0]
    # random numbers first, then the check of the size: every size shows the same street
    crown = rng.choice(CROWNS)[(slant < 0) - (slant > 0)]
    if abs(t.u - t.canvas.width / 2) > t.canvas.width / 2 + 2 * rx * t.metre:
        return  # out of the picture
    if size < 5:
        t.disc(x, y, 1.1 * blob, t.ink(foliage, 0.7))
        t.disc(x - 0.2 * blob, y + 0.3 * blob, 0.7 * blob, t.ink(foliage))
        return
    step, swell = (1, 1.0) if size > 20 else (2, 1.25) if size > 7 else (3, 1.5)
    unit = (t.metre * rx, -t.metre * ry, swell * size)
    origin = (t.u + t.metre * x, t.v - t.metre * y, 0)
    blobs = np.rint(crown[:, ::step] * unit + origin).astype(int).tolist()
    t.disc(x, y, 0.8 * blob, t.ink(foliage, 0.55))
    for layer, shade in zip(blobs, (0.55, 0.78, 1.0, 1.18), strict=True):
        ink = t.ink(foliage, shade)
        for column, row, radius in layer:
            cv2.circle(t.canvas.pixels, (column, row), radius, ink, -1)


def lamp_post(canvas: Canvas, rng: Random, x: float, z: float, arm: float) -> None:
    """A lamp post whose arm reaches ``arm`` metres to the right."""
    p = Upright(canvas, x, z, POLE)
    tall = rng.uniform(5.5, 7.0)
    colour = rng.choice((STEEL, GALVANISED))
    ink, side = p.ink(colour), p.ink(colour, 0.7)
    p.stroke([(0, 0), (0, tall)], 0.2, ink)
    p.stroke([(0.05, 0), (0.05, tall)], 0.07, side)
    p.poly([(-0.15, 0), (0.15, 0), (0.12, 0.8), (-0.12, 0.8)], side)
    p.stroke([(0, tall), (arm * 0.3, tall + 0.35), (arm, tall + 0.4)], 0.14, ink)
    head = (*LIT, POLE) if canvas.light.lamps else p.ink((210, 212, 206))
    over, under = tall + 0.48, tall + 0.2
    p.poly([(arm * 0.7, over), (arm * 1.4, over), (arm * 1.35, under), (arm * 0.75, under)], head)


def sign(canvas: Canvas, rng: Random, x: float, z: float) -> None:
    """A road sign or a traffic light on a post."""
    post = Upright(canvas, x, z, POLE)
    post.stroke([(0, 0), (0, 2.5)], 0.12, post.ink(GALVANISED))
    s = Upright(canvas, x, z, SIGN)
    board = rng.choice((_round, _round, _triangle, _square, _diamond, _stop, _traffic_light))
    board(s, rng, 2.75)
    if board is not _traffic_light and rng.random() < 0.3:
        s.poly([(-0.4, 2.2), (0.4, 2.2), (0.4, 1.95), (-0.4, 1.95)], s.ink((238, 238, 234)))


def _round(s: Upright, rng: Random, y: float) -> None:
    rim, face = rng.choice(((RED, WHITE), (WHITE, BLUE), (RED, BLUE)))
    s.disc(0, y, 0.5, s.ink(rim))
    s.disc(0, y, 0.36, s.ink(face))
    s.stroke([(-0.14, y), (0.14, y)], 0.12, s.ink((30, 30, 32) if face == WHITE else WHITE))


def _triangle(s: Upright, rng: Random, y: float) -> None:
    flip = rng.choice((1, 1, -1))  # warning; give way
    s.poly([(-0.58, y - 0.46 * flip), (0.58, y - 0.46 * flip), (0, y + 0.56 * flip)], s.ink(RED))
    s.poly([(-0.33, y - 0.32 * flip), (0.33, y - 0.32 * flip), (0, y + 0.26 * flip)], s.ink(WHITE))


def _square(s: Upright, _: Random, y: float) -> None:
    s.poly([(-0.46, y - 0.46), (0.46, y - 0.46), (0.46, y + 0.46), (-0.46, y + 0.46)], s.ink(BLUE))
    s.poly([(-0.3, y - 0.3), (0.3, y - 0.3), (0, y + 0.28)], s.ink(WHITE))


def _diamond(s: Upright, _: Random, y: float) -> None:
    for r, colour in ((0.6, WHITE), (0.46, YELLOW)):
        s.poly([(-r, y), (0, y - r), (r, y), (0, y + r)], s.ink(colour))


def _stop(s: Upright, _: Random, y: float) -> None:
    for r, colour in ((0.54, WHITE), (0.47, RED)):
        t = 0.41 * r
        s.poly(
            [(-r, y - t), (-t, y - r), (t, y - r), (r, y - t), (r, y + t), (t, y + r), (-t, y + r), (-r, y + t)],
            s.ink(colour),
        )
    s.stroke([(-0.28, y), (0.28, y)], 0.14, s.ink(WHITE))


def _traffic_light(s: Upright, rng: Random, y: float) -> None:
    s.poly([(-0.27, y - 0.55), (0.27, y - 0.55), (0.27, y + 0.6), (-0.27, y + 0.6)], s.ink((34, 36, 34)))
    on = rng.randrange(3)
    for k, colour in enumerate(((40, 220, 110), (255, 190, 30), (255, 50, 40))):
        s.disc(0, y - 0.34 + 0.36 * k, 0.15, (*colour, SIGN) if k == on else s.ink(colour, 0.35))


def fence(canvas: Canvas, rng: Random, x: float, z0: float, z1: float, height: float) -> None:
    """A fence of slats along the road from ``z0`` to ``z1``."""
    colour, middle = rng.choice(FENCES), (z0 + z1) / 2
    canvas.fill([(x, 0, z0), (x, 0, z1), (x, height, z1), (x, height, z0)], canvas.ink(colour, FENCE, middle, 0.62))
    _slats(canvas, x, z0, z1, height, canvas.ink(colour, FENCE, middle))


def _slats(canvas: Canvas, x: float, z0: float, z1: float, height: float, ink: Ink) -> None:
    pitch = 0.3
    z = np.arange(z0, z1 - pitch / 2, pitch)
    near, far = z + 0.05, z + 0.22
    top = height + 0.12
    ends = ((near, 0.06), (near, height), ((near + far) / 2, top), (far, height), (far, 0.06))
    quads = np.stack([np.stack([np.full_like(z, x), np.full_like(z, y), end], -1) for end, y in ends], 1)
    canvas.fill_all(quads, ink)


def railing(canvas: Canvas, _: Random, x: float, z: float, length: float) -> None:
    """A panel of guard rail at the kerb: bars with gaps between them."""
    panel = [(x, 0.08, z), (x, 1.1, z), (x, 1.1, z + length), (x, 0.08, z + length)]
    ink = canvas.ink((70, 96, 88), FENCE, z)
    canvas.veil(canvas.corners(panel), ink, 0.65)
    for y in (0.2, 1.05):
        canvas.line([(x, y, z), (x, y, z + length)], 0.08, ink)
    for k in range(7):
        canvas.line([(x, 0.1, z + k * length / 6), (x, 1.1, z + k * length / 6)], 0.05, ink)


def litter_bin(canvas: Canvas, rng: Random, x: float, z: float) -> None:
    """A litter bin or a post box: things without a class."""
    b = Upright(canvas, x, z, VOID)
    colour = rng.choice(BINS)
    wide, tall = rng.uniform(0.28, 0.36), rng.uniform(0.95, 1.4)
    b.poly([(-wide, 0), (wide, 0), (wide, tall), (-wide, tall)], b.ink(colour))
    b.poly([(wide * 0.4, 0), (wide, 0), (wide, tall), (wide * 0.4, tall)], b.ink(colour, 0.75))
    b.poly(
        [(-wide * 1.15, tall), (wide * 1.15, tall), (wide * 0.9, tall + 0.14), (-wide * 0.9, tall + 0.14)],
        b.ink(colour, 1.15),
    )
    b.poly(
        [(-wide * 0.7, tall - 0.3), (wide * 0.5, tall - 0.3), (wide * 0.5, tall - 0.16), (-wide * 0.7, tall - 0.16)],
        b.ink(SLOT),
    )
