"""The table of the study: published, and measured here by protocol, as Markdown, CSV and figures."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from asianage.data.records import FaceRecord
from asianage.evaluation import study_figures as figures
from asianage.evaluation.contact_sheet import MAX_PICTURES, SheetEntry, contact_sheet
from asianage.evaluation.figure_style import report_style, save_figure
from asianage.evaluation.gender_figures import images_by_age_and_gender
from asianage.evaluation.training_curves import read_history
from asianage.files import write_csv, write_text
from asianage.models.config import GENDERS
from asianage.models.markdown import ABSENT, percent, table
from asianage.training.run_folder import HISTORY, REPORT
from asianage.training.study.published import ROWS, PublishedRow
from asianage.training.trained_row import TrainedRow, spoken_time

TABLE = "study.md"

PROTOCOL_NAMES = {"study": "the study's protocol", "identity": "nobody on both sides", "random": "a random fifth"}
"""Protocol -> how the table calls it."""

CAPTIONS = {
    "published_and_measured.png": "Figures of the study, and measured here, with 95 % intervals",
    "images_by_age_and_gender.png": "Faces by age and gender",
    "training_curves_{protocol}.png": "What every network is chosen by, by epoch: {name}",
    "gender_confusion.png": "Confusion of the genders: counts, and shares of the labeled gender",
    "error_by_age_{protocol}.png": "Error by age of women and men, and their training faces: {name}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolResults:
    """What was measured with one protocol.

    Attributes:
        folder: Folder of its runs; each is named for its recipe.
        rows: Recipe -> its finished network.
        baselines: Baseline -> its ``metrics``.
        faces: Recipe -> its faces, split.
        notes: Recipe -> why it has no row.
    """

    folder: Path
    rows: dict[str, TrainedRow] = field(default_factory=dict)
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    faces: dict[str, list[FaceRecord]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def write_study(
    output: Path,
    results: Mapping[str, ProtocolResults],
    faces: Sequence[FaceRecord],
    remarks: Sequence[str],
    *,
    show_faces: bool = False,
) -> None:
    """Write ``study.md``, ``study.csv`` and the folder ``figures``.

    Args:
        output: Folder of the study.
        results: Protocol -> what was measured.
        faces: All faces.
        remarks: How the runs differ from the study's.
        show_faces: Whether to draw some of the faces.
    """
    folder = output / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with report_style():
        shown = [("sample_faces.png", "Sample faces", _samples(faces))] if show_faces else []
        for name, caption, figure in (*_figures(results, faces), *shown):
            save_figure(figure, folder / name)
            written.append(f"![{caption}](figures/{name})\n\n*{caption}.*\n")
    text = [study_markdown(results, remarks), *written]
    write_text(output / TABLE, "\n".join(text))
    header, rows = study_rows(results)
    write_csv(output / "study.csv", header, rows)


def study_markdown(results: Mapping[str, ProtocolResults], remarks: Sequence[str]) -> str:
    """Return the table and what is to be known about it."""
    header, rows = study_rows(results)
    lines = [
        "# The study, published and measured\n",
        "The published figures were measured on the faces of the third column. They flatter: people are on both "
        "sides, and the best epoch was chosen on the same faces. MAE in years; 95 % intervals in brackets.\n",
        table(header, [[cell or ABSENT for cell in row] for row in rows], numbers=False),
        *(f"- {remark}" for remark in remarks),
    ]
    return "\n".join(lines) + "\n"


def study_rows(results: Mapping[str, ProtocolResults]) -> tuple[list[str], list[list[str]]]:
    """Return the header of the table and its rows, all as text."""
    header = ["", "published", "on"]
    for protocol in results:
        name = PROTOCOL_NAMES[protocol]
        header += [name, f"faces, {name}", f"time, {name}"]
    header.append("parameters")
    return header, [_row(row, results) for row in ROWS]


def _row(row: PublishedRow, results: Mapping[str, ProtocolResults]) -> list[str]:
    cells = [row.title, row.text, row.measured_on]
    parameters = ""
    for measured in results.values():
        trained = measured.rows.get(row.recipe)
        baseline = _of_baseline(row, measured)
        if trained is not None:
            value, low, high = _figure(trained.figures, row.figure)
            cells.append(f"{_spoken(row.figure, value)} ({_spoken(row.figure, low)} to {_spoken(row.figure, high)})")
            cells.append(f"{trained.train_faces:,} / {trained.measured_faces:,}")
            cells.append(f"{spoken_time(trained.seconds)}, {epochs_in_words(trained.epochs)}" if trained.epochs else "")
            parameters = f"{trained.parameters:,}" + (f" ({trained.frozen:,} frozen)" if trained.frozen else "")
        elif baseline is not None and not row.baseline:
            cells += [_spoken(row.figure, baseline[0]), f"{baseline[1]:,}", ""]
        else:
            cells += [measured.notes.get(row.recipe, ""), "", ""]
    return [*cells, parameters]


def _of_baseline(row: PublishedRow, measured: ProtocolResults) -> tuple[float, int] | None:
    """Return figure and faces of a baseline of everybody, of women or of men."""
    metrics = measured.baselines.get(row.baseline or row.recipe, {})
    part = metrics if row.figure == "gender_accuracy" else metrics.get(row.part, {})
    return (part[row.figure], part["faces"]) if row.figure in part else None


def _figure(found: Mapping[str, Any], name: str) -> tuple[float, float, float]:
    low, high = found[f"{name}_interval"]
    return found[name], low, high


def _spoken(figure: str, value: float) -> str:
    return percent(value) if figure == "gender_accuracy" else f"{value:.2f}"


def _figures(results: Mapping[str, ProtocolResults], faces: Sequence[FaceRecord]) -> Iterator[tuple[str, str, Any]]:
    """Yield file name, caption and figure of all that there is data for."""
    lines = [(row, _result_line(row, results)) for row in ROWS if not row.recipe.endswith("-baseline")]
    drawn = [(row, line) for row, line in lines if line.measured]
    if drawn:
        parts = [[line for row, line in drawn if row.figure == figure] for figure in ("mae", "gender_accuracy")]
        yield _named("published_and_measured.png", "", figures.published_and_measured(*parts))
    yield _named("images_by_age_and_gender.png", "", images_by_age_and_gender({"faces of the study": faces}))
    for protocol, measured in results.items():
        titles = {row.recipe: row.title for row in ROWS}
        histories = {
            titles[recipe]: read_history(measured.folder / recipe / HISTORY)
            for recipe in measured.rows
            if (measured.folder / recipe / HISTORY).is_file()
        }
        if histories:
            yield _named("training_curves_{protocol}.png", protocol, figures.curves_of_networks(histories))
    matrices = {
        PROTOCOL_NAMES[protocol]: _matrix(measured.rows["simple-cnn-gender"].figures)
        for protocol, measured in results.items()
        if "simple-cnn-gender" in measured.rows
    }
    if matrices:
        yield _named("gender_confusion.png", "", figures.confusions(matrices))
    for protocol, measured in results.items():
        panels, trained = _errors(measured)
        if panels:
            yield _named("error_by_age_{protocol}.png", protocol, figures.errors_of_genders(panels, trained))


def _samples(faces: Sequence[FaceRecord]) -> Any:
    """Draw some faces of ages from all over, women and men in turn."""
    known = sorted(faces, key=lambda face: (face.age or 0, face.path.as_posix()))
    half = MAX_PICTURES // 2
    chosen = []
    for gender in GENDERS:
        mine = [face for face in known if face.gender == gender]
        places: Sequence[int] = np.unique(np.linspace(0, len(mine) - 1, half).astype(int)).tolist() if mine else []
        chosen.append([mine[place] for place in places])
    pairs = [face for pair in zip(*chosen, strict=False) for face in pair]
    return contact_sheet(
        "Sample faces", [SheetEntry(face.path, (f"{face.age:.0f} years", face.gender or "")) for face in pairs]
    )


def _named(name: str, protocol: str, figure: Any) -> tuple[str, str, Any]:
    caption = CAPTIONS[name].format(protocol=protocol, name=PROTOCOL_NAMES.get(protocol, ""))
    return name.format(protocol=protocol), caption, figure


def _result_line(row: PublishedRow, results: Mapping[str, ProtocolResults]) -> figures.ResultLine:
    measured, baseline = {}, {}
    for protocol, found in results.items():
        if row.recipe in found.rows:
            measured[PROTOCOL_NAMES[protocol]] = _figure(found.rows[row.recipe].figures, row.figure)
            beside = _of_baseline(row, found) if row.baseline else None
            if beside is not None:
                baseline[PROTOCOL_NAMES[protocol]] = beside[0]
    return figures.ResultLine(title=row.title, published=row.value, measured=measured, baseline=baseline)


def _matrix(found: Mapping[str, Any]) -> np.ndarray:
    counts = found["gender_confusion"]
    return np.array([[counts[true][predicted] for predicted in GENDERS] for true in GENDERS])


def _errors(
    measured: ProtocolResults,
) -> tuple[dict[str, dict[str, tuple[np.ndarray, np.ndarray]]], dict[str, dict[str, list[float]]]]:
    """Return true ages and errors by network and gender, and the ages of their training faces."""
    panels: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    trained: dict[str, dict[str, list[float]]] = {}
    for title, beginning in (("simple CNN", "simple-cnn"), ("VGGFace", "vggface")):
        for gender in sorted(GENDERS):
            recipe = f"{beginning}-age-{gender}"
            file = measured.folder / recipe / REPORT / "predictions.csv"
            if recipe in measured.rows and file.is_file():
                panels.setdefault(title, {})[gender] = _read_errors(file)
                learned = [face.age for face in measured.faces[recipe] if face.split == "train"]
                trained.setdefault(title, {})[gender] = [age for age in learned if age is not None]
    return panels, trained


def _read_errors(file: Path) -> tuple[np.ndarray, np.ndarray]:
    with file.open(newline="", encoding="utf-8") as stream:
        rows = [(float(row["true_age"]), float(row["age"])) for row in csv.DictReader(stream) if row["true_age"]]
    ages = np.array(rows).reshape(-1, 2)
    return ages[:, 0], np.abs(ages[:, 1] - ages[:, 0])


def epochs_in_words(epochs: int) -> str:
    """Return "1 epoch", "2 epochs"."""
    return f"{epochs:,} epoch{'' if epochs == 1 else 's'}"
