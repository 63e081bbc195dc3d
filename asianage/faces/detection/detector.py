"""What a face detector is, and how any of them searches a photo of any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

BASE_SIDE = 320
"""Every photo is searched with its long side at this many pixels: large faces, and small photos enlarged.

At 320 pixels YuNet's landmarks on All-Age-Faces (160 pixels) are a third closer to the annotation than at 160, and
hardly improve beyond; faces much larger than that in the network's input are missed.
"""

LARGE_SIDE = 960
"""Photos above 1.5 x `BASE_SIDE` are searched a second time with their long side at up to this many: small faces."""

RETRY_BORDER = 0.25
"""Border for a second look when nothing was found: faces that fill their picture, in units of its long side."""

OVERLAP = 0.4
"""Two boxes with a larger intersection over union are one face."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One face in one image.

    Attributes:
        box: (x_min, y_min, x_max, y_max) in pixels of the image; may reach beyond it.
        landmarks: float32 (5, 2), (x, y) in pixels: left eye, right eye, nose, left mouth corner, right mouth corner
            as seen in the image; None if the detector gives none.
        score: Confidence of the detector in [0, 1].
    """

    box: tuple[float, float, float, float]
    landmarks: np.ndarray | None
    score: float

    @property
    def area(self) -> float:
        """Area of the box, in square pixels."""
        return max(self.box[2] - self.box[0], 0.0) * max(self.box[3] - self.box[1], 0.0)

    def mapped(self, scale: float, offset: float = 0.0) -> Detection:
        """Return this face in the pixels of another image: coordinates times `scale`, plus `offset`."""
        # Detectors of users may give NumPy scalars and lists.
        x_min, y_min, x_max, y_max = (float(value) * scale + offset for value in self.box)
        landmarks = None
        if self.landmarks is not None:
            landmarks = (np.asarray(self.landmarks, dtype=np.float32) * scale + offset).astype(np.float32)
        return Detection((x_min, y_min, x_max, y_max), landmarks, float(self.score))


class FaceDetector(Protocol):
    """Anything that finds faces at one scale. `find_faces` takes care of the scales."""

    name: str

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of `image`, uint8 (height, width, 3), RGB; safe to call from several threads."""
        ...


def find_faces(detector: FaceDetector, image: np.ndarray) -> list[Detection]:
    """Find large and small faces of a photo.

    Args:
        detector: Any `FaceDetector`.
        image: uint8 (height, width, 3), RGB.

    Returns:
        The faces in pixels of `image`, largest first; ``[]`` when there is none.
    """
    long_side = max(image.shape[:2])
    faces = _detect_at(detector, image, BASE_SIDE)
    if long_side > 1.5 * BASE_SIDE:
        faces += _detect_at(detector, image, min(long_side, LARGE_SIDE))
    if not faces:
        faces = _detect_with_border(detector, image)
    return sorted(_without_repeats(faces), key=lambda face: face.area, reverse=True)


def _detect_at(detector: FaceDetector, image: np.ndarray, side: int) -> list[Detection]:
    scale = side / max(image.shape[:2])
    return [face.mapped(1.0 / scale) for face in detector.detect(_resized(image, scale))]


def _detect_with_border(detector: FaceDetector, image: np.ndarray) -> list[Detection]:
    import cv2

    # Copying a huge photo with its border would take as much memory as decoding it did.
    scale = min(1.0, LARGE_SIDE / max(image.shape[:2]))
    image = _resized(image, scale)
    border = round(RETRY_BORDER * max(image.shape[:2]))
    padded = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_CONSTANT)
    return [face.mapped(1.0 / scale, -border / scale) for face in _detect_at(detector, padded, BASE_SIDE)]


def _resized(image: np.ndarray, scale: float) -> np.ndarray:
    import cv2

    if scale == 1.0:
        return image
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    interpolation = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=interpolation)


def _without_repeats(faces: list[Detection]) -> list[Detection]:
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda face: face.score, reverse=True):
        if all(_intersection_over_union(face, other) <= OVERLAP for other in kept):
            kept.append(face)
    return kept


def _intersection_over_union(first: Detection, second: Detection) -> float:
    width = min(first.box[2], second.box[2]) - max(first.box[0], second.box[0])
    height = min(first.box[3], second.box[3]) - max(first.box[1], second.box[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / max(first.area + second.area - shared, 1e-9)
