"""What a caller gets for one face: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from asianage.models.ages import AgeAxis, probability_at_least


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FacePrediction:
    """Age and gender of one face.

    Attributes:
        age: Expected age, in years.
        age_interval: Lower and upper end of the interval that holds the true age with probability
            `interval_coverage`, in years.
        interval_coverage: Share of faces like the validation data whose age lies in their interval.
        age_distribution: float32 (num_ages,), sums to 1: probability of each year on `age_axis`.
        age_axis: The ages that the distribution stands for.
        gender: "female" or "male", as labeled in the data sets.
        gender_probability: Probability of `gender`, in [0.5, 1].
        box: (x_min, y_min, x_max, y_max) in pixels of the image.
        landmarks: float32 (5, 2), (x, y) in pixels: left eye, right eye, nose, left mouth corner, right mouth corner
            as seen in the image; None if no detector gave them.
        detector: Name of the detector that found the face; None if the whole image was taken as the face.
        detection_score: Confidence of the detector in [0, 1]; None without a detector.
        warnings: What speaks against the figures, some of "small", "dark" and "blurred": on such faces errors were
            clearly larger (`asianage.faces.quality`).
    """

    age: float
    age_interval: tuple[float, float]
    interval_coverage: float
    age_distribution: np.ndarray
    age_axis: AgeAxis
    gender: str
    gender_probability: float
    box: tuple[float, float, float, float]
    landmarks: np.ndarray | None
    detector: str | None
    detection_score: float | None
    warnings: tuple[str, ...] = ()

    def probability_at_least(self, age: float) -> float:
        """Return the probability that the person is `age` years old or older.

        It is an estimate from a photo. It must not be the only ground of a decision about a person.
        """
        return float(probability_at_least(self.age_axis, self.age_distribution[None, :], age)[0])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that `json.dumps` takes; probabilities and pixels are rounded."""
        return {
            "age": round(float(self.age), 2),
            "age_interval": [round(float(end), 2) for end in self.age_interval],
            "interval_coverage": float(self.interval_coverage),
            "gender": self.gender,
            "gender_probability": round(float(self.gender_probability), 4),
            "box": [round(float(value), 1) for value in self.box],
            "landmarks": None if self.landmarks is None else self.landmarks.astype(float).round(1).tolist(),
            "detector": self.detector,
            "detection_score": None if self.detection_score is None else round(float(self.detection_score), 4),
            "warnings": list(self.warnings),
            "min_age": self.age_axis.min_age,
            "age_distribution": self.age_distribution.astype(float).round(5).tolist(),
        }

    def __repr__(self) -> str:
        """Return the figures that fit on a line."""
        low, high = self.age_interval
        box = ", ".join(f"{value:.0f}" for value in self.box)
        return (
            f"FacePrediction(age={self.age:.1f}, age_interval=({low:.0f}, {high:.0f}), gender={self.gender!r}, "
            f"gender_probability={self.gender_probability:.2f}, box=({box}))"
        )
