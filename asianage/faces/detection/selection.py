"""Name, path or object -> a face detector."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from asianage.errors import DetectorUnavailableError, DownloadError
from asianage.faces.detection.bundled import BundledDetector
from asianage.faces.detection.detector import FaceDetector
from asianage.faces.detection.mtcnn import MTCNNDetector
from asianage.faces.detection.yunet import YuNetDetector
from asianage.models.folder import BUNDLED, BUNDLED_DETECTOR, AnyModel, require_detector
from asianage.models.hub import HubAccess, sha256_of
from asianage.models.pretrained import open_detector

NAMES = ("auto", "yunet", "mtcnn")


def select_detector(
    detector: str | os.PathLike[str] | AnyModel | FaceDetector,
    *,
    score_threshold: float | None = None,
    min_face_size: float | None = None,
    access: HubAccess | None = None,
) -> FaceDetector:
    """Return the detector that `detector` names.

    Args:
        detector: "auto" (the detector in the package), "yunet", "mtcnn", the path of YuNet's ONNX file, folder or Hub
            id of a model of the kind "detector", that model opened, or an object with a `detect` method.
        score_threshold: Smallest score of a face, in [0, 1]; None takes the detector's own. An object is returned as it
            is: `filter_detections` applies the threshold to its faces.
        min_face_size: Shorter side of the smallest faces that the detector in the package looks for, in pixels.
        access: How to reach the Hub for a model or YuNet's file; None takes the settings of huggingface_hub.

    Raises:
        DetectorUnavailableError: YuNet's weights are neither cached nor can be fetched.
        DownloadError: The Hub has no such model, cannot be reached, or refuses access.
        MissingExtraError: The detector needs a package that is not installed.
        ModelFormatError: The model is no face detector, or it is incomplete or altered.
        ValueError: There is no detector of that name, or `score_threshold` lies outside [0, 1].
        TypeError: `detector` is neither a string nor a detector.
    """
    if score_threshold is not None and not 0.0 <= score_threshold <= 1.0:
        raise ValueError(f"`score_threshold` must lie in [0, 1]. Received: {score_threshold}.")
    if isinstance(detector, AnyModel):
        return BundledDetector(require_detector(detector), score_threshold=score_threshold, min_face_size=min_face_size)
    if not isinstance(detector, str | os.PathLike):
        return _checked(detector)
    if "://" in str(detector):  # It may hold a password or a token.
        raise ValueError("`detector` must be a name, a local path or a Hub id. Received an address. Download the file.")
    if detector == "auto":
        return BundledDetector(score_threshold=score_threshold, min_face_size=min_face_size)
    if detector == "mtcnn":
        return MTCNNDetector(score_threshold=score_threshold)
    if detector == "yunet" or _is_onnx(detector):
        return _yunet(None if detector == "yunet" else detector, score_threshold, access)
    try:
        model = open_detector(detector or "no name", access)
    except FileNotFoundError as error:
        raise ValueError(
            f"`detector` must be {', '.join(map(repr, NAMES))}, the path of a .onnx file, folder or Hub id of a face "
            f"detector, None or a detector. Received: {str(detector)!r}."
        ) from error
    return BundledDetector(model, score_threshold=score_threshold, min_face_size=min_face_size)


def select_aligner(
    detector: str | os.PathLike[str] | AnyModel | FaceDetector | None, *, access: HubAccess | None = None
) -> BundledDetector:
    """Return what finds the landmarks of faces that come without: the named model, or else the one in the package.

    Args:
        detector: As `select_detector` takes it, or None. YuNet, MTCNN and other objects have no landmarks for a box.
        access: How to reach the Hub for a model; None takes the settings of huggingface_hub.

    Raises:
        DownloadError: The Hub has no such model, cannot be reached, or refuses access.
        ModelFormatError: The model is no face detector, or it is incomplete or altered.
        ValueError: There is no detector of that name.
    """
    if isinstance(detector, BundledDetector):
        return detector.without_options()
    is_path = isinstance(detector, str | os.PathLike) and detector not in ("yunet", "mtcnn") and not _is_onnx(detector)
    if detector is None or not (is_path or isinstance(detector, AnyModel)):
        return BundledDetector()
    selected = select_detector(detector, access=access)
    return selected if isinstance(selected, BundledDetector) else BundledDetector()


def detector_fingerprint(detector: str | os.PathLike[str] | None, access: HubAccess | None = None) -> str | None:
    """Return what tells two detectors apart that have the same name, as crops of one are not those of another.

    Args:
        detector: As `select_detector` takes it, but no object; None takes every picture as one face.
        access: How the Hub is reached.

    Returns:
        The SHA-256 of YuNet's file or of a model's config.json, which lists the hashes of its networks; the name of a
        detector whose weights this package fixes; None for none.

    Raises:
        DownloadError: The Hub has no such model, or cannot be reached.
        FileNotFoundError: There is no such file or folder.
    """
    if detector is None:
        return None
    if detector in ("yunet", "mtcnn"):
        return str(detector)
    if _is_onnx(detector):
        return sha256_of(Path(os.path.expanduser(detector)))
    return open_detector(BUNDLED / BUNDLED_DETECTOR if detector == "auto" else detector, access).config_sha256


def with_absolute_path(detector: Any) -> Any:
    """Return the same detector, whose path no longer depends on the working directory."""
    if not isinstance(detector, str | os.PathLike) or detector in NAMES or "://" in str(detector):
        return detector
    path = os.path.abspath(os.path.expanduser(detector))
    if not os.path.exists(path) and not _is_onnx(detector):  # A Hub id, for instance.
        return detector
    return path if isinstance(detector, str) else Path(path)


def _is_onnx(detector: str | os.PathLike[str]) -> bool:
    path = Path(os.path.expanduser(detector))
    return path.suffix.lower() == ".onnx" or (isinstance(detector, os.PathLike) and path.is_file())


def _yunet(
    path: str | os.PathLike[str] | None, score_threshold: float | None, access: HubAccess | None
) -> FaceDetector:
    try:
        return YuNetDetector(path, score_threshold=score_threshold, access=access)
    except DownloadError as error:
        raise DetectorUnavailableError(
            f'YuNet\'s weights cannot be fetched: {error} Use one of: (1) detector="auto", which comes with the '
            "package; (2) connect to the Hugging Face Hub once, or copy the cache of a machine where `asianage "
            'download` has run; (3) detector="PATH.onnx" for a file that you have.'
        ) from error


def _checked(detector: Any) -> FaceDetector:
    is_object = callable(getattr(detector, "detect", None)) and not isinstance(detector, type)
    if not is_object or not isinstance(getattr(detector, "name", None), str):
        raise TypeError(
            "`detector` must be a string, None, or an object with a method `detect(image)` and a string `name`. "
            f"Received: {detector.__name__ if isinstance(detector, type) else type(detector).__name__}."
        )
    return detector
