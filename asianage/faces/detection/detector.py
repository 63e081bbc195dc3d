"""What a face detector is, and what it returns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
"""The five landmarks. Left and right are as seen in the image when the face is upright."""

LANDMARK_COLUMNS = tuple(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")
"""Columns of their coordinates in tables."""

_FACES = (
    "Faces must be boxes (x_min, y_min, x_max, y_max), an array of shape (n, 4), or `asianage.Detection`s. "
    "Received: {}."
)

_ROUNDING = 1e-4
"""A score of 32 bits may lie this little outside [0, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face in one image.

    NumPy scalars, lists and tensors become plain values. Two detections with the same values are equal, and none can be
    changed.

    Attributes:
        box: (x_min, y_min, x_max, y_max) in pixels of the image; may reach beyond it.
        landmarks: float32 (5, 2), (x, y) in pixels: left eye, right eye, nose, left mouth corner, right mouth corner
            as seen when the face is upright; None if the detector gives none.
        score: Confidence of the detector in [0, 1].
    """

    box: tuple[float, float, float, float]
    landmarks: np.ndarray | None = None
    score: float = 1.0

    def __post_init__(self) -> None:
        box = tuple(float(value) for value in self.box)
        if len(box) != 4:
            raise ValueError(f"`box` must be four numbers (x_min, y_min, x_max, y_max). Received: {len(box)} numbers.")
        landmarks = None if self.landmarks is None else fixed_array(self.landmarks, np.float32)
        if landmarks is not None and landmarks.shape != (5, 2):
            raise ValueError(f"`landmarks` must be of shape (5, 2). Received: shape={landmarks.shape}.")
        for name, value in (("box", box), ("landmarks", landmarks), ("score", float(self.score))):
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled array can be changed again.
        return type(self), (self.box, self.landmarks, self.score)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Detection) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def _values(self) -> tuple[Any, ...]:
        return self.box, self.score, None if self.landmarks is None else tuple(self.landmarks.ravel().tolist())

    @property
    def area(self) -> float:
        """Area of the box, in square pixels."""
        return max(self.box[2] - self.box[0], 0.0) * max(self.box[3] - self.box[1], 0.0)

    @property
    def roll(self) -> float | None:
        """In-plane angle of the face, in degrees in (-180, 180]; None without landmarks.

        0 is upright, 90 is turned clockwise as seen in the image: the top of the head points to the right.
        """
        return None if self.landmarks is None else roll_of_landmarks(self.landmarks)

    def mapped(self, scale: float, offset: float = 0.0) -> Detection:
        """Return this face in the pixels of another image: coordinates times `scale`, plus `offset`."""
        x_min, y_min, x_max, y_max = (value * scale + offset for value in self.box)
        landmarks = None if self.landmarks is None else self.landmarks * scale + offset
        return Detection((x_min, y_min, x_max, y_max), landmarks, self.score)


def roll_of_landmarks(landmarks: np.ndarray) -> float:
    """Return the in-plane angle of five landmarks, (x, y): degrees in (-180, 180], clockwise as seen in the image."""
    points = np.asarray(landmarks, dtype=np.float64)
    across, down = points[3:].mean(axis=0) - points[:2].mean(axis=0)
    roll = float(np.degrees(np.arctan2(-across, down))) or 0.0
    return 180.0 if roll == -180.0 else roll


def fixed_array(values: Any, dtype: Any = None) -> np.ndarray:
    """Return a copy of an array that cannot be changed."""
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array


class FaceDetector(Protocol):
    """Anything that finds the faces of a photo. Any object with these two members will do.

    `detect` gets the whole photo, once. It searches all scales that it needs. The faces may come in any order.
    """

    name: str

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of `image`, uint8 (height, width, 3), RGB; safe to call from several threads."""
        ...


def as_detections(faces: Any) -> list[Detection]:
    """Turn boxes or detections into detections, in the same order.

    Args:
        faces: Several faces or one. A face is a `Detection`, another object with a `box` (and perhaps `landmarks`), or
            a box of four numbers (x_min, y_min, x_max, y_max) in pixels. An array or tensor of shape (n, 4) is n boxes.

    Raises:
        TypeError: `faces` is of another kind.
        ValueError: A box is not four finite numbers, or has no area. Landmarks are not finite, or a score lies outside
            [0, 1].
    """
    if hasattr(faces, "box"):
        return [_detection(faces)]
    if faces is None or isinstance(faces, str | bytes | dict) or not isinstance(faces, Iterable):
        raise TypeError(_FACES.format(type(faces).__name__))
    faces = list(np.asarray(faces) if hasattr(faces, "__array__") else faces)
    if len(faces) == 4 and all(np.ndim(value) == 0 and not hasattr(value, "box") for value in faces):
        faces = [faces]
    return [_detection(face) for face in faces]


def filter_detections(
    detections: Iterable[Detection],
    *,
    score_threshold: float | None = None,
    min_face_size: float | None = None,
    max_faces: int | None = None,
) -> list[Detection]:
    """Return the faces that meet all conditions, largest first.

    Args:
        detections: Faces of one image, in any order.
        score_threshold: Smallest score, in [0, 1].
        min_face_size: Smallest shorter side of the box, in pixels.
        max_faces: Largest number of faces; the largest faces stay.
    """
    kept = [
        face
        for face in as_detections(detections)
        if (score_threshold is None or face.score >= score_threshold)
        and (min_face_size is None or min(face.box[2] - face.box[0], face.box[3] - face.box[1]) >= min_face_size)
    ]
    return sorted(kept, key=lambda face: face.area, reverse=True)[:max_faces]


def _detection(face: Any) -> Detection:
    if isinstance(face, Detection):
        found = face
    elif hasattr(face, "box"):
        score = getattr(face, "score", None)
        found = Detection(face.box, getattr(face, "landmarks", None), 1.0 if score is None else score)
    else:
        try:
            found = Detection(face)
        except (TypeError, ValueError) as error:
            raise type(error)(_FACES.format(repr(face)[:100])) from error
    if not 0.0 < found.area < np.inf:
        raise ValueError(
            "A box must be (x_min, y_min, x_max, y_max) with a positive area. "
            f"Received: {found.box}. Convert (x, y, width, height) to (x, y, x + width, y + height)."
        )
    if found.landmarks is not None and not np.isfinite(found.landmarks).all():
        raise ValueError(
            f"Landmarks must be finite numbers. Received: {found.landmarks.tolist()}. Use None for a face without them."
        )
    if not -_ROUNDING <= found.score <= 1.0 + _ROUNDING:
        raise ValueError(
            f"A score must lie in [0, 1]. Received: {found.score}. Divide percentages by 100, and pass values without "
            "an upper end through a sigmoid."
        )
    return found
