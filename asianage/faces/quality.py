"""How well a face can be seen, and what warns of a poor estimate.

Beyond the thresholds, errors on validation faces, original and degraded, become clearly larger.
`tests/benchmarks/face_quality.py` makes the tables of `docs/explanation/face-quality.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from asianage.faces.alignment import TEMPLATE

SMALL = 24.0
"""A face is small when the square of its crop has a shorter side in the image, in pixels."""

DARK = 32.0
"""A face is dark when the mean brightness of its crop is lower, in [0, 255]."""

OVEREXPOSED = 0.4
"""A face is overexposed when a larger share of the middle of its crop is white (see `FaceQuality`)."""

BLURRED = 0.008
"""A face is blurred when its sharpness is lower (see `FaceQuality`)."""

TURNED = 0.35
"""A face is turned when its nose lies farther from the middle between the eyes (see `FaceQuality`)."""

_WHITE = 250.0
"""Brightness from which on a pixel counts as white, in [0, 255]."""

_SIDE = 96
"""Side at which sharpness is measured, in pixels. Edges are softer in larger crops."""

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Brightness of red, green and blue (ITU-R BT.601)."""

_EYES_APART = float(TEMPLATE[1, 0] - TEMPLATE[0, 0])


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """How well a face can be seen.

    Attributes:
        size: Side of the square in the image that the face crop covers, in pixels.
        brightness: Mean brightness of the face crop, in [0, 255].
        overexposure: Share of white pixels in the middle of the face crop, half as wide and half as high.
        sharpness: Variance of the Laplacian of the brightness, over the variance of the brightness, at 96 pixels. It
            does not depend on the contrast.
        turn: Distance of the nose from the middle between the eyes, along their line and in units of their distance.
            0 for a frontal face, None without landmarks.
    """

    size: float
    brightness: float
    overexposure: float
    sharpness: float
    turn: float | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to distrust the estimate: some of "small", "dark", "overexposed", "blurred" and "turned"."""
        found = {
            "small": self.size < SMALL,
            "dark": self.brightness < DARK,
            "overexposed": self.overexposure > OVEREXPOSED,
            "blurred": self.sharpness < BLURRED,
            "turned": self.turn is not None and self.turn > TURNED,
        }
        return tuple(name for name, is_so in found.items() if is_so)


def face_quality(crop: np.ndarray, box: tuple[float, float, float, float], landmarks: np.ndarray | None) -> FaceQuality:
    """Measure how well a face can be seen.

    Args:
        crop: uint8 (size, size, 3), RGB: the aligned face crop.
        box: (x_min, y_min, x_max, y_max) of the face in pixels of the image.
        landmarks: float (5, 2), (x, y) in pixels of the image; None without.
    """
    gray = (crop @ _LUMA).round()
    quarter = len(gray) // 4
    overexposure = float((gray[quarter:-quarter, quarter:-quarter] >= _WHITE).mean())
    if len(gray) != _SIDE:
        gray = _averaged(_averaged(gray).T).round()
    brightness, variance = _mean_and_variance(gray)
    _, edges = _mean_and_variance(_laplacian(gray.astype(np.int16)))
    sharpness = edges / max(variance, 1.0)
    if landmarks is None:
        return FaceQuality(min(box[2] - box[0], box[3] - box[1]), brightness, overexposure, sharpness, None)
    left, right, nose = np.asarray(landmarks, dtype=np.float64)[:3]
    across = right - left
    apart = max(float(np.hypot(*across)), 1e-6)
    turn = abs(float((nose - (left + right) / 2) @ across)) / apart**2
    return FaceQuality(apart / _EYES_APART, brightness, overexposure, sharpness, turn)


def _laplacian(gray: np.ndarray) -> np.ndarray:
    """Return the sum of the four neighbors less four times the pixel; the image is mirrored at its border pixels."""
    result = -4 * gray
    for values, sums in ((gray, result), (gray.T, result.T)):
        sums[1:] += values[:-1]
        sums[:-1] += values[1:]
        sums[0] += values[1]
        sums[-1] += values[-2]
    return result


def _mean_and_variance(values: np.ndarray) -> tuple[float, float]:
    flat = values.ravel().astype(np.float64)  # Whole numbers, the sums of which are exact.
    mean = float(flat.sum()) / flat.size
    return mean, float(flat @ flat) / flat.size - mean**2


def _averaged(rows: np.ndarray) -> np.ndarray:
    """Return 96 rows that cover the same length, each the mean of what it covers."""
    # A product of matrices would wake the threads of BLAS, which compete with those of the network.
    first, weights = _area_weights(len(rows))
    return sum(weight * rows.take(first + offset, axis=0, mode="clip") for offset, weight in enumerate(weights))


@cache
def _area_weights(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of the rows that each of 96 rows covers, and float32 (covered, 96, 1): the share of each row."""
    ends = np.linspace(0.0, side, _SIDE + 1)
    first = np.floor(ends[:-1] + 1e-9).astype(np.intp)
    covered = first + np.arange(int(side / _SIDE) + 2)[:, None]
    lengths = np.minimum(ends[1:], covered + 1) - np.maximum(ends[:-1], covered)
    return first, (lengths.clip(0.0) * _SIDE / side).astype(np.float32)[:, :, None]
