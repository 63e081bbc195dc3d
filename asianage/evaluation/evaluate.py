"""Measure a model on labeled pictures, through the estimator of the public API."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asianage.data.records import FaceRecord
from asianage.data.sources import Source, read_source
from asianage.errors import BatchError
from asianage.evaluation.result import Evaluation
from asianage.evaluation.thresholds import DEFAULT_THRESHOLDS, challenge_pairs
from asianage.models.folder import ModelFolder
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.prediction.face_prediction import FacePrediction
from asianage.progress import shown


def evaluate(
    model: AgeGenderEstimator | ModelFolder | str | os.PathLike[str],
    data: Source,
    *,
    progress: bool = False,
    bootstrap_samples: int = 1000,
    seed: int = 0,
    thresholds: Sequence[int] = DEFAULT_THRESHOLDS,
    challenge_ages: Sequence[int] | None = None,
) -> Evaluation:
    """Predict the face of every labeled picture, detection included, and compare with the labels.

    The largest face of a picture counts. If none is found, the whole picture is taken as the face, and counted as a
    detection failure. Pictures that cannot be read are listed and left out.

    Args:
        model: An estimator, or a model as `AgeGenderEstimator` takes it.
        data: Labeled pictures of one face each, or what `asianage.data.sources.read_source` takes. An age or a
            gender may be missing.
        progress: Whether to show progress.
        bootstrap_samples: Samples of the bootstrap intervals; at least 1.
        seed: Seed of the bootstrap.
        thresholds: Ages from which a person is old enough, in years: how many minors would pass as adults.
        challenge_ages: Estimates that pass, in years; None takes the threshold itself, and 3 and 7 years more.

    Raises:
        ValueError: There are no records, none has a label, none of the pictures can be read, or a threshold has no
            challenge age.
        DetectorUnavailableError: No face detector can be used on this machine.
    """
    estimator = AgeGenderEstimator(model) if isinstance(model, str | os.PathLike | ModelFolder) else model
    tasks, calibration = estimator.model.config.tasks, estimator.model.config.calibration
    records = [_with_labels_of(tasks, record) for record in read_source(data).records]
    labels = ("age", "age_low", "gender")
    if not any(getattr(record, label) is not None for record in records for label in labels):
        raise ValueError(
            "`data` must hold at least one picture with an age, an age group or a gender that the model learned. It "
            f"learned {' and '.join(sorted(tasks))}. Received: {len(records)} records."
        )
    if bootstrap_samples < 1:
        raise ValueError(f"`bootstrap_samples` must be 1 or more. Received: {bootstrap_samples}.")
    challenge_pairs(thresholds, challenge_ages)  # Refuses wrong ages before the work.
    outcomes, detected = _predict(estimator, [record.path for record in records], progress)
    faces = [outcome for outcome in outcomes if isinstance(outcome, FacePrediction)]
    if not faces:
        raise ValueError(
            f"None of the {len(records)} pictures could be read; the first: {outcomes[0]} "
            "Check the folder that the file names of the table start from."
        )
    readable = np.array([isinstance(outcome, FacePrediction) for outcome in outcomes])
    return Evaluation(
        records=[record for record, kept in zip(records, readable, strict=True) if kept],
        age=np.array([face.age for face in faces], dtype=np.float64),
        age_interval=np.array([face.age_interval or (np.nan, np.nan) for face in faces], dtype=np.float64),
        interval_target=faces[0].interval_coverage,
        stretch=np.array([calibration.stretch_of(face.warnings) for face in faces]),
        calibration=calibration,
        male_probability=np.array([face.male_probability for face in faces], dtype=np.float64),
        age_distribution=np.stack([_distribution(face) for face in faces]),
        age_axis=faces[0].age_axis,
        detected=np.array(detected)[readable],
        detector=_most_common([face.detector for face in faces]),
        mirror=estimator.mirror,
        unreadable=[
            (record, str(outcome))
            for record, outcome in zip(records, outcomes, strict=True)
            if isinstance(outcome, Exception)
        ],
        bootstrap_samples=bootstrap_samples,
        seed=seed,
        thresholds=thresholds,
        challenge_ages=challenge_ages,
        model=estimator.model.config.name,
    )


def _predict(
    estimator: AgeGenderEstimator, paths: list[Path], progress: bool
) -> tuple[list[FacePrediction | Exception | None], list[bool]]:
    """Return for each picture its largest face or why it is unreadable, and whether a face was found."""
    failures: dict[int, Exception] = {}

    def remember(position: int, image: object, error: Exception) -> None:
        failures[position] = error

    found = estimator.predict_stream(paths, on_error=remember)
    outcomes: list[FacePrediction | Exception | None] = [
        faces[0] if faces else failures.get(position)
        for position, faces in enumerate(
            shown(found, progress, description="evaluating", unit="picture", total=len(paths))
        )
    ]
    detected = [isinstance(outcome, FacePrediction) for outcome in outcomes]
    faceless = [position for position, outcome in enumerate(outcomes) if outcome is None]
    for position, face in zip(faceless, _whole_pictures(estimator, [paths[p] for p in faceless]), strict=True):
        outcomes[position] = face
    return outcomes, detected


def _whole_pictures(estimator: AgeGenderEstimator, paths: list[Path]) -> list[FacePrediction | Exception]:
    if not paths:
        return []
    try:
        return list(estimator.predict_crops(paths, align=False))
    except BatchError as error:
        # A picture that was there a moment ago is gone.
        return [error.errors.get(position, face) for position, face in enumerate(error.results)]


def _with_labels_of(tasks: Collection[str], record: FaceRecord) -> FaceRecord:
    """Return a record with the labels of what a model learned: the rest cannot be measured."""
    if "age" not in tasks:
        record = replace(record, age=None, age_low=None, age_high=None)
    return record if "gender" in tasks else replace(record, gender=None)


def _distribution(face: FacePrediction) -> np.ndarray:
    known = face.age_distribution
    return np.full(face.age_axis.num_ages, np.nan, dtype=np.float32) if known is None else known


def _most_common(detectors: Sequence[str | None]) -> str | None:
    named = Counter(detector for detector in detectors if detector is not None)
    return named.most_common(1)[0][0] if named else None
