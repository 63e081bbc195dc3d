from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from asianage.evaluation.evaluate import evaluate
from asianage.evaluation.result import CROSSED
from tests.evaluation.fake_estimator import FakeEstimator, face, record


def every_leaf(node) -> list[dict]:
    if "mae" in node:
        return [node]
    return [leaf for child in node.values() if isinstance(child, dict) for leaf in every_leaf(child)]


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


def test_the_breakdown_follows_the_labels():
    estimator = FakeEstimator({"a": [face(21, 0.1)], "b": [face(35, 0.9)], "c": [face(42, 0.9)], "d": [face(9, 0.2)]})
    records = [
        record("a", 29.0, "female", dataset="x", group="asian"),
        record("b", 30.0, "male", dataset="x"),
        record("c", 41.0, None, dataset="y", group="asian"),
        record("d", None, "male"),
    ]
    metrics = evaluate(estimator, records).to_dict()
    assert list(metrics["datasets"]) == ["unnamed", "x", "y"]
    assert list(metrics["all"]["by_age_band"]) == ["20-29", "30-39", "40-49"]
    assert metrics["all"]["by_age_band"]["20-29"]["mae"] == pytest.approx(8.0)
    assert list(metrics["all"]["by_gender"]) == ["female", "male"]
    assert metrics["all"]["by_gender"]["male"]["gender_accuracy"] == 0.5
    assert list(metrics["all"]["by_group"]) == ["asian"]
    assert metrics["all"]["by_group"]["asian"]["mae"] == pytest.approx((8 + 1) / 2)
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
    crossed = [
        leaf for node in [metrics["all"], *metrics["datasets"].values()] for leaf in node.pop("crossed").values()
    ]
    leaves = every_leaf(metrics)
    assert {tuple(leaf) for leaf in crossed} == {CROSSED}
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


def test_gender_of_fairface_counts_from_20_years():
    estimator = FakeEstimator({name: [face(25, 0.9)] for name in "abc"})
    groups = {"a": (10, 19), "b": (20, 29), "c": (70, 120)}
    records = [
        record(name, None, ("female", "male", "female")[number], dataset="fairface", age_low=low, age_high=high)
        for number, (name, (low, high)) in enumerate(groups.items())
    ]
    special = evaluate(estimator, records).to_dict()["datasets"]["fairface"]["special"]
    assert special["faces_from_20"] == 2
    assert special["gender_accuracy_from_20"] == 0.5


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


def test_every_nominal_coverage_of_the_model_is_measured():
    # The central half of the distribution reaches 1.35 years up and down, its 90 % 3.29 years.
    found = {name: [face(30, 0.9)] for name in "abcd"}
    records = [record(name, age) for name, age in {"a": 31.0, "b": 28.0, "c": 33.0, "d": 34.0}.items()]
    metrics = evaluate(FakeEstimator(found), [*records, record("a", None)]).to_dict()
    assert metrics["all"]["coverage_by_promise"] == {"0.5": 0.25, "0.9": 0.75}
    assert "50 % interval" in evaluate(FakeEstimator(found), records).to_markdown()
    unknown = evaluate(FakeEstimator(found), [record("a", None)])
    assert unknown.to_dict()["all"]["coverage_by_promise"] == {}


def test_the_measured_coverage_is_that_of_the_intervals_that_users_get():
    # The same intervals, 1.5 times as wide by a warning: 2.03 and 4.94 years up and down.
    found = {name: [face(30, 0.9).replace(warnings=("dark",))] for name in "abcd"}
    records = [record(name, age) for name, age in {"a": 31.0, "b": 28.0, "c": 33.0, "d": 34.0}.items()]
    estimator = FakeEstimator(found)
    config = estimator.model.config
    config.calibration = replace(config.calibration, interval_stretch={"dark": 1.5})
    assert evaluate(estimator, records).to_dict()["all"]["coverage_by_promise"] == {"0.5": 0.5, "0.9": 1.0}


def test_other_data_sets_have_no_special_figures():
    metrics = evaluate(FakeEstimator({"a": [face(20, 0.9)]}), [record("a", dataset="mine")]).to_dict()
    assert metrics["datasets"]["mine"]["special"] == {}
    assert metrics["all"]["special"] == {}


def test_an_evaluation_cannot_be_changed():
    evaluation = evaluate(FakeEstimator({"a": [face(30, 0.9)]}), [record("a")])
    with pytest.raises(FrozenInstanceError):
        evaluation.seed = 5


def test_the_tables_show_every_data_set_and_what_is_missing():
    estimator = FakeEstimator({"a": [face(21.5, 0.1)], "b": [face(35, 0.9)]})
    records = [record("a", 20.0, "female", dataset="x|y"), record("b", None, "male", dataset="z")]
    text = evaluate(estimator, records, bootstrap_samples=10).to_markdown()
    assert "| x\\|y | 1 | 1.50 | 1.50 | +1.50 | 0.0 % | 100.0 % |" in text
    assert "| z | 0 | - | - |" in text
    assert "| all together | 1 | 1.50 |" in text
    widths = {len(block.split("\n")[0].split(" | ")) for block in text.split("\n\n") if block.startswith("| ")}
    assert widths <= {3, 7, 8, 9, 14}


def test_faces_with_an_age_group_are_measured_by_it():
    estimator = FakeEstimator({name: [face(age, 0.9)] for name, age in {"a": 25, "b": 15, "c": 75, "d": 30}.items()})
    records = [
        record("a", None, "male", dataset="x", age_low=10, age_high=19),
        record("b", None, "female", dataset="x", age_low=10, age_high=19),
        record("c", None, None, dataset="x", age_low=70, age_high=120),
        record("d", 30.0, None, dataset="y", age_low=30, age_high=30),
    ]
    evaluation = evaluate(estimator, records, thresholds=[20], challenge_ages=[20])
    metrics = evaluation.to_dict()
    overall = metrics["datasets"]["x"]["overall"]
    assert (overall["faces_with_age_group"], overall["age_group_accuracy"]) == (3, pytest.approx(2 / 3, abs=1e-4))
    assert overall["mae"] is None
    groups = metrics["datasets"]["x"]["by_age_group"]
    assert list(groups) == ["10-19", "70 and older"]
    assert groups["10-19"]["age_group_too_old"] == 0.5
    assert groups["10-19"]["gender_accuracy"] == 0.5
    assert metrics["datasets"]["y"]["overall"]["faces_with_age_group"] == 0
    assert metrics["thresholds"][0]["overall"]["minors"] == 2
    assert metrics["thresholds"][0]["overall"]["false_positives"] == 1
    assert metrics["thresholds"][0]["overall"]["adults"] == 2
    text = evaluation.to_markdown()
    assert "| x | 3 | 66.7 % (" in text
    assert "## x by age group\n" in text
    assert "| 70 and older | 1 | 100.0 % (" in text
    # Both have no end.
    records = [records[2], record("a", None, None, dataset="x", age_low=70, age_high=100)]
    parts = evaluate(estimator, records).to_dict()["all"]["by_age_group"]
    assert {name: leaf["faces"] for name, leaf in parts.items()} == {"70 and older": 2}
    only_groups = evaluate(estimator, records[:1]).to_dict()
    assert only_groups["all"]["overall"]["faces_with_age_group"] == 1


def test_genders_groups_and_age_bands_are_crossed():
    estimator = FakeEstimator({name: [face(25, 0.9)] for name in "abcd"})
    records = [
        record("a", 21.0, "male", group="asian"),
        record("b", 103.0, "male", group="asian"),
        record("c", 29.0, "female"),
        record("d", 29.0, None, group="asian"),
    ]
    evaluation = evaluate(estimator, records)
    crossed = evaluation.to_dict()["all"]["crossed"]
    assert list(crossed) == ["female, 20-29", "asian, male, 20-29", "asian, male, 100-109"]
    assert crossed["asian, male, 20-29"]["mae"] == pytest.approx(4.0)
    assert crossed["female, 20-29"]["gender_accuracy"] == 0.0
    assert "## unnamed by group, gender and age band\n" in evaluation.to_markdown()
