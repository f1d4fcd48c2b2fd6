"""A camera, a light and a canvas that carries colour and class in the same pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from zoo.data.labels import CAMVID, CAMVID_VOID

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(len(CAMVID))
VOID = CAMVID_VOID

END = 95.0  # metres to the end of the street
CIRCLE = [(math.cos(k * math.pi / 6), math.sin(k * math.pi / 6)) for k in range(12)]
SHIFT = 4  # corners are given to cv2 in sixteenths of a pixel
HAZE = 150.0  # distance in metres at which haze takes half of a colour

Colour = tuple[float, float, float]
Ink = tuple[float, float, float, float]
Point2 = tuple[float, float]
Point3 = tuple[float, float, float]
LIT: Colour = (255, 216, 128)  # a lamp or a window at dusk


def darker(ink: Ink, fraction: float) -> Ink:
    return ink[0] * fraction, ink[1] * fraction, ink[2] * fraction, ink[3]


@dataclass(frozen=True)
class Camera:
    """A pinhole above the road that looks along z. World: metres, x to the right, y up, the ground at y = 0.

    Args:
        focal: focal length in pixels.
        u: column of the vanishing point.
        v: row of the horizon.
        x: metres to the right of the middle of the road.
        y: metres above the ground.
    """

    focal: float
    u: float
    v: float
    x: float
    y: float

    def project(self, x: float, y: float, z: float) -> Point2:
        scale = self.focal / z
        return self.u + scale * (x - self.x), self.v + scale * (self.y - y)


@dataclass(frozen=True)
class Light:
    """The light of a scene. Colours are RGB in 0..255.

    Args:
        gain: factor of every colour.
        shadow: factor of colours in the shadow.
        slant: metres that a shadow runs along x and along z for one metre of height.
        facing: factors of the facades on the left and on the right of the road.
        cover: cloud cover, 0..1.
        lamps: whether windows and lamps are lit.
    """

    zenith: Colour
    horizon: Colour
    cloud: Colour
    gain: Colour
    shadow: float
    slant: Point2
    facing: tuple[float, float]
    cover: float
    lamps: bool


class Canvas:
    """Red, green, blue and class as four channels, so that every primitive paints colour and class together."""

    def __init__(self, size: tuple[int, int], camera: Camera, light: Light) -> None:
        self.height, self.width = size
        self.camera, self.light = camera, light
        self.pixels = np.zeros((*size, 4), np.uint8)
        self._eye = np.array([camera.x, camera.y])
        self._scale = np.array([camera.focal, -camera.focal]) * (1 << SHIFT)
        self._centre = np.array([camera.u, camera.v]) * (1 << SHIFT)
        self.thin = max(1, round(camera.focal / 110))  # minimum width of a stroke: thinner ones would be invisible

    def nearest(self, x: float) -> float:
        """The minimum distance at which a thing at ``x`` is well inside the picture."""
        camera = self.camera
        room = camera.u if x < camera.x else self.width - camera.u
        return max(4.0, camera.focal * abs(x - camera.x) / (0.9 * room))

    def ink(self, colour: Colour, cls: int, z: float = 0.0, shade: float = 1.0) -> Ink:
        """The colour under the scene's light, seen through ``z`` metres of air."""
        air = z / (z + HAZE)
        own = shade * (1 - air)
        (r, g, b), (gr, gg, gb), (hr, hg, hb) = colour, self.light.gain, self.light.horizon
        return own * gr * r + air * hr, own * gg * g + air * hg, own * gb * b + air * hb, cls

    def corners(self, points: np.ndarray | Sequence[Point3]) -> np.ndarray:
        """Points ``(..., 3)`` in the world to fixed-point corners ``(..., 2)``."""
        p = np.asarray(points)
        return ((p[..., :2] - self._eye) * self._scale / p[..., 2:] + self._centre).astype(np.int32)

    def fill(self, points: Sequence[Point3], ink: Ink) -> None:
        cv2.fillConvexPoly(self.pixels, self.corners(points), ink, cv2.LINE_8, SHIFT)

    def fill_hull(self, points: Sequence[Point3], ink: Ink) -> None:
        cv2.fillConvexPoly(self.pixels, cv2.convexHull(self.corners(points)), ink, cv2.LINE_8, SHIFT)

    def fill_ground(self, x: Point2, z: Point2, ink: Ink) -> None:
        self.fill([(x[0], 0, z[0]), (x[0], 0, z[1]), (x[1], 0, z[1]), (x[1], 0, z[0])], ink)

    def line(self, points: Sequence[Point3], width: float, ink: Ink) -> None:
        thickness = max(self.thin, round(width * self.camera.focal / points[0][2]))
        cv2.polylines(self.pixels, [self.corners(points)], False, ink, thickness, cv2.LINE_8, SHIFT)

    def fill_all(self, polygons: np.ndarray, ink: Ink) -> None:
        """Fills polygons ``(N, corners, 3)`` that do not overlap."""
        if len(polygons):
            cv2.fillPoly(self.pixels, list(self.corners(polygons)), ink, cv2.LINE_8, SHIFT)

    def veil(self, outline: np.ndarray, ink: Ink, opacity: float) -> None:
        """Gives a polygon (fixed point, ``(N, 2)``) the ink's class, but blends its colour with the background."""
        left, top = np.maximum(outline.min(0) >> SHIFT, 0)
        right, bottom = (outline.max(0) >> SHIFT) + 2
        window = self.pixels[top:bottom, left:right]
        if not window.size:
            return
        inside = np.zeros(window.shape[:2], np.uint8)
        cv2.fillPoly(inside, [outline - (left << SHIFT, top << SHIFT)], 1, cv2.LINE_8, SHIFT)
        mixed = cv2.addWeighted(window, 1 - opacity, np.full_like(window, ink), opacity, 0)
        mixed[..., 3] = ink[3]
        cv2.copyTo(mixed, inside, window)


class Upright:
    """A flat thing that stands on the ground and faces the camera, drawn in its own metres.

    Args:
        x: x of its place in the world, in metres.
        z: z of its place in the world, in metres.
        scale: size of the thing's metre in the world.
        mirror: -1 swaps left and right.
    """

    def __init__(self, canvas: Canvas, x: float, z: float, cls: int, scale: float = 1.0, mirror: int = 1) -> None:
        self.canvas, self.z, self.cls = canvas, z, cls
        self.u, self.v = canvas.camera.project(x, 0, z)
        self.metre = scale * canvas.camera.focal / z  # in pixels
        self.mirror = mirror

    def ink(self, colour: Colour, shade: float = 1.0) -> Ink:
        return self.canvas.ink(colour, self.cls, self.z, shade)

    def corners(self, points: Sequence[Point2]) -> np.ndarray:
        unit = self.metre * (1 << SHIFT)
        u, v = self.u * (1 << SHIFT), self.v * (1 << SHIFT)
        return np.array([(u + self.mirror * unit * x, v - unit * y) for x, y in points]).astype(np.int32)

    def poly(self, points: Sequence[Point2], ink: Ink) -> None:
        cv2.fillConvexPoly(self.canvas.pixels, self.corners(points), ink, cv2.LINE_8, SHIFT)

    def stroke(self, points: Sequence[Point2], width: float, ink: Ink) -> None:
        thickness = max(self.canvas.thin, round(width * self.metre))
        cv2.polylines(self.canvas.pixels, [self.corners(points)], False, ink, thickness, cv2.LINE_8, SHIFT)

    def disc(self, x: float, y: float, radius: float, ink: Ink, thickness: int = cv2.FILLED) -> None:
        centre = round(self.u + self.mirror * self.metre * x), round(self.v - self.metre * y)
        cv2.circle(self.canvas.pixels, centre, max(1, round(radius * self.metre)), ink, thickness)

    def ring(self, x: float, y: float, radius: float, width: float, ink: Ink) -> None:
        self.disc(x, y, radius, ink, max(self.canvas.thin, round(width * self.metre)))
