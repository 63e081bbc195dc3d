"""A face's box -> its five landmarks, from two looks at the face itself."""

from __future__ import annotations

import numpy as np
from PIL import Image

from asianage.faces.detection.networks import PATCH, LandmarksNetwork

PATCH_SIDE = 3.4
"""Side of a patch, in units of the face's size: the larger of eye distance and 0.95 x the way from eyes to mouth."""

BOX_SIZE = 2.46
"""Square root of the area of a face's box, in the same units."""

LOOKS = 2
"""Patches of a face: an upright one around its box, then one that the landmarks of the first align."""


def find_landmarks(
    network: LandmarksNetwork, picture: Image.Image, box: np.ndarray, *, looks: int = LOOKS
) -> tuple[np.ndarray, float]:
    """Find the landmarks of one face, at whatever angle it lies.

    Args:
        network: Looks at the patches.
        picture: The photo, RGB.
        box: float (4,): x_min, y_min, x_max, y_max of the face, in pixels.
        looks: How often, at least 1.

    Returns:
        float64 (5, 2), (x, y) in pixels, where the center of the first pixel is (0, 0), and the probability that this is
        a face.
    """
    x_min, y_min, x_max, y_max = (float(value) for value in box)
    x, y, angle = (x_min + x_max) / 2, (y_min + y_max) / 2, 0.0
    side = PATCH_SIDE / BOX_SIZE * max(float(np.sqrt((x_max - x_min) * (y_max - y_min))), 1.0)
    for look in range(looks):
        if look:
            x, y, size, angle = frame(landmarks)
            side = PATCH_SIDE * max(size, 1.0)
        step = side / PATCH
        cosine, sine = step * np.cos(angle), step * np.sin(angle)
        # Columns and rows of the patch, from its middle, in pixels of the photo.
        across, down = np.array([cosine, -sine]), np.array([sine, cosine])
        corner = np.array([x, y]) - PATCH / 2 * (across + down)
        points, probability = network(_cut(picture, across, down, corner))
        landmarks = corner + points[:, :1] * across + points[:, 1:] * down
    return landmarks - 0.5, probability


def frame(landmarks: np.ndarray) -> tuple[float, float, float, float]:
    """Return the middle, x and y, the size, and the angle of a face."""
    left, right = landmarks[0], landmarks[1]
    eyes, mouth = (left + right) / 2, (landmarks[3] + landmarks[4]) / 2
    x, y = (eyes + mouth) / 2
    size = max(float(np.hypot(*(right - left))), 0.95 * float(np.hypot(*(mouth - eyes))))
    return float(x), float(y), size, float(np.arctan2(*(mouth - eyes)))


def _cut(picture: Image.Image, across: np.ndarray, down: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Sample a patch, uint8 (64, 64, 3). Pixels at the border are repeated beyond it."""
    corners = corner + PATCH * np.array([[0.0, 0.0], across, down, across + down])
    step = float(np.hypot(*across))
    # Blocks of pixels are averaged first, as long as the patch keeps enough of them.
    shrink = max(1, int(np.ceil(step / 1.5)))
    margin = 2 * shrink + 1
    low, high = np.floor(corners.min(axis=0)) - margin, np.ceil(corners.max(axis=0)) + margin
    left, top = (int(np.clip(value, 0, length - 1)) for value, length in zip(low, picture.size, strict=True))
    right, bottom = (int(np.clip(value, 1, length)) for value, length in zip(high, picture.size, strict=True))
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    region = picture.reduce(shrink, box=(left, top, right, bottom)) if shrink > 1 else picture.crop((left, top, right, bottom))
    # Pillow's bilinear sampling gives black beyond the picture: rows and columns are repeated first.
    origin = (corner - (left, top)) / shrink
    pad_left, pad_top, region = _padded(region, (corners - (left, top)) / shrink)
    x, y = origin + (pad_left, pad_top)
    matrix = (across[0] / shrink, down[0] / shrink, x, across[1] / shrink, down[1] / shrink, y)
    return np.asarray(region.transform((PATCH, PATCH), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))


def _padded(region: Image.Image, corners: np.ndarray) -> tuple[int, int, Image.Image]:
    """Repeat the border of a region, so that it holds the square with these corners."""
    low, high = np.floor(corners.min(axis=0)).astype(int) - 2, np.ceil(corners.max(axis=0)).astype(int) + 2
    width, height = region.size
    before_x, before_y = max(0, -int(low[0])), max(0, -int(low[1]))
    after_x, after_y = max(0, int(high[0]) - width), max(0, int(high[1]) - height)
    if not before_x | before_y | after_x | after_y:
        return 0, 0, region
    pixels = np.pad(np.asarray(region), ((before_y, after_y), (before_x, after_x), (0, 0)), mode="edge")
    return before_x, before_y, Image.fromarray(pixels)
