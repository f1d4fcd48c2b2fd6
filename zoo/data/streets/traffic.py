"""People and vehicles in a street. Each function paints one at ``x``, ``z`` of the world, in metres."""

from __future__ import annotations

from random import Random

from zoo.data.streets.canvas import BICYCLIST, CAR, CIRCLE, PEDESTRIAN, Canvas, Ink, Point2, Point3, Upright, darker

CAR_PAINTS = (
    (176, 32, 38), (32, 70, 150), (232, 232, 228), (36, 38, 44), (160, 166, 172), (40, 104, 74), (222, 176, 52),
    (112, 28, 62), (92, 150, 190),
)  # fmt: skip
CLOTHES = (
    (214, 62, 56), (58, 100, 196), (126, 94, 204), (226, 208, 172), (186, 78, 152), (236, 236, 232), (54, 164, 172),
    (232, 92, 128),
)  # fmt: skip
TROUSERS = ((48, 60, 104), (58, 54, 56), (116, 100, 78), (82, 92, 116))
SKIN = ((236, 194, 164), (206, 154, 116), (150, 104, 74), (98, 66, 48))
HAIR = ((40, 30, 24), (96, 62, 34), (196, 160, 92), (150, 146, 142))
HIGH_VIS = ((214, 246, 40), (255, 140, 20), (190, 240, 60))
Profile = tuple[Point2, Point2, Point2, Point2]
TYRE = (24, 24, 26)


def pedestrian(canvas: Canvas, rng: Random, x: float, z: float) -> None:
    p = Upright(canvas, x, z, PEDESTRIAN, rng.choice((1.18, 1.12, 1.12, 1.06, 0.85)), rng.choice((-1, 1)))
    top, legs, hair = p.ink(rng.choice(CLOTHES)), p.ink(rng.choice(TROUSERS)), p.ink(rng.choice(HAIR))
    sleeve, skin = darker(top, 0.8), p.ink(rng.choice(SKIN))
    stride, swing = rng.uniform(0.06, 0.26), rng.uniform(0.05, 0.22)
    p.stroke([(-0.06, 0.86), (-stride * 0.4, 0.45), (-stride - 0.04, 0.06)], 0.17, darker(legs, 0.75))
    p.stroke([(-0.2, 1.36), (-0.24 - swing * 0.4, 1.08), (-0.2 - swing, 0.86)], 0.11, sleeve)
    p.stroke([(0.06, 0.86), (stride * 0.8, 0.48), (stride, 0.06)], 0.17, legs)
    hem = rng.choice((0.8, 0.8, 0.52))  # a jacket or a coat
    p.poly([(-0.2, 1.46), (0.2, 1.46), (0.25, 1.3), (0.2, hem), (-0.2, hem), (-0.25, 1.3)], top)
    p.stroke([(0.2, 1.36), (0.25 + swing * 0.3, 1.1), (0.18 + swing, 0.88)], 0.11, sleeve)
    p.disc(-0.01, 1.64, 0.145, hair)
    p.disc(0.03, 1.59, 0.115, skin)
    if rng.random() < 0.4:
        bag = p.ink(rng.choice(CLOTHES), 0.7)
        p.poly([(-0.42, 0.86), (-0.2, 0.86), (-0.2, 0.56), (-0.42, 0.56)], bag)


def bicyclist(canvas: Canvas, rng: Random, x: float, z: float) -> None:
    p = Upright(canvas, x, z, BICYCLIST, rng.uniform(1.05, 1.15), rng.choice((-1, 1)))
    vest, helmet = p.ink(rng.choice(HIGH_VIS)), p.ink(rng.choice(((250, 60, 40), (250, 250, 250), (40, 120, 240))))
    legs, skin, frame = p.ink(rng.choice(TROUSERS)), p.ink(rng.choice(SKIN)), p.ink(rng.choice(CAR_PAINTS))
    draw = _bicycle_from_behind if rng.random() < 0.3 else _bicycle_from_the_side
    draw(p, vest, helmet, legs, skin, frame)


def _bicycle_from_the_side(p: Upright, vest: Ink, helmet: Ink, legs: Ink, skin: Ink, frame: Ink) -> None:
    tyre = p.ink(TYRE)
    for hub in (-0.56, 0.56):
        p.canvas.veil(p.corners([(hub + 0.36 * c, 0.37 + 0.36 * s) for c, s in CIRCLE]), tyre, 0.35)
        p.ring(hub, 0.37, 0.34, 0.07, tyre)
    p.stroke([(0.0, 0.92), (-0.06, 0.62), (-0.02, 0.3)], 0.14, darker(legs, 0.7))
    p.stroke([(-0.56, 0.37), (-0.2, 0.84), (0.38, 0.86), (0.0, 0.36), (-0.56, 0.37)], 0.06, frame)
    p.stroke([(-0.2, 0.9), (0.0, 0.36)], 0.06, frame)
    p.stroke([(0.56, 0.37), (0.38, 0.98), (0.5, 1.06)], 0.06, frame)
    p.stroke([(-0.18, 0.96), (0.2, 0.78), (0.1, 0.28), (0.2, 0.24)], 0.16, legs)
    p.poly([(-0.32, 0.92), (-0.06, 0.88), (0.28, 1.34), (0.2, 1.52), (0.0, 1.5), (-0.2, 1.24)], vest)
    p.stroke([(0.16, 1.42), (0.3, 1.14), (0.48, 1.06)], 0.1, darker(vest, 0.75))
    p.disc(0.27, 1.63, 0.13, skin)
    p.poly([(0.1, 1.64), (0.12, 1.78), (0.26, 1.84), (0.4, 1.78), (0.44, 1.67)], helmet)


def _bicycle_from_behind(p: Upright, vest: Ink, helmet: Ink, legs: Ink, skin: Ink, frame: Ink) -> None:
    p.stroke([(0.0, 0.04), (0.0, 0.74)], 0.09, p.ink(TYRE))
    p.stroke([(-0.4, 1.08), (0.4, 1.08)], 0.06, frame)
    p.stroke([(-0.14, 0.94), (-0.2, 0.6), (-0.15, 0.3)], 0.16, darker(legs, 0.75))
    p.stroke([(0.14, 0.94), (0.22, 0.74), (0.15, 0.46)], 0.16, legs)
    for side in (-1, 1):
        p.stroke([(side * 0.22, 1.44), (side * 0.36, 1.24), (side * 0.36, 1.1)], 0.1, darker(vest, 0.75))
    p.poly([(-0.2, 1.54), (0.2, 1.54), (0.26, 1.4), (0.2, 0.9), (-0.2, 0.9), (-0.26, 1.4)], vest)
    p.poly([(-0.16, 0.94), (0.16, 0.94), (0.1, 0.8), (-0.1, 0.8)], p.ink((190, 30, 30)))
    p.disc(0.0, 1.66, 0.13, skin)
    p.disc(0.0, 1.71, 0.15, helmet)


class _CarFrame:
    """The box of a car: ``a`` runs along its length and ``b`` across, both in -0.5..0.5, ``y`` is metres."""

    def __init__(self, x: float, z: float, along: bool, heading: int, length: float, width: float) -> None:
        self.x, self.along, self.heading, self.length, self.width = x, along, heading, length, width
        self.z = z + (length if along else width) / 2

    def __call__(self, a: float, b: float, y: float) -> Point3:
        a, b = self.heading * a * self.length, b * self.width
        return (self.x + b, y, self.z + a) if self.along else (self.x + a, y, self.z + b)


# length, width, and the cabin seen from the side, heading to the right: from the back over the roof to the windscreen
CARS: dict[str, tuple[float, float, Profile]] = {
    "hatchback": (4.0, 1.75, ((-0.47, 0.9), (-0.41, 1.46), (0.1, 1.46), (0.29, 0.92))),
    "saloon": (4.5, 1.78, ((-0.36, 0.9), (-0.22, 1.4), (0.1, 1.4), (0.28, 0.92))),
    "van": (4.9, 1.95, ((-0.49, 0.9), (-0.48, 2.05), (0.27, 2.05), (0.42, 0.92))),
}
BODY = ((-0.5, 0.3), (-0.5, 0.76), (-0.47, 0.92), (0.44, 0.9), (0.5, 0.7), (0.5, 0.3))


def car(canvas: Canvas, rng: Random, x: float, z: float, heading: int = 1, along: bool = True) -> None:
    """A car whose nearest point is at ``z``, parallel to the road or across it."""
    length, width, cabin = CARS[rng.choice(("hatchback", "hatchback", "saloon", "saloon", "van"))]
    at = _CarFrame(x, z, along, heading, length, width)
    paint = rng.choice(CAR_PAINTS)
    to_left = -1 if canvas.camera.x < x else 1  # on which side of the car the camera is
    flank = to_left if along else -1
    end = -heading if along else to_left * heading

    base, top = canvas.ink(paint, CAR, z), canvas.ink(paint, CAR, z, 1.18)
    dark, glass = canvas.ink(TYRE, CAR, z), canvas.ink((58, 74, 90), CAR, z)
    under = [at(a, b, y) for a in (-0.46, 0.46) for b in (-0.46, 0.46) for y in (0.1, 0.4)]
    canvas.fill_hull(under, dark)
    for b in (-0.38, 0.38):  # rear tyres
        _fill_across(canvas, at, 0.48 * end, (b - 0.07, b + 0.07), (0.0, 0.4), dark)
    canvas.fill_hull([at(a, b, y) for a, y in BODY for b in (-0.5, 0.5)], top)
    canvas.fill([at(a, flank * 0.5, y) for a, y in BODY], base)
    _fill_across(canvas, at, 0.5 * end, (-0.5, 0.5), (0.3, 0.76), darker(base, 0.9))
    canvas.fill_hull([at(a, b * (1.0 if y < 1 else 0.84), y) for a, y in cabin for b in (-0.5, 0.5)], top)
    _car_glass(canvas, at, cabin, flank, end, glass, base)
    _car_details(canvas, at, flank, end, dark, z)


def _fill_across(canvas: Canvas, at: _CarFrame, a: float, b: Point2, y: Point2, ink: Ink) -> None:
    """Fills a rectangle that faces forwards or backwards."""
    canvas.fill([at(a, b[0], y[0]), at(a, b[0], y[1]), at(a, b[1], y[1]), at(a, b[1], y[0])], ink)


def _car_glass(canvas: Canvas, at: _CarFrame, cabin: Profile, flank: int, end: int, glass: Ink, paint: Ink) -> None:
    (a0, y0), (a1, y1), (a2, _), (a3, _) = cabin
    low, high = y0 + 0.04, y1 - 0.08
    canvas.fill(
        [at(a, flank * b, y) for a, b, y in ((a0, 0.5, y0), (a1, 0.42, y1), (a2, 0.42, y1), (a3, 0.5, y0))], paint
    )
    if y1 < 1.6:
        rear = ((a0 + 0.05, 0.5, low), (a1 + 0.03, 0.43, high), (a1 + 0.2, 0.43, high), (a1 + 0.2, 0.5, low))
        canvas.fill([at(a, flank * b, y) for a, b, y in rear], glass)
    front = ((a2 - 0.14, 0.5, low), (a2 - 0.14, 0.43, high), (a2 - 0.01, 0.43, high), (a3 - 0.04, 0.5, low))
    canvas.fill([at(a, flank * b, y) for a, b, y in front], glass)
    (sill, roof) = (a3, a2) if end > 0 else (a0, a1)
    pane = ((sill, -0.44, y0 + 0.05), (roof, -0.37, high), (roof, 0.37, high), (sill, 0.44, y0 + 0.05))
    if y1 > 1.6 and end < 0:  # the doors of a van have small panes
        pane = ((sill, -0.4, 1.35), (roof, -0.36, high), (roof, 0.36, high), (sill, 0.4, 1.35))
    canvas.fill([at(a, b, y) for a, b, y in pane], glass)


def _car_details(canvas: Canvas, at: _CarFrame, flank: int, end: int, dark: Ink, z: float) -> None:
    hub = canvas.ink((168, 172, 178), CAR, z)
    for a in (-0.31, 0.31):
        for radius, ink in ((0.34, dark), (0.19, hub)):
            if z < 25 or ink is dark:
                wheel = [(a + radius / at.length * c, 0.34 + radius * s) for c, s in CIRCLE]
                canvas.fill([at(u, flank * 0.5, y) for u, y in wheel], ink)
    colour = (255.0, 246.0, 210.0) if end > 0 else (226.0, 30.0, 30.0)
    lamp = (*colour, CAR) if canvas.light.lamps else canvas.ink(colour, CAR, z, 0.95)
    for b in (-0.4, 0.4):
        _fill_across(canvas, at, 0.5 * end, (b - 0.09, b + 0.09), (0.58, 0.74), lamp)
    if z > 25:
        return
    plate = canvas.ink((240, 236, 200), CAR, z)
    _fill_across(canvas, at, 0.5 * end, (-0.15, 0.15), (0.42, 0.54), plate)
    _fill_across(canvas, at, 0.5 * end, (-0.5, 0.5), (0.26, 0.36), dark)
