from __future__ import annotations

import json

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training.recipes.detector import DETECTOR, Collages


def test_the_recipe_is_plain_json():
    values = DETECTOR.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["collages"]["face_sizes"] == [10.0, 160.0]
    assert values["search"]["optimizer"]["clip_norm"] == 5.0
    assert values["pretrained"] == "yunet"


def test_a_side_that_the_network_cannot_divide_is_refused():
    with pytest.raises(ValueError, match=r"multiple of 32\. Received: 300"):
        Collages(image_size=300)
