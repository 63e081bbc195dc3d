from __future__ import annotations

import json

import pytest

from asianage import FacePrediction
from asianage.prediction.face_schema import FACE_SCHEMA
from tests.prediction.test_face_prediction import prediction

KINDS = {
    "number": (int, float),
    "integer": int,
    "string": str,
    "array": list,
    "null": type(None),
}


def fits(value: object, schema: dict) -> bool:
    """Whether a value has the types, lengths and choices of a schema."""
    if "enum" in schema:
        return value in schema["enum"]
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, KINDS[name]) for name in names):
        return False
    if not isinstance(value, list):
        return True
    shortest, longest = schema.get("minItems", 0), schema.get("maxItems", len(value))
    return shortest <= len(value) <= longest and all(fits(item, schema["items"]) for item in value)


@pytest.mark.parametrize(
    "face",
    [
        prediction(warnings=("small", "dark")),
        prediction(landmarks=None, detector=None, detection_score=None),
        prediction(gender="male"),
        prediction(age=None, age_interval=None, age_distribution=None, gender=None, gender_probability=None),
    ],
    ids=["all", "nothing known", "male", "nothing learned"],
)
def test_the_schema_describes_what_to_dict_gives(face):
    plain = face.to_dict()
    assert list(plain) == list(FACE_SCHEMA["properties"]) == FACE_SCHEMA["required"]
    for name, value in plain.items():
        assert fits(value, FACE_SCHEMA["properties"][name]), name
        assert FACE_SCHEMA["properties"][name]["description"].endswith(".")


def test_the_check_of_the_schema_sees_what_does_not_fit():
    properties = FACE_SCHEMA["properties"]
    assert not fits("31", properties["age"])
    assert not fits("other", properties["gender"])
    assert not fits([1.0, 2.0, 3.0], properties["box"])
    assert not fits([[1.0, 2.0, 3.0]] * 5, properties["landmarks"])


def test_pydantic_takes_a_prediction_as_it_is():
    pydantic = pytest.importorskip("pydantic")
    adapter = pydantic.TypeAdapter(list[FacePrediction])
    face = prediction()
    assert adapter.validate_python([face])[0] is face
    assert json.loads(adapter.dump_json([face])) == adapter.dump_python([face]) == [face.to_dict()]
    assert adapter.json_schema(mode="serialization")["items"] == FACE_SCHEMA
    with pytest.raises(pydantic.ValidationError, match="instance of FacePrediction"):
        adapter.validate_python([face.to_dict()])
