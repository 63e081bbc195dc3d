from __future__ import annotations

import csv
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib", reason="needs the extra train")

from matplotlib.figure import Figure

from asianage.data.records import FaceRecord
from asianage.evaluation import report
from asianage.evaluation.evaluate import evaluate
from asianage.evaluation.figure_style import report_style
from asianage.evaluation.report import save_report
from asianage.evaluation.result import Evaluation
from asianage.models.ages import expected_age
from tests.evaluation.fake_estimator import AXIS, FakeEstimator, face
from tests.evaluation.labeled_evaluation import labeled_evaluation


def drawn(evaluation: Evaluation, **options) -> dict[str, Figure]:
    """Return the figures of a report by file, laid out as for a file, which shows what cannot be drawn."""
    with report_style():
        settings = {"history": None, "counted": evaluation.records, "images": "images", "contact_sheets": True}
        figures = {name: figure for name, figure in report._drawn(evaluation, **settings | options) if figure}
        for figure in figures.values():
            figure.draw_without_rendering()
    return figures


def test_labels_that_are_missing_leave_out_figures_and_nothing_else(picture):
    no_age = labeled_evaluation(picture, [None] * 9, ["female", "male", None] * 3, ["a"] * 9)
    no_age.male_probability[0] = 0.9
    assert drawn(no_age).keys() == {
        "images_by_age_and_gender.png",
        "gender_confusion.png",
        "gender_reliability.png",
        "worst_genders.png",
    }
    no_gender = labeled_evaluation(picture, [20.0, 30.0, None], [None] * 3, ["a"] * 3)
    assert drawn(no_gender).keys() == {
        "images_by_age_and_gender.png",
        "error_by_age.png",
        "true_against_predicted.png",
        "interval_coverage.png",
        "nominal_coverage.png",
        "thresholds.png",
        "age_reliability.png",
        "worst_ages.png",
    }


@pytest.mark.parametrize("ages", [[30.0], [0.0, 80.0], [30.0] * 3])
def test_a_few_faces_can_be_drawn(picture, ages):
    few = labeled_evaluation(picture, ages, ["female"] * len(ages), ["a"] * len(ages))
    assert len(drawn(few, contact_sheets=False)) >= 8


def test_a_data_set_without_ages_beside_one_with_ages_can_be_drawn(picture):
    two = labeled_evaluation(picture, [20.0, 30.0, None, None], ["male", "female", "male", None], ["a", "a", "b", "b"])
    figures = drawn(two, contact_sheets=False)
    assert "error_by_age_and_gender.png" in figures
    assert not figures.keys() & {"worst_ages.png", "worst_genders.png"}


def test_figures_show_the_four_largest_data_sets(picture, monkeypatch):
    datasets = ["a", "b", "b", "c", "c", "d", "d", "e", "e"]
    many = labeled_evaluation(picture, [30.0] * 9, ["male"] * 9, datasets)
    confusion = dict(report._drawn(many, None, many.records, "images", contact_sheets=False))["gender_confusion.png"]
    assert [panel.get_title(loc="left") or panel.get_title() for panel in confusion.axes] == ["b", "c", "d", "e"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[FaceRecord]:
    """24 pictures in folders of their own, with ages 20 to 43."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    records = []
    for number in range(24):
        path = folder / ("x", "y")[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (40, 30, 3), dtype=np.uint8)).save(path)
        records.append(FaceRecord(path, 20.0 + number, ("female", "male")[number // 2 % 2], dataset=path.parent.name))
    return records


@pytest.fixture(scope="module")
def evaluation(pictures) -> Evaluation:
    random = np.random.default_rng(1)
    found = {r.path.name: [face(r.age + random.normal(0, 4), random.random())] for r in pictures}
    broken = FaceRecord(pictures[0].path.with_name("broken.png"), 25.0, "male", dataset=pictures[0].dataset)
    return evaluate(FakeEstimator(found), [*pictures, broken], bootstrap_samples=50)


@pytest.fixture(scope="module")
def saved(evaluation, history, tmp_path_factory) -> Path:
    """A report with everything that a report may have."""
    folder = tmp_path_factory.mktemp("parent") / "report"
    save_report(evaluation, folder, history=history, training_records=evaluation.records)
    return folder


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_draft_of_a_practice_statement_is_written_on_request(evaluation, saved, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_write_figures", lambda *arguments, **options: [])
    save_report(evaluation, tmp_path, statement=True)
    assert (
        (tmp_path / "practice_statement_draft.md").read_text().startswith("# Age assurance practice statement: draft\n")
    )
    assert not (saved / "practice_statement_draft.md").exists()


def test_save_writes_metrics_predictions_and_report(evaluation, saved):
    assert json.loads((saved / "metrics.json").read_text()) == evaluation.to_dict()
    text = (saved / "report.md").read_text()
    assert evaluation.to_markdown().splitlines()[2] in text
    assert re.findall(r"!\[.*?\]\((.*?)\)", text) == list(report.FIGURES)
    assert rows_of(saved / "unreadable.csv") == [
        {"file": "x/broken.png", "reason": "The content is not an image (x/broken.png)."}
    ]


def test_every_figure_is_a_legible_picture_with_words(saved):
    text = (saved / "report.md").read_text()
    assert "### Number of training images by age and gender" in text
    assert "the number of training images." in text
    assert "{" not in text
    for name, (title, caption) in report.FIGURES.items():
        pixels = np.asarray(Image.open(saved / name).convert("L"))
        assert 600 <= pixels.shape[1] <= 2400
        assert pixels.std() > 5
        assert title
        assert caption.endswith(".")


def test_save_makes_the_folders_above(evaluation, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_write_figures", lambda *arguments, **options: [])
    save_report(evaluation, tmp_path / "new" / "report")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report"]


def test_the_saved_predictions_give_the_saved_figures_again(evaluation, saved):
    rows = rows_of(saved / "predictions.csv")
    overall = evaluation.to_dict()["all"]["overall"]
    assert len(rows) == 24
    error = np.array([float(row["age"]) - float(row["true_age"]) for row in rows])
    assert np.abs(error).mean() == pytest.approx(overall["mae"], abs=1e-3)
    assert np.mean([row["gender"] == row["true_gender"] for row in rows]) == pytest.approx(
        overall["gender_accuracy"], abs=1e-4
    )
    distribution = np.array([[float(row[f"p_{age}"]) for age in range(81)] for row in rows])
    assert distribution.sum(axis=1) == pytest.approx(1.0, abs=1e-3)
    assert expected_age(AXIS, distribution) == pytest.approx(evaluation.age, abs=0.05)
    assert rows[3]["file"] == "y/03.png"


def test_nothing_saved_names_a_folder_of_the_machine(pictures, saved):
    for file in saved.iterdir():
        assert str(pictures[0].path.parents[1]).encode() not in file.read_bytes()


def test_a_new_report_replaces_an_old_one_and_nothing_else(evaluation, tmp_path, monkeypatch):
    folder = tmp_path / "report"
    monkeypatch.setattr(report, "_write_figures", lambda *arguments, **options: [])
    save_report(evaluation, folder)
    for name in ("notes.txt", "training_curves.png"):
        (folder / name).write_text("old")
    changed = dataclasses.replace(evaluation, mirror=not evaluation.mirror)
    save_report(changed, folder)
    assert (folder / "notes.txt").read_text() == "old"
    assert not (folder / "training_curves.png").exists()
    assert json.loads((folder / "metrics.json").read_text()) == changed.to_dict() != evaluation.to_dict()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_report_that_fails_leaves_the_folder_as_it_was(evaluation, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "notes.txt").write_text("old")
    with pytest.raises(FileNotFoundError):
        save_report(evaluation, tmp_path / "report", history=tmp_path / "missing.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert [(path.name, path.read_text()) for path in (tmp_path / "report").iterdir()] == [("notes.txt", "old")]


def test_a_folder_of_other_files_is_refused_before_anything_is_drawn(evaluation, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_write_figures", None)
    (tmp_path / "worst_ages.png").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"holds worst_ages\.png, which is not of a report"):
        save_report(evaluation, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["worst_ages.png"]


def test_a_file_is_no_folder_for_a_report(evaluation, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(NotADirectoryError, match=r"`folder` must be a folder.*taken"):
        save_report(evaluation, tmp_path / "taken")


def test_a_name_with_dollar_signs_is_no_formula(picture):
    odd = labeled_evaluation(picture, [20.0, 60.0] * 3, ["male", "female"] * 3, ["my$x_$data"] * 6)
    assert len(drawn(odd, contact_sheets=False)) >= 8


def test_pictures_of_people_stay_out_of_a_report_on_request(evaluation, tmp_path):
    save_report(evaluation, tmp_path / "out", contact_sheets=False)
    assert not list((tmp_path / "out").rglob("worst_*"))
