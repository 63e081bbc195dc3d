"""What a caller gets for one face: plain data."""

from __future__ import annotations

import functools
import html
from collections.abc import Iterator, KeysView
from typing import Any

import numpy as np

from asianage.faces.detection import fixed_array, roll_of_landmarks
from asianage.models.ages import AgeAxis, probability_at_least
from asianage.prediction.face_schema import pydantic_schema

COLORS: dict[str | None, str] = {"female": "#D55E00", "male": "#0072B2", None: "#555555"}
"""Vermillion and blue of Okabe and Ito's palette, which color-blind readers tell apart; gray without a gender."""


ROW_COLUMNS = (
    *("age", "age_low", "age_high", "interval_coverage", "gender", "gender_probability"),
    *("x_min", "y_min", "x_max", "y_max", "roll", "detector", "detection_score", "warnings"),
)
"""Keys of `FacePrediction.to_row`."""


class FacePrediction:
    """Age and gender of one face. Two predictions with the same values are equal, and none can be changed.

    Serializers take it as it is: pydantic and FastAPI, `json` and `orjson` with ``default=dict``. What they write is
    `to_dict`.

    What the model did not learn is None: all of the age, or all of the gender.

    Attributes:
        age: Estimated age, in years: the median or the mean of the distribution, as the model's calibration says.
        age_interval: Lower and upper end of the interval that covers the true age with probability
            `interval_coverage`, in years.
        interval_coverage: Share of faces like the validation data whose age lies in their interval.
        age_distribution: float32 (num_ages,), sums to 1: probability of each year on `age_axis`.
        age_axis: The ages that the distribution stands for.
        gender: "female" or "male", as labeled in the data sets.
        gender_probability: Probability of `gender`, in [0.5, 1].
        box: (x_min, y_min, x_max, y_max) in pixels of the image.
        landmarks: float32 (5, 2), (x, y) in pixels: left eye, right eye, nose, left mouth corner, right mouth corner
            as seen when the face is upright; None if there are none.
        detector: Name of the detector that found the face; None if the caller gave it or it is the whole image.
        detection_score: Confidence of the detector in [0, 1]; None without a detector.
        warnings: Reasons for a poor estimate, some of "no face", "cut off", "small", "dark", "overexposed",
            "blurred" and "turned" (`asianage.faces.crops` and `asianage.faces.quality`).
    """

    # A dataclass would be taken apart by serializers, which then fail at the arrays.
    __slots__ = (
        *("age", "age_interval", "interval_coverage", "age_distribution", "age_axis"),
        *("gender", "gender_probability", "box", "landmarks", "detector", "detection_score", "warnings"),
    )

    def __init__(
        self,
        *,
        age: float | None,
        age_interval: tuple[float, float] | None,
        interval_coverage: float,
        age_distribution: np.ndarray | None,
        age_axis: AgeAxis,
        gender: str | None,
        gender_probability: float | None,
        box: tuple[float, float, float, float],
        landmarks: np.ndarray | None,
        detector: str | None,
        detection_score: float | None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self.age = age
        self.age_interval = age_interval
        self.interval_coverage = interval_coverage
        self.age_distribution = None if age_distribution is None else fixed_array(age_distribution)
        self.age_axis = age_axis
        self.gender = gender
        self.gender_probability = gender_probability
        self.box = box
        self.landmarks = None if landmarks is None else fixed_array(landmarks)
        self.detector = detector
        self.detection_score = detection_score
        self.warnings = warnings

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, name):
            raise AttributeError(f"A prediction cannot be changed. Received: {name}={value!r}. Call `replace`.")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"A prediction cannot be changed. Received: del {name}.")

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(type(self), **self._values()), ()

    def replace(self, **changes: Any) -> FacePrediction:
        """Return a prediction with some attributes changed, as `dataclasses.replace` does."""
        return type(self)(**{**self._values(), **changes})

    __replace__ = replace

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def roll(self) -> float | None:
        """In-plane angle of the face, in degrees in (-180, 180]; None without landmarks.

        0 is upright, 90 is turned clockwise as seen in the image: the top of the head points to the right.
        """
        return None if self.landmarks is None else roll_of_landmarks(self.landmarks)

    @property
    def male_probability(self) -> float | None:
        """Probability of "male", in [0, 1]; None if the model did not learn genders."""
        if self.gender_probability is None:
            return None
        return self.gender_probability if self.gender == "male" else 1.0 - self.gender_probability

    def probability_at_least(self, age: float) -> float:
        """Return the probability that the person is `age` years old or older.

        This is an estimate from a photo. It must not be the only basis of a decision about a person.

        Raises:
            ValueError: The model did not learn ages.
        """
        if self.age_distribution is None:
            raise ValueError("A probability of ages needs a model that learned them. Received: a model of genders.")
        return float(probability_at_least(self.age_axis, self.age_distribution[None, :], age)[0])

    def to_dict(self, *, distribution: bool = True) -> dict[str, Any]:
        """Return plain values that `json.dumps` takes; probabilities and pixels are rounded.

        Args:
            distribution: Whether `age_distribution` and its `min_age` are included.
        """
        plain: dict[str, Any] = {
            "age": _rounded(self.age, 2),
            "age_interval": None if self.age_interval is None else [round(float(end), 2) for end in self.age_interval],
            "interval_coverage": float(self.interval_coverage),
            "gender": self.gender,
            "gender_probability": _rounded(self.gender_probability, 4),
            "box": [round(float(value), 1) for value in self.box],
            "landmarks": None if self.landmarks is None else self.landmarks.astype(float).round(1).tolist(),
            "roll": _rounded_roll(self.roll),
            "detector": self.detector,
            "detection_score": _rounded(self.detection_score, 4),
            "warnings": list(self.warnings),
        }
        if distribution:
            plain["min_age"] = self.age_axis.min_age
            distribution_of_ages = self.age_distribution
            plain["age_distribution"] = (
                None if distribution_of_ages is None else distribution_of_ages.astype(float).round(5).tolist()
            )
        return plain

    def to_row(self) -> dict[str, Any]:
        """Return the row of a table: numbers and text only, without landmarks and distribution."""
        plain = self.to_dict(distribution=False)
        values = (
            plain["age"],
            *(plain["age_interval"] or (None, None)),
            plain["interval_coverage"],
            plain["gender"],
            plain["gender_probability"],
            *plain["box"],
            plain["roll"],
            plain["detector"],
            plain["detection_score"],
            ", ".join(plain["warnings"]),
        )
        return dict(zip(ROW_COLUMNS, values, strict=True))

    def keys(self) -> KeysView[str]:
        """Return the keys of `to_dict`, so that ``dict(face)`` and ``{**face}`` are the same."""
        return self.to_dict().keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __getitem__(self, key: str) -> Any:
        return self.to_dict()[key]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Tell pydantic how a prediction is checked, written, and described."""
        return pydantic_schema(cls, cls.to_dict)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FacePrediction):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in self.__slots__)

    def __hash__(self) -> int:
        return hash((self.age, self.gender, self.gender_probability, *self.box))

    def __repr__(self) -> str:
        """Return the figures that fit on a line."""
        figures = []
        if self.age is not None and self.age_interval is not None:
            low, high = self.age_interval
            figures.append(f"age={self.age:.1f}, age_interval=({low:.0f}, {high:.0f})")
        if self.gender is not None:
            figures.append(f"gender={self.gender!r}, gender_probability={self.gender_probability:.2f}")
        box = ", ".join(f"{value:.0f}" for value in self.box)
        return f"FacePrediction({', '.join(figures)}, box=({box}))"

    def _repr_html_(self) -> str:
        """Show the figures and the age distribution in a notebook."""
        warnings = f" <em>{', '.join(self.warnings)}</em>" if self.warnings else ""
        figures = []
        if self.age is not None and self.age_interval is not None:
            low, high = self.age_interval
            figures.append(f"{self.age:.0f} years ({low:.0f} to {high:.0f})")
        if self.gender is not None:
            figures.append(f"{self.gender} {self.gender_probability:.0%}")
        heading = f'<strong style="color: {COLORS[self.gender]}">{html.escape(", ".join(figures))}</strong>{warnings}'
        return f"<div>{heading}{self._distribution_html()}</div>"

    def _distribution_html(self) -> str:
        """Return the age distribution with its interval as a drawing, "" if the model did not learn ages."""
        if self.age_distribution is None or self.age_interval is None:
            return ""
        low, high = self.age_interval
        first, last = self.age_axis.min_age, self.age_axis.max_age
        tops = 30 * (1 - self.age_distribution / max(float(self.age_distribution.max()), 1e-9))
        curve = " ".join(f"{age},{top:.1f}" for age, top in enumerate(tops, first))
        return (
            f'<br><svg width="303" height="45" viewBox="{first} 0 {last - first} 30" preserveAspectRatio="none" '
            f'role="img" aria-label="probability of each age from {first} to {last} years">'
            f'<rect x="{low:.1f}" width="{high - low:.1f}" height="30" fill="#DDDDDD"/>'
            f'<polygon points="{first},30 {curve} {last},30" fill="{COLORS[self.gender]}"/></svg>'
        )


def _rounded_roll(roll: float | None) -> float | None:
    """Return the angle in (-180, 180], and never -0.0."""
    rounded = _rounded(roll, 1)
    if rounded is None:
        return None
    return 180.0 if rounded == -180.0 else rounded + 0.0


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
