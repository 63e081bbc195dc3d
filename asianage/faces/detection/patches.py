"""A face's box -> its five landmarks, from two or more looks at the face itself."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PIL import Image

from asianage.faces.detection.networks import PATCH, LandmarksNetwork

PATCH_SIDE = 3.4
"""Side of a patch, in units of the face's size: the larger of eye distance and 0.95 x the way from eyes to mouth."""

BOX_SIZE = 2.46
"""Square root of the area of a face's box, in the same units."""

MOST_LOOKS = 4
"""Patches of one face, at most: two, unless its box is much too large, too small or beside it."""

SETTLED = 0.2
"""Another look is useless when the last one changed the place of the face by less; see `Frame.change`."""

LOST = 2.0
"""Landmarks do not belong to a box when their frame differs more from it."""

LARGEST = 1e8
"""Largest face that is looked for, in pixels: no photo is larger."""

_FINEST = 1.5
"""A patch is sampled from pixels that are at least this much smaller: blocks of pixels are averaged first."""


def find_landmarks(network: LandmarksNetwork, image: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, float]:
    """Find the landmarks of one face, at whatever angle it lies.

    The first patch is an upright square around the box. Each other one is aligned by the landmarks of the one before.

    Args:
        network: Looks at the patches.
        image: The photo, uint8 (height, width, 3), RGB.
        box: float (4,): x_min, y_min, x_max, y_max of the face, in pixels.

    Returns:
        float64 (5, 2), (x, y) in pixels, with the center of the first pixel at (0, 0), and the probability that this is
        a face.
    """
    x_min, y_min, x_max, y_max = (float(value) for value in box)
    size = math.sqrt((x_max - x_min) * (y_max - y_min)) / BOX_SIZE
    first = Frame((x_min + x_max) / 2, (y_min + y_max) / 2, min(max(size, 1.0), LARGEST), 0.0)
    landmarks, probability = _look(network, image, first)
    for _ in range(MOST_LOOKS - 1):
        place = Frame.of(landmarks)
        landmarks, probability = _look(network, image, place)
        found = Frame.of(landmarks)
        if place.change(found) < SETTLED and abs(math.remainder(found.angle - place.angle, math.tau)) < 2 * SETTLED:
            break
    # Where there is no face, the looks wander off.
    return landmarks - 0.5, probability if first.change(found) < LOST else 0.0


class Frame(NamedTuple):
    """Where a face lies: middle and size in pixels, angle in radians."""

    x: float
    y: float
    size: float
    angle: float

    @classmethod
    def of(cls, landmarks: np.ndarray) -> Frame:
        """Return the frame of five landmarks, float (5, 2)."""
        left, right = landmarks[0], landmarks[1]
        eyes, mouth = (left + right) / 2, (landmarks[3] + landmarks[4]) / 2
        x, y = (eyes + mouth) / 2
        size = max(math.hypot(*(right - left)), 0.95 * math.hypot(*(mouth - eyes)), 1.0)
        return cls(float(x), float(y), size, math.atan2(*(mouth - eyes)))

    def change(self, other: Frame) -> float:
        """Return by how much another frame is moved, in units of the size, or grown or shrunk, whichever is more."""
        moved = math.hypot(other.x - self.x, other.y - self.y) / self.size
        return max(moved, other.size / self.size - 1.0, self.size / other.size - 1.0)


def _look(network: LandmarksNetwork, image: np.ndarray, place: Frame) -> tuple[np.ndarray, float]:
    step = PATCH_SIDE * place.size / PATCH
    # From one column of the patch to the next, and from one row to the next, in pixels of the photo.
    across = np.array([step * math.cos(place.angle), -step * math.sin(place.angle)])
    down = np.array([-across[1], across[0]])
    corner = np.array([place.x, place.y]) - PATCH / 2 * (across + down)
    points, probability = network(_cut(image, across, down, corner))
    return corner + points[:, :1] * across + points[:, 1:] * down, probability


def _cut(image: np.ndarray, across: np.ndarray, down: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Sample a patch, uint8 (64, 64, 3). Pixels at the border are repeated beyond it."""
    limits = np.array(image.shape[1::-1])
    corner = _brought_near(corner, across, down, limits)
    shrink = max(1, math.ceil(math.hypot(*across) / _FINEST))
    corners = corner + _corners(across, down)
    margin = 2 * shrink
    low, high = np.floor(corners.min(axis=0)) - margin, np.ceil(corners.max(axis=0)) + margin
    left_top = low.clip(0, limits - 1).astype(int)
    right, bottom = np.maximum(high.clip(1, limits).astype(int), left_top + 1)
    region = Image.fromarray(image[left_top[1] : bottom, left_top[0] : right])
    if shrink > 1:
        region = region.reduce(shrink)
    # Pillow's sampling gives black beyond the region.
    before, region = _padded(region, (corners - left_top) / shrink)
    (a, d), (b, e), (c, f) = across / shrink, down / shrink, (corner - left_top) / shrink + before
    affine = Image.Transform.AFFINE
    return np.asarray(region.transform((PATCH, PATCH), affine, (a, b, c, d, e, f), Image.Resampling.BILINEAR))


def _corners(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return the four corners of a patch, float (4, 2), in pixels from the first one."""
    return PATCH * np.array([np.zeros(2), across, down, across + down])


def _brought_near(corner: np.ndarray, across: np.ndarray, down: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Move the first corner of a patch that lies far beyond the photo to within the patch's own extent of it.

    The patch shows the same: the border is repeated there. It bounds what `_padded` adds.
    """
    corners = corner + _corners(across, down)
    low, high = corners.min(axis=0), corners.max(axis=0)
    gap = np.maximum(low - limits, 0.0) + np.minimum(high, 0.0)
    extent = high - low + 4.0
    return corner - (gap - gap.clip(-extent, extent))


def _padded(region: Image.Image, corners: np.ndarray) -> tuple[np.ndarray, Image.Image]:
    """Repeat the border of a region, so that it holds the square with these corners.

    Returns:
        Columns and rows that were added before the region, int (2,), and the larger region.
    """
    before = np.maximum(1 - np.floor(corners.min(axis=0)).astype(int), 0)
    after = np.maximum(np.ceil(corners.max(axis=0)).astype(int) + 1 - region.size, 0)
    if not before.any() and not after.any():
        return before, region
    columns, rows = zip(before, after, strict=True)
    return before, Image.fromarray(np.pad(np.asarray(region), (rows, columns, (0, 0)), mode="edge"))
