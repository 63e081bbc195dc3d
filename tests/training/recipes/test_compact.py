from __future__ import annotations

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.models.config import ModelConfig
from asianage.models.pretrained import open_model
from asianage.training.recipes import RECIPES
from asianage.training.recipes.accurate import ACCURATE_STRONG
from asianage.training.recipes.compact import COMPACT


def test_it_learns_from_a_teacher_under_milder_changes():
    assert RECIPES["compact"] is COMPACT
    assert COMPACT.distillation is not None
    mild, strong = COMPACT.augmentation, ACCURATE_STRONG.augmentation
    assert 0.0 < mild.disguise < strong.disguise
    assert 0.0 < mild.spoiled < strong.spoiled
    assert COMPACT.faces.image_size < ACCURATE_STRONG.faces.image_size


def test_the_bundled_model_can_be_trained_on_by_its_recipe():
    config = open_model("compact").config
    assert isinstance(config, ModelConfig)
    assert (config.architecture, config.image_size, config.axis) == (
        COMPACT.architecture,
        COMPACT.faces.image_size,
        COMPACT.axis,
    )
