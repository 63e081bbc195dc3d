"""Pictures laid on a canvas through a matrix, with the rows of targets of their faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from asianage.training.detector.targets import MIRRORED


@dataclass(slots=True)
class Canvas:
    """A picture in the making: uint8 (size, size, 3), RGB, and rows of targets in its pixels."""

    image: np.ndarray
    faces: list[np.ndarray] = field(default_factory=list)


def canvas_matrix(
    image: np.ndarray,
    scale: float,
    angle: float,
    at: tuple[float, ...],
    mirrored: bool,
    anchor: tuple[float, float] | None = None,
) -> np.ndarray:
    """Return float64 (2, 3): pixels of the picture -> pixels of the canvas, with `anchor` moved to `at`."""
    x, y = anchor or (image.shape[1] / 2, image.shape[0] / 2)
    cosine, sine = scale * np.cos(np.deg2rad(angle)), scale * np.sin(np.deg2rad(angle))
    linear = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    return np.concatenate([linear, (np.array(at) - linear @ (x, y))[:, None]], axis=1)


def covers_faces(faces: Sequence[np.ndarray], image: np.ndarray, matrix: np.ndarray) -> bool:
    """Tell whether the picture would cover a good part of a face."""
    low, high = _extent(image, matrix)
    for face in faces:
        sides = np.minimum(face[2:4], high) - np.maximum(face[:2], low)
        area = (face[2] - face[0]) * (face[3] - face[1])
        if sides.min() > 0 and sides.prod() > 0.1 * area:
            return True
    return False


def shrunk(image: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture at about `factor` of its size, and the factors of width and height."""
    if factor >= 1.0:
        return image, np.ones(2)
    sides = [max(2, round(length * factor)) for length in image.shape[1::-1]]
    smaller = cv2.resize(image, sides, interpolation=cv2.INTER_AREA)
    return smaller, np.array(sides) / image.shape[1::-1]


def lay(
    canvas: Canvas, image: np.ndarray, faces: np.ndarray, matrix: np.ndarray, feather: float, mirrored: bool
) -> None:
    """Draw a picture on the canvas through a matrix, and note its faces."""
    size = canvas.image.shape[0]
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    # A warp takes single pixels; smaller pictures are averages.
    image, shrinks = shrunk(image, 1.2 * scale if scale < 0.6 else 1.0)
    drawn = matrix.copy()
    drawn[:, :2] /= shrinks
    left, top, right, bottom = _region(image, drawn, size, 3.0 * feather + 2.0)
    if left >= right or top >= bottom:
        return
    drawn[:, 2] -= (left, top)
    sides = (right - left, bottom - top)
    patch = cv2.warpAffine(image, drawn, sides, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(np.full(image.shape[:2], 255, np.uint8), drawn, sides, flags=cv2.INTER_LINEAR)
    if feather > 0.0:
        cover = np.minimum(cover, cv2.GaussianBlur(cover, (0, 0), feather))
    weight = cover[:, :, None].astype(np.float32) / 255.0
    under = canvas.image[top:bottom, left:right]
    canvas.image[top:bottom, left:right] = (under + weight * (patch.astype(np.float32) - under)).astype(np.uint8)
    canvas.faces += [moved_row(row, matrix, mirrored) for row in faces]


def _region(image: np.ndarray, matrix: np.ndarray, size: int, border: float) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the part of the canvas that a picture may change."""
    low, high = _extent(image, matrix)
    low = np.clip(np.floor(low - border), 0, size).astype(int)
    high = np.clip(np.ceil(high + border), 0, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def moved_row(row: np.ndarray, matrix: np.ndarray, mirrored: bool) -> np.ndarray:
    """Return a row of targets in the pixels of the canvas."""
    moved = row.copy()
    linear, shift = matrix[:, :2], matrix[:, 2]
    middle = linear @ [(row[0] + row[2]) / 2, (row[1] + row[3]) / 2] + shift
    # The box around the ellipse that fills the box.
    half = np.sqrt(np.square(linear * [(row[2] - row[0]) / 2, (row[3] - row[1]) / 2]).sum(axis=1))
    moved[:2], moved[2:4] = middle - half, middle + half
    points = row[4:14].reshape(5, 2) @ linear.T + shift
    moved[4:14] = (points[MIRRORED] if mirrored else points).reshape(-1)
    return moved


def _extent(image: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest x and y that a picture reaches on the canvas."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ matrix[:, :2].T + matrix[:, 2]
    return corners.min(axis=0), corners.max(axis=0)
