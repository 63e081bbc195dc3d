"""Faces to and from `supervision.Detections`, for its annotators, trackers and zones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from asianage.errors import needs_extra
from asianage.faces.detection import Detection
from asianage.models.config import GENDERS
from asianage.prediction.face_prediction import FacePrediction

if TYPE_CHECKING:
    import supervision


_UNKNOWN = (np.nan, np.nan)


def to_supervision(faces: Sequence[FacePrediction]) -> supervision.Detections:
    """Turn the faces of one image into `supervision.Detections`.

    Args:
        faces: What `predict` returns for one image.

    Returns:
        n detections. `class_id` is 0 for female, 1 for male and -1 for a model without genders. `confidence` is the
        detection score, or 1 where there is none. `data` has the arrays ``class_name``, ``age``, ``age_low``,
        ``age_high``, ``gender_probability`` and ``warnings``, and ``landmarks``: float32 (n, 5, 2), NaN where there are
        none.

    Raises:
        MissingExtraError: The package `supervision` is not installed.
    """
    with needs_extra("video", "A conversion to supervision.Detections"):
        import supervision

    no_landmarks = np.full((5, 2), np.nan, dtype=np.float32)
    landmarks = [no_landmarks if face.landmarks is None else face.landmarks for face in faces]
    return supervision.Detections(
        xyxy=np.array([face.box for face in faces], dtype=np.float32).reshape(-1, 4),
        confidence=np.array([_score(face) for face in faces], dtype=np.float64),
        class_id=np.array([-1 if face.gender is None else GENDERS.index(face.gender) for face in faces], dtype=int),
        data={
            "class_name": np.array([face.gender or "" for face in faces], dtype=str),
            "age": np.array([face.age for face in faces], dtype=np.float64),
            "age_low": np.array([(face.age_interval or _UNKNOWN)[0] for face in faces], dtype=np.float64),
            "age_high": np.array([(face.age_interval or _UNKNOWN)[1] for face in faces], dtype=np.float64),
            "gender_probability": np.array([face.gender_probability for face in faces], dtype=np.float64),
            "warnings": np.array([", ".join(face.warnings) for face in faces], dtype=str),
            "landmarks": np.array(landmarks, dtype=np.float32).reshape(-1, 5, 2),
        },
    )


def _score(face: FacePrediction) -> float:
    return 1.0 if face.detection_score is None else face.detection_score


def from_supervision(detections: supervision.Detections) -> list[Detection]:
    """Turn `supervision.Detections` into faces, which ``predict(image, faces=...)`` takes.

    Args:
        detections: Boxes of faces from any detector. ``data["landmarks"]``, (n, 5, 2), is used where it is finite.
    """
    landmarks = detections.data.get("landmarks")
    scores = detections.confidence
    return [
        Detection(
            tuple(box),
            landmarks[row] if landmarks is not None and np.isfinite(landmarks[row]).all() else None,
            1.0 if scores is None else float(scores[row]),
        )
        for row, box in enumerate(detections.xyxy)
    ]
