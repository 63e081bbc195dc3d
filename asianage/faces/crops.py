"""One image -> the aligned crops of its faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from asianage.faces import alignment
from asianage.faces.detection import Detection

CUT_OFF = 0.07
"""A face is cut off when the picture lacks a larger share of its `FACE_ELLIPSE`."""

FACE_ELLIPSE = ((0.5, 0.54), (0.36, 0.45))
"""Middle and half axes of a face, from hairline to chin, in units of the crop's side."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceCrops:
    """The faces of one image, as the network takes them.

    Attributes:
        crops: uint8 (n, size, size, 3), RGB.
        detections: Where the n faces are, largest first.
        detector: Name of the detector; None if the whole image was taken as the face.
        warnings: What makes the crop of each face a poor one, some of "no face" and "cut off"; empty if unknown.
    """

    crops: np.ndarray
    detections: list[Detection]
    detector: str | None
    warnings: list[tuple[str, ...]] = field(default_factory=list)

    @classmethod
    def none(cls, size: int) -> FaceCrops:
        """Return the empty crops of an image without faces."""
        return cls(np.empty((0, size, size, 3), dtype=np.uint8), [], None)


def cut_face_crops(
    image: np.ndarray, detections: Sequence[Detection], size: int, *, detector: str | None, margin: int = 0
) -> FaceCrops:
    """Cut the crops of the given faces.

    Args:
        image: uint8 (height, width, 3), RGB.
        detections: Where the faces are.
        size: Side of the crops that the network takes, in pixels.
        detector: Name of the detector that found the faces; None if there was none.
        margin: Pixels added on each side of each crop.
    """
    side = size + 2 * margin
    crops = np.empty((len(detections), side, side, 3), dtype=np.uint8)
    warnings: list[tuple[str, ...]] = []
    for row, face in enumerate(detections):
        similarity = alignment.similarity_from_face(face.box, face.landmarks)
        crops[row] = alignment.cut_crop(image, similarity, size, margin=margin)
        warnings.append(("cut off",) if share_outside(similarity, *image.shape[:2]) > CUT_OFF else ())
    return FaceCrops(crops, list(detections), detector, warnings)


def whole_image_crop(image: np.ndarray, size: int, *, margin: int = 0, warnings: tuple[str, ...] = ()) -> FaceCrops:
    """Take an image, uint8 (height, width, 3), RGB, as one face, resized to `size` pixels."""
    height, width = image.shape[:2]
    if (height, width) != (size, size) or margin:
        similarity = alignment.similarity_from_whole_image(height, width)
        image = alignment.cut_crop(image, similarity, size, margin=margin)
    return FaceCrops(image[None], [Detection((0.0, 0.0, float(width), float(height)))], None, [warnings])


def share_outside(similarity: np.ndarray, height: int, width: int) -> float:
    """Return which share of a face lies beyond the border of an image of this height and width, in pixels."""
    x, y = similarity @ _FACE_POINTS
    return float(np.mean((x < 0.0) | (x > width) | (y < 0.0) | (y > height)))


def _face_points() -> np.ndarray:
    """Return points (x, y, 1) that fill `FACE_ELLIPSE` evenly: float (3, n)."""
    grid = (np.arange(32) + 0.5) / 32
    x, y = (values.ravel() for values in np.meshgrid(grid, grid))
    (middle_x, middle_y), (half_x, half_y) = FACE_ELLIPSE
    inside = ((x - middle_x) / half_x) ** 2 + ((y - middle_y) / half_y) ** 2 <= 1.0
    return np.stack([x, y, np.ones_like(x)])[:, inside]


_FACE_POINTS = _face_points()
