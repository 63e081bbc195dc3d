"""Rows of targets: how the training of the detector writes down one face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FACE_VALUES = 16
"""Length of a row of targets: box (4), landmarks (10), kind, weight of the landmarks."""

FACE, IGNORED = 1.0, -1.0
"""Kinds of rows of targets; 0 fills up a picture that has fewer faces."""

MIRRORED = [1, 0, 2, 4, 3]
"""Order of the landmarks in a mirror image."""


def face_row(
    box: Sequence[float] | np.ndarray,
    landmarks: np.ndarray | None = None,
    *,
    kind: float = FACE,
    weight: float = 0.0,
) -> np.ndarray:
    """Return a row of targets, float32 (16,).

    Args:
        box: x_min, y_min, x_max, y_max, in pixels.
        landmarks: float (5, 2), in pixels; None if they are not known.
        kind: `FACE`, or `IGNORED` for what counts neither as face nor as background.
        weight: Weight of the landmarks.
    """
    row = np.full(FACE_VALUES, np.nan, dtype=np.float32)
    row[:4], row[14:] = box, (kind, weight)
    if landmarks is not None:
        row[4:14] = np.asarray(landmarks).reshape(-1)
    return row


def face_frame(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the middle of a face, the direction from its eyes to its mouth, and its size.

    The size is the larger of the eye distance and 0.95 x the way from eyes to mouth.
    """
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    height = float(np.hypot(*(mouth - eyes)))
    size = max(float(np.hypot(*(landmarks[1] - landmarks[0]))), 0.95 * height)
    return (eyes + mouth) / 2, (mouth - eyes) / max(height, 1e-6), size


def overlaps(first: Sequence | np.ndarray, second: Sequence | np.ndarray) -> np.ndarray:
    """Return the intersection over union of every box in `first` with every box in `second`: float (n, m)."""
    one, two = np.asarray(first, float).reshape(-1, 1, 4), np.asarray(second, float).reshape(1, -1, 4)
    sides = np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2])
    shared = np.clip(sides, 0.0, None).prod(axis=-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(axis=-1) for boxes in (one, two)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1e-9)
