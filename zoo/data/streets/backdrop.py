"""The backdrop of a street: light, sky and ground, and the textures that are added last."""

from __future__ import annotations

import functools
import math
from random import Random

import cv2
import numpy as np

from zoo.data.streets.canvas import CIRCLE, END, PAVEMENT, ROAD, SHIFT, SKY, TREE, Canvas, Ink, Light

SLABS = ((190, 180, 168), (180, 170, 164), (200, 174, 150))
KERB = (216, 212, 206)
PAINT = (238, 236, 228)
MANHOLE = (66, 64, 64)

# amplitude of the texture of each class: sky, building, pole, road, pavement, tree, sign, fence, car, ..., void
GRAIN = np.zeros(256, np.uint8)
GRAIN[:12] = 3, 9, 7, 9, 9, 32, 5, 9, 4, 7, 7, 6


def random_light(rng: Random) -> Light:
    """A sunny day, an overcast one, or dusk."""
    slant = rng.choice((-1, 1)) * rng.uniform(0.5, 1.4), rng.uniform(-0.2, 0.6)
    facing = (1.08, 0.78) if slant[0] < 0 else (0.78, 1.08)  # shadows to the left: the sun is on the right
    weather, blue = rng.random(), rng.uniform(-12, 12)
    if weather < 0.55:
        return Light(
            zenith=(84 + blue, 146 + blue, 214), horizon=(200, 222, 236), cloud=(250, 250, 250),
            gain=(1.09, 1.06, 0.99), shadow=0.58, slant=slant, facing=facing, cover=rng.uniform(0, 0.6), lamps=False,
        )  # fmt: skip
    if weather < 0.78:
        return Light(
            zenith=(164, 174, 186), horizon=(214, 218, 222), cloud=(236, 238, 240),
            gain=(0.92, 0.94, 0.96), shadow=0.8, slant=(0, 0), facing=(0.9, 0.9), cover=rng.uniform(0.5, 1),
            lamps=False,
        )  # fmt: skip
    return Light(
        zenith=(84, 88, 148), horizon=(250, 176, 122), cloud=(255, 202, 170),
        gain=(0.84, 0.7, 0.68), shadow=0.66, slant=slant, facing=facing, cover=rng.uniform(0.2, 0.8), lamps=True,
    )  # fmt: skip


@functools.lru_cache(maxsize=4)
def _textures(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grain and leaves (int8) and clouds (uint8), twice the size of the picture: a scene uses a random window."""
    height, width = size
    rng = np.random.default_rng(0)
    coarse = rng.integers(-127, 128, (120, 80), np.int16).astype(np.float32)  # clouds are the same at every size
    noise = rng.integers(-127, 128, (2 * height, 2 * width), np.int16).astype(np.float32)
    unit = math.sqrt(height * width) / 277  # 1 for a picture of 240 x 320

    def smooth(noise: np.ndarray, sigma: float) -> np.ndarray:
        blurred = cv2.GaussianBlur(noise, (0, 0), max(sigma, 0.3))
        return blurred / blurred.std()

    grain = 26 * (0.6 * noise / noise.std() + smooth(noise, 0.8 * unit) + 0.45 * smooth(noise, 14 * unit))
    leaves = 42 * (smooth(noise, 1.2 * unit) + 0.35 * smooth(noise, 4 * unit))
    clouds = cv2.resize(smooth(coarse, 1.7) + 1.5 * smooth(coarse, 4), (2 * width, 2 * height))
    clouds = 128 + 50 * cv2.GaussianBlur(clouds, (0, 0), 2 * unit)
    return (
        np.clip(grain, -127, 127).astype(np.int8),
        np.clip(leaves, -127, 127).astype(np.int8),
        np.clip(clouds, 0, 255).astype(np.uint8),
    )


def _window(texture: np.ndarray, rng: Random) -> np.ndarray:
    height, width = texture.shape[0] // 2, texture.shape[1] // 2
    top, left = int(rng.random() * height), int(rng.random() * width)
    return texture[top : top + height, left : left + width]


def paint_sky(canvas: Canvas, rng: Random) -> None:
    light = canvas.light
    size = canvas.width, min(canvas.height, int(canvas.camera.v) + 2)
    fade = (np.arange(size[1]) / size[1])[:, None, None]
    ramp = np.array((*light.zenith, SKY)) * (1 - fade) + np.array((*light.horizon, SKY)) * fade
    sky = cv2.resize(ramp.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    cloud = cv2.resize(np.array([[(*light.cloud, SKY)]], np.uint8), size)
    opacity = np.clip((np.arange(256) - (190 - 110 * light.cover)) / 85, 0, 0.9).astype(np.float32)
    cover = cv2.LUT(_window(_textures((canvas.height, canvas.width))[2], rng)[: size[1]], opacity)
    canvas.pixels[: size[1]] = cv2.blendLinear(cloud, sky, cover, 1 - cover)


def paint_ground(canvas: Canvas, rng: Random, kerb: float, line: float) -> None:
    """Paves both sides and lays the road between the kerbs at -``kerb`` and ``kerb``; houses begin at ``line``."""
    slabs, grey = rng.choice(SLABS), rng.uniform(96, 114)
    canvas.pixels[int(canvas.camera.v) + 1 :] = canvas.ink(slabs, PAVEMENT)
    _paint_joints(canvas, kerb, line, canvas.ink(slabs, PAVEMENT, shade=0.84))
    canvas.fill_ground((-60, 60), (35, END + 40), canvas.ink(slabs, PAVEMENT, 50))
    for side in (-1, 1):
        canvas.fill_ground((side * kerb, side * (kerb + 0.3)), (0.8, END), canvas.ink(KERB, PAVEMENT))
    for near, far in ((0.8, 30.0), (30.0, 60.0), (60.0, END)):
        canvas.fill_ground((-kerb, kerb), (near, far), canvas.ink((grey, grey, grey + 6), ROAD, near))
    canvas.fill_ground((-60, 60), (END - 12, END), canvas.ink((grey, grey, grey + 6), ROAD, END))  # the end of the road
    _paint_markings(canvas, rng, kerb, canvas.ink(PAINT, ROAD))


def _paint_joints(canvas: Canvas, kerb: float, line: float, ink: Ink) -> None:
    lines = []
    for side in (-1, 1):
        lines += [[(side * kerb, 0, z), (side * (line + 6), 0, z)] for z in (2.5 * 1.13**k for k in range(21))]
        lines += [[(side * x, 0, 2), (side * x, 0, 40)] for x in np.arange(kerb + 1, line + 2)]
    corners = canvas.corners(np.array(lines))
    cv2.polylines(canvas.pixels, list(corners), False, ink, 1, cv2.LINE_8, SHIFT)


def _paint_markings(canvas: Canvas, rng: Random, kerb: float, ink: Ink) -> None:
    z = np.arange(rng.uniform(1.5, 4.0), 70, 4.5)
    canvas.fill_all(_stripes(np.zeros_like(z), z, 0.16, 2.2), ink)
    if rng.random() < 0.6:
        for side in (-1, 1):
            canvas.fill_ground((side * (kerb - 0.45), side * (kerb - 0.3)), (1, 70), ink)
    if rng.random() < 0.4:  # a zebra crossing
        x = np.arange(-kerb + 0.5, kerb - 0.3, 1.0)
        canvas.fill_all(_stripes(x, np.full_like(x, rng.uniform(7, 16)), 0.5, 3.0), ink)
    if rng.random() < 0.5:
        x0, z0 = rng.uniform(-0.6, 0.6) * kerb, rng.uniform(5, 12)
        canvas.fill([(x0 + 0.4 * c, 0, z0 + 0.4 * s) for c, s in CIRCLE], canvas.ink(MANHOLE, ROAD))


def _stripes(x: np.ndarray, z: np.ndarray, width: float, length: float) -> np.ndarray:
    corners = np.array([(0, 0, 0), (0, 0, length), (width, 0, length), (width, 0, 0)])
    return np.stack([x, np.zeros_like(x), z], -1)[:, None] + corners


def develop(canvas: Canvas, rng: Random) -> tuple[np.ndarray, np.ndarray]:
    """Softens the edges, adds the textures to the colours, and separates picture and mask."""
    grain, leaves, _ = _textures((canvas.height, canvas.width))
    mask = cv2.extractChannel(canvas.pixels, 3)
    noise = _window(grain, rng).copy()
    cv2.copyTo(_window(leaves, rng), (mask == TREE).view(np.uint8), noise)
    noise = cv2.multiply(cv2.LUT(mask, GRAIN), noise, scale=1 / 64, dtype=cv2.CV_16S)
    picture = cv2.GaussianBlur(cv2.cvtColor(canvas.pixels, cv2.COLOR_RGBA2RGB), (3, 3), 0.5)
    return cv2.add(picture, cv2.merge([noise, noise, noise]), dtype=cv2.CV_8U), mask
