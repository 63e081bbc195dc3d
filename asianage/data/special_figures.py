"""Figures that only some data sets have; the reader of a data set declares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeRange:
    """Ages that are measured on their own.

    Attributes:
        name: End of the names of the figures, for instance "to_40".
        first: Youngest age, in years.
        end: First age that is too old, in years.
        figures: "mae", "gender_accuracy" or both. A face counts if it has the label that the first one needs.
    """

    name: str
    first: float = 0.0
    end: float = float("inf")
    figures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialFigures:
    """The special figures of a data set.

    Attributes:
        age_ranges: Ages that published work measures on their own.
        natural_counts: Age -> number of faces in the whole data set, of which a balanced part is measured. The MAE is
            also given weighted by these counts.
    """

    age_ranges: tuple[AgeRange, ...] = ()
    natural_counts: Mapping[int, int] = field(default_factory=dict)
