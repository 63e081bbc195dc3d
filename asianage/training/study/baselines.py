"""Predictions from the labels alone, without a picture: the figures that every network must beat."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asianage.data.records import FaceRecord
from asianage.data.splits import measured_split, split_records
from asianage.data.study_split import STUDY_AGES
from asianage.files import write_text
from asianage.models.config import GENDERS
from asianage.training.run_folder import held_run_folder


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
        measured = _mean_age(_of_gender(train, name), _of_gender(test, name))
        result.update({name: measured} if measured else {})
    if "overall" not in result:
        raise ValueError("The baseline needs faces with an age in `train` and in `test`. Received: none. Add labels.")
    return result


BASELINES: dict[str, Callable[[Sequence[FaceRecord], Sequence[FaceRecord]], dict[str, Any]]] = {
    "gender-baseline": gender_baseline,
    "age-baseline": age_baseline,
}
"""Recipe name -> baseline. On the list of the full AFAD alone: accuracy 52.5 %; MAE 5.13 (male) and 4.79 (female)."""

CLASSES = {"gender-baseline": "gender", "age-baseline": "age"}
"""Recipe name -> class folders of the network that the study's baseline stands beside."""


def run_baseline(
    name: str,
    records: Sequence[FaceRecord],
    output: str | os.PathLike[str] | None = None,
    *,
    ages: tuple[int, int] | None = STUDY_AGES,
    split: str = "predefined",
    fold: int = 0,
) -> dict[str, Any]:
    """Measure a baseline on labels alone. The pictures need not exist.

    With `split` it learns from and measures on the faces of the networks that are trained with that split. The study's
    own networks for everybody, for men and for women have different faces, and so have their baselines.

    Args:
        name: A name in `BASELINES`.
        records: Faces.
        output: Folder to write ``metrics.json`` into; made if missing.
        ages: First and last age of the faces that count, in years; None takes all. Faces without an age count for the
            gender only.
        split: How faces are split, as `asianage.training.train` takes it. With "predefined" the split "train" trains
            and "test" measures, or "val" if there is no test. Where no face has a split, all faces train and measure,
            as for the figures in the study's text.
        fold: Which fifth is "test", of the split by identity.

    Returns:
        ``recipe``, ``ages``, ``split``, ``measured_on`` (split, "" for all) and ``metrics``.

    Raises:
        FileExistsError: `output` holds files that are not of a run and would be replaced.
        ValueError: There is no such baseline, or no face to measure.
    """
    if name not in BASELINES:
        raise ValueError(f"There is no baseline {name!r}. Baselines: {', '.join(BASELINES)}.")
    records = [record for record in records if ages is None or record.age is None or _is_of(ages, record.age)]
    if split == "predefined":
        measured_on = _measured_on(records)
        train = [record for record in records if not measured_on or record.split == "train"]
        metrics = BASELINES[name](train, [record for record in records if record.split == measured_on])
    else:
        measured_on = measured_split(split)
        metrics = _split_baseline(name, records, split, fold)
    result = {"recipe": name, "ages": list(ages or ()), "split": split, "measured_on": measured_on, "metrics": metrics}
    if output is not None:
        with held_run_folder(Path(output)):
            write_text(Path(output, "metrics.json"), json.dumps(result, indent=1) + "\n")
    return result


def _measured_on(records: Sequence[FaceRecord]) -> str:
    """Return the split that faces with a split are measured on, "" where none has one."""
    splits = {record.split for record in records}
    measured_on = next((split for split in ("test", "val") if split in splits), "")
    if splits - {""} and not (measured_on and "train" in splits):
        raise ValueError(f"Faces of train and of test or val are needed. Received the splits: {sorted(splits)}.")
    return measured_on


def _split_baseline(name: str, records: Sequence[FaceRecord], split: str, fold: int) -> dict[str, Any]:
    """Measure a baseline on a split of its own; the study splits the faces of each network by themselves."""
    measured_on = measured_split(split)

    def divided(faces: Sequence[FaceRecord]) -> tuple[list[FaceRecord], list[FaceRecord]]:
        faces = split_records(faces, split, fold=fold, classes=CLASSES[name])
        return [face for face in faces if face.split == "train"], [face for face in faces if face.split == measured_on]

    together = BASELINES[name](*divided(records))
    if name != "age-baseline" or split != "study":
        return together
    rows = {gender: _mean_age(*divided(_of_gender(records, gender))) for gender in sorted(GENDERS)}
    return {"overall": together["overall"], **{gender: row for gender, row in rows.items() if row}}


def _mean_age(train: Sequence[FaceRecord], test: Sequence[FaceRecord]) -> dict[str, float]:
    """Measure the mean age of `train` on `test`; nothing where one of them has no age."""
    before, after = _ages(train), _ages(test)
    if not before.size or not after.size:
        return {}
    mean = float(before.mean())
    return {"faces": int(after.size), "mean_age": mean, "mae": float(np.abs(after - mean).mean())}


def _is_of(ages: tuple[int, int], age: float) -> bool:
    return ages[0] <= age < ages[1] + 1


def _of_gender(records: Sequence[FaceRecord], gender: str) -> list[FaceRecord]:
    """Return the faces of one gender, everybody's for "overall"."""
    return [record for record in records if gender in ("overall", record.gender)]


def _ages(records: Sequence[FaceRecord]) -> np.ndarray:
    """Return float (n,): the known ages."""
    return np.array([record.age for record in records if record.age is not None], dtype=np.float64)
