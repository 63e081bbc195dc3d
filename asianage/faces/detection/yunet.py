"""YuNet through OpenCV: a fast detector with five landmarks. Its 0.2 MB of weights come from the Hugging Face Hub.

Wu, Peng, Yu: 'YuNet: A Tiny Millisecond-level Face Detector', Machine Intelligence Research 2023.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from asianage.errors import needs_extra
from asianage.faces.detection.detector import Detection
from asianage.faces.detection.search import search_scales
from asianage.models.hub import YUNET, HubAccess, fetch

_SHORTEST_SIDE = 64
"""Shorter sides are padded with black, in pixels: OpenCV 4.9 reads stray memory when a side has 32 or fewer."""

_log_level_lock = threading.Lock()


class YuNetDetector:
    """YuNet (2023 March) through ``cv2.FaceDetectorYN``."""

    name = "yunet"

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        *,
        score_threshold: float | None = None,
        access: HubAccess | None = None,
    ) -> None:
        """Load the detector.

        Args:
            model_path: The ONNX file; None takes it from the Hub's cache, or fetches it from the Hub.
            score_threshold: Smallest score of a face, in [0, 1]; None takes 0.7.
            access: How to reach the Hub; None takes the settings of huggingface_hub.

        Raises:
            MissingExtraError: OpenCV is not installed.
            FileNotFoundError: There is no file at `model_path`.
            DownloadError: The file is not cached and cannot be fetched.
            ValueError: OpenCV cannot read the file.
        """
        with needs_extra("yunet", "The YuNet face detector"):
            import cv2  # noqa: F401
        path = fetch(YUNET, access) if model_path is None else Path(os.path.expanduser(model_path))
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no file {path}. YuNet is the file {YUNET.filename} of huggingface.co/{YUNET.repo_id}."
            )
        self._network = _network(path, 0.7 if score_threshold is None else score_threshold)
        # cv2.FaceDetectorYN keeps the input size between two calls.
        self._lock = threading.Lock()

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return large and small faces of `image`, uint8 (height, width, 3), RGB, largest first."""
        return search_scales(self._detect_at_scale, image)

    def _detect_at_scale(self, image: np.ndarray) -> list[Detection]:
        full_height, full_width = (max(side, _SHORTEST_SIDE) for side in image.shape[:2])
        bgr = np.zeros((full_height, full_width, 3), dtype=np.uint8)
        bgr[: image.shape[0], : image.shape[1]] = image[:, :, ::-1]
        with self._lock:
            self._network.setInputSize((full_width, full_height))
            _, rows = self._network.detect(bgr)
        if rows is None:
            return []
        return [
            Detection(
                box=(float(x), float(y), float(x + width), float(y + height)),
                landmarks=np.asarray(points, dtype=np.float32).reshape(5, 2),
                score=float(min(score, 1.0)),
            )
            for x, y, width, height, *points, score in rows
        ]


def _network(path: Path, score_threshold: float) -> Any:
    import cv2

    # OpenCV judges a file by its suffix, and on Windows cannot read names with foreign letters.
    content, no_text = np.frombuffer(path.read_bytes(), dtype=np.uint8), np.empty(0, dtype=np.uint8)
    try:
        with _without_warnings():
            size = (_SHORTEST_SIDE, _SHORTEST_SIDE)
            network = cv2.FaceDetectorYN.create("onnx", content, no_text, size, score_threshold, 0.3, 5000)
        # OpenCV notices another network only when it runs.
        network.detect(np.zeros((*size, 3), dtype=np.uint8))
    except cv2.error as error:
        raise ValueError(f"OpenCV {cv2.__version__} cannot read {path} as YuNet. Fetch the file again.") from error
    return network


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep OpenCV 5 from warning about the network's target, although the default one is used."""
    import cv2

    log = getattr(cv2.utils, "logging", None)
    if log is None:  # OpenCV 4, which does not warn.
        yield
        return
    # The level is global.
    with _log_level_lock:
        level = log.getLogLevel()
        log.setLogLevel(min(level, log.LOG_LEVEL_ERROR))
        try:
            yield
        finally:
            log.setLogLevel(level)
