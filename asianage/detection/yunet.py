"""YuNet through OpenCV: a fast detector with five landmarks; its 0.2 MB of weights come from the Hugging Face Hub.

Wu, Peng, Yu: 'YuNet: A Tiny Millisecond-level Face Detector', Machine Intelligence Research 2023.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np

from asianage.detection.detector import Detection
from asianage.downloads import HubFile, fetch

WEIGHTS = HubFile(
    repo_id="opencv/face_detection_yunet",
    filename="face_detection_yunet_2023mar.onnx",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
)


class YuNetDetector:
    """YuNet (2023 March) through ``cv2.FaceDetectorYN``."""

    name = "yunet"

    def __init__(
        self, model_path: str | os.PathLike[str] | None = None, *, score_threshold: float = 0.7
    ) -> None:
        """Load the detector.

        Args:
            model_path: The ONNX file; None takes it from the Hub's cache, or fetches it from the Hub.
            score_threshold: Faces with a lower score are left out, in [0, 1].

        Raises:
            FileNotFoundError: There is no file at `model_path`.
            DownloadError: The file is neither cached nor can it be fetched.
            ValueError: OpenCV cannot read the file.
        """
        import cv2

        path = fetch(WEIGHTS) if model_path is None else Path(model_path)
        if not path.is_file():
            raise FileNotFoundError(
                f"`model_path` must be the file {WEIGHTS.filename} of huggingface.co/{WEIGHTS.repo_id}. Received: {path}."
            )
        try:
            self._network = cv2.FaceDetectorYN.create(str(path), "", (320, 320), score_threshold, 0.3, 5000)
        except cv2.error as error:
            raise ValueError(f"OpenCV {cv2.__version__} cannot read {path} as YuNet. Fetch the file again.") from error
        # cv2.FaceDetectorYN keeps the input size between two calls.
        self._lock = threading.Lock()

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of `image`, uint8 (height, width, 3), RGB."""
        bgr = np.ascontiguousarray(image[:, :, ::-1])
        with self._lock:
            self._network.setInputSize((image.shape[1], image.shape[0]))
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
