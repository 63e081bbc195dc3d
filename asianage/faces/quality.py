"""How well a face can be seen, which tells whether its figures can be believed.

The thresholds are where errors on validation faces, as they are and made worse on purpose, become clearly larger;
`docs/explanation/face-quality.md` has the tables, and `tests/benchmarks/face_quality.py` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asianage.faces.alignment import TEMPLATE

SMALL = 24.0
"""Side of the square that a face crop covers in the image below which a face is small, in pixels."""

DARK = 32.0
"""Mean brightness of the face crop below which it is dark, in [0, 255]."""

BLURRED = 0.008
"""Sharpness below which a face is blurred, as `FaceQuality` has it."""

_SIDE = 96
"""Side at which sharpness is measured, in pixels, whatever crops a model takes: edges are softer in larger ones."""

_EYES_APART = float(TEMPLATE[1, 0] - TEMPLATE[0, 0])


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """How well a face can be seen.

    Attributes:
        size: Side of the square in the image that the face crop covers, in pixels.
        brightness: Mean brightness of the face crop, in [0, 255].
        sharpness: Variance of the Laplacian of the crop's brightness, at 96 pixels, over the variance of the brightness
            itself; as large for a pale face as for one of strong contrast.
        turn: How far the nose lies from the middle between the eyes, along the line of the eyes and in units of their
            distance; 0 seen from the front, None without landmarks. No warning goes with it: the error of
            the age did not grow with it.
    """

    size: float
    brightness: float
    sharpness: float
    turn: float | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against the figures of the face: some of "small", "dark" and "blurred"."""
        found = {
            "small": self.size < SMALL,
            "dark": self.brightness < DARK,
            "blurred": self.sharpness < BLURRED,
        }
        return tuple(name for name, is_so in found.items() if is_so)


def face_quality(crop: np.ndarray, box: tuple[float, float, float, float], landmarks: np.ndarray | None) -> FaceQuality:
    """Measure how well a face can be seen.

    Args:
        crop: uint8 (size, size, 3), RGB: the aligned face crop.
        box: (x_min, y_min, x_max, y_max) of the face in pixels of the image.
        landmarks: float (5, 2), (x, y) in pixels of the image; None without.
    """
    import cv2

    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if len(grey) != _SIDE:
        grey = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    brightness, spread = (float(value[0, 0]) for value in cv2.meanStdDev(grey))
    edges = float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1][0, 0])
    sharpness = (edges / max(spread, 1.0)) ** 2
    if landmarks is None:
        return FaceQuality(min(box[2] - box[0], box[3] - box[1]), brightness, sharpness, None)
    left, right, nose = np.asarray(landmarks, dtype=np.float64)[:3]
    across = right - left
    apart = max(float(np.hypot(*across)), 1e-6)
    turn = abs(float((nose - (left + right) / 2) @ across)) / apart**2
    return FaceQuality(apart / _EYES_APART, brightness, sharpness, turn)
