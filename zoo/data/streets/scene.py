"""The composition of a street scene: places things and paints them from far to near."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from random import Random

import cv2
import numpy as np

from zoo.base.errors import ZooError
from zoo.data.streets import houses, things, traffic
from zoo.data.streets.backdrop import develop, paint_ground, paint_sky, random_light
from zoo.data.streets.canvas import CIRCLE, END, SHIFT, VOID, Camera, Canvas, Colour

MIN_SIDE = 32  # pixels; in a smaller picture most things are below a pixel
BONNET = (40, 52, 74)
POST = (0.16, 0.12, 3.0)  # width, length and height of the box that casts its shadow
Paint = Callable[..., None]


def draw_street(seed: int, size: tuple[int, int] = (360, 480)) -> tuple[np.ndarray, np.ndarray]:
    """Draws the street scene of a seed: the same bytes on every call and in every process.

    Args:
        seed: any integer.
        size: height and width in pixels, at least 32 each. The composition scales with it.

    Returns:
        RGB picture ``(H, W, 3)`` uint8 and mask ``(H, W)`` uint8 with the ids of ``zoo.data.labels.CAMVID``.

    Raises:
        ZooError: a side is too short to show anything.
    """
    if min(size) < MIN_SIDE:
        raise ZooError(f"a street scene of {size[0]} x {size[1]} pixels is too small: take at least {MIN_SIDE} a side")
    rng = Random(f"street {seed}")
    scene = Scene(rng, size)
    paint_sky(scene.canvas, rng)
    paint_ground(scene.canvas, rng, scene.kerb, scene.line)
    scene.plan()
    scene.paint_shadows()
    houses.paint_row(scene.canvas, rng, scene.line)
    scene.paint_things()
    return develop(scene.canvas, rng)


class Scene:
    """One street. ``kerb`` and ``line`` are the distances of kerbs and house fronts from the middle of the road."""

    def __init__(self, rng: Random, size: tuple[int, int]) -> None:
        self.rng = rng
        self.drive = rng.choice((-1, 1))  # the side of the road on which cars drive
        self.kerb = rng.uniform(3.4, 4.6)
        self.line = self.kerb + rng.uniform(2.6, 4.0)
        height, width = size
        camera = Camera(
            focal=math.sqrt(0.75 * height * width) * rng.uniform(0.85, 1.05),
            u=width * rng.uniform(0.34, 0.66),
            v=height * rng.uniform(0.4, 0.52),
            x=self.drive * self.kerb * rng.uniform(0.2, 0.6),
            y=rng.uniform(1.5, 2.1),
        )
        self.canvas = Canvas(size, camera, random_light(rng))
        self.things: list[tuple[float, Callable[[], None]]] = []
        self.shadows: list[np.ndarray] = []

    def put(self, paint: Paint, x: float, z: float, box: tuple[float, float, float] | None, *args: object) -> None:
        """Adds a thing to paint, and its shadow: its footprint, and the footprint moved along the light.

        Args:
            box: width, length and height of the box that casts the shadow; None: no shadow.
        """
        self.things.append((z, functools.partial(paint, self.canvas, self.rng, x, z, *args)))
        if box is not None:
            (width, length, height), (sx, sz) = box, self.canvas.light.slant
            foot = [(x + a, 0.0, z + b) for a in (-width / 2, width / 2) for b in (-0.05, length)]
            moved = [(a + sx * height, 0.0, max(1.0, b + sz * height)) for a, _, b in foot]
            self.shadows.append(cv2.convexHull(self.canvas.corners(foot + moved)))

    def plan(self) -> None:
        self._plan_cars()
        for side in (-1, 1):
            self._plan_kerb(side, side * (self.kerb + 0.55))
        self._plan_people()

    def _plan_cars(self) -> None:
        rng, drive, kerb = self.rng, self.drive, self.kerb
        for side in (-1, 1):  # parked
            x = side * (kerb - 0.95)
            z = max(7.5, self.canvas.nearest(x)) * rng.uniform(1.0, 1.7)
            for _ in range(rng.choice((0, 1, 2, 2, 3))):
                self._car(x, z, side * drive)
                z += rng.uniform(5.5, 14.0)
        if rng.random() < 0.65:
            self._car(drive * kerb * 0.3, rng.uniform(11, 30), 1)
        if rng.random() < 0.65:
            self._car(-drive * kerb * 0.32, rng.uniform(9, 26), -1)
        if rng.random() < 0.2:
            self._car(rng.uniform(-3, 3), rng.uniform(15, 28), rng.choice((-1, 1)), along=False)

    def _car(self, x: float, z: float, heading: int, along: bool = True) -> None:
        self.put(traffic.car, x, z, (1.9, 4.2, 1.2) if along else (4.2, 1.8, 1.2), heading, along)

    def _plan_kerb(self, side: int, x: float) -> None:
        rng, near = self.rng, self.canvas.nearest(x)
        if side == self.drive or rng.random() < 0.5:
            for k in range(3):
                self.put(things.lamp_post, x, near * rng.uniform(1.0, 1.25) + 17 * k, POST, -side * 1.3)
        for k in range(rng.choice((1, 1, 2))):
            self.put(things.sign, x + side * 0.2, near * rng.uniform(1.1, 1.7) * (1 + k), POST)
        if rng.random() < 0.55:
            foliage = rng.choice(things.FOLIAGE)
            for k in range(rng.randint(1, 4)):
                self._tree(x + side * 0.3, near * rng.uniform(1.5, 2.1) + 8.5 * k, foliage)
        if rng.random() < 0.5:
            self.put(things.litter_bin, x + side * 0.6, near * rng.uniform(1.1, 1.8), (0.6, 0.3, 1.0))
        if rng.random() < 0.25:
            z = near * rng.uniform(0.95, 1.3)
            for k in range(rng.randint(2, 5)):
                self.put(things.railing, x - side * 0.25, z + 2.05 * k, None, 2.0)

    def _tree(self, x: float, z: float, foliage: Colour) -> None:
        height = self.rng.uniform(5.0, 8.0)
        self.put(things.tree, x, z, (0.4, 0.3, 0.5 * height), foliage, height)
        sx, sz = self.canvas.light.slant
        u, v, r = x + 0.6 * height * sx, z + 0.6 * height * sz, 0.28 * height
        self.shadows.append(self.canvas.corners([(u + r * c, 0, max(1.0, v + r * s)) for c, s in CIRCLE]))

    def _plan_people(self) -> None:
        rng, nearest = self.rng, self.canvas.nearest
        for k in range(rng.randint(3, 5)):
            x = (-1) ** k * rng.uniform(self.kerb + 0.9, self.line - 0.7)
            self.put(traffic.pedestrian, x, nearest(x) * rng.uniform(1.0, 1.5), (0.5, 0.3, 1.6))
        if rng.random() < 0.55:
            x = rng.uniform(-0.8, 0.8) * self.kerb
            self.put(traffic.pedestrian, x, rng.uniform(6.0, 11.0), (0.5, 0.3, 1.6))
        side, z = rng.choice((-1, 1)), rng.uniform(5.5, 9.0)
        for _ in range(rng.choice((1, 1, 2))):
            x = side * rng.uniform(0.2, 0.6) * self.kerb
            self.put(traffic.bicyclist, x, max(z, nearest(x)), (1.2, 0.3, 1.6))
            side, z = -side, z + rng.uniform(2, 7)

    def paint_shadows(self) -> None:
        """Darkens the ground under all shadows at once, before any thing is painted."""
        canvas = self.canvas
        sx, _ = canvas.light.slant
        if sx:  # the houses on the side of the sun
            line = math.copysign(self.line, -sx)
            reach = line + math.copysign(min(9 * abs(sx), self.line + 0.4 * self.kerb), sx)
            self.shadows.append(canvas.corners([(line, 0, 1), (reach, 0, 1), (reach, 0, END), (line, 0, END)]))
        inside = np.zeros((canvas.height, canvas.width), np.uint8)
        for outline in self.shadows:
            cv2.fillConvexPoly(inside, outline, 1, cv2.LINE_8, SHIFT)
        top, factor = int(canvas.camera.v), canvas.light.shadow
        ground = canvas.pixels[top:]
        dark = cv2.multiply(ground, np.array([factor, factor, 1.1 * factor, 1]))
        cv2.copyTo(dark, inside[top:], ground)

    def paint_things(self) -> None:
        for _, paint in sorted(self.things, key=lambda thing: -thing[0]):
            paint()
        if self.rng.random() < 0.3:  # the bonnet that the camera looks over
            height, width = self.canvas.height, self.canvas.width
            axes = int(0.55 * width), int(self.rng.uniform(0.04, 0.08) * height)
            ink = self.canvas.ink(BONNET, VOID)
            cv2.ellipse(self.canvas.pixels, (width // 2, height), axes, 0, 0, 360, ink, -1)
