from __future__ import annotations

import copy
import json
import pickle
from xml.etree import ElementTree

import numpy as np
import pytest

from asianage.models.ages import AgeAxis, expected_age, target_distribution
from asianage.prediction.face_prediction import COLORS, FacePrediction

AXIS = AgeAxis(0, 100)


def prediction(**changes: object) -> FacePrediction:
    distribution = target_distribution(AXIS, np.array([31.4]), sigma=3.0)
    values = {
        "age": float(expected_age(AXIS, distribution)[0]),
        "age_interval": (25.123456, 37.654321),
        "interval_coverage": 0.9,
        "age_distribution": distribution[0],
        "age_axis": AXIS,
        "gender": "female",
        "gender_probability": 0.987654321,
        "box": (10.04, -3.26, 110.0, 120.5),
        "landmarks": np.array([[40.06, 50], [80, 50], [60, 70], [45, 90], [75, 90]], dtype=np.float32),
        "detector": "yunet",
        "detection_score": 0.912345,
    }
    return FacePrediction(**{**values, **changes})


def test_the_probability_at_least_is_that_of_the_distribution():
    face = prediction(age_distribution=np.eye(101, dtype=np.float32)[30] * 0.25 + np.eye(101)[10] * 0.75)
    assert face.probability_at_least(0) == 1.0
    assert face.probability_at_least(18) == pytest.approx(0.25)
    assert face.probability_at_least(30.5) == pytest.approx(0.125)
    assert isinstance(face.probability_at_least(18), float)


def test_to_dict_survives_json():
    face = prediction()
    plain = face.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["age"] == pytest.approx(31.4, abs=0.01)
    assert plain["age_interval"] == [25.12, 37.65]
    assert plain["interval_coverage"] == 0.9
    assert plain["gender"] == "female"
    assert plain["gender_probability"] == 0.9877
    assert plain["box"] == [10.0, -3.3, 110.0, 120.5]
    assert plain["landmarks"] == [[40.1, 50.0], [80.0, 50.0], [60.0, 70.0], [45.0, 90.0], [75.0, 90.0]]
    assert plain["detector"] == "yunet"
    assert plain["detection_score"] == 0.9123
    assert plain["min_age"] == 0


def test_the_age_can_be_computed_from_what_to_dict_gives():
    face = prediction()
    plain = json.loads(json.dumps(face.to_dict()))
    ages = np.arange(len(plain["age_distribution"])) + plain["min_age"]
    np.testing.assert_allclose(plain["age_distribution"], face.age_distribution, atol=1e-5)
    assert sum(plain["age_distribution"]) == pytest.approx(1.0, abs=1e-3)
    assert float(ages @ np.array(plain["age_distribution"])) == pytest.approx(face.age, abs=0.02)


def test_what_is_missing_is_null():
    plain = prediction(landmarks=None, detector=None, detection_score=None).to_dict()
    assert plain["landmarks"] is plain["detector"] is plain["detection_score"] is None
    json.dumps(plain)


def test_numpy_values_become_plain_ones():
    face = prediction(
        age=np.float32(31.4),
        age_interval=(np.float32(25), np.float32(37)),
        interval_coverage=np.float32(0.5),
        gender_probability=np.float32(0.75),
        box=tuple(np.array([1, 2, 3, 4], dtype=np.float32)),
        detection_score=np.float32(0.5),
    )
    plain = face.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["age"] == 31.4
    assert plain["detection_score"] == 0.5


def test_a_prediction_is_shown_on_a_line():
    assert repr(prediction()) == (
        "FacePrediction(age=31.4, age_interval=(25, 38), gender='female', gender_probability=0.99, "
        "box=(10, -3, 110, 120))"
    )


def test_what_the_model_did_not_learn_is_left_out():
    ageless = prediction(age=None, age_interval=None, age_distribution=None)
    assert repr(ageless) == "FacePrediction(gender='female', gender_probability=0.99, box=(10, -3, 110, 120))"
    assert (ageless.to_row()["age_low"], ageless.to_dict()["age_distribution"]) == (None, None)
    assert "svg" not in ageless._repr_html_()
    with pytest.raises(ValueError, match="needs a model that learned them"):
        ageless.probability_at_least(18)
    genderless = prediction(gender=None, gender_probability=None)
    assert genderless.male_probability is None
    assert "gender" not in repr(genderless)
    assert COLORS[None] in genderless._repr_html_()


def test_the_probability_of_male_is_that_of_the_gender_or_the_rest():
    assert prediction(gender="male", gender_probability=0.75).male_probability == 0.75
    assert prediction(gender="female", gender_probability=0.75).male_probability == 0.25


def test_a_prediction_cannot_be_changed_by_accident():
    face = prediction()
    with pytest.raises(AttributeError, match="cannot be changed"):
        face.age = 3.0
    with pytest.raises(AttributeError, match="cannot be changed"):
        del face.age
    with pytest.raises(AttributeError):
        face.name = "Mei"
    assert face == prediction()


def test_a_changed_prediction_is_a_new_one():
    face = prediction()
    older = face.replace(age=50.0, warnings=("dark",))
    assert older == prediction(age=50.0, warnings=("dark",))
    assert face == prediction()
    with pytest.raises(TypeError, match="years"):
        face.replace(years=50)


def test_serializers_take_a_prediction_as_it_is():
    face = prediction(warnings=("small",))
    assert dict(face) == {**face} == face.to_dict()
    assert json.loads(json.dumps([face], default=dict)) == [face.to_dict()]


def test_orjson_takes_a_prediction_as_it_is():
    orjson = pytest.importorskip("orjson")
    face = prediction()
    assert orjson.loads(orjson.dumps({"faces": [face]}, default=dict)) == {"faces": [face.to_dict()]}


def test_to_dict_leaves_the_distribution_out_when_asked():
    face = prediction()
    short = face.to_dict(distribution=False)
    assert {**short, "min_age": 0, "age_distribution": face.to_dict()["age_distribution"]} == face.to_dict()


def test_a_row_is_flat():
    row = prediction(warnings=("small", "dark")).to_row()
    assert row == {
        "age": 31.4,
        "age_low": 25.12,
        "age_high": 37.65,
        "interval_coverage": 0.9,
        "gender": "female",
        "gender_probability": 0.9877,
        "x_min": 10.0,
        "y_min": -3.3,
        "x_max": 110.0,
        "y_max": 120.5,
        "roll": 0.0,
        "detector": "yunet",
        "detection_score": 0.9123,
        "warnings": "small, dark",
    }
    assert set(prediction(detector=None, detection_score=None).to_row()) == set(row)


def test_predictions_with_the_same_values_are_equal_and_hash_alike():
    one, other = prediction(), prediction()
    assert one.age_distribution is not other.age_distribution
    assert one == other
    assert len({one, other}) == 1
    assert pickle.loads(pickle.dumps(one)) == copy.copy(one) == copy.deepcopy(one) == one


@pytest.mark.parametrize(
    "change",
    [
        {"age": 31.0},
        {"gender": "male"},
        {"landmarks": None},
        {"landmarks": np.zeros((5, 2), np.float32)},
        {"age_distribution": np.full(101, 1 / 101, np.float32)},
        {"age_axis": AgeAxis(0, 99)},
        {"detector": None},
        {"warnings": ("dark",)},
        {"box": (0.0, 0.0, 110.0, 120.5)},
    ],
)
def test_predictions_with_another_value_differ(change):
    assert prediction(**change) != prediction()


def test_a_prediction_differs_from_anything_else():
    assert prediction() != "a face"


def test_a_notebook_shows_figures_warnings_and_the_distribution():
    text = prediction(warnings=("blurred",))._repr_html_()
    ElementTree.fromstring(text.replace("<br>", "<br/>"))
    assert "31 years (25 to 38), female 99%" in text
    assert "blurred" in text
    assert COLORS["female"] in text
    assert text.count("<polygon") == 1


def test_the_roll_is_that_of_the_landmarks():
    angle = np.deg2rad(90.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.array([(0.33, 0.40), (0.67, 0.40), (0.50, 0.585), (0.37, 0.76), (0.63, 0.76)])
    for landmarks, roll in (
        (points, 0.0),
        (points @ turn.T, 90.0),
        (points @ turn, -90.0),
        (points @ turn @ turn, 180.0),
    ):
        face = prediction(landmarks=landmarks.astype(np.float32))
        assert abs(face.roll) == pytest.approx(abs(roll), abs=1e-3)
        assert (face.roll - roll + 180.0) % 360.0 == pytest.approx(180.0, abs=1e-3)
        rounded = face.to_dict()["roll"]
        assert rounded == face.to_row()["roll"]
        assert (rounded - face.roll + 180.0) % 360.0 == pytest.approx(180.0, abs=0.06)
    assert prediction(landmarks=None).roll is None
    assert prediction(landmarks=None).to_dict()["roll"] is None


def test_arrays_of_a_prediction_are_its_own_and_cannot_be_changed():
    landmarks, distribution = np.zeros((5, 2), dtype=np.float32), np.full(101, 1 / 101, dtype=np.float32)
    face = prediction(landmarks=landmarks, age_distribution=distribution)
    landmarks += 1
    distribution += 1
    for one in (face, pickle.loads(pickle.dumps(face)), copy.deepcopy(face), face.replace(age=3.0)):
        assert one.landmarks.max() == 0.0
        assert one.age_distribution.max() < 1.0
        for array in (one.landmarks, one.age_distribution):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0


def test_a_prediction_is_a_mapping_of_its_keys():
    face = prediction()
    assert "age" in face
    assert "nose" not in face
    assert list(face) == list(face.keys()) == list(face.to_dict())


def test_a_rounded_roll_stays_in_its_range():
    def turned(degrees: float) -> FacePrediction:
        angle = np.radians(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        upright = np.array([[-1.0, -1], [1, -1], [0, 0], [-1, 1], [1, 1]])
        return prediction(landmarks=(upright @ turn.T).astype(np.float32))

    assert turned(-179.97).to_dict()["roll"] == 180.0
    assert str(turned(-0.02).to_dict()["roll"]) == "0.0"
