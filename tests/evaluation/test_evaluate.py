from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from asianage.data.records import FaceRecord
from asianage.errors import BatchError, ImageError
from asianage.evaluation.evaluate import evaluate
from asianage.models.ages import AgeAxis, expected_age, target_distribution
from asianage.models.config import Calibration
from asianage.prediction.face_prediction import FacePrediction

AXIS = AgeAxis(0, 80)


def save_report(*arguments, **options):
    pytest.importorskip("matplotlib")
    from asianage.evaluation.report import save_report

    save_report(*arguments, **options)


def face(age: float, male: float, *, reach: float = 5.0, detector: str | None = "yunet") -> FacePrediction:
    return FacePrediction(
        age=age,
        age_interval=(age - reach, age + reach),
        interval_coverage=0.9,
        age_distribution=target_distribution(AXIS, np.array([age]), 2.0)[0],
        age_axis=AXIS,
        gender="male" if male > 0.5 else "female",
        gender_probability=max(male, 1.0 - male),
        box=(0.0, 0.0, 10.0, 10.0),
        landmarks=None,
        detector=detector,
        detection_score=None if detector is None else 0.9,
    )


class FakeEstimator:
    """Answers by file name, with the behaviour of `AgeGenderEstimator`."""

    def __init__(self, found: dict[str, list[FacePrediction]], whole: dict[str, FacePrediction] | None = None) -> None:
        self.found, self.whole = found, whole or {}
        self.mirror = False
        self.whole_pictures_asked: list[str] = []
        calibration = Calibration(interval_mass={"0.5": 0.5, "0.9": 0.9})
        self.model = SimpleNamespace(config=SimpleNamespace(calibration=calibration))

    def predict_stream(self, images, *, on_error=None, **options):
        for position, image in enumerate(images):
            if image.name not in self.found:
                on_error(position, image, ImageError(f"The content is not an image ({image})."))
            yield self.found.get(image.name, [])

    def predict_crops(self, crops):
        names = [Path(crop).name for crop in crops]
        self.whole_pictures_asked += names
        results = [self.whole.get(name) for name in names]
        failures = {i: FileNotFoundError(f"{names[i]} is gone") for i, result in enumerate(results) if result is None}
        if failures:
            raise BatchError(failures, results)
        return results


def record(name: str, age: float | None = 30.0, gender: str | None = "male", **labels) -> FaceRecord:
    return FaceRecord(Path("faces") / name, age, gender, **labels)


def every_leaf(node) -> list[dict]:
    if "mae" in node:
        return [node]
    return [leaf for child in node.values() if isinstance(child, dict) for leaf in every_leaf(child)]


def test_the_largest_face_counts():
    estimator = FakeEstimator({"a": [face(33, 0.9), face(70, 0.1)]})
    evaluation = evaluate(estimator, [record("a")])
    assert evaluation.age.tolist() == [33.0]
    assert evaluation.male_probability.tolist() == [0.9]
    assert evaluation.to_dict()["all"]["overall"]["mae"] == 3.0


def test_pictures_on_several_drives_keep_their_paths(monkeypatch):
    def refuse(paths):
        raise ValueError("Paths don't have the same drive")

    evaluation = evaluate(FakeEstimator({"a": [face(33, 0.9)]}), [record("a"), record("broken")])
    monkeypatch.setattr("os.path.commonpath", refuse)
    assert "- `faces/broken`:" in evaluation.to_markdown()


def test_the_text_says_how_many_faces_were_not_found():
    found, missed = {"a": [face(30, 0.9)]}, {"a": [face(30, 0.9)], "b": []}
    assert "in every picture, by `yunet`" in evaluate(FakeEstimator(found), [record("a")]).to_markdown()
    estimator = FakeEstimator(missed, {"b": face(30, 0.9, detector=None)})
    assert "Pictures without a face: 1;" in evaluate(estimator, [record("a"), record("b")]).to_markdown()


def test_the_text_says_when_mirror_images_were_used():
    estimator = FakeEstimator({"a": [face(30, 0.9)]})
    assert "mirror image" not in evaluate(estimator, [record("a")]).to_markdown()
    estimator.mirror = True
    evaluation = evaluate(estimator, [record("a")])
    assert "Each face was averaged with its mirror image." in evaluation.to_markdown()
    assert evaluation.to_dict()["mirror"] is True


def test_the_probability_of_male_is_that_of_the_predicted_gender_or_its_rest():
    estimator = FakeEstimator({"a": [face(30, 0.25)], "b": [face(30, 0.75)]})
    evaluation = evaluate(estimator, [record("a"), record("b")])
    assert evaluation.male_probability.tolist() == [0.25, 0.75]


def test_pictures_without_a_face_are_taken_whole_and_counted():
    estimator = FakeEstimator(
        {"a": [face(30, 0.9)], "b": [], "c": [face(30, 0.9)], "d": []},
        {"b": face(40, 0.9, detector=None), "d": face(50, 0.9, detector=None)},
    )
    evaluation = evaluate(estimator, [record(name) for name in "abcd"])
    assert estimator.whole_pictures_asked == ["b", "d"]
    assert evaluation.age.tolist() == [30, 40, 30, 50]
    assert evaluation.detected.tolist() == [True, False, True, False]
    assert evaluation.detector == "yunet"
    assert evaluation.to_dict()["all"]["overall"]["detection_failures"] == 2


def test_without_a_detector_nothing_counts_as_a_detection_failure():
    evaluation = evaluate(FakeEstimator({"a": [face(30, 0.9, detector=None)]}), [record("a")])
    assert evaluation.to_dict()["all"]["overall"]["detection_failures"] == 0
    assert evaluation.to_dict()["detector"] is None
    assert "without a face detector" in evaluation.to_markdown()


def test_unreadable_files_are_counted_listed_and_left_out():
    estimator = FakeEstimator({"a": [face(34, 0.9)], "gone": []}, {})
    records = [record("broken", 5.0, "female", dataset="x"), record("a", dataset="x"), record("gone", dataset="y")]
    evaluation = evaluate(estimator, records)
    assert [kept.path.name for kept in evaluation.records] == ["a"]
    assert [lost.path.name for lost, _ in evaluation.unreadable] == ["broken", "gone"]
    metrics = evaluation.to_dict()
    assert metrics["all"]["overall"]["unreadable"] == 2
    assert metrics["datasets"]["x"]["overall"]["faces"] == 1
    assert metrics["datasets"]["x"]["by_age_band"]["0-9"]["unreadable"] == 1
    assert metrics["datasets"]["x"]["by_age_band"]["0-9"]["mae"] is None
    assert metrics["datasets"]["y"]["overall"] | {"faces": 0, "unreadable": 1} == metrics["datasets"]["y"]["overall"]
    assert "- `broken`: The content is not an image (broken)." in evaluation.to_markdown()


def test_the_breakdown_follows_the_labels():
    estimator = FakeEstimator({"a": [face(21, 0.1)], "b": [face(35, 0.9)], "c": [face(42, 0.9)], "d": [face(9, 0.2)]})
    records = [
        record("a", 29.9, "female", dataset="x", group="asian"),
        record("b", 30.0, "male", dataset="x"),
        record("c", 41.0, None, dataset="y", group="asian"),
        record("d", None, "male"),
    ]
    metrics = evaluate(estimator, records).to_dict()
    assert list(metrics["datasets"]) == ["unnamed", "x", "y"]
    assert list(metrics["all"]["by_age_band"]) == ["20-29", "30-39", "40-49"]
    assert metrics["all"]["by_age_band"]["20-29"]["mae"] == pytest.approx(8.9)
    assert list(metrics["all"]["by_gender"]) == ["female", "male"]
    assert metrics["all"]["by_gender"]["male"]["gender_accuracy"] == 0.5
    assert list(metrics["all"]["by_group"]) == ["asian"]
    assert metrics["all"]["by_group"]["asian"]["mae"] == pytest.approx((8.9 + 1) / 2)
    assert metrics["datasets"]["y"]["overall"]["gender_accuracy"] is None
    assert metrics["datasets"]["unnamed"]["overall"]["mae"] is None
    assert metrics["datasets"]["unnamed"]["by_age_band"] == {}


def test_age_bands_are_in_the_order_of_age():
    ages = {"a": 5.0, "b": 15.0, "c": 100.0, "d": 25.0}
    metrics = evaluate(FakeEstimator({n: [face(30, 0.9)] for n in ages}), [record(n, age) for n, age in ages.items()])
    assert list(metrics.to_dict()["all"]["by_age_band"]) == ["0-9", "10-19", "20-29", "100-109"]


def test_every_leaf_has_the_same_keys_and_is_json():
    estimator = FakeEstimator({"a": [face(21, 0.1)], "b": [face(35, 0.9)], "c": [face(42, 0.9)]})
    records = [record("a", 20.0, None, dataset="afad"), record("b", None, "male"), record("c", dataset="utkface")]
    metrics = evaluate(estimator, records).to_dict()
    leaves = every_leaf(metrics)
    assert len({tuple(leaf) for leaf in leaves}) == 1
    assert len(leaves) > 8
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_figures_of_afad_stand_for_its_natural_ages():
    # Ages 20, 22 and 40 occur 13,232, 13,572 and 1,335 times in the full set, ages 20 to 40 together 140,200 times.
    estimator = FakeEstimator({"a": [face(21, 0.9)], "b": [face(25, 0.9)], "c": [face(45, 0.9)], "d": [face(60, 0.9)]})
    ages = {"a": 20.0, "b": 22.0, "c": 40.0, "d": 50.0}
    records = [record(name, age, dataset="afad") for name, age in ages.items()]
    special = evaluate(estimator, records).to_dict()["datasets"]["afad"]["special"]
    assert special["faces_to_40"] == 3
    assert special["mae_to_40"] == pytest.approx((1 + 3 + 5) / 3)
    expected = (13_232 * 1 + 13_572 * 3 + 1_335 * 5) / (13_232 + 13_572 + 1_335)
    assert special["mae_natural_20_40"] == pytest.approx(expected, abs=1e-4)
    assert special["natural_share_covered"] == pytest.approx((13_232 + 13_572 + 1_335) / 140_200, abs=1e-4)


def test_gender_of_utkface_counts_from_15_years():
    estimator = FakeEstimator({"a": [face(9, 0.1)], "b": [face(15, 0.9)], "c": [face(15, 0.1)], "d": [face(15, 0.1)]})
    ages = {"a": 14.0, "b": 15.0, "c": 60.0, "d": None}
    records = [record(name, age, dataset="utkface") for name, age in ages.items()]
    special = evaluate(estimator, records).to_dict()["datasets"]["utkface"]["special"]
    assert special == {"faces_from_15": 2, "gender_accuracy_from_15": 0.5}


def test_the_youngest_and_the_oldest_have_figures_of_their_own():
    estimator = FakeEstimator({name: [face(6, 0.1)] for name in "ab"} | {name: [face(60, 0.9)] for name in "cd"})
    records = [record(name, age) for name, age in {"a": 4.0, "b": 5.0, "c": 70.0, "d": 69.0}.items()]
    assert evaluate(estimator, records).to_dict()["datasets"]["unnamed"]["special"] == {
        "faces_under_5": 1,
        "mae_under_5": 2.0,
        "gender_accuracy_under_5": 0.0,
        "faces_from_70": 1,
        "mae_from_70": 10.0,
    }


def test_every_promise_of_the_model_is_measured():
    # The central half of the distribution reaches 1.35 years up and down, its 90 % 3.29 years.
    found = {name: [face(30, 0.9)] for name in "abcd"}
    records = [record(name, age) for name, age in {"a": 31.0, "b": 28.0, "c": 33.0, "d": 34.0}.items()]
    metrics = evaluate(FakeEstimator(found), [*records, record("a", None)]).to_dict()
    assert metrics["all"]["coverage_by_promise"] == {"0.5": 0.25, "0.9": 0.75}
    assert "50 % interval" in evaluate(FakeEstimator(found), records).to_markdown()
    unknown = evaluate(FakeEstimator(found), [record("a", None)])
    assert unknown.to_dict()["all"]["coverage_by_promise"] == {}


def test_other_data_sets_have_no_special_figures():
    metrics = evaluate(FakeEstimator({"a": [face(20, 0.9)]}), [record("a", dataset="mine")]).to_dict()
    assert metrics["datasets"]["mine"]["special"] == {}
    assert metrics["all"]["special"] == {}


def test_progress_ends_with_everything(capsys):
    records = [record(f"{number}") for number in range(25)]
    estimator = FakeEstimator({record.path.name: [face(30, 0.9)] for record in records})
    evaluate(estimator, records)
    assert capsys.readouterr().err == ""
    evaluate(estimator, records, progress=True)
    assert "25/25" in capsys.readouterr().err


@pytest.mark.parametrize("records", [[], [record("a", None, None)]])
def test_records_without_any_label_are_refused(records):
    with pytest.raises(ValueError, match="at least one picture with an age or a gender"):
        evaluate(FakeEstimator({"a": [face(30, 0.9)]}), records)


def test_nothing_but_unreadable_files_is_refused():
    with pytest.raises(ValueError, match=r"None of the 2 pictures could be read; the first: .*faces"):
        evaluate(FakeEstimator({}), [record("a"), record("b")])


def test_a_bootstrap_without_samples_is_refused():
    with pytest.raises(ValueError, match=r"`bootstrap_samples` must be 1 or more. Received: 0"):
        evaluate(FakeEstimator({"a": [face(30, 0.9)]}), [record("a")], bootstrap_samples=0)


def test_an_evaluation_cannot_be_changed():
    evaluation = evaluate(FakeEstimator({"a": [face(30, 0.9)]}), [record("a")])
    with pytest.raises(FrozenInstanceError):
        evaluation.seed = 5


@pytest.fixture
def pictures(tmp_path) -> list[FaceRecord]:
    """24 pictures in folders of their own, with ages 20 to 43."""
    random = np.random.default_rng(0)
    records = []
    for number in range(24):
        path = tmp_path / "data" / ("x", "y")[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (40, 30, 3), dtype=np.uint8)).save(path)
        records.append(FaceRecord(path, 20.0 + number, ("female", "male")[number // 2 % 2], dataset=path.parent.name))
    return records


@pytest.fixture
def evaluation(pictures):
    random = np.random.default_rng(1)
    found = {r.path.name: [face(r.age + random.normal(0, 4), random.random())] for r in pictures}
    return evaluate(FakeEstimator(found), [*pictures, record_beside(pictures[0], "broken.png")], bootstrap_samples=50)


def record_beside(neighbour: FaceRecord, name: str) -> FaceRecord:
    return FaceRecord(neighbour.path.with_name(name), 25.0, "male", dataset=neighbour.dataset)


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_save_writes_metrics_predictions_and_report(evaluation, tmp_path):
    save_report(evaluation, tmp_path / "new" / "report")
    folder = tmp_path / "new" / "report"
    assert json.loads((folder / "metrics.json").read_text()) == evaluation.to_dict()
    text = (folder / "report.md").read_text()
    assert evaluation.to_markdown().splitlines()[2] in text
    for line in text.splitlines():
        if line.startswith("!["):
            assert (folder / line.split("(")[1].rstrip(")")).is_file()
    assert rows_of(folder / "unreadable.csv") == [
        {"file": "x/broken.png", "reason": "The content is not an image (x/broken.png)."}
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["report"]


def test_the_saved_predictions_give_the_saved_figures_again(evaluation, tmp_path):
    save_report(evaluation, tmp_path / "report")
    rows = rows_of(tmp_path / "report" / "predictions.csv")
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


def test_nothing_saved_names_a_folder_of_the_machine(evaluation, tmp_path):
    save_report(evaluation, tmp_path / "report")
    for file in (tmp_path / "report").iterdir():
        assert str(tmp_path).encode() not in file.read_bytes()


def test_a_new_report_replaces_an_old_one_and_nothing_else(evaluation, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "report").mkdir()
    for name in ("notes.txt", "training_curves.png", "metrics.json"):
        (tmp_path / "report" / name).write_text("old")
    save_report(evaluation, tmp_path / "report")
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert "notes.txt" in names
    assert "training_curves.png" not in names
    assert (tmp_path / "report" / "metrics.json").read_text() != "old"


def test_a_report_that_fails_leaves_the_folder_as_it_was(evaluation, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "metrics.json").write_text("old")
    with pytest.raises(FileNotFoundError):
        save_report(evaluation, tmp_path / "report", history=tmp_path / "missing.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "report"]
    assert [(path.name, path.read_text()) for path in (tmp_path / "report").iterdir()] == [("metrics.json", "old")]


def test_a_file_is_no_folder_for_a_report(evaluation, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "taken").write_text("")
    with pytest.raises(NotADirectoryError, match=r"`folder` must be a folder.*taken"):
        save_report(evaluation, tmp_path / "taken")


def test_the_tables_show_every_data_set_and_what_is_missing():
    estimator = FakeEstimator({"a": [face(21.5, 0.1)], "b": [face(35, 0.9)]})
    records = [record("a", 20.0, "female", dataset="x|y"), record("b", None, "male", dataset="z")]
    text = evaluate(estimator, records, bootstrap_samples=10).to_markdown()
    assert "| x\\|y | 1 | 1.50 | 1.50 | +1.50 | 0.0 % | 100.0 % |" in text
    assert "| z | 0 | - | - |" in text
    assert "| all together | 1 | 1.50 |" in text
    widths = {len(block.split("\n")[0].split(" | ")) for block in text.split("\n\n") if block.startswith("| ")}
    assert widths <= {3, 9, 14}


def test_importing_the_evaluation_needs_neither_matplotlib_nor_keras():
    code = "import sys, asianage.evaluation.evaluate; sys.exit('matplotlib' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_real_estimator_is_evaluated_as_its_users_call_it(tmp_path):
    pytest.importorskip("ai_edge_litert")
    from asianage import AgeGenderEstimator
    from asianage.models import folder as model_folder

    if "compact" not in model_folder.bundled_names():
        pytest.skip("needs the bundled model")

    class Blind:
        name = "blind"

        def detect(self, image):
            return []

    random = np.random.default_rng(0)
    records = []
    for number in range(5):
        path = tmp_path / f"{number}.png"
        Image.fromarray(random.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
        records.append(FaceRecord(path, 30.0, "male"))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    records.insert(2, FaceRecord(tmp_path / "broken.png", 30.0, "male"))
    blind = evaluate(AgeGenderEstimator(detector=Blind()), records)
    whole = evaluate(AgeGenderEstimator(detector=None), records)
    assert blind.to_dict()["all"]["overall"]["detection_failures"] == 5
    assert blind.to_dict()["all"]["overall"]["unreadable"] == 1
    assert blind.age == pytest.approx(whole.age, abs=1e-5)
    assert blind.age_distribution.shape == (5, blind.age_axis.num_ages)
