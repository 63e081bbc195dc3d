"""The report of an evaluation: its figures, tables and their files."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from asianage.data.records import FaceRecord
from asianage.errors import needs_extra
from asianage.evaluation.practice_statement import practice_statement
from asianage.evaluation.report_folder import (
    METRICS,
    PREDICTIONS,
    STATEMENT,
    TEXT,
    UNREADABLE,
    check_report_folder,
    place_report,
)
from asianage.evaluation.result import Evaluation, dataset_of
from asianage.evaluation.thresholds import challenge_pairs
from asianage.files import write_csv
from asianage.models.config import GENDERS
from asianage.models.metrics_markdown import metrics_markdown

with needs_extra("train", "A report"):
    from matplotlib.figure import Figure

    from asianage.evaluation import age_figures, gender_figures, threshold_figures
    from asianage.evaluation.contact_sheet import worst_ages, worst_genders
    from asianage.evaluation.figure_style import MAX_DATASETS, report_style, save_figure
    from asianage.evaluation.training_curves import read_history, training_curves

_AROUND = (
    f"over faces of up to {age_figures.REACH} years younger or older, where there are {age_figures.FEWEST} or more of "
    "them; the band is its 95 % interval"
)

FIGURES = {
    "images_by_age_and_gender.png": (
        "Number of {images} by age and gender",
        "Female and male stacked; one bar per year of age.",
    ),
    "training_curves.png": (
        "Training curves",
        "The dotted line marks the epoch whose weights were kept: that of the best validation score.",
    ),
    "gender_confusion.png": ("Confusion of genders", "Counts, and shares of the labeled gender."),
    "error_by_age.png": (
        "Error by age",
        f"The line is the mean absolute error {_AROUND}; a dot is the error of a single age, the dotted line that of "
        "all. Behind it, in gray and on the right axis, the number of {images}.",
    ),
    "error_by_age_and_gender.png": (
        "Error by age and gender",
        f"Mean absolute error {_AROUND}; in brackets, that of all ages.",
    ),
    "true_against_predicted.png": (
        "Estimated against true age",
        f"One dot per face, scattered a little sideways; of more than {age_figures.MAX_DOTS:,} faces a random choice. "
        "Above the dotted line the estimate is too old, below too young.",
    ),
    "gender_reliability.png": (
        "Reliability of the gender probability",
        "On the dotted line, predictions are right as often as their probability states; bars are 95 % intervals. "
        "Below, the number of faces, on a logarithmic axis.",
    ),
    "interval_coverage.png": (
        "Coverage and width of the age intervals",
        "The dotted line is the nominal coverage. Bars are 95 % intervals of the measured coverage.",
    ),
    "nominal_coverage.png": (
        "Nominal and measured coverage",
        "Every nominal coverage that the model was calibrated for. Bars are 95 % intervals.",
    ),
    "thresholds.png": (
        "Age thresholds",
        "Left, the share of faces whose estimate reaches the challenge age, by true age. Right, the minors who pass "
        "and the adults who are challenged, for every challenge age; the dotted lines are those of the tables. Bands "
        "are 95 % intervals.",
    ),
    "thresholds_by_part.png": (
        "Age thresholds by part",
        "Minors up to 5 years below the threshold who pass, and adults who are challenged, by data set, gender and "
        "group. Bars are 95 % intervals.",
    ),
    "age_reliability.png": (
        "Reliability of the probability of being old enough",
        "On the dotted line, people are as often old enough as `probability_at_least` states; bars are 95 % intervals. "
        "Below, the number of faces, on a logarithmic axis.",
    ),
    "worst_ages.png": ("Largest errors of age", "The labels may be at fault as well as the model."),
    "worst_genders.png": (
        "Surest wrong genders",
        "Wrong genders with the highest probability. The labels may be at fault as well as the model.",
    ),
}
"""File -> title and caption of every figure of a report, in its order."""


def save_report(
    evaluation: Evaluation,
    folder: str | os.PathLike[str],
    *,
    history: str | os.PathLike[str] | None = None,
    training_records: Sequence[FaceRecord] | None = None,
    contact_sheets: bool = True,
    statement: bool = False,
) -> None:
    """Write ``metrics.json``, ``predictions.csv``, ``report.md``, figures, and ``unreadable.csv`` if there are any.

    Other files in `folder` are left alone; an earlier report there is replaced once the new one is complete.

    Args:
        evaluation: What to report.
        folder: Where to write; made if missing.
        history: The run's ``history.csv``, for the training curves; without it there are none.
        training_records: What the model was trained on, to be counted by age; None counts the evaluated pictures.
        contact_sheets: Whether to show the pictures with the worst predictions. They are pictures of the data set, and
            its license decides who may see them.
        statement: Whether to write the draft of a practice statement too, ``practice_statement_draft.md``.

    Raises:
        NotADirectoryError: `folder` is a file.
        FileExistsError: `folder` holds a file of such a name that is not of a report.
        FileNotFoundError: There is no such `history`.
        ValueError: `history` lacks a column.
    """
    folder = Path(folder).absolute()
    check_report_folder(folder, FIGURES)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as partial:
        complete = Path(partial)
        metrics = evaluation.to_dict()
        figures = _write_figures(evaluation, complete, history, training_records, contact_sheets)
        (complete / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")
        write_csv(complete / PREDICTIONS, _prediction_columns(evaluation), _prediction_rows(evaluation))
        if evaluation.unreadable:
            write_csv(complete / UNREADABLE, ("file", "reason"), evaluation.unreadable_rows())
        text = metrics_markdown(metrics, figures, evaluation.unreadable_rows())
        (complete / TEXT).write_text(text, "utf-8")
        if statement:
            (complete / STATEMENT).write_text(practice_statement(evaluation), "utf-8")
        place_report(complete, folder, FIGURES)


def _write_figures(
    evaluation: Evaluation,
    folder: Path,
    history: str | os.PathLike[str] | None,
    training_records: Sequence[FaceRecord] | None,
    contact_sheets: bool,
) -> list[tuple[str, str, str]]:
    """Draw every figure that the data allow, and return file name, title and caption of each."""
    curves = None if history is None else read_history(history)
    counted = evaluation.records if training_records is None else training_records
    images = "evaluated images" if training_records is None else "training images"
    written = []
    with report_style():
        for name, figure in _drawn(evaluation, curves, counted, images, contact_sheets):
            if figure is not None:
                save_figure(figure, folder / name)
                title, caption = (words.format(images=images) for words in FIGURES[name])
                written.append((name, title, caption))
    return written


def _drawn(
    evaluation: Evaluation,
    history: Mapping[str, np.ndarray] | None,
    counted: Sequence[FaceRecord],
    images: str,
    contact_sheets: bool,
) -> Iterator[tuple[str, Figure | None]]:
    """Yield the names of `FIGURES` that there is data for, each with its figure; None if there is nothing to show."""
    everyone, rows = evaluation.faces, _by_dataset(evaluation.records)
    has_age, has_gender = np.isfinite(everyone.true_age).any(), np.isfinite(everyone.is_male).any()
    faces = {name: everyone.take(rows[name]) for name in _largest(rows)}
    parts = {name: [counted[row] for row in mine] for name, mine in _by_dataset(counted).items()}
    yield (
        "images_by_age_and_gender.png",
        gender_figures.images_by_age_and_gender({name: parts[name] for name in _largest(parts)}),
    )
    if history is not None:
        yield "training_curves.png", training_curves(history)
    if has_gender:
        yield "gender_confusion.png", gender_figures.gender_confusion(faces)
    if has_age:
        yield "error_by_age.png", age_figures.error_by_age(faces, parts, counted_name=images)
        if has_gender:
            yield "error_by_age_and_gender.png", age_figures.error_by_age_and_gender(faces)
        yield "true_against_predicted.png", age_figures.true_against_predicted(faces)
    if has_gender:
        yield "gender_reliability.png", gender_figures.gender_reliability(everyone)
    if has_age:
        yield "interval_coverage.png", age_figures.interval_coverage(faces, evaluation.interval_target)
        aged = {name: int(np.isfinite(part.true_age).sum()) for name, part in faces.items()}
        measured = {name: (evaluation.measured_coverage(rows[name]), count) for name, count in aged.items() if count}
        yield "nominal_coverage.png", age_figures.nominal_coverage(measured)
        pairs = challenge_pairs(evaluation.thresholds, evaluation.challenge_ages)
        yield "thresholds.png", threshold_figures.thresholds(everyone, pairs)
        yield "thresholds_by_part.png", threshold_figures.thresholds_by_part(evaluation.at_thresholds())
        limits, ages = sorted(set(evaluation.thresholds)), evaluation.age_distribution
        reliability = threshold_figures.age_reliability_diagram(everyone, evaluation.age_axis, ages, limits)
        yield "age_reliability.png", reliability
    if contact_sheets:
        yield "worst_ages.png", worst_ages(evaluation)
        yield "worst_genders.png", worst_genders(evaluation)


def _by_dataset(records: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
    """Return the positions of each data set's records, int (n,)."""
    names = np.array([dataset_of(record) for record in records])
    return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}


def _largest(parts: Mapping[str, Sequence[object] | np.ndarray]) -> list[str]:
    """Return the names of the largest parts, as many as a figure shows, in alphabetical order."""
    return sorted(sorted(parts, key=lambda name: (-len(parts[name]), name))[:MAX_DATASETS])


def _prediction_columns(evaluation: Evaluation) -> list[str]:
    ages = range(evaluation.age_axis.min_age, evaluation.age_axis.max_age + 1)
    return [
        *(
            "file",
            "dataset",
            "split",
            "group",
            "true_age",
            "true_age_low",
            "true_age_high",
            "true_gender",
            "age",
            "age_low",
            "age_high",
        ),
        *("male_probability", "gender", "detected", *(f"p_{age}" for age in ages)),
    ]


def _prediction_rows(evaluation: Evaluation) -> Iterator[Sequence[object]]:
    names = evaluation.picture_names(evaluation.records)
    for i, (name, record) in enumerate(zip(names, evaluation.records, strict=True)):
        male = evaluation.male_probability[i]
        gender = "" if np.isnan(male) else GENDERS[int(male > 0.5)]
        yield (
            *(
                name,
                record.dataset,
                record.split,
                record.group,
                record.age,
                record.age_low,
                record.age_high,
                record.gender,
            ),
            *(_text(value, 3) for value in (evaluation.age[i], *evaluation.age_interval[i])),
            *(_text(male, 6), gender, int(evaluation.detected[i])),
            *(_text(value, 5) for value in evaluation.age_distribution[i]),
        )


def _text(value: float, digits: int) -> str:
    """Return a number as text, "" for what the model did not learn."""
    return "" if np.isnan(value) else f"{value:.{digits}f}"
