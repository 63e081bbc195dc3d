"""The figures of an evaluation: which there are, what they say, and their files."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from asianage.data.records import FaceRecord
from asianage.evaluation import figures
from asianage.evaluation.contact_sheet import MAX_PICTURES, SheetEntry, contact_sheet
from asianage.evaluation.evaluate import Evaluation
from asianage.evaluation.figure_style import MAX_DATASETS, report_style
from asianage.evaluation.metrics import LabelledPredictions
from asianage.models.config import GENDERS
from asianage.models.metrics_markdown import metrics_markdown, unreadable_markdown

IMAGES = "images_by_age_and_gender.png"
CURVES = "training_curves.png"
CONFUSION = "gender_confusion.png"
ERROR_BY_AGE = "error_by_age.png"
ERROR_BY_GENDER = "error_by_age_and_gender.png"
TRUE_PREDICTED = "true_against_predicted.png"
RELIABILITY = "gender_reliability.png"
INTERVALS = "interval_coverage.png"
PROMISES = "coverage_by_promise.png"
WORST_AGES = "worst_ages.png"
WORST_GENDERS = "worst_genders.png"

FIGURES = (
    IMAGES,
    CURVES,
    CONFUSION,
    ERROR_BY_AGE,
    ERROR_BY_GENDER,
    TRUE_PREDICTED,
    RELIABILITY,
    INTERVALS,
    PROMISES,
    WORST_AGES,
    WORST_GENDERS,
)
"""Every file that `write_figures` may write."""


UNREADABLE = "unreadable.csv"


def save_report(
    evaluation: Evaluation,
    folder: str | os.PathLike[str],
    *,
    history: str | os.PathLike[str] | None = None,
    training_records: Sequence[FaceRecord] | None = None,
    contact_sheets: bool = True,
) -> None:
    """Write ``metrics.json``, ``predictions.csv``, ``report.md``, figures, and ``unreadable.csv`` if there are any.

    Other files in `folder` are left alone; an earlier report there is replaced once the new one is complete.

    Args:
        evaluation: What to report.
        folder: Where to write; made if missing.
        history: The run's ``history.csv``, for the training curves; without it there are none.
        training_records: What the model was trained on, for the counts behind the errors; without them the counts
            are those of the evaluated pictures.
        contact_sheets: Whether to show the pictures with the worst predictions. They are pictures of the data
            set, and its license decides who may see them.

    Raises:
        NotADirectoryError: `folder` is a file.
        FileNotFoundError: There is no such `history`.
        ValueError: `history` lacks a column.
    """
    folder = Path(folder).absolute()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"`folder` must be a folder or not exist yet. Received: the file {folder}.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as partial:
        complete = Path(partial)
        metrics = evaluation.to_dict()
        figures = write_figures(
            evaluation, complete, history=history, training_records=training_records, contact_sheets=contact_sheets
        )
        (complete / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")
        _write_rows(complete / "predictions.csv", evaluation.prediction_rows())
        if evaluation.unreadable:
            _write_rows(complete / UNREADABLE, [("file", "reason"), *evaluation.unreadable_rows()])
        text = metrics_markdown(metrics, figures) + unreadable_markdown(evaluation.unreadable_rows())
        (complete / "report.md").write_text(text, "utf-8")
        _replace_report(complete, folder, [*FIGURES, UNREADABLE])


def write_figures(
    evaluation: Evaluation,
    folder: Path,
    *,
    history: str | os.PathLike[str] | None = None,
    training_records: Sequence[FaceRecord] | None = None,
    contact_sheets: bool = True,
) -> list[tuple[str, str, str]]:
    """Draw every figure that the data allow into `folder`.

    Args:
        evaluation: What to show.
        folder: An existing folder.
        history: The run's ``history.csv``; without it there are no training curves.
        training_records: What the model was trained on; without them the evaluated pictures are counted.
        contact_sheets: Whether to show the pictures with the worst predictions.

    Returns:
        File name, title and caption of each figure, in the order of the report.

    Raises:
        FileNotFoundError: There is no such `history`.
        ValueError: `history` lacks a column or holds something other than numbers.
    """
    curves = None if history is None else read_history(history)
    written = []
    with report_style():
        for name, title, caption, figure in _drawn(evaluation, curves, training_records, contact_sheets):
            figure.savefig(folder / name)
            written.append((name, title, caption))
    return written


def read_history(file: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the columns of a ``history.csv`` with ``epoch`` and ``loss``: float64 (epochs,) each, NaN where empty.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A column is missing, there is no epoch, or a value is not a number.
    """
    with Path(file).open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        names = list(reader.fieldnames or ())
        rows = list(reader)
    if not rows or not {"epoch", "loss"} <= set(names):
        raise ValueError(
            f"{file} must have the columns `epoch` and `loss` and at least one line of values. "
            f"Received: columns {names}, {len(rows)} lines. Give the `history.csv` of a training run."
        )
    try:
        if any(None in row for row in rows):
            raise ValueError("a line has more values than there are columns")
        return {name: np.array([float(row[name] if row[name] != "" else "nan") for row in rows]) for name in names}
    except (TypeError, ValueError) as error:
        message = f"{file} must hold numbers only: {error}. Give the `history.csv` of a training run."
        raise ValueError(message) from error


def _drawn(
    evaluation: Evaluation,
    history: Mapping[str, np.ndarray] | None,
    training_records: Sequence[FaceRecord] | None,
    contact_sheets: bool,
) -> Iterator[tuple[str, str, str, Figure]]:
    """Yield file name, title, caption and figure."""
    counted = evaluation.records if training_records is None else training_records
    kind = "evaluated" if training_records is None else "training"
    shown = _by_dataset(counted)
    yield (
        IMAGES,
        f"{kind.capitalize()} images by age and gender",
        "Female and male stacked; one bar per year of age.",
        figures.images_by_age_and_gender(shown),
    )
    if history is not None:
        caption = "The dotted line marks the epoch whose weights were kept: that of the best validation score."
        yield CURVES, "Training curves", caption, figures.training_curves(history)
    yield from _error_figures(evaluation, _by_dataset(counted, limit=None), kind)
    yield from _probability_figures(evaluation)
    if contact_sheets:
        yield from _sheets(evaluation)


def _error_figures(
    evaluation: Evaluation, counted: Mapping[str, Sequence[FaceRecord]], kind: str
) -> Iterator[tuple[str, str, str, Figure]]:
    everyone = evaluation.faces
    faces = _faces_by_dataset(evaluation)
    if np.isfinite(everyone.is_male).any():
        caption = "Counts, and shares of the labeled gender."
        yield CONFUSION, "Confusion of genders", caption, figures.gender_confusion(faces)
    if not np.isfinite(everyone.true_age).any():
        return
    around = (
        f"over faces of up to {figures.REACH} years younger or older, where there are {figures.FEWEST} or more of "
        "them; the band is its 95 % interval"
    )
    yield (
        ERROR_BY_AGE,
        "Error by age",
        f"The line is the mean absolute error {around}; a dot is the error of a single age, "
        f"the dotted line that of all. Behind it, in gray and on the right axis, the number of {kind} images.",
        figures.error_by_age(faces, counted, counted_name=f"{kind} images"),
    )
    if np.isfinite(everyone.is_male).any():
        caption = f"Mean absolute error {around}."
        yield ERROR_BY_GENDER, "Error by age and gender", caption, figures.error_by_age_and_gender(faces)
    yield (
        TRUE_PREDICTED,
        "Estimated against true age",
        f"One dot per face, scattered a little sideways; of more than {figures.MAX_DOTS:,} faces a random choice. "
        "Above the dotted line the estimate is too old, below too young.",
        figures.true_against_predicted(faces),
    )


def _probability_figures(evaluation: Evaluation) -> Iterator[tuple[str, str, str, Figure]]:
    faces = evaluation.faces
    if np.isfinite(faces.is_male).any():
        caption = (
            "On the dotted line, predictions are right as often as their probability says; bars are 95 % intervals. "
            "Below, the number of faces, on a logarithmic axis."
        )
        yield RELIABILITY, "Reliability of the gender probability", caption, figures.gender_reliability(faces)
    if np.isfinite(faces.true_age).any():
        caption = "The dotted line is the share that the intervals promise. Bars are 95 % intervals of the measured."
        drawn = figures.interval_coverage(_faces_by_dataset(evaluation), evaluation.interval_target)
        yield INTERVALS, "Coverage and width of the age intervals", caption, drawn
        caption = "Intervals of every promise that the model was calibrated for. Bars are 95 % intervals."
        yield PROMISES, "Promised and measured coverage", caption, figures.coverage_by_promise(_held(evaluation))


def _held(evaluation: Evaluation) -> dict[str, tuple[dict[str, float], int]]:
    """Return by data set which share of ages the intervals of each promise hold, and of how many."""
    aged = np.isfinite(evaluation.faces.true_age)
    names = np.array([_name(record) for record in evaluation.records])
    rows = {name: np.flatnonzero((names == name) & aged) for name in _faces_by_dataset(evaluation)}
    return {name: (evaluation.coverage_by_promise(mine), len(mine)) for name, mine in rows.items() if len(mine)}


def _sheets(evaluation: Evaluation) -> Iterator[tuple[str, str, str, Figure]]:
    faces = evaluation.faces
    error = np.nan_to_num(np.abs(faces.age - faces.true_age), nan=-1.0)
    worst = [int(row) for row in np.argsort(-error, kind="stable")[:MAX_PICTURES] if error[row] >= 0]
    if worst:
        entries = [_age_entry(evaluation, row) for row in worst]
        caption = "The labels may be at fault as well as the model."
        yield WORST_AGES, "Largest errors of age", caption, contact_sheet("Largest errors of age", entries)
    given_to_label = np.where(faces.is_male > 0.5, faces.male_probability, 1.0 - faces.male_probability)
    given_to_label = np.where(np.isfinite(faces.is_male), given_to_label, np.inf)
    wrong = (faces.male_probability > 0.5) != (faces.is_male > 0.5)
    ranked = [int(row) for row in np.argsort(given_to_label, kind="stable")]
    worst = [row for row in ranked if wrong[row] and np.isfinite(given_to_label[row])][:MAX_PICTURES]
    if worst:
        entries = [_gender_entry(evaluation, row) for row in worst]
        caption = "Wrong genders with the highest probability. The labels may be at fault as well as the model."
        yield WORST_GENDERS, "Surest wrong genders", caption, contact_sheet("Surest wrong genders", entries)


def _age_entry(evaluation: Evaluation, row: int) -> SheetEntry:
    low, high = evaluation.age_interval[row]
    record = evaluation.records[row]
    return SheetEntry(
        record.path,
        (
            f"label {record.age:.0f}, estimate {evaluation.age[row]:.0f}",
            f"interval {low:.0f}\N{EN DASH}{high:.0f}{_remark(evaluation, row)}",
        ),
    )


def _gender_entry(evaluation: Evaluation, row: int) -> SheetEntry:
    record, male = evaluation.records[row], evaluation.male_probability[row]
    predicted = GENDERS[int(male > 0.5)]
    age = "age unknown" if record.age is None else f"age {record.age:.0f}"
    sureness = 100 * max(male, 1 - male)
    share = f"{sureness:.1f} %" if sureness < 99.95 else "> 99.9 %"
    return SheetEntry(
        record.path, (f"{predicted} {share}", f"labeled {record.gender}, {age}{_remark(evaluation, row)}")
    )


def _remark(evaluation: Evaluation, row: int) -> str:
    return "" if evaluation.detected[row] else "\nno face found"


def _faces_by_dataset(evaluation: Evaluation) -> dict[str, LabelledPredictions]:
    rows: dict[str, list[int]] = {}
    for row, record in enumerate(evaluation.records):
        rows.setdefault(_name(record), []).append(row)
    return {name: evaluation.faces.take(np.array(rows[name])) for name in _largest(rows, MAX_DATASETS)}


def _by_dataset(records: Sequence[FaceRecord], limit: int | None = MAX_DATASETS) -> dict[str, list[FaceRecord]]:
    parts: dict[str, list[FaceRecord]] = {}
    for record in records:
        parts.setdefault(_name(record), []).append(record)
    return {name: parts[name] for name in _largest(parts, limit)}


def _largest(parts: Mapping[str, Sequence[object]], limit: int | None) -> list[str]:
    """Return the names of the largest parts, in alphabetical order."""
    return sorted(sorted(parts, key=lambda name: (-len(parts[name]), name))[:limit])


def _name(record: FaceRecord) -> str:
    return record.dataset or "unnamed"


def _write_rows(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _replace_report(source: Path, folder: Path, optional: Sequence[str]) -> None:
    """Move a complete report into `folder`, and remove what an earlier one had and this one has not."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in optional:
        if not (source / name).exists():
            (folder / name).unlink(missing_ok=True)
    for file in source.iterdir():
        os.replace(file, folder / file.name)
