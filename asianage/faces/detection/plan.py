"""How large a photo is looked at, and in which tiles, so that small faces are found and large ones too."""

from __future__ import annotations

import math
from dataclasses import dataclass

BASE_SIDE = 320
"""Long side of the first look, in pixels."""

SECOND_SIDE = 640
"""Long side of the finest look, or more: smaller photos are enlarged to it."""

LEAST_FACE = 16
"""Smallest faces that are looked for, in pixels, unless the photo is large."""

LEAST_SHARE = 80
"""In a large photo the smallest faces are this part of its long side."""

MOST_LEAST_FACE = 100
"""Faces of this size, in pixels, are looked for in photos of any size."""

NETWORK_FACE = 13
"""Shorter side at which the network still finds most faces, in pixels of its input."""

MOST_STEP = 4.0
"""Scales of two looks differ by this factor at most: the network sees faces of 13 to 300 pixels at once."""

SAME = (0.85, 1.1)
"""A look whose scale lies between these two takes the photo as it is: to resize it takes longer than it saves."""

TILE = 1280
"""Longest side of a tile, in pixels of the network's input."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a photo as the network looks at it.

    Attributes:
        box: x_min, y_min, x_max, y_max in pixels of the photo.
        size: Width and height of the network's input, in pixels.
    """

    box: tuple[float, float, float, float]
    size: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the network's input per pixel of the photo, in x and in y."""
        return self.size[0] / (self.box[2] - self.box[0]), self.size[1] / (self.box[3] - self.box[1])


def smallest_face(width: int, height: int, min_face_size: float | None = None) -> float:
    """Return the shorter side of the smallest faces that are looked for, in pixels of the photo."""
    if min_face_size is not None:
        return max(min_face_size, 1.0)
    return min(max(LEAST_FACE, max(width, height) / LEAST_SHARE), MOST_LEAST_FACE)


def first_look(width: int, height: int) -> Tile:
    """Return the whole photo with its long side at `BASE_SIDE`, or as it is if it has almost that size."""
    return _whole(width, height, BASE_SIDE / max(width, height))


def finer_looks(width: int, height: int, min_face_size: float | None = None) -> list[Tile]:
    """Return the tiles of all looks after the first, coarse ones first."""
    long_side = max(width, height)
    finest = NETWORK_FACE / smallest_face(width, height, min_face_size)
    # A photo is enlarged to the second look's side, never beyond.
    finest = max(SECOND_SIDE / long_side, min(finest, 1.0))
    coarsest = BASE_SIDE / long_side
    steps = max(1, math.ceil(math.log(finest / coarsest) / math.log(MOST_STEP) - 1e-9))
    scales = [coarsest * (finest / coarsest) ** (step / steps) for step in range(1, steps + 1)]
    return [tile for scale in scales for tile in _tiles(width, height, scale)]


def _whole(width: int, height: int, scale: float) -> Tile:
    if SAME[0] <= scale <= SAME[1]:
        scale = 1.0
    return Tile((0.0, 0.0, float(width), float(height)), (max(1, round(width * scale)), max(1, round(height * scale))))


def _tiles(width: int, height: int, scale: float) -> list[Tile]:
    if max(width, height) * scale <= TILE:
        return [_whole(width, height, scale)]
    return [
        Tile((left, top, right, bottom), (across, down))
        for top, bottom, down in _parts(height, scale)
        for left, right, across in _parts(width, scale)
    ]


def _parts(length: int, scale: float) -> list[tuple[float, float, int]]:
    """Cut a length into equal parts that overlap by two of the smallest faces.

    Returns:
        Begin and end of each part, in pixels of the photo, and its length in pixels of the network's input.
    """
    scaled, overlap = length * scale, 2 * NETWORK_FACE
    if scaled <= TILE:
        return [(0.0, float(length), max(1, round(scaled)))]
    count = math.ceil((scaled - overlap) / (TILE - overlap))
    part = math.ceil((scaled - overlap) / count) + overlap
    begins = [(scaled - part) * number / (count - 1) for number in range(count)]
    # Rounding must not lead beyond the photo.
    return [(begin / scale, min((begin + part) / scale, float(length)), part) for begin in begins]
