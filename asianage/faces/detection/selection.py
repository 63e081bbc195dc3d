"""From what a caller asks for to a detector that works on this machine."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from asianage.errors import DetectorUnavailableError, DownloadError
from asianage.faces.detection.detector import FaceDetector
from asianage.faces.detection.mtcnn import MTCNNDetector
from asianage.faces.detection.yunet import YuNetDetector

REMEDIES = (
    "Use one of: (1) connect to the Hugging Face Hub once, or run `asianage download` on a machine that can and copy "
    'its cache, for YuNet; (2) pip install "asianage[mtcnn]", which needs no download; (3) detector=None or '
    '`predict_crops` when each image is one face already. A YuNet file at hand is used with detector="PATH.onnx".'
)


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
        DetectorUnavailableError: Neither detector can be used; the message names the remedies.
        ValueError: There is no detector of that name, or `score_threshold` lies outside [0, 1].
        TypeError: `detector` is neither a string nor a detector.
    """
    if score_threshold is not None and not 0.0 <= score_threshold <= 1.0:
        raise ValueError(f"`score_threshold` must lie in [0, 1]. Received: {score_threshold}.")
    if isinstance(detector, os.PathLike):
        return _yunet(detector, score_threshold)
    if not isinstance(detector, str):
        return _checked(detector)
    if detector == "auto":
        return _automatic(score_threshold)
    if detector == "mtcnn":
        return MTCNNDetector(score_threshold=score_threshold)
    if detector == "yunet" or detector.lower().endswith(".onnx"):
        return _yunet(None if detector == "yunet" else detector, score_threshold)
    raise ValueError(
        f'`detector` must be "auto", "yunet", "mtcnn", the path of a .onnx file, None or a detector. '
        f"Received: {detector!r}."
    )


def _automatic(score_threshold: float | None) -> FaceDetector:
    try:
        return YuNetDetector(score_threshold=score_threshold)
    except DownloadError as error:
        if importlib.util.find_spec("mtcnn") is None or importlib.util.find_spec("tensorflow") is None:
            raise DetectorUnavailableError(
                f"No face detector can be used: YuNet's weights cannot be had ({error}), and the package `mtcnn` is "
                f"not installed. {REMEDIES}"
            ) from error
    return MTCNNDetector(score_threshold=score_threshold)


def _yunet(path: str | os.PathLike[str] | None, score_threshold: float | None) -> FaceDetector:
    try:
        return YuNetDetector(path, score_threshold=score_threshold)
    except DownloadError as error:
        raise DetectorUnavailableError(f"YuNet's weights cannot be had: {error} {REMEDIES}") from error


def _checked(detector: Any) -> FaceDetector:
    is_object = callable(getattr(detector, "detect", None)) and not isinstance(detector, type)
    if not is_object or not isinstance(getattr(detector, "name", None), str):
        raise TypeError(
            "`detector` must be a string, None, or an object with a method `detect(image)` and a string `name`. "
            f"Received: {detector.__name__ if isinstance(detector, type) else type(detector).__name__}."
        )
    return detector
