from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib")

import matplotlib

from asianage.data.records import FaceRecord
from asianage.evaluation import contact_sheet, figures, report
from asianage.evaluation.evaluate import Evaluation
from asianage.models.ages import AgeAxis, central_interval, expected_age, target_distribution

AXIS = AgeAxis(0, 80)
HISTORY = "epoch,seconds,loss,val_mae_a,val_gender_a,val_mae_b,val_gender_b,val_score\n"


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "face.png"
    Image.fromarray(np.full((30, 20, 3), (200, 40, 40), dtype=np.uint8)).save(path)
    return path


def evaluation(picture: Path, ages, genders, datasets, *, seed: int = 0) -> Evaluation:
    """Noisy estimates for given labels."""
    random = np.random.default_rng(seed)
    records = [FaceRecord(picture, *labels) for labels in zip(ages, genders, datasets, strict=True)]
    center = np.array([30.0 if age is None else age for age in ages]) + random.normal(0, 4, len(records))
    distribution = target_distribution(AXIS, center, 4.0)
    return Evaluation(
        records=records,
        age=expected_age(AXIS, distribution).astype(float),
        age_interval=central_interval(AXIS, distribution, 0.9).astype(float),
        interval_target=0.9,
        interval_mass={"0.5": 0.5, "0.9": 0.9},
        male_probability=np.clip([(g == "male") for g in genders] + random.normal(0, 0.4, len(records)), 0.001, 0.999),
        age_distribution=distribution,
        age_axis=AXIS,
        detected=random.random(len(records)) < 0.9,
        detector="yunet",
        mirror=False,
        unreadable=[],
    )


@pytest.fixture(scope="module")
def mixed(picture) -> Evaluation:
    random = np.random.default_rng(5)
    count = 120
    ages = [float(age) for age in random.integers(1, 70, count)]
    return evaluation(picture, ages, [*random.choice(["female", "male"], count)], [*random.choice(["a", "b"], count)])


@pytest.fixture
def history(tmp_path) -> Path:
    file = tmp_path / "history.csv"
    file.write_text(HISTORY + "1,10,4.5,12,0.6,11,0.7,11.5\n2,10,3.5,6,0.8,5,0.9,5.5\n3,10,3.1,7,0.9,6,0.9,6.5\n")
    return file


def test_a_whole_report_has_every_figure_and_each_is_a_legible_picture(mixed, history, tmp_path):
    (tmp_path / "out").mkdir()
    written = report.write_figures(mixed, tmp_path / "out", history=history, training_records=mixed.records)
    assert [name for name, _, _ in written] == list(report.FIGURES)
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(report.FIGURES)
    for name, title, caption in written:
        pixels = np.asarray(Image.open(tmp_path / "out" / name).convert("L"))
        assert 600 <= pixels.shape[1] <= 2400
        assert pixels.std() > 5
        assert title
        assert caption.endswith(".")


def test_labels_that_are_missing_leave_out_figures_and_nothing_else(picture, tmp_path):
    no_age = evaluation(picture, [None] * 9, ["female", "male", None] * 3, ["a"] * 9)
    no_age.male_probability[0] = 0.9
    names = {name for name, _, _ in report.write_figures(no_age, tmp_path)}
    assert names == {report.IMAGES, report.CONFUSION, report.RELIABILITY, report.WORST_GENDERS}
    no_gender = evaluation(picture, [20.0, 30.0, None], [None] * 3, ["a"] * 3)
    names = {name for name, _, _ in report.write_figures(no_gender, tmp_path)}
    about_ages = {report.ERROR_BY_AGE, report.TRUE_PREDICTED, report.INTERVALS, report.PROMISES, report.WORST_AGES}
    assert names == {report.IMAGES, *about_ages}


@pytest.mark.parametrize("ages", [[30.0], [0.0, 80.0], [30.0] * 3])
def test_a_few_faces_can_be_drawn(picture, ages, tmp_path):
    few = evaluation(picture, ages, ["female"] * len(ages), ["a"] * len(ages))
    assert len(report.write_figures(few, tmp_path)) >= 8


def test_a_data_set_without_ages_beside_one_with_ages_can_be_drawn(picture, tmp_path):
    two = evaluation(picture, [20.0, 30.0, None, None], ["male", "female", "male", None], ["a", "a", "b", "b"])
    assert report.ERROR_BY_GENDER in {name for name, _, _ in report.write_figures(two, tmp_path)}


def test_figures_show_the_four_largest_data_sets(picture, tmp_path):
    datasets = ["a", "b", "b", "c", "c", "d", "d", "e", "e"]
    many = evaluation(picture, [30.0] * 9, ["male"] * 9, datasets)
    assert list(report._by_dataset(many.records)) == ["b", "c", "d", "e"]
    assert len(report.write_figures(many, tmp_path)) >= 8


def test_contact_sheets_can_be_left_out(mixed, tmp_path):
    names = {name for name, _, _ in report.write_figures(mixed, tmp_path, contact_sheets=False)}
    assert not names & {report.WORST_AGES, report.WORST_GENDERS}


def test_the_sheets_show_the_worst_predictions_first(picture, monkeypatch):
    three = evaluation(picture, [20.0, 30.0, 40.0, None], ["male", "male", "female", None], ["a"] * 4)
    three.age[:] = [25, 10, 41, 70]
    three.male_probability[:] = [0.4, 0.02, 0.3, 0.9]
    sheets = {}
    monkeypatch.setattr(report, "contact_sheet", lambda title, entries: sheets.setdefault(title, entries))
    list(report._sheets(three))
    assert [entry.lines[0] for entry in sheets["Largest errors of age"]] == [
        "label 30, estimate 10",
        "label 20, estimate 25",
        "label 40, estimate 41",
    ]
    assert [entry.lines[0] for entry in sheets["Surest wrong genders"]] == ["female 98.0 %", "female 60.0 %"]


def test_a_sheet_shows_the_picture_in_its_colors_and_proportions(picture):
    square = contact_sheet._square(picture)
    assert square.shape == (contact_sheet.PICTURE_SIDE, contact_sheet.PICTURE_SIDE, 3)
    assert square[128, 128].tolist() == [200, 40, 40]
    assert square[128, 5].tolist() == square[128, -5].tolist() != [200, 40, 40]
    assert square[1, 128].tolist() == [200, 40, 40]


def test_long_file_names_keep_their_beginning_and_end():
    short = contact_sheet._short("a_very_long_name_of_a_picture_123456.jpg")
    assert len(short) == contact_sheet._MAX_NAME
    assert short.startswith("a_very")
    assert short.endswith("123456.jpg")
    assert contact_sheet._short("short.jpg") == "short.jpg"


def test_drawing_leaves_matplotlib_as_it_was(mixed, history, tmp_path):
    matplotlib.rcParams["font.size"] = 13
    try:
        before = dict(matplotlib.rcParams)
        report.write_figures(mixed, tmp_path, history=history)
        assert dict(matplotlib.rcParams) == before
    finally:
        matplotlib.rcParams["font.size"] = matplotlib.rcParamsDefault["font.size"]


def test_a_users_own_style_does_not_leak_into_the_report(mixed, tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "styled").mkdir()
    report.write_figures(mixed, tmp_path / "plain")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        report.write_figures(mixed, tmp_path / "styled")
    for name in (report.CONFUSION, report.ERROR_BY_AGE):
        pictures = [np.asarray(Image.open(tmp_path / folder / name)) for folder in ("plain", "styled")]
        assert np.array_equal(*pictures)


def test_the_best_epoch_is_that_of_the_lowest_score(history):
    assert figures._best_epoch(report.read_history(history)) == 2.0


def test_a_history_without_scores_or_data_sets_can_be_drawn(mixed, tmp_path):
    file = tmp_path / "history.csv"
    file.write_text("epoch,loss\n1,3.5\n2,\n")
    curves = report.read_history(file)
    assert np.isnan(curves["loss"][1])
    assert report.CURVES in {name for name, _, _ in report.write_figures(mixed, tmp_path, history=file)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have the columns `epoch` and `loss`"),
        (HISTORY, "at least one line of values"),
        ("epoch,val_score\n1,2\n", "must have the columns `epoch` and `loss`"),
        ("epoch,loss\n1,low\n", "must hold numbers only"),
        ("epoch,loss\n1,2,3\n", "must hold numbers only"),
        ("epoch,loss\n1\n", "must hold numbers only"),
    ],
)
def test_something_else_than_a_history_is_refused(text, message, tmp_path):
    file = tmp_path / "history.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        report.read_history(file)


def test_the_error_curve_is_interrupted_where_there_are_too_few_faces():
    years, (curve,) = figures._interrupted(np.array([20, 21, 24]), [np.array([1.0, 2.0, 3.0])])
    assert years.tolist() == [20, 21, 22, 23, 24]
    assert curve.tolist()[:2] == [1.0, 2.0]
    assert np.isnan(curve[2:4]).all()
    assert curve[4] == 3.0


def test_the_drawn_confusion_matrix_holds_the_counts(mixed):
    figure = figures.gender_confusion({"all": mixed.faces})
    drawn = {text.get_text() for text in figure.axes[0].texts}
    predicted = ["male" if p > 0.5 else "female" for p in mixed.male_probability]
    for true in ("female", "male"):
        for said in ("female", "male"):
            count = sum(r.gender == true and p == said for r, p in zip(mixed.records, predicted, strict=True))
            assert str(count) in drawn


def test_the_bars_behind_the_error_are_the_counted_images(mixed):
    counted = {"all": [FaceRecord(Path("x"), 30.0, "male")] * 7 + [FaceRecord(Path("x"), 31.9, None)] * 2}
    figure = figures.error_by_age({"all": mixed.faces}, counted, counted_name="training images")
    bars = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in figure.axes[1].patches}
    assert bars[30] == 7
    assert bars[31] == 2
    assert sum(bars.values()) == 9


def test_too_few_faces_for_a_curve_are_said_and_not_drawn(picture):
    few = evaluation(picture, [20.0, 40.0], ["female", "male"], ["a", "a"])
    figure = figures.error_by_age_and_gender({"a": few.faces})
    assert [text.get_text() for text in figure.axes[0].texts] == ["no age has 5 faces or more around it"]
