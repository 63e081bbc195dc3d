"""Name, path or object -> a face detector that works on this machine."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from asianage.errors import DetectorUnavailableError, DownloadError
from asianage.faces.detection.detector import FaceDetector
from asianage.faces.detection.mtcnn import MTCNNDetector
from asianage.faces.detection.yunet import YuNetDetector

_REMEDIES = (
    "Use one of: (1) for YuNet, connect to the Hugging Face Hub once, or copy the cache of a machine where "
    '`asianage download` has run; (2) pip install "asianage[mtcnn]", which needs no download; (3) detector=None or '
    '`predict_crops` when each image already is one face; (4) detector="PATH.onnx" for a YuNet file that you have.'
)


NAMES = ("auto", "yunet", "mtcnn")


def select_detector(
    detector: str | os.PathLike[str] | FaceDetector, *, score_threshold: float | None = None
) -> FaceDetector:
    """Return the detector that `detector` names.

    Args:
        detector: "auto" (YuNet when its weights are cached or can be fetched, otherwise MTCNN when installed),
            "yunet", "mtcnn", the path of YuNet's ONNX file, or an object with a `detect` method.
        score_threshold: Smallest score of a face, in [0, 1]; None takes the detector's own. An object is returned as it
            is: `filter_detections` applies the threshold to its faces.

    Raises:
        DetectorUnavailableError: The detector cannot be used on this machine; the message names the remedies.
        ValueError: There is no detector of that name, or `score_threshold` lies outside [0, 1].
        TypeError: `detector` is neither a string nor a detector.
    """
    if score_threshold is not None and not 0.0 <= score_threshold <= 1.0:
        raise ValueError(f"`score_threshold` must lie in [0, 1]. Received: {score_threshold}.")
    if not isinstance(detector, str | os.PathLike):
        return _checked(detector)
    if detector == "mtcnn":
        return MTCNNDetector(score_threshold=score_threshold)
    has_name = detector in NAMES
    if not has_name and isinstance(detector, str) and not detector.lower().endswith(".onnx"):
        raise ValueError(
            f"`detector` must be {', '.join(map(repr, NAMES))}, the path of a .onnx file, None or a detector. "
            f"Received: {detector!r}."
        )
    try:
        return YuNetDetector(None if has_name else detector, score_threshold=score_threshold)
    except DownloadError as error:
        if detector == "auto" and all(importlib.util.find_spec(name) for name in ("mtcnn", "tensorflow")):
            return MTCNNDetector(score_threshold=score_threshold)
        raise DetectorUnavailableError(f"YuNet's weights cannot be fetched: {error} {_REMEDIES}") from error


def _checked(detector: Any) -> FaceDetector:
    is_object = callable(getattr(detector, "detect", None)) and not isinstance(detector, type)
    if not is_object or not isinstance(getattr(detector, "name", None), str):
        raise TypeError(
            "`detector` must be a string, None, or an object with a method `detect(image)` and a string `name`. "
            f"Received: {detector.__name__ if isinstance(detector, type) else type(detector).__name__}."
        )
    return detector
