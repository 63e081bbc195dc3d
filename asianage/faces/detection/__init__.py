"""Face detectors: where the faces of a photo are."""

from asianage.faces.detection.bundled import BundledDetector
from asianage.faces.detection.detector import (
    LANDMARK_COLUMNS,
    LANDMARKS,
    Detection,
    FaceDetector,
    as_detections,
    filter_detections,
    fixed_array,
    roll_of_landmarks,
)
from asianage.faces.detection.selection import select_aligner, select_detector, with_absolute_path

__all__ = [
    "LANDMARKS",
    "LANDMARK_COLUMNS",
    "BundledDetector",
    "Detection",
    "FaceDetector",
    "as_detections",
    "filter_detections",
    "fixed_array",
    "roll_of_landmarks",
    "select_aligner",
    "select_detector",
    "with_absolute_path",
]
