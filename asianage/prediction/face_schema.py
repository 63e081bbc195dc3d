"""JSON Schema of one face, as `FacePrediction.to_dict` gives it, and the same for pydantic and FastAPI."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}

FACE_SCHEMA: dict[str, Any] = {
    "title": "FacePrediction",
    "description": "Age and gender of one face.",
    "type": "object",
    "properties": {
        "age": {"type": ["number", "null"], "description": "Estimated age, in years; null if not learned."},
        "age_interval": {
            **_PAIR,
            "type": ["array", "null"],
            "description": "Interval that covers the true age with probability `interval_coverage`, in years.",
        },
        "interval_coverage": {"type": "number", "description": "Share of faces whose age lies in their interval."},
        "gender": {"enum": ["female", "male", None], "description": "As labeled in the data sets."},
        "gender_probability": {"type": ["number", "null"], "description": "Probability of `gender`, in [0.5, 1]."},
        "box": {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 4,
            "maxItems": 4,
            "description": "x_min, y_min, x_max, y_max, in pixels of the image.",
        },
        "landmarks": {
            "type": ["array", "null"],
            "items": _PAIR,
            "minItems": 5,
            "maxItems": 5,
            "description": "(x, y) of left eye, right eye, nose, left and right mouth corner, in pixels of the image.",
        },
        "roll": {"type": ["number", "null"], "description": "In-plane angle of the face, in degrees, clockwise."},
        "detector": {"type": ["string", "null"], "description": "Detector that found the face."},
        "detection_score": {"type": ["number", "null"], "description": "Confidence of the detector, in [0, 1]."},
        "warnings": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Reasons for a poor estimate: no face, cut off, small, dark, overexposed, blurred, turned.",
        },
        "min_age": {"type": "integer", "description": "Age of the first value of `age_distribution`, in years."},
        "age_distribution": {
            "type": ["array", "null"],
            "items": {"type": "number"},
            "description": "Probability of each year of age, from `min_age` upwards.",
        },
    },
}
FACE_SCHEMA["required"] = list(FACE_SCHEMA["properties"])


def pydantic_schema(kind: type, to_dict: Callable[[Any], dict[str, Any]]) -> Any:
    """Return the core schema of pydantic for `kind`: instances only, which `to_dict` turns into what is written."""
    from pydantic_core import core_schema

    return core_schema.is_instance_schema(
        kind,
        serialization=core_schema.plain_serializer_function_ser_schema(to_dict),
        metadata={"pydantic_js_functions": [lambda schema, handler: copy.deepcopy(FACE_SCHEMA)]},
    )
