"""Possible faces of one photo, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asianage.faces.detection.detector import Detection, roll_of_landmarks

OVERLAP = 0.4
"""Two boxes with a larger intersection over union are one face."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Possible faces of one photo. Coordinates are in pixels of the photo.

    Attributes:
        boxes: float64 (n, 4): x_min, y_min, x_max, y_max.
        first_scores: float64 (n,): scores of the face network.
        landmarks: float64 (n, 5, 2), (x, y); NaN where the landmarks network has not looked yet.
        probabilities: float64 (n,): probabilities of the landmarks network that this is a face, or NaN.
    """

    boxes: np.ndarray
    first_scores: np.ndarray
    landmarks: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def none(cls) -> Candidates:
        """Return no candidates."""
        return cls.unseen(np.empty((0, 4)), np.empty(0))

    @classmethod
    def unseen(cls, boxes: np.ndarray, first_scores: np.ndarray) -> Candidates:
        """Return candidates that the landmarks network has not looked at, without repeats."""
        count = len(boxes)
        found = cls(boxes, first_scores, np.full((count, 5, 2), np.nan), np.full(count, np.nan))
        return found[without_repeats(boxes, first_scores)]

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: np.ndarray) -> Candidates:
        return Candidates(self.boxes[rows], self.first_scores[rows], self.landmarks[rows], self.probabilities[rows])

    @property
    def scores(self) -> np.ndarray:
        """Scores of both networks together, their products, in [0, 1]: float64 (n,)."""
        return self.first_scores * self.probabilities

    @property
    def rolls(self) -> np.ndarray:
        """In-plane angles as `roll_of_landmarks` gives them, in degrees: float64 (n,)."""
        return np.array([roll_of_landmarks(points) for points in self.landmarks]).reshape(-1)

    def joined(self, other: Candidates) -> Candidates:
        """Return the candidates of both. Of those that are one face, the one with the best first score stays."""
        both = Candidates(
            np.concatenate([self.boxes, other.boxes]),
            np.concatenate([self.first_scores, other.first_scores]),
            np.concatenate([self.landmarks, other.landmarks]),
            np.concatenate([self.probabilities, other.probabilities]),
        )
        return both[without_repeats(both.boxes, both.first_scores)]

    def detections(self) -> list[Detection]:
        """Return the faces, largest first."""
        found = [Detection(*face) for face in zip(self.boxes, self.landmarks, self.scores, strict=True)]
        return sorted(found, key=lambda face: face.area, reverse=True)


def without_repeats(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the rows that stay when of several boxes of one face only the best is kept, best first.

    Args:
        boxes: float (n, 4): x_min, y_min, x_max, y_max.
        scores: float (n,).
    """
    rows = np.argsort(-scores, kind="stable")
    kept = []
    while len(rows):
        best, rows = rows[0], rows[1:]
        kept.append(best)
        rows = rows[intersection_over_union(boxes[best], boxes[rows]) <= OVERLAP]
    return np.array(kept, dtype=np.intp)


def intersection_over_union(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the intersection over union of a box (4,) with each of several (n, 4): float (n,)."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = sides.clip(0.0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(0.0).prod(axis=1)
    return shared / np.maximum((box[2:] - box[:2]).clip(0.0).prod() + areas - shared, 1e-9)
