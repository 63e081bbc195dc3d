from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from asianage import AgeGenderEstimator
from asianage.ages import AgeAxis
from asianage.config import GENDERS
from asianage.training import RECIPES, train
from asianage.training.crops import cut_crops
from asianage.training.pipeline import CropBatches
from asianage.training.teaching import Teaching, ask_teachers

TINY = RECIPES["compact-scratch"].changed(
    network={"widths": (4, 8), "blocks": (0, 1)}, image_size=32, margin=4, epochs=1, batch_size=8, precision="float32"
)


@pytest.fixture(scope="module")
def teacher(tiny_records, tmp_path_factory):
    records = [record for record in tiny_records if record.split != "test"]
    return train(TINY, records, tmp_path_factory.mktemp("teacher"), detector=None).model


@pytest.fixture(scope="module")
def cache(tiny_records, tmp_path_factory):
    return cut_crops(tiny_records[:20], tmp_path_factory.mktemp("cache") / "crops", size=32, margin=4, detector=None)


def test_teachers_say_of_a_crop_what_they_predict_for_it(teacher, cache):
    asked = np.array([7, 3])
    teaching = ask_teachers([teacher], cache, asked, AgeAxis())
    faces = AgeGenderEstimator(teacher, detector=None, mirror=True).predict_crops([cache.inner(i) for i in asked])
    for row, face in enumerate(faces):
        np.testing.assert_allclose(teaching.age_distribution[row], face.age_distribution, rtol=1e-6)
        probability = teaching.male_probability[row]
        assert max(probability, 1 - probability) == pytest.approx(face.gender_probability, rel=1e-6)
        assert GENDERS[int(probability > 0.5)] == face.gender


def test_a_teacher_of_other_ages_is_refused(teacher, cache):
    with pytest.raises(ValueError, match=r"ages 15 to 40\..*0 to 100"):
        ask_teachers([teacher], cache, np.arange(2), AgeAxis(15, 40))


def test_targets_are_shared_between_labels_and_teachers(cache):
    axis = AgeAxis()
    said = np.zeros((20, axis.num_ages), dtype=np.float32)
    said[np.arange(20), np.arange(20)] = 1.0
    teaching = Teaching(said, np.linspace(0, 1, 20, dtype=np.float32))
    settings = {"axis": axis, "label_sigma": 2.0, "batch_size": 20, "augmentation": None, "seed": 0}
    labels = CropBatches(cache, np.arange(20), **settings)[0][1]
    mixed = CropBatches(cache, np.arange(20), teaching=teaching, teacher_weight=0.25, **settings)[0][1]
    given = (mixed["age_logits"] - 0.75 * labels["age_logits"]) / 0.25
    order = given.argmax(axis=1)
    np.testing.assert_allclose(given, said[order], atol=1e-5)
    genders = (mixed["gender_logit"] - 0.75 * labels["gender_logit"]) / 0.25
    np.testing.assert_allclose(genders[:, 0], teaching.male_probability[order], atol=1e-5)


def test_a_recipe_with_teachers_is_trained_and_names_them(teacher, tiny_records, tmp_path):
    records = [record for record in tiny_records if record.split != "test"]
    recipe = TINY.changed(teacher_weight=0.5)
    with pytest.raises(ValueError, match="needs `teachers`"):
        train(recipe, records, tmp_path, detector=None)
    with pytest.raises(ValueError, match="needs `teachers`"):
        train(TINY, records, tmp_path / "other", teachers=[teacher.path], detector=None)
    estimator = train(recipe, records, tmp_path / "run", teachers=[teacher.path], detector=None)
    provenance = estimator.model.config.provenance
    assert [provenance["ancestors"][key]["recipe"]["name"] for key in provenance["teachers"]] == ["compact-scratch"]
