"""From the network's outputs for cells to keypoints with descriptors."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from zoo.engines import Engine

CELL, DESCRIPTOR = 8, 64  # side in pixels of a cell, and length of its descriptor
PEAK = 0.001  # least probability of a keypoint: blurred pictures have none above 0.05
WINDOW = 5  # side in pixels of the window for non-maximum suppression


@dataclass(frozen=True, eq=False)
class Features:
    """Keypoints of a picture with their descriptors, the most reliable first.

    Args:
        points: ``(N, 2)`` float32, x and y in pixels; a pixel's centre has whole coordinates.
        scores: ``(N,)`` float32 in 0..1.
        descriptors: ``(N, 64)`` float32 of unit length; two of the same point have a dot product near 1.
        pixel: side of a pixel of the network's input, in pixels of the picture.
    """

    points: np.ndarray
    scores: np.ndarray
    descriptors: np.ndarray
    pixel: float = 1.0


def find(engine: Engine, picture: np.ndarray, most: int) -> Features:
    """Features of a picture.

    Args:
        engine: computes the network.
        picture: grey, ``(H, W)`` uint8.
        most: largest number of keypoints.
    """
    x = picture[None, None].astype(np.float32) / np.float32(255)
    descriptors, logits, reliability = (output[0].astype(np.float32) for output in engine(x))
    heat = heat_map(logits)[: picture.shape[0], : picture.shape[1]]
    peaks = (heat >= PEAK) & (heat >= cv2.dilate(heat, np.ones((WINDOW, WINDOW), np.uint8)))
    y, x_ = np.nonzero(peaks)
    cells = np.stack((x_, y), 1).astype(np.float32)
    scores = heat[y, x_] / (1 + np.exp(-sampled(reliability, cells)[:, 0]))
    order = np.argsort(-scores, kind="stable")[:most]
    points = subpixel(heat, cells[order])
    found = sampled(descriptors, points)
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    return Features(points, scores[order], found)


def heat_map(logits: np.ndarray) -> np.ndarray:
    """Probability of each pixel to be a keypoint, ``(8h, 8w)``, from logits ``(65, h, w)``."""
    raised = np.exp(logits - logits.max(0))
    pixels = raised[:-1] / raised.sum(0)
    height, width = pixels.shape[1:]
    cells = pixels.reshape(CELL, CELL, height, width).transpose(2, 0, 3, 1)
    return np.ascontiguousarray(cells.reshape(height * CELL, width * CELL))


def subpixel(heat: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points ``(N, 2)`` moved to the centroid of the probability in the 3x3 pixels around them."""
    padded_heat = np.pad(heat, 1)
    x, y = points.astype(int).T
    around = {(i, j): padded_heat[y + 1 + i, x + 1 + j] for i in (-1, 0, 1) for j in (-1, 0, 1)}
    total = sum(around.values())
    dx = sum(j * value for (_, j), value in around.items()) / total
    dy = sum(i * value for (i, _), value in around.items()) / total
    return points + np.stack((dx, dy), 1).astype(np.float32)


def sampled(maps: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values of maps ``(C, h, w)`` of cells at points in pixels, interpolated bilinearly: ``(N, C)``."""
    height, width = maps.shape[1:]
    x = np.clip((points[:, 0] + 0.5) / CELL - 0.5, 0, width - 1)
    y = np.clip((points[:, 1] + 0.5) / CELL - 0.5, 0, height - 1)
    left, top = np.minimum(x.astype(int), max(width - 2, 0)), np.minimum(y.astype(int), max(height - 2, 0))
    p, q = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    flat = np.ascontiguousarray(maps.reshape(len(maps), -1).T)
    at, right, below = top * width + left, min(1, width - 1), width * min(1, height - 1)
    upper = (1 - p) * flat[at] + p * flat[at + right]
    return np.asarray((1 - q) * upper + q * ((1 - p) * flat[at + below] + p * flat[at + below + right]))


def moved(features: Features, matrix: np.ndarray) -> Features:
    """Features whose points are transformed by an affine map."""
    points = features.points @ matrix[:2, :2].T + matrix[:2, 2]
    pixel = float(abs(np.linalg.det(matrix[:2, :2])) ** 0.5)
    return Features(points.astype(np.float32), features.scores, features.descriptors, pixel)
