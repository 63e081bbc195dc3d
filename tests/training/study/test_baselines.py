from __future__ import annotations

import json
from pathlib import Path

import pytest

from asianage.data.records import FaceRecord
from asianage.training.study.baselines import age_baseline, gender_baseline, run_baseline


def faces(*labels, split=""):
    return [FaceRecord(Path(f"{i}.jpg"), age, gender, split=split) for i, (age, gender) in enumerate(labels)]


def test_gender_baseline_by_hand():
    train = faces((20, "female"), (20, "male"), (20, "male"), (20, "male"), (20, None))
    test = faces((None, "female"), (20, "female"), (20, "male"), (20, "male"))
    assert gender_baseline(train, test) == {
        "faces": 4,
        "share": {"female": 0.25, "male": 0.75},
        "gender_accuracy": pytest.approx(0.25 * 0.5 + 0.75 * 0.5),
        "most_frequent_accuracy": 0.5,
    }


def test_age_baseline_by_hand():
    train = faces((20, "female"), (30, "female"), (40, "male"), (None, "male"))
    test = faces((25, "female"), (50, "male"), (30, None))
    assert age_baseline(train, test) == {
        "overall": {"faces": 3, "mean_age": 30.0, "mae": pytest.approx(25 / 3)},
        "female": {"faces": 1, "mean_age": 25.0, "mae": 0.0},
        "male": {"faces": 1, "mean_age": 40.0, "mae": 10.0},
    }


def test_gender_without_ages_is_left_out():
    assert set(age_baseline(faces((20, "male")), faces((20, "male")))) == {"overall", "male"}


def test_baselines_without_labels_are_refused():
    with pytest.raises(ValueError, match="gender in `test`"):
        gender_baseline(faces((20, "male")), faces((20, None)))
    with pytest.raises(ValueError, match="with an age"):
        age_baseline(faces((None, "male")), faces((20, "male")))


@pytest.mark.parametrize(("split", "measured_on"), [("test", "test"), ("val", "val")])
def test_run_learns_from_train_and_measures_on_what_is_held_out(split, measured_on):
    records = faces((20, "male"), (30, "male"), split="train") + faces((35, "male"), split=split)
    result = run_baseline("age-baseline", records)
    assert result["measured_on"] == measured_on
    assert result["metrics"]["overall"] == {"faces": 1, "mean_age": 25.0, "mae": 10.0}


def test_run_keeps_to_the_ages_of_the_study():
    records = faces((14.9, "male"), (15, "male"), (40, "male"), (41, "male"))
    assert run_baseline("age-baseline", records)["metrics"]["overall"]["faces"] == 2
    assert run_baseline("age-baseline", records, ages=(0, 120))["metrics"]["overall"]["faces"] == 4


def test_run_writes_its_metrics(tmp_path):
    result = run_baseline("gender-baseline", faces((20, "male"), (20, "female")), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == result
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"metrics.json", "run.json"}


def test_run_refuses_unknown_names_and_half_splits(tmp_path):
    with pytest.raises(ValueError, match=r"no baseline 'mean'\. Baselines: gender-baseline, age-baseline"):
        run_baseline("mean", faces((20, "male")))
    for split in ("train", "test"):
        with pytest.raises(ValueError, match="Received the splits"):
            run_baseline("age-baseline", faces((20, "male"), split=split), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_published_list_gives_the_figures_of_the_study(afad_list):
    records = afad_list.records
    age = run_baseline("age-baseline", records)["metrics"]
    assert {name: round(values["mae"], 3) for name, values in age.items()} == {
        "overall": 5.076,
        "female": 4.792,
        "male": 5.132,
    }
    assert round(age["overall"]["mean_age"], 2) == 25.59
    # The 5.2 of the study's text is of everybody, also above 40.
    everybody = run_baseline("age-baseline", records, ages=None)["metrics"]["overall"]
    assert (everybody["faces"], round(everybody["mae"], 3)) == (165_501, 5.224)
    gender = run_baseline("gender-baseline", records)["metrics"]
    assert (gender["faces"], round(gender["gender_accuracy"], 3)) == (164_418, 0.525)


def test_baselines_of_the_study_are_measured_on_the_faces_of_its_networks(afad_list):
    age = run_baseline("age-baseline", afad_list.records, split="study")
    assert age["measured_on"] == "val"
    assert {name: (row["faces"], round(row["mae"], 3)) for name, row in age["metrics"].items()} == {
        "overall": (32_877, 5.075),
        "female": (12_725, 4.791),
        "male": (20_137, 5.131),
    }
    gender = run_baseline("gender-baseline", afad_list.records, split="study")["metrics"]
    assert gender["faces"] == 32_883


def test_a_split_by_identity_is_measured_on_test():
    records = [FaceRecord(Path(f"{i}.jpg"), 20.0 + i, ("male", "female")[i % 2], identity=str(i)) for i in range(20)]
    result = run_baseline("age-baseline", records, split="identity", fold=1)
    assert (result["split"], result["measured_on"]) == ("identity", "test")
    assert result["metrics"]["overall"]["faces"] == 4
