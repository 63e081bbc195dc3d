"""The result of an evaluation: estimates, labels and the figures that follow from them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from asianage.data.records import FaceRecord
from asianage.data.sources import special_figures
from asianage.data.special_figures import AgeRange
from asianage.evaluation.age_groups import age_group_figures
from asianage.evaluation.metrics import (
    CONFIDENCE_LEVEL,
    LabeledPredictions,
    age_range_figures,
    naturally_weighted,
    summarize,
)
from asianage.evaluation.thresholds import (
    DEFAULT_THRESHOLDS,
    age_calibration_error,
    challenge_pairs,
    measure_thresholds,
)
from asianage.models.ages import AgeAxis, age_interval, stretched_interval
from asianage.models.config import GENDERS, Calibration
from asianage.models.metrics_markdown import metrics_markdown

FORMAT_VERSION = 1
"""Version of the shape of metrics.json."""

UNNAMED = "unnamed"
"""Stands for the data set of records that name none."""

ENDS_OF_LIFE = (
    AgeRange(name="under_5", end=5, figures=("mae", "gender_accuracy")),
    AgeRange(name="from_70", first=70, figures=("mae",)),
)
"""Ages that are measured on their own in every data set that has them."""

CROSSED = (
    *("faces", "faces_with_age", "mae", "mae_interval", "bias", "interval_coverage", "interval_coverage_interval"),
    *("faces_with_gender", "gender_accuracy", "gender_accuracy_interval", "unreadable"),
)
"""Figures of the crossings of group, gender and age band, which are many."""

OPEN_END = 100
"""A group of ages that ends here or later has no end, as in 70 and older."""

DECIMALS = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """The estimates of a model for labeled pictures, with its figures.

    Attributes:
        records: The n pictures that could be read.
        age: float64 (n,): estimated age, in years.
        age_interval: float64 (n, 2): lower and upper end, in years.
        interval_target: Nominal coverage of the intervals.
        stretch: float64 (n,): how many times wider warnings make an interval.
        calibration: How the model's intervals follow from distributions.
        male_probability: float64 (n,): probability of "male".
        age_distribution: float32 (n, num_ages), rows sum to 1.
        age_axis: The ages that the distributions stand for.
        detected: bool (n,): False where no face was found and the whole picture was taken as the face.
        detector: Name of the detector; None if every picture was taken as one face.
        mirror: Whether each face was averaged with its mirror image.
        unreadable: Pictures that could not be read, with the reason.
        bootstrap_samples: Samples of the bootstrap intervals.
        seed: Seed of the bootstrap.
        thresholds: Ages from which a person is old enough, in years.
        challenge_ages: Estimates that pass, in years; None for those of `thresholds.MARGINS`.
        model: Name of the model; "" if unknown.
    """

    records: list[FaceRecord]
    age: np.ndarray
    age_interval: np.ndarray
    interval_target: float
    stretch: np.ndarray
    calibration: Calibration
    male_probability: np.ndarray
    age_distribution: np.ndarray
    age_axis: AgeAxis
    detected: np.ndarray
    detector: str | None
    mirror: bool
    unreadable: list[tuple[FaceRecord, str]]
    bootstrap_samples: int = 1000
    seed: int = 0
    thresholds: Sequence[int] = DEFAULT_THRESHOLDS
    challenge_ages: Sequence[int] | None = None
    model: str = ""

    @cached_property
    def faces(self) -> LabeledPredictions:
        """Labels and estimates as arrays, in the order of `records`."""
        return LabeledPredictions(
            true_age=np.array([np.nan if record.age is None else record.age for record in self.records]),
            age=self.age,
            age_interval=self.age_interval,
            is_male=np.array([_is_male(record) for record in self.records]),
            male_probability=self.male_probability,
            detected=self.detected,
            age_low=np.array([_ages_allowed(record)[0] for record in self.records]),
            age_high=np.array([_ages_allowed(record)[1] for record in self.records]),
        )

    def measured_coverage(self, rows: np.ndarray | list[int]) -> dict[str, float]:
        """Return nominal coverage -> share of the true ages at `rows`, int (m,), inside their interval."""
        rows = np.array([row for row in rows if np.isfinite(self.faces.true_age[row])], dtype=int)
        true_age, distribution, estimate = self.faces.true_age[rows], self.age_distribution[rows], self.age[rows]
        measured = {}
        for coverage, mass in self.calibration.interval_mass.items() if len(rows) else ():
            interval = age_interval(self.age_axis, distribution, mass, self.calibration.age_estimate)
            low, high = stretched_interval(self.age_axis, interval, estimate, self.stretch[rows]).T
            measured[coverage] = float(np.mean((low <= true_age) & (true_age <= high)))
        return measured

    def to_dict(self) -> dict[str, Any]:
        """Return the figures per data set, age band, gender and group, as plain values for JSON."""
        datasets = sorted({dataset_of(record) for record in self._all_records()})
        return {
            "format_version": FORMAT_VERSION,
            "detector": self.detector,
            "mirror": self.mirror,
            "interval_target": self.interval_target,
            "bootstrap": {"samples": self.bootstrap_samples, "seed": self.seed, "level": CONFIDENCE_LEVEL},
            "datasets": {name: self._breakdown(name) for name in datasets},
            "all": self._breakdown(None),
            "thresholds": _rounded(self.at_thresholds()),
        }

    def to_markdown(self) -> str:
        """Return the figures as tables, and the list of unreadable files."""
        return metrics_markdown(self.to_dict(), unreadable=self.unreadable_rows())

    def at_thresholds(self) -> list[dict[str, Any]]:
        """Return the figures of every threshold and challenge age, as a whole and part by part."""
        labels = {
            "dataset": [dataset_of(record) for record in self.records],
            "gender": [record.gender or "" for record in self.records],
            "group": [record.group for record in self.records],
            "gender_and_group": [
                f"{record.gender}, {record.group}" if record.gender and record.group else "" for record in self.records
            ],
        }
        return measure_thresholds(self.faces, labels, challenge_pairs(self.thresholds, self.challenge_ages))

    def _all_records(self) -> list[FaceRecord]:
        return [*self.records, *(record for record, _ in self.unreadable)]

    def _breakdown(self, dataset: str | None) -> dict[str, Any]:
        """Return the figures of one data set, or of all with None, as a whole and part by part."""
        rows = [i for i, record in enumerate(self.records) if dataset in (None, dataset_of(record))]
        unreadable = [record for record, _ in self.unreadable if dataset in (None, dataset_of(record))]
        by_decade = self._parts(rows, unreadable, _decade)
        return {
            "overall": self._leaf(rows, len(unreadable)),
            "coverage_by_promise": _rounded(self.measured_coverage(rows)),
            "probability_calibration_error": _rounded(
                age_calibration_error(self.age_axis, self.age_distribution[rows], self.faces.take(rows))
            ),
            "by_age_band": {f"{decade}-{decade + 9}": leaf for decade, leaf in by_decade.items()},
            "by_gender": self._parts(rows, unreadable, lambda record: record.gender),
            "by_group": self._parts(rows, unreadable, lambda record: record.group or None),
            "by_age_group": self._named_parts(rows, unreadable, _named_group_of_ages, _age_group_name),
            "crossed": {
                name: {key: leaf[key] for key in CROSSED}
                for name, leaf in self._named_parts(rows, unreadable, _crossing, _crossing_name).items()
            },
            "special": {} if dataset is None else _rounded(_special(dataset, self.faces.take(rows))),
        }

    def _parts(
        self, rows: list[int], unreadable: list[FaceRecord], part: Callable[[FaceRecord], Any]
    ) -> dict[Any, dict[str, Any]]:
        """Return the figures of each part of the pictures; a picture whose part is None belongs to none."""
        members: dict[Any, list[int]] = {}
        for row in rows:
            members.setdefault(part(self.records[row]), []).append(row)
        lost = Counter(part(record) for record in unreadable)
        names = sorted((members.keys() | lost.keys()) - {None})
        return {name: self._leaf(members.get(name, []), lost[name]) for name in names}

    def _named_parts(
        self,
        rows: list[int],
        unreadable: list[FaceRecord],
        part: Callable[[FaceRecord], Any],
        name: Callable[[Any], str],
    ) -> dict[str, dict[str, Any]]:
        """Return what `_parts` does, with names for parts that are sorted by something else."""
        return {name(key): leaf for key, leaf in self._parts(rows, unreadable, part).items()}

    def _leaf(self, rows: list[int], unreadable: int) -> dict[str, Any]:
        faces = self.faces.take(rows)
        bootstrap = {"bootstrap_samples": self.bootstrap_samples, "seed": self.seed}
        figures = summarize(faces, **bootstrap) | age_group_figures(faces, **bootstrap)
        return _rounded({**figures, "unreadable": unreadable})

    def unreadable_rows(self) -> list[tuple[str, str]]:
        """Return name and reason of every picture that could not be read."""
        names = self.picture_names([record for record, _ in self.unreadable])
        # Messages of libraries quote whole paths, which name folders of the machine.
        return [
            (name, reason.replace(str(record.path), name))
            for name, (record, reason) in zip(names, self.unreadable, strict=True)
        ]

    def picture_names(self, records: Sequence[FaceRecord]) -> list[str]:
        """Return the file names of `records`; they start at the folder that all pictures share."""
        folders = {os.path.abspath(record.path.parent) for record in self._all_records()}
        try:
            common = Path(os.path.commonpath(folders))
        except ValueError:  # Windows: pictures on several drives
            return [record.path.as_posix() for record in records]
        return [Path(os.path.abspath(record.path)).relative_to(common).as_posix() for record in records]


def dataset_of(record: FaceRecord) -> str:
    """Return the name that a record's data set has in reports."""
    return record.dataset or UNNAMED


def _special(dataset: str, faces: LabeledPredictions) -> dict[str, Any]:
    """Return the figures of the youngest and the oldest, and those that only this data set has."""
    figures: dict[str, Any] = {}
    for ages in ENDS_OF_LIFE:
        measured = age_range_figures(faces, ages)
        figures |= measured if measured[f"faces_{ages.name}"] else {}
    declared = special_figures(dataset)
    for ages in declared.age_ranges:
        figures |= age_range_figures(faces, ages)
    return figures | (naturally_weighted(faces, declared.natural_counts) if declared.natural_counts else {})


def _is_male(record: FaceRecord) -> float:
    return np.nan if record.gender is None else float(record.gender == GENDERS[1])


def _decade(record: FaceRecord) -> int | None:
    return None if record.age is None else int(record.age // 10) * 10


def _group_of_ages(record: FaceRecord) -> tuple[float, float] | None:
    low, high = record.age_low, record.age_high
    return None if low is None or high is None or low == high else (low, high)


def _named_group_of_ages(record: FaceRecord) -> tuple[float, float] | None:
    """Return first and last year of an age group, the same last one for all groups that have none in their names."""
    ages = _group_of_ages(record)
    return ages if ages is None else (ages[0], min(ages[1], float(OPEN_END)))


def _age_group_name(ages: tuple[float, float]) -> str:
    first, last = ages
    return f"{first:g} and older" if last >= OPEN_END else f"{first:g}-{last:g}"


def _ages_allowed(record: FaceRecord) -> tuple[float, float]:
    """Return first and last year of a record's age group, or its age twice; NaN if neither is known."""
    return _group_of_ages(record) or record.age_range or (np.nan, np.nan)


def _crossing(record: FaceRecord) -> tuple[str, str, int] | None:
    decade = _decade(record)
    return None if decade is None or record.gender is None else (record.group, record.gender, decade)


def _crossing_name(crossing: tuple[str, str, int]) -> str:
    group, gender, decade = crossing
    return ", ".join(filter(None, (group, gender, f"{decade}-{decade + 9}")))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, DECIMALS) if isinstance(value, float) else value
