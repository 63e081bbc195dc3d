from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from asianage import AgeGenderEstimator
from asianage.data.records import FaceRecord, write_records
from asianage.evaluation.evaluate import evaluate
from tests.evaluation.fake_estimator import FakeEstimator, face, record


def test_the_largest_face_counts():
    estimator = FakeEstimator({"a": [face(33, 0.9), face(70, 0.1)]})
    evaluation = evaluate(estimator, [record("a")])
    assert evaluation.age.tolist() == [33.0]
    assert evaluation.male_probability.tolist() == [0.9]
    assert evaluation.to_dict()["all"]["overall"]["mae"] == 3.0


def test_a_model_and_data_are_taken_by_name_and_path(tmp_path, monkeypatch):
    estimator = FakeEstimator({"a.png": [face(33, 0.9)]})
    monkeypatch.setitem(evaluate.__globals__, "AgeGenderEstimator", {"compact": estimator}.__getitem__)
    write_records([FaceRecord(tmp_path / "a.png", 30.0, "male")], tmp_path / "faces.csv")
    assert evaluate("compact", tmp_path / "faces.csv").age.tolist() == [33.0]


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


def test_only_what_a_model_learned_is_measured():
    unknown = {"age": None, "age_interval": None, "age_distribution": None}
    estimator = FakeEstimator({"a": [face(30, 0.9).replace(**unknown)], "b": [face(30, 0.9).replace(**unknown)]})
    estimator.model.config.tasks = {"gender"}
    evaluation = evaluate(estimator, [record("a"), record("b", gender="female")])
    overall = evaluation.to_dict()["all"]["overall"]
    assert (overall["faces"], overall["gender_accuracy"], overall.get("mae")) == (2, 0.5, None)
    with pytest.raises(ValueError, match=r"It learned gender\. Received: 1"):
        evaluate(estimator, [record("a", gender=None)])


def test_pictures_without_a_face_are_taken_whole_and_counted():
    estimator = FakeEstimator(
        {"a": [face(30, 0.9)], "b": [], "c": [face(30, 0.9)], "d": []},
        {"b": face(40, 0.9, detector=None), "d": face(50, 0.9, detector=None)},
    )
    evaluation = evaluate(estimator, [record(name) for name in "abcd"])
    assert estimator.whole_pictures == ["b", "d"]
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


def test_progress_ends_with_everything(capsys, bars):
    records = [record(f"{number}") for number in range(25)]
    estimator = FakeEstimator({record.path.name: [face(30, 0.9)] for record in records})
    evaluate(estimator, records)
    assert capsys.readouterr().err == ""
    evaluate(estimator, records, progress=True)
    assert "25/25" in capsys.readouterr().err


@pytest.mark.parametrize("records", [[], [record("a", None, None)]])
def test_records_without_any_label_are_refused(records):
    with pytest.raises(ValueError, match="at least one picture with an age, an age group or a gender"):
        evaluate(FakeEstimator({"a": [face(30, 0.9)]}), records)


def test_nothing_but_unreadable_files_is_refused():
    with pytest.raises(ValueError, match=r"None of the 2 pictures could be read; the first: .*faces"):
        evaluate(FakeEstimator({}), [record("a"), record("b")])


def test_a_bootstrap_without_samples_is_refused():
    with pytest.raises(ValueError, match=r"`bootstrap_samples` must be 1 or more. Received: 0"):
        evaluate(FakeEstimator({"a": [face(30, 0.9)]}), [record("a")], bootstrap_samples=0)


def test_importing_the_evaluation_needs_neither_matplotlib_nor_keras():
    code = "import sys, asianage.evaluation; sys.exit('matplotlib' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_real_estimator_is_evaluated_as_its_users_call_it(tmp_path):
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
