from __future__ import annotations

import json
from typing import Any

import pytest

from asianage import ModelFormatError
from asianage.models.config import (
    DETECTOR_NETWORKS,
    FORMAT_VERSION,
    GENDERS,
    Calibration,
    DetectorConfig,
    ModelConfig,
    config_from_json,
    config_to_json,
)


def config(**changes: Any) -> ModelConfig:
    values: dict[str, Any] = {
        "name": "tiny",
        "architecture": "compact",
        "image_size": 32,
        "network": {"widths": [4, 8], "blocks": [0, 1]},
        "min_age": 10,
        "max_age": 70,
        "calibration": Calibration(
            age_temperature=1.3, gender_temperature=0.7, interval_mass={"0.5": 0.47, "0.9": 0.93}
        ),
        "provenance": {"seed": 7, "data": [{"name": "éàü 顔", "count": 3}]},
        "files": {"model.tflite": "0" * 64},
        "asianage_version": "0.1.0",
    }
    return ModelConfig(**{**values, **changes})


def changed(**changes: Any) -> str:
    return json.dumps({**json.loads(config_to_json(config())), **changes})


def without(name: str) -> str:
    values = json.loads(config_to_json(config()))
    del values[name]
    return json.dumps(values)


def test_a_config_survives_its_own_text():
    assert config_from_json(config_to_json(config())) == config()
    minimal = ModelConfig(name="a", architecture="residual", image_size=96)
    assert config_from_json(config_to_json(minimal)) == minimal


def test_the_text_is_readable_by_people_and_other_programs():
    text = config_to_json(config())
    assert text.endswith("}\n")
    assert "éàü 顔" in text
    values = json.loads(text)
    assert values["format_version"] == FORMAT_VERSION
    assert values["genders"] == list(GENDERS)
    assert values["calibration"]["interval_mass"] == {"0.5": 0.47, "0.9": 0.93}


@pytest.mark.parametrize("name", ["name", "architecture", "image_size", "format_version"])
def test_what_is_required_must_be_there(name):
    with pytest.raises(ModelFormatError, match=name):
        config_from_json(without(name))


@pytest.mark.parametrize("name", ["network", "min_age", "max_age", "genders", "alignment", "calibration", "provenance"])
def test_what_has_a_default_may_be_missing(name):
    defaults = ModelConfig(name="a", architecture="residual", image_size=96)
    assert getattr(config_from_json(without(name)), name) == getattr(defaults, name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 5),
        ("name", None),
        ("architecture", ["compact"]),
        ("image_size", 96.0),
        ("image_size", "96"),
        ("image_size", True),
        ("image_size", 15),
        ("image_size", 1025),
        ("image_size", -96),
        ("network", []),
        ("network", {"task": ["age"]}),
        ("network", {"task": "xyz"}),
        ("network", {"task": None}),
        ("network", None),
        ("min_age", -1),
        ("min_age", 70),
        ("min_age", 2.5),
        ("max_age", 151),
        ("max_age", 10),
        ("max_age", None),
        ("genders", ["male", "female"]),
        ("genders", ["female"]),
        ("genders", "female"),
        ("genders", None),
        ("genders", 5),
        ("alignment", "seven_point"),
        ("calibration", None),
        ("calibration", []),
        ("calibration", {"age_temperature": 0}),
        ("calibration", {"age_temperature": float("nan")}),
        ("calibration", {"age_temperature": float("inf")}),
        ("calibration", {"age_temperature": "1"}),
        ("calibration", {"gender_temperature": -1}),
        ("calibration", {"gender_temperature": True}),
        ("calibration", {"age_estimate": "mode"}),
        ("calibration", {"age_estimate": ["mean"]}),
        ("calibration", {"interval_stretch": []}),
        ("calibration", {"interval_stretch": {"dark": 0.9}}),
        ("calibration", {"interval_stretch": {"dark": "1.5"}}),
        ("calibration", {"interval_mass": {}}),
        ("calibration", {"interval_mass": []}),
        ("calibration", {"interval_mass": {"0.9": 1.0}}),
        ("calibration", {"interval_mass": {"0.9": "0.9"}}),
        ("calibration", {"interval_mass": {"1.5": 0.9}}),
        ("calibration", {"interval_mass": {"most": 0.9}}),
        ("calibration", {"interval_mass": {"nan": 0.9}}),
        ("calibration", {"interval_mass": {"0.9": float("nan")}}),
        ("calibration", {"interval_mass": {"0.9": []}}),
        ("calibration", {"interval_mass": {"0.9": [0.9]}}),
        ("calibration", {"interval_mass": {"0.9": [0.9, 1.0]}}),
        ("calibration", {"interval_mass": {"0.9": [0.9, "0.9"]}}),
        ("calibration", {"interval_mass": {"0.9": [[0.9], 0.9]}}),
        ("calibration", {"interval_mass": {"0.9": [0.9] * 201}}),
        ("calibration", {"color": 1}),
        ("provenance", "me"),
        ("files", []),
        ("files", {"model.tflite": None}),
        ("files", {"model.tflite": "abc"}),
        ("files", {"../model.tflite": "0" * 64}),
        ("files", {"..": "0" * 64}),
        ("files", {"": "0" * 64}),
        ("files", {"/etc/passwd": "0" * 64}),
        ("files", {"C:model": "0" * 64}),
        ("files", {"a\\b": "0" * 64}),
        ("files", {"a\0b": "0" * 64}),
        ("asianage_version", 1),
        ("format_version", 0),
        ("format_version", 1.0),
        ("format_version", "1"),
        ("format_version", True),
        ("format_version", None),
    ],
)
def test_impossible_values_are_refused(name, value):
    with pytest.raises(ModelFormatError, match=r"config\.json"):
        config_from_json(changed(**{name: value}))


def test_an_error_names_the_entry_and_what_was_received():
    with pytest.raises(ModelFormatError, match=r"`image_size`.*Received: '5000'"):
        config_from_json(changed(image_size=5000))


def test_an_error_about_a_huge_value_stays_short():
    with pytest.raises(ModelFormatError) as caught:
        config_from_json(changed(network=["x" * 100_000]))
    assert len(str(caught.value)) < 500


def test_unknown_keys_are_refused_by_name():
    with pytest.raises(ModelFormatError, match="color, shape"):
        config_from_json(changed(shape=1, color=2))


def test_a_newer_format_asks_for_a_newer_package_whatever_else_it_has():
    with pytest.raises(ModelFormatError, match="pip install --upgrade asianage"):
        config_from_json(json.dumps({"format_version": FORMAT_VERSION + 1, "brain": "large"}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "5",
        '"text"',
        "\ufeff{}",
        "[" * 100_000,
        "{}",
        '{"format_version": 1' + "0" * 5000 + "}",
    ],
    ids=["empty", "cut", "list", "null", "number", "string", "mark", "deep", "nothing", "huge version"],
)
def test_other_texts_are_refused(text):
    with pytest.raises(ModelFormatError, match=r"config\.json"):
        config_from_json(text)


def test_a_text_that_could_not_be_written_again_is_refused():
    values = json.loads(config_to_json(ModelConfig(name="m", architecture="a", image_size=96)))
    assert config_from_json(json.dumps({**values, "name": "\u540d"})).name == "\u540d"
    with pytest.raises(ModelFormatError, match="not valid JSON"):
        config_from_json(json.dumps({**values, "name": "\ud800"}))


def test_the_same_rules_hold_for_a_config_made_in_code():
    with pytest.raises(ModelFormatError, match="image_size"):
        config(image_size=8)
    with pytest.raises(ModelFormatError, match="age_temperature"):
        Calibration(age_temperature=0.0)


DETECTOR = DetectorConfig(name="asianage", score_threshold=0.75, provenance={"seed": 0}, files={"a.tflite": "0" * 64})


def detector(**changes: Any) -> str:
    return json.dumps({**json.loads(config_to_json(DETECTOR)), **changes})


def test_a_detector_survives_its_own_text():
    assert config_from_json(config_to_json(DETECTOR)) == DETECTOR
    values = json.loads(config_to_json(DETECTOR))
    assert (values["kind"], values["networks"]) == ("detector", DETECTOR_NETWORKS)


def test_the_first_format_has_no_kind_and_its_models_are_estimators():
    values = json.loads(config_to_json(config()))
    assert values.pop("kind") == "estimator"
    text = json.dumps({**values, "format_version": 1}, indent=2, ensure_ascii=False) + "\n"
    first = config_from_json(text)
    assert isinstance(first, ModelConfig)
    assert first == config(format_version=1)
    assert config_to_json(first) == text
    with pytest.raises(ModelFormatError, match="does not know: kind"):
        config_from_json(json.dumps({**values, "kind": "estimator", "format_version": 1}))


@pytest.mark.parametrize("kind", [None, "", "Detector", "model", 1, ["detector"], {}])
def test_another_kind_is_refused(kind):
    with pytest.raises(ModelFormatError, match="`kind` has a value that cannot be used"):
        config_from_json(detector(kind=kind))


def test_the_kind_is_required():
    with pytest.raises(ModelFormatError, match="`kind`"):
        config_from_json(without("kind"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("score_threshold", value) for value in (0, 1, -0.1, True, "0.5", None, float("nan"))),
        *(
            ("networks", value)
            for value in ({}, [], None, {"detector": "residual"}, {**DETECTOR_NETWORKS, "more": "x"})
        ),
        *(("name", 3), ("provenance", []), ("files", {"../a": "0" * 64}), ("asianage_version", None)),
        *(("image_size", 96), ("calibration", {}), ("genders", list(GENDERS))),
    ],
)
def test_impossible_values_of_a_detector_are_refused(name, value):
    with pytest.raises(ModelFormatError, match=name):
        config_from_json(detector(**{name: value}))


def test_an_estimator_has_nothing_of_a_detector():
    with pytest.raises(ModelFormatError, match="score_threshold"):
        config_from_json(changed(score_threshold=0.5))


def test_a_provenance_that_is_no_json_is_refused():
    text = config_to_json(ModelConfig(name="m", architecture="a", image_size=96, provenance={"ages": {"10": 12.5}}))
    for constant in ("NaN", "Infinity"):
        with pytest.raises(ModelFormatError, match="provenance"):
            config_from_json(text.replace("12.5", constant))
