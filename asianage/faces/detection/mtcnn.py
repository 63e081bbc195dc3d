"""MTCNN from the package `mtcnn`: slower than YuNet, with finer landmarks. The weights come with the package.

Zhang, Zhang, Li, Qiao: 'Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks', IEEE
Signal Processing Letters 2016.
"""

from __future__ import annotations

import os
import threading

import numpy as np

from asianage.errors import DetectorUnavailableError, MissingExtraError
from asianage.faces.detection.detector import LANDMARKS, Detection
from asianage.faces.detection.search import search_scales
from asianage.native_output import without_announcements


class MTCNNDetector:
    """MTCNN through the `mtcnn` package, which runs it with TensorFlow."""

    name = "mtcnn"

    def __init__(self, *, score_threshold: float | None = None) -> None:
        """Load the detector.

        Args:
            score_threshold: Smallest score of a face, in [0, 1]; None takes 0.9.

        Raises:
            DetectorUnavailableError: KERAS_BACKEND names another backend than TensorFlow.
            MissingExtraError: The package `mtcnn` or TensorFlow is not installed.
        """
        try:
            with without_announcements():
                from mtcnn import MTCNN

                self._network = MTCNN(device="CPU:0")
        except ImportError as error:
            backend = os.environ.get("KERAS_BACKEND", "tensorflow")
            if backend != "tensorflow" and getattr(error, "name", None) != "mtcnn":
                raise DetectorUnavailableError(
                    f"The MTCNN face detector needs Keras with TensorFlow. Received: KERAS_BACKEND={backend} "
                    f"({error}). Unset KERAS_BACKEND, set it to tensorflow, or use `detector='auto'`."
                ) from error
            raise MissingExtraError("mtcnn", "mtcnn", "The MTCNN face detector") from error
        self._score_threshold = 0.9 if score_threshold is None else score_threshold
        self._lock = threading.Lock()

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return large and small faces of `image`, uint8 (height, width, 3), RGB, largest first."""
        return search_scales(self._detect_at_scale, image)

    def _detect_at_scale(self, image: np.ndarray) -> list[Detection]:
        with self._lock:
            # `min_face_size` stays at its default: the package silently finds nothing from 30 on.
            faces = self._network.detect_faces(image)
        found = []
        for face in faces or []:
            x, y, width, height = (float(value) for value in face["box"])
            points = np.array([face["keypoints"][name] for name in LANDMARKS], dtype=np.float32)
            if face["confidence"] >= self._score_threshold and width > 0 and height > 0:
                found.append(Detection((x, y, x + width, y + height), points, float(face["confidence"])))
        return found
