"""From what a caller asks for to a detector that works on this machine."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from asianage.errors import DetectorUnavailableError, DownloadError
from asianage.faces.detection.detector import FaceDetector
from asianage.faces.detection.yunet import YuNetDetector

REMEDIES = (
    "Use one of: (1) connect to the Hugging Face Hub once, or run `asianage download` on a machine that can and copy "
    'its cache, for YuNet; (2) pip install "asianage[mtcnn]", which needs no download; (3) detector=None or '
    '`predict_crops` when each image is one face already. A YuNet file at hand is used with detector="PATH.onnx".'
)


def select_detector(detector: str | os.PathLike[str] | FaceDetector) -> FaceDetector:
    """Return the detector that `detector` names.

    Args:
        detector: "auto" (YuNet when its weights are cached or can be fetched, otherwise MTCNN when installed),
            "yunet", "mtcnn", the path of YuNet's ONNX file, or an object with a `detect` method.

    Raises:
        DetectorUnavailableError: Neither detector can be used; the message names the remedies.
        ValueError: There is no detector of that name.
        TypeError: `detector` is neither a string nor a detector.
    """
    if isinstance(detector, os.PathLike):
        return _yunet(detector)
    if not isinstance(detector, str):
        return _checked(detector)
    if detector == "auto":
        return _automatic()
    if detector == "mtcnn":
        return _mtcnn()
    if detector == "yunet" or detector.lower().endswith(".onnx"):
        return _yunet(None if detector == "yunet" else detector)
    raise ValueError(
        f'`detector` must be "auto", "yunet", "mtcnn", the path of a .onnx file, None or a detector. '
        f"Received: {detector!r}."
    )


def _automatic() -> FaceDetector:
    try:
        return YuNetDetector()
    except DownloadError as error:
        if importlib.util.find_spec("mtcnn") is None or importlib.util.find_spec("tensorflow") is None:
            raise DetectorUnavailableError(
                f"No face detector can be used: YuNet's weights cannot be had ({error}), and the package `mtcnn` is "
                f"not installed. {REMEDIES}"
            ) from error
    return _mtcnn()


def _yunet(path: str | os.PathLike[str] | None) -> FaceDetector:
    try:
        return YuNetDetector(path)
    except DownloadError as error:
        raise DetectorUnavailableError(f"YuNet's weights cannot be had: {error} {REMEDIES}") from error


def _mtcnn() -> FaceDetector:
    from asianage.faces.detection.mtcnn import MTCNNDetector

    return MTCNNDetector()


def _checked(detector: Any) -> FaceDetector:
    is_object = callable(getattr(detector, "detect", None)) and not isinstance(detector, type)
    if not is_object or not isinstance(getattr(detector, "name", None), str):
        raise TypeError(
            "`detector` must be a string, None, or an object with a method `detect(image)` and a string `name`. "
            f"Received: {detector.__name__ if isinstance(detector, type) else type(detector).__name__}."
        )
    return detector
