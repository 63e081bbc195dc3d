"""A picture, a detector and an estimator for the tests of this folder."""

from __future__ import annotations

import numpy as np


def noise(seed: int, height: int = 64, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class FakeDetector:
    """Finds the same faces in every image; `seen` lists the shapes of the images."""

    name = "fake"

    def __init__(self, detections):
        self._detections = detections
        self.seen = []

    def detect(self, image):
        self.seen.append(image.shape)
        return list(self._detections)


class Tensor:
    """What PyTorch and TensorFlow have in common."""

    def __init__(self, array):
        self._array = array
        self.shape = array.shape

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._array, dtype=dtype)
