"""Measure a face detector on labeled photos: faces found, wrong boxes, and the error of the landmarks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from asianage.data.photos import LabeledFace, Photo
from asianage.faces.detection.detector import Detection, FaceDetector
from asianage.faces.detection.patches import Frame
from asianage.faces.images import load_image
from asianage.progress import shown

LEAST_OVERLAP = 0.4
"""Intersection over union from which a box finds a face."""

SMALLEST_FACE, SMALL_FACE = 16.0, 32.0
"""Shorter sides, in pixels. Faces and boxes below the first do not count; those below the second are small."""

LANDMARKS_SIDE = 80.0
"""Side of the faces that landmarks are measured on, in pixels. It is 2.4 times the size of the face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionFigures:
    """What a detector does on labeled photos. A figure is None where the photos lack what it is measured on.

    Attributes:
        photos: Number of photos whose faces are all labeled, with at least one face.
        faces: Number of their faces that count.
        recall: Share of the faces that were found.
        recall_by_group: The same by label, and for small faces ("16 to 32 pixels").
        extra_per_100: Boxes per 100 photos that find no labeled face.
        face_free: Number of face-free pictures.
        face_free_boxes: Boxes on them.
        landmark_faces: Number of single faces with landmarks.
        landmark_recall: Share of them that were found.
        landmark_error: Mean distance of the five points, in units of the eye distance, on single faces that were found.
    """

    photos: int
    faces: int
    recall: float | None
    recall_by_group: dict[str, float]
    extra_per_100: float | None
    face_free: int
    face_free_boxes: int
    landmark_faces: int
    landmark_recall: float | None
    landmark_error: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def evaluate_detection(detector: FaceDetector, photos: Sequence[Photo], *, progress: bool = False) -> DetectionFigures:
    """Measure a detector.

    Faces are found by the boxes that overlap them most. Faces with the label "unknown" are ignored.

    Args:
        detector: The detector.
        photos: Labeled photos.
        progress: Whether to show a bar.

    Raises:
        ImageError: A photo cannot be read.
    """
    complete = [photo for photo in photos if photo.is_complete]
    single = [
        (photo.path, photo.faces[0].landmarks)
        for photo in photos
        if not photo.is_complete and photo.faces and photo.faces[0].landmarks is not None
    ]
    found = [
        detector.detect(load_image(photo.path))
        for photo in shown(complete, progress, description="photos", unit="photo")
    ]
    errors = [
        landmark_error(detector, load_image(path), landmarks)
        for path, landmarks in shown(single, progress, description="landmarks", unit="face")
    ]
    empty = [len(faces) for faces, photo in zip(found, complete, strict=True) if not photo.faces]
    return DetectionFigures(
        **photo_figures(found, complete),
        face_free=len(empty),
        face_free_boxes=sum(empty),
        landmark_faces=len(single),
        landmark_recall=_mean([error is not None for error in errors]),
        landmark_error=_mean([error for error in errors if error is not None]),
    )


def photo_figures(found: Sequence[Sequence[Detection]], photos: Sequence[Photo]) -> dict[str, Any]:
    """Return the figures on photos whose faces are all labeled, as `DetectionFigures` names them.

    Args:
        found: The faces that a detector found, photo by photo.
        photos: The photos. Face-free pictures are left aside.
    """
    hits: dict[str, list[bool]] = defaultdict(list)
    extra = count = 0
    for faces, photo in zip(found, photos, strict=True):
        if not photo.faces:
            continue
        count += 1
        boxes = np.array([_box(face) for face in photo.faces])
        found_boxes = np.array([face.box for face in faces]).reshape(-1, 4)
        matched = match_boxes(found_boxes, boxes)
        extra += int(((matched < 0) & (_sides(found_boxes) >= SMALLEST_FACE)).sum())
        for number, (face, side) in enumerate(zip(photo.faces, _sides(boxes), strict=True)):
            if face.is_sure and side >= SMALLEST_FACE:
                groups = ["", face.label or "face", *(["16 to 32 pixels"] if side < SMALL_FACE else [])]
                for group in groups:
                    hits[group].append(number in matched)
    every = hits.pop("", [])
    return {
        "photos": count,
        "faces": len(every),
        "recall": _mean(every),
        "recall_by_group": {group: float(np.mean(values)) for group, values in sorted(hits.items())},
        "extra_per_100": 100.0 * extra / count if count else None,
    }


def match_boxes(found: np.ndarray, labeled: np.ndarray) -> np.ndarray:
    """Return the index of the face that each box finds, int (n,), -1 for none: one to one, best overlap first.

    Args:
        found: float (n, 4), x_min, y_min, x_max, y_max.
        labeled: float (m, 4), likewise.
    """
    sides = np.minimum(found[:, None, 2:], labeled[None, :, 2:]) - np.maximum(found[:, None, :2], labeled[None, :, :2])
    shared = np.clip(sides, 0.0, None).prod(axis=-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=-1) for boxes in (found, labeled)]
    overlap = shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-9)
    matched = np.full(len(found), -1)
    rows, columns = np.nonzero(overlap >= LEAST_OVERLAP)
    for best in np.argsort(-overlap[rows, columns], kind="stable"):
        row, column = rows[best], columns[best]
        if matched[row] < 0 and column not in matched:
            matched[row] = column
    return matched


def landmark_error(detector: FaceDetector, image: np.ndarray, truth: np.ndarray) -> float | None:
    """Return the error on a picture of a single face, scaled to `LANDMARKS_SIDE`; None if the face is not found."""
    picture = Image.fromarray(image)
    middle, side = _square(truth)
    scale = LANDMARKS_SIDE / side
    width, height = (max(1, round(length * scale)) for length in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    truth, middle = (truth + 0.5) * scale - 0.5, (middle + 0.5) * scale - 0.5
    found = {}
    for face in detector.detect(np.asarray(picture)):
        if face.landmarks is not None:
            found[float(np.abs(np.reshape(face.box, (2, 2)).mean(axis=0) - middle).max())] = face.landmarks
    if not found or min(found) > LANDMARKS_SIDE / 2:
        return None
    landmarks = found[min(found)]
    return float(np.hypot(*(landmarks - truth).T).mean() / np.hypot(*(truth[1] - truth[0])))


def _square(landmarks: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the middle of a face and the side of the square around it."""
    x, y, size, _ = Frame.of(landmarks)
    return np.array([x, y]), 2.4 * size


def _box(face: LabeledFace) -> np.ndarray:
    if face.box is not None or face.landmarks is None:
        return np.array(face.box)
    middle, side = _square(face.landmarks)
    return np.concatenate([middle - side / 2, middle + side / 2])


def _sides(boxes: np.ndarray) -> np.ndarray:
    """Return the shorter side of each box."""
    return np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
