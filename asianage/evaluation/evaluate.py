"""Measure a model on labeled pictures, through the same estimator that users call."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from asianage.data.afad import NATURAL_COUNTS
from asianage.data.records import FaceRecord
from asianage.data.sources import read_source
from asianage.errors import BatchError
from asianage.evaluation.metrics import (
    CONFIDENCE_LEVEL,
    LabelledPredictions,
    errors_by_age,
    summarize,
    weighted_error,
)
from asianage.models.ages import AgeAxis, age_interval
from asianage.models.config import GENDERS
from asianage.models.metrics_markdown import metrics_markdown, unreadable_markdown
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.prediction.face_prediction import FacePrediction
from asianage.progress import shown

FORMAT_VERSION = 1
"""Version of the shape of metrics.json."""

UNNAMED = "unnamed"
"""Stands for the data set of records that name none."""

NATURAL_AGES = range(20, 41)
"""Ages of AFAD that the naturally weighted error covers: those that a balanced subset has, up to the study's last."""

DECIMALS = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """What a model said about every labeled picture, and the figures that follow from it.

    Attributes:
        records: The n pictures that could be read.
        age: float64 (n,): estimated age, in years.
        age_interval: float64 (n, 2): lower and upper end, in years.
        interval_target: Share of true ages that the intervals promise to hold.
        interval_mass: What the model knows of intervals of other promises, as `Calibration.interval_mass`.
        male_probability: float64 (n,): probability of "male".
        age_distribution: float32 (n, num_ages), rows sum to 1.
        age_axis: The ages that the distributions stand for.
        detected: bool (n,): False where no face was found and the whole picture was taken as the face.
        detector: Name of the detector; None if every picture was taken as one face.
        mirror: Whether each face was averaged with its mirror image.
        unreadable: Pictures that could not be read, with the reason.
        bootstrap_samples: Samples of the bootstrap intervals.
        seed: Seed of the bootstrap.
    """

    records: list[FaceRecord]
    age: np.ndarray
    age_interval: np.ndarray
    interval_target: float
    interval_mass: Mapping[str, float | Sequence[float]]
    male_probability: np.ndarray
    age_distribution: np.ndarray
    age_axis: AgeAxis
    detected: np.ndarray
    detector: str | None
    mirror: bool
    unreadable: list[tuple[FaceRecord, str]]
    bootstrap_samples: int = 1000
    seed: int = 0

    @cached_property
    def faces(self) -> LabelledPredictions:
        """Labels and estimates as arrays, in the order of `records`."""
        return LabelledPredictions(
            true_age=np.array([np.nan if record.age is None else record.age for record in self.records]),
            age=self.age,
            age_interval=self.age_interval,
            is_male=np.array([_is_male(record) for record in self.records]),
            male_probability=self.male_probability,
            detected=self.detected,
        )

    def coverage_by_promise(self, rows: np.ndarray) -> dict[str, float]:
        """Return which share of the true ages at `rows`, int (m,), each promised coverage's intervals hold."""
        rows = rows[np.isfinite(self.faces.true_age[rows])]
        if not len(rows):
            return {}
        age = self.faces.true_age[rows]
        held = {}
        for promise, mass in self.interval_mass.items():
            low, high = age_interval(self.age_axis, self.age_distribution[rows], mass).T
            held[promise] = float(np.mean((low <= age) & (age <= high)))
        return held

    def to_dict(self) -> dict[str, Any]:
        """Return the figures per data set, age band, gender and group: plain values that `json.dumps` takes."""
        datasets = sorted({_dataset(record) for record in self._all_records()})
        return {
            "format_version": FORMAT_VERSION,
            "detector": self.detector,
            "mirror": self.mirror,
            "interval_target": self.interval_target,
            "bootstrap": {"samples": self.bootstrap_samples, "seed": self.seed, "level": CONFIDENCE_LEVEL},
            "datasets": {name: self._breakdown(name) for name in datasets},
            "all": self._breakdown(None),
        }

    def to_markdown(self) -> str:
        """Return the figures as tables, and the list of unreadable files."""
        return metrics_markdown(self.to_dict()) + unreadable_markdown(self.unreadable_rows())

    def _all_records(self) -> list[FaceRecord]:
        return [*self.records, *(record for record, _ in self.unreadable)]

    def _breakdown(self, dataset: str | None) -> dict[str, Any]:
        """Return the figures of one data set, or of all with None, as a whole and part by part."""
        rows = [i for i, record in enumerate(self.records) if dataset in (None, _dataset(record))]
        unreadable = [record for record, _ in self.unreadable if dataset in (None, _dataset(record))]
        by_decade = self._parts(rows, unreadable, _decade)
        return {
            "overall": self._leaf(rows, len(unreadable)),
            "coverage_by_promise": _rounded(self.coverage_by_promise(_positions(rows))),
            "by_age_band": {f"{decade}-{decade + 9}": leaf for decade, leaf in by_decade.items()},
            "by_gender": self._parts(rows, unreadable, lambda record: record.gender),
            "by_group": self._parts(rows, unreadable, lambda record: record.group or None),
            "special": {} if dataset is None else _rounded(_special(dataset, self.faces.take(_positions(rows)))),
        }

    def _parts(
        self, rows: list[int], unreadable: list[FaceRecord], part: Callable[[FaceRecord], Any]
    ) -> dict[Any, dict[str, Any]]:
        """Return the figures of each part that the pictures fall into; those that `part` maps to None are in none."""
        members: dict[Any, list[int]] = {}
        for row in rows:
            members.setdefault(part(self.records[row]), []).append(row)
        lost = Counter(part(record) for record in unreadable)
        names = sorted((members.keys() | lost.keys()) - {None})
        return {name: self._leaf(members.get(name, []), lost[name]) for name in names}

    def _leaf(self, rows: list[int], unreadable: int) -> dict[str, Any]:
        faces = self.faces.take(_positions(rows))
        figures = summarize(faces, bootstrap_samples=self.bootstrap_samples, seed=self.seed)
        return _rounded({**figures, "unreadable": unreadable})

    def prediction_rows(self) -> Iterable[Sequence[Any]]:
        """Yield the header and one line per picture; file names start at the folder that all share."""
        ages = [f"p_{age}" for age in range(self.age_axis.min_age, self.age_axis.max_age + 1)]
        yield (
            *("file", "dataset", "split", "group", "true_age", "true_gender", "age", "age_low", "age_high"),
            *("male_probability", "gender", "detected", *ages),
        )
        for i, (name, record) in enumerate(zip(self._names(self.records), self.records, strict=True)):
            yield (
                *(name, record.dataset, record.split, record.group),
                *("" if record.age is None else record.age, record.gender or ""),
                *(f"{value:.3f}" for value in (self.age[i], *self.age_interval[i])),
                *(f"{self.male_probability[i]:.6f}", GENDERS[int(self.male_probability[i] > 0.5)]),
                int(self.detected[i]),
                *(f"{value:.5f}" for value in self.age_distribution[i]),
            )

    def unreadable_rows(self) -> list[tuple[str, str]]:
        """Return name and reason of every picture that could not be read."""
        names = self._names([record for record, _ in self.unreadable])
        # Messages of libraries quote whole paths, which say much about a machine and nothing about the picture.
        return [
            (name, reason.replace(str(record.path), name))
            for name, (record, reason) in zip(names, self.unreadable, strict=True)
        ]

    def _names(self, records: Sequence[FaceRecord]) -> list[str]:
        folders = {os.path.abspath(record.path.parent) for record in self._all_records()}
        try:
            common = Path(os.path.commonpath(folders))
        except ValueError:  # Windows: pictures on several drives
            return [record.path.as_posix() for record in records]
        return [Path(os.path.abspath(record.path)).relative_to(common).as_posix() for record in records]


def evaluate(
    estimator: AgeGenderEstimator | str | os.PathLike[str],
    records: Sequence[FaceRecord] | str | os.PathLike[str],
    *,
    progress: bool = False,
    bootstrap_samples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Predict every record's picture as a user would, detection included, and compare with the labels.

    The largest face of a picture counts. Where none is found the whole picture is taken as the face and counted as a
    detection failure. Pictures that cannot be read are listed and left out.

    Args:
        estimator: The model to measure, or its name as `AgeGenderEstimator.from_pretrained` takes it.
        records: Labelled pictures of one face each, or what `asianage.data.sources.read_source` takes; an age
            or a gender may be missing.
        progress: Whether to show progress.
        bootstrap_samples: Samples of the bootstrap intervals; at least 1.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: There are no records, none has a label, or none of the pictures can be read.
        DetectorUnavailableError: No face detector can be used on this machine.
    """
    if isinstance(estimator, str | os.PathLike):
        estimator = AgeGenderEstimator.from_pretrained(estimator)
    records = read_source(records).records if isinstance(records, str | os.PathLike) else list(records)
    if not any(record.age is not None or record.gender is not None for record in records):
        raise ValueError(
            f"`records` must hold at least one picture with an age or a gender. Received: {len(records)} records."
        )
    if bootstrap_samples < 1:
        raise ValueError(f"`bootstrap_samples` must be 1 or more. Received: {bootstrap_samples}.")
    predictions, detected, failures = _predict(estimator, records, progress)
    kept = [position for position in range(len(records)) if position not in failures]
    if not kept:
        raise ValueError(
            f"None of the {len(records)} pictures could be read; the first: {failures[0]} "
            "Check the folder that the file names of the table start from."
        )
    faces = [predictions[position] for position in kept]
    return Evaluation(
        records=[records[position] for position in kept],
        age=np.array([face.age for face in faces], dtype=np.float64),
        age_interval=np.array([face.age_interval for face in faces], dtype=np.float64),
        interval_target=faces[0].interval_coverage,
        interval_mass=estimator.model.config.calibration.interval_mass,
        male_probability=np.array([_male_probability(face) for face in faces], dtype=np.float64),
        age_distribution=np.stack([face.age_distribution for face in faces]),
        age_axis=faces[0].age_axis,
        detected=np.array([detected[position] for position in kept], dtype=bool),
        detector=_most_common([face.detector for face in faces]),
        mirror=estimator.mirror,
        unreadable=[(records[position], str(failures[position])) for position in sorted(failures)],
        bootstrap_samples=bootstrap_samples,
        seed=seed,
    )


def _predict(
    estimator: AgeGenderEstimator, records: list[FaceRecord], progress: bool
) -> tuple[dict[int, FacePrediction], list[bool], dict[int, Exception]]:
    """Return predictions by position, whether a face was found at each position, and failures by position."""
    predictions: dict[int, FacePrediction] = {}
    failures: dict[int, Exception] = {}

    def remember(position: int, image: Any, error: Exception) -> None:
        failures[position] = error

    paths = [record.path for record in records]
    found = estimator.predict_stream(paths, on_error=remember)
    for position, faces in enumerate(
        shown(found, progress, description="evaluating", unit="picture", total=len(paths))
    ):
        if faces:
            predictions[position] = faces[0]
    detected = [position in predictions for position in range(len(records))]
    faceless = [p for p in range(len(records)) if p not in predictions and p not in failures]
    if faceless:
        for position, face in zip(faceless, _whole_pictures(estimator, [paths[p] for p in faceless]), strict=True):
            if isinstance(face, Exception):
                failures[position] = face
            else:
                predictions[position] = face
    return predictions, detected, failures


def _whole_pictures(estimator: AgeGenderEstimator, paths: list[Path]) -> list[FacePrediction | Exception]:
    try:
        return list(estimator.predict_crops(paths))
    except BatchError as error:
        # A picture that was there a moment ago is gone.
        return [error.errors.get(position, face) for position, face in enumerate(error.results)]


def _special(dataset: str, faces: LabelledPredictions) -> dict[str, Any]:
    """Return the figures of the youngest and the oldest, and those that only one data set has."""
    figures = _ends_of_life(faces)
    if dataset.lower().startswith("afad"):
        aged = faces.take(np.isfinite(faces.true_age))
        to_40 = aged.take(aged.true_age < 41)
        natural = {age: NATURAL_COUNTS[age] for age in NATURAL_AGES}
        weighted, share = weighted_error(errors_by_age(aged.true_age, aged.age - aged.true_age), natural)
        figures |= {
            "faces_to_40": len(to_40),
            "mae_to_40": _mae(to_40),
            "mae_natural_20_40": weighted,
            "natural_share_covered": share,
        }
    if dataset.lower().startswith("utkface"):
        adult = faces.take(np.isfinite(faces.is_male) & (faces.true_age >= 15))
        figures |= {"faces_from_15": len(adult), "gender_accuracy_from_15": _gender_accuracy(adult)}
    return figures


def _ends_of_life(faces: LabelledPredictions) -> dict[str, Any]:
    """Return the figures of small children and of old people, of a data set that has any."""
    young, old = faces.take(faces.true_age < 5), faces.take(faces.true_age >= 70)
    figures: dict[str, Any] = {}
    if len(young):
        figures |= {"faces_under_5": len(young), "mae_under_5": _mae(young)}
        figures |= {"gender_accuracy_under_5": _gender_accuracy(young)}
    if len(old):
        figures |= {"faces_from_70": len(old), "mae_from_70": _mae(old)}
    return figures


def _mae(faces: LabelledPredictions) -> float | None:
    return float(np.mean(np.abs(faces.age - faces.true_age))) if len(faces) else None


def _gender_accuracy(faces: LabelledPredictions) -> float | None:
    faces = faces.take(np.isfinite(faces.is_male))
    return float(np.mean((faces.male_probability > 0.5) == (faces.is_male > 0.5))) if len(faces) else None


def _male_probability(face: FacePrediction) -> float:
    return face.gender_probability if face.gender == GENDERS[1] else 1.0 - face.gender_probability


def _most_common(detectors: Sequence[str | None]) -> str | None:
    named = Counter(detector for detector in detectors if detector is not None)
    return named.most_common(1)[0][0] if named else None


def _is_male(record: FaceRecord) -> float:
    return np.nan if record.gender is None else float(record.gender == GENDERS[1])


def _decade(record: FaceRecord) -> int | None:
    return None if record.age is None else int(record.age // 10) * 10


def _positions(rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=int)


def _dataset(record: FaceRecord) -> str:
    return record.dataset or UNNAMED


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, DECIMALS) if isinstance(value, float) else value
