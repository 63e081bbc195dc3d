"""Age and gender from photos of Asian faces.

The public names are loaded when they are first used, so that ``import asianage`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asianage.errors import (
        BatchError,
        DetectorUnavailableError,
        DownloadError,
        ImageError,
        MissingExtraError,
        ModelFormatError,
        UploadError,
        VideoError,
    )
    from asianage.faces.detection import Detection, FaceDetector
    from asianage.faces.image_files import list_images
    from asianage.faces.images import load_image
    from asianage.models.folder import ModelFolder
    from asianage.prediction.drawing import draw_faces
    from asianage.prediction.estimator import AgeGenderEstimator
    from asianage.prediction.face_prediction import FacePrediction
    from asianage.prediction.supervision_detections import from_supervision, to_supervision
    from asianage.prediction.table import predict_table, to_rows, to_table

__version__ = "0.1.0"

_HOME = {
    "AgeGenderEstimator": "prediction.estimator",
    "BatchError": "errors",
    "Detection": "faces.detection",
    "DetectorUnavailableError": "errors",
    "DownloadError": "errors",
    "FaceDetector": "faces.detection",
    "FacePrediction": "prediction.face_prediction",
    "ImageError": "errors",
    "MissingExtraError": "errors",
    "ModelFolder": "models.folder",
    "ModelFormatError": "errors",
    "UploadError": "errors",
    "VideoError": "errors",
    "draw_faces": "prediction.drawing",
    "from_supervision": "prediction.supervision_detections",
    "list_images": "faces.image_files",
    "load_image": "faces.images",
    "predict_table": "prediction.table",
    "to_rows": "prediction.table",
    "to_supervision": "prediction.supervision_detections",
    "to_table": "prediction.table",
}

__all__ = [
    "AgeGenderEstimator",
    "BatchError",
    "Detection",
    "DetectorUnavailableError",
    "DownloadError",
    "FaceDetector",
    "FacePrediction",
    "ImageError",
    "MissingExtraError",
    "ModelFolder",
    "ModelFormatError",
    "UploadError",
    "VideoError",
    "draw_faces",
    "from_supervision",
    "list_images",
    "load_image",
    "predict_table",
    "to_rows",
    "to_supervision",
    "to_table",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"asianage.{_HOME[name]}"), name)
    raise AttributeError(f"module 'asianage' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
