"""Predictions from the labels alone, without a picture: the figures that every network must beat."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asianage.data.records import FaceRecord
from asianage.data.splits import STUDY_AGES
from asianage.files import write_text
from asianage.models.config import GENDERS


def gender_baseline(train: Sequence[FaceRecord], test: Sequence[FaceRecord]) -> dict[str, Any]:
    """Guess the gender as often as it occurs in `train`, and measure on `test`.

    Returns:
        ``faces``, ``share`` of each gender in `train`; ``gender_accuracy``, the expected accuracy of guesses with
        those shares; ``most_frequent_accuracy``, the accuracy of always guessing the more frequent gender.

    Raises:
        ValueError: No face of one of the two has a gender.
    """
    before = {gender: sum(record.gender == gender for record in train) for gender in GENDERS}
    after = {gender: sum(record.gender == gender for record in test) for gender in GENDERS}
    for name, counts in (("train", before), ("test", after)):
        if not sum(counts.values()):
            raise ValueError(f"The baseline needs faces with a gender in `{name}`. Received: none. Add labels.")
    share = {gender: count / sum(before.values()) for gender, count in before.items()}
    faces = sum(after.values())
    most_frequent = max(GENDERS, key=lambda gender: share[gender])
    return {
        "faces": faces,
        "share": share,
        "gender_accuracy": sum(share[gender] * after[gender] for gender in GENDERS) / faces,
        "most_frequent_accuracy": after[most_frequent] / faces,
    }


def age_baseline(train: Sequence[FaceRecord], test: Sequence[FaceRecord]) -> dict[str, dict[str, float]]:
    """Predict the mean age of `train` for everybody, and measure on `test`.

    Returns:
        For "overall", and for each gender with its own mean: ``faces``, ``mean_age`` and ``mae``, in years. A gender
        that `train` or `test` lacks is left out.

    Raises:
        ValueError: No face of one of the two has an age.
    """
    result = {}
    for name in ("overall", *sorted(GENDERS)):
        before, after = _ages(train, name), _ages(test, name)
        if before.size and after.size:
            mean = float(before.mean())
            result[name] = {"faces": int(after.size), "mean_age": mean, "mae": float(np.abs(after - mean).mean())}
    if "overall" not in result:
        raise ValueError("The baseline needs faces with an age in `train` and in `test`. Received: none. Add labels.")
    return result


BASELINES: dict[str, Callable[[Sequence[FaceRecord], Sequence[FaceRecord]], dict[str, Any]]] = {
    "gender-baseline": gender_baseline,
    "age-baseline": age_baseline,
}
"""Recipe name -> baseline. On the list of the full AFAD alone: accuracy 52.5 %; MAE 5.13 (male) and 4.79 (female)."""


def run_baseline(
    name: str,
    records: Sequence[FaceRecord],
    output: str | os.PathLike[str] | None = None,
    *,
    ages: tuple[int, int] = STUDY_AGES,
) -> dict[str, Any]:
    """Measure a baseline on labels alone. The pictures need not exist.

    The split "train" trains and "test" measures, or "val" if there is no test. Where no face has a split, all faces
    train and measure, as for the study's figures.

    Args:
        name: A name in `BASELINES`.
        records: Faces.
        output: Folder to write ``metrics.json`` into; made if missing.
        ages: First and last age of the faces that count, in years. Faces without an age count for the gender only.

    Returns:
        ``recipe``, ``ages``, ``measured_on`` (split, "" for all) and ``metrics``.

    Raises:
        ValueError: There is no such baseline, or no face to measure.
    """
    if name not in BASELINES:
        raise ValueError(f"There is no baseline {name!r}. Baselines: {', '.join(BASELINES)}.")
    records = [record for record in records if record.age is None or ages[0] <= record.age < ages[1] + 1]
    splits = {record.split for record in records}
    measured_on = next((split for split in ("test", "val") if split in splits), "")
    if splits - {""} and not (measured_on and "train" in splits):
        raise ValueError(f"Faces of train and of test or val are needed. Received the splits: {sorted(splits)}.")
    train = [record for record in records if not measured_on or record.split == "train"]
    test = [record for record in records if record.split == measured_on]
    result = {"recipe": name, "ages": list(ages), "measured_on": measured_on, "metrics": BASELINES[name](train, test)}
    if output is not None:
        Path(output).mkdir(parents=True, exist_ok=True)
        write_text(Path(output, "metrics.json"), json.dumps(result, indent=1) + "\n")
    return result


def _ages(records: Sequence[FaceRecord], gender: str) -> np.ndarray:
    """Return float (n,): the known ages of one gender, or of everybody for "overall"."""
    return np.array([r.age for r in records if r.age is not None and gender in ("overall", r.gender)], dtype=np.float64)
