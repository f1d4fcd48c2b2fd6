"""Both sides of a street: houses and gardens side by side, and the skyline at the end of the street."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import TypeAlias

import numpy as np

from zoo.data.streets.canvas import BUILDING, END, LIT, TREE, Canvas, Colour, Ink, Point3, Upright, darker
from zoo.data.streets.things import FOLIAGE, fence, leaves, tree

WALLS = (
    (168, 92, 70), (196, 160, 122), (214, 198, 172), (150, 112, 92), (186, 128, 96), (204, 178, 140), (178, 150, 148),
    (220, 206, 190), (142, 82, 70), (188, 176, 150),
)  # fmt: skip
ROOFS = ((122, 62, 48), (84, 74, 76), (146, 82, 58), (98, 70, 60))
TRIMS = ((240, 236, 226), (214, 206, 190), (92, 60, 44))
DOORS = ((40, 70, 60), (120, 36, 36), (40, 52, 88), (88, 56, 34))
AWNINGS = ((176, 44, 44), (46, 96, 72), (44, 74, 130), (206, 150, 50))
PANE = (66, 82, 98)
STOREY = 3.0  # metres
Lots: TypeAlias = list[tuple[float, Callable[[], None]]]


def paint_row(canvas: Canvas, rng: Random, line: float) -> None:
    """Both sides of the street, fronts at -``line`` and ``line``, from far to near."""
    _paint_skyline(canvas, rng)
    foliage = rng.sample(FOLIAGE, 3)
    lots = [lot for side in (-1, 1) for lot in _lots(canvas, rng, side, line, foliage)]
    for _, paint in sorted(lots, key=lambda lot: -lot[0]):
        paint()


def _paint_skyline(canvas: Canvas, rng: Random) -> None:
    x = -70.0
    while x < 70:
        width, height = rng.uniform(8, 18), rng.uniform(7, 17)
        wall = canvas.ink(rng.choice(WALLS), BUILDING, END + 40, 0.85)
        canvas.fill([(x, 0, END), (x, height, END), (x + width, height, END), (x + width, 0, END)], wall)
        x += width
    for _ in range(4):
        crown = Upright(canvas, rng.uniform(-40, 40), END - 2, TREE)
        leaves(crown, rng, rng.choice(FOLIAGE), (0, 4), (6, 4.5))


def _lots(canvas: Canvas, rng: Random, side: int, line: float, foliage: Sequence[Colour]) -> Lots:
    """Houses, and a garden now and then, from the camera to the end of the street: distance and paint function."""
    lots: Lots = []
    z = -rng.uniform(0, 8)
    garden_at = rng.uniform(0.9, 1.5) * canvas.nearest(side * line) if rng.random() < 0.75 else END
    while z < END - 15:
        length = rng.uniform(8, 14) * (1 + max(z, 0) / 60)  # longer in the distance: hardly visible there
        if garden_at < z + 4 < 60:
            end = z + length
            paint = functools.partial(_paint_garden, canvas, rng, side * line, max(z, 1.0), end, rng.choice(foliage))
            lots.append((z, paint))
            garden_at = end + rng.uniform(15, 40)
        else:
            end = min(z + length, max(garden_at, z + 5))
            lots.append((z, House(canvas, rng, side, line + rng.uniform(0, 0.6), z, end).paint))
        z = end
    return lots


def _paint_garden(canvas: Canvas, rng: Random, x: float, z0: float, z1: float, foliage: Colour) -> None:
    side = 1 if x > 0 else -1
    trees, bushes = (3, 5) if z0 < 25 else (2, 2)
    for k in range(trees):
        z = z1 - (k + 0.5) * (z1 - z0) / trees
        tree(canvas, rng, x + side * rng.uniform(2.5, 6), z, foliage, rng.uniform(5, 8))
    for k in range(bushes):
        bush = Upright(canvas, x + side * rng.uniform(1.0, 2.0), z1 - (k + 0.5) * (z1 - z0) / bushes, TREE)
        leaves(bush, rng, foliage, (0, 0.9), (1.5, 1.1))
    fence(canvas, rng, x, z0, z1, rng.uniform(1.2, 1.7))


class House:
    """A house with its front at ``x`` = ``side`` * ``line`` from ``z0`` to ``z1``."""

    def __init__(self, canvas: Canvas, rng: Random, side: int, line: float, z0: float, z1: float) -> None:
        self.canvas, self.side = canvas, side
        self.rng = Random(rng.getrandbits(32))  # its own: a house too small to paint must not change later ones
        self.x, self.z0, self.z1 = side * line, max(z0, 1.0), z1
        self.storeys = rng.choice((2, 2, 3, 3, 4))
        self.height = STOREY * self.storeys + 0.6
        self.depth = rng.uniform(7.0, 10.0)
        self.shade = canvas.light.facing[side > 0]
        self.wall = rng.choice(WALLS)
        self.flat = self.storeys > 3 or rng.random() < 0.3

    def ink(self, colour: Colour, shade: float = 1.0) -> Ink:
        return self.canvas.ink(colour, BUILDING, self.z0, shade)

    def paint(self) -> None:
        if not -20 < self.canvas.camera.project(self.x, 0, self.z1)[0] < self.canvas.width + 20:
            return
        wall = self.ink(self.wall, self.shade)
        if self.flat:
            self._end_wall(darker(wall, 0.8), ridge=0.0)
        else:
            self._roof(wall)
        self._front((0.0, self.height), wall)
        self._front((0.0, 0.5), darker(wall, 0.7))
        self._front((self.height - 0.35, self.height), self.ink(self.rng.choice(TRIMS), 0.92 * self.shade))
        self._windows()

    def _front(self, rows: tuple[float, float], ink: Ink) -> None:
        y0, y1 = rows
        x = self.x
        self.canvas.fill([(x, y0, self.z0), (x, y1, self.z0), (x, y1, self.z1), (x, y0, self.z1)], ink)

    def _end_wall(self, ink: Ink, ridge: float) -> None:
        """The wall that faces the camera; a next house of the same height hides most of it."""
        x, far, z = self.x, self.x + self.side * self.depth, self.z0
        middle: Point3 = ((x + far) / 2, self.height + ridge, z)
        self.canvas.fill([(x, 0, z), (x, self.height, z), middle, (far, self.height, z), (far, 0, z)], ink)

    def _roof(self, wall: Ink) -> None:
        ridge = self.rng.uniform(1.8, 3.2)
        x, y, top = self.x, self.height, self.height + ridge
        back = x + self.side * self.depth / 2
        tiles = self.ink(self.rng.choice(ROOFS), self.shade)
        for z in (self.z1 - 1.6, self.z0 + 0.8) if self.rng.random() < 0.7 else ():
            stack = [(back, h, d) for h in (top - 0.4, top + 1.0) for d in (z, z + 0.8)]
            self.canvas.fill_hull(stack, darker(wall, 0.75))
        self._end_wall(darker(wall, 0.8), ridge)
        self.canvas.fill([(x, y, self.z0), (back, top, self.z0), (back, top, self.z1), (x, y, self.z1)], tiles)

    def _windows(self) -> None:
        metres = self.z1 - self.z0
        bays = max(1, round(metres / 2.6))
        bay = metres / bays
        if bay * self.canvas.camera.focal * abs(self.x - self.canvas.camera.x) / self.z0**2 < 2:
            return  # narrower than two pixels
        trim, shade = self.rng.choice(TRIMS), self.shade
        z = self.z0 + bay * (np.arange(bays) + 0.5)
        shop = self.rng.random() < 0.35
        y = STOREY * np.arange(1 if shop else 0, self.storeys) + 1.0
        centres = np.stack(np.meshgrid(z, y), -1).reshape(-1, 2)
        door = self.rng.randrange(bays)
        if shop:
            self._shop(z, bay, self.ink(trim, 0.85 * shade))
        else:
            centres = np.delete(centres, door, 0)
            quad = self._panes(np.array([[z[door], 0.0]]), (0.6, 2.3))
            self.canvas.fill_all(quad, self.ink(self.rng.choice(DOORS), shade))
        small = self.z0 > 35
        if not small:
            self.canvas.fill_all(self._panes(centres, (0.27 * bay + 0.12, 1.72), -0.12), self.ink(trim, shade))
        lit = np.array([self.canvas.light.lamps and self.rng.random() < 0.45 for _ in centres], bool)
        panes = self._panes(centres, (0.27 * bay, 1.5))
        self.canvas.fill_all(panes[~lit], self.ink(PANE, shade))
        self.canvas.fill_all(panes[lit], (*LIT, BUILDING))
        if not small:
            self.canvas.fill_all(self._panes(centres, (0.04, 1.5)), self.ink(trim, 0.9 * shade))

    def _panes(self, centres: np.ndarray, size: tuple[float, float], lift: float = 0.0) -> np.ndarray:
        """Quads ``(N, 4, 3)`` on the front, by bottom centres ``(z, y)``, half the width and the full height."""
        half, tall = size
        corners = np.array([(-half, lift), (-half, tall + lift), (half, tall + lift), (half, lift)])
        quads = np.empty((len(centres), 4, 3))
        quads[..., 0] = self.x
        quads[..., 2:0:-1] = centres[:, None] + corners
        return quads

    def _shop(self, z: np.ndarray, bay: float, frame: Ink) -> None:
        glass: Ink = darker((*LIT, BUILDING), 0.88) if self.canvas.light.lamps else self.ink(PANE, self.shade)
        self.canvas.fill_all(self._panes(np.stack([z, np.full_like(z, 0.5)], -1), (0.42 * bay, 1.7)), glass)
        x0, x1 = self.x, self.x - self.side * 1.1
        posts = np.concatenate([z - 0.14 * bay, z + 0.14 * bay])
        self.canvas.fill_all(self._panes(np.stack([posts, np.full_like(posts, 0.5)], -1), (0.05, 1.7)), frame)
        colour = self.rng.choice(AWNINGS)
        edges = np.linspace(self.z0 + 0.3, self.z1 - 0.3, 2 * len(z) + 2)
        strips = np.array([[(x0, 3.0, a), (x1, 2.4, a), (x1, 2.4, b), (x0, 3.0, b)] for a, b in pairwise(edges)])
        self.canvas.fill_all(strips[::2], self.ink(colour, self.shade))
        self.canvas.fill_all(strips[1::2], self.ink((236, 230, 218), self.shade))
