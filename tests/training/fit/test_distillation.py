from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from asianage import AgeGenderEstimator
from asianage.data.crop_cache import cut_crops
from asianage.faces.crops import whole_image_crop
from asianage.models.ages import AgeAxis
from asianage.models.config import GENDERS
from asianage.networks.heads import features_network, training_network
from asianage.networks.registry import build_network
from asianage.networks.restore import restore_network
from asianage.training import train
from asianage.training.fit.batches import CropBatches
from asianage.training.fit.distillation import Teaching, ask_for_features, ask_teachers
from asianage.training.recipes.recipe import Distillation
from tests.training.tiny_recipe import TINY

RECIPE = replace(TINY, network={"widths": (4, 8), "blocks": (0, 1)}, epochs=1, batch_size=8)


@pytest.fixture(scope="module")
def teacher(tiny_records, tmp_path_factory):
    records = [record for record in tiny_records if record.split != "test"]
    return train(RECIPE, records, tmp_path_factory.mktemp("teacher"), detector=None).model


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
    recipe = replace(RECIPE, distillation=Distillation(weight=0.5))
    with pytest.raises(ValueError, match="needs `teachers`"):
        train(recipe, records, tmp_path, detector=None)
    with pytest.raises(ValueError, match="needs `teachers`"):
        train(RECIPE, records, tmp_path / "other", teachers=[teacher.path], detector=None)
    estimator = train(recipe, records, tmp_path / "run", teachers=[teacher.path], detector=None)
    provenance = estimator.model.config.provenance
    assert [provenance["ancestors"][key]["recipe"]["name"] for key in provenance["teachers"]] == ["tiny"]


def test_features_are_those_of_a_crop_and_its_mirror_image(teacher, cache):
    asked = np.arange(20)
    network = features_network(restore_network(teacher))
    crops = np.stack([cache.inner(i) for i in asked]).astype(np.float32)
    expected = (network.predict_on_batch(crops) + network.predict_on_batch(crops[:, :, ::-1])) / 2
    np.testing.assert_allclose(ask_for_features(teacher, cache, asked), expected, rtol=1e-5, atol=1e-6)


def test_a_teacher_tells_features_of_crops_of_another_size(teacher, tiny_records, tmp_path):
    small = cut_crops(tiny_records[:2], tmp_path / "crops", size=24, margin=4, detector=None)
    features = ask_for_features(teacher, small, np.arange(2))
    resized = np.concatenate([whole_image_crop(small.inner(i), 32).crops for i in range(2)])
    network = features_network(restore_network(teacher))
    both = np.stack([resized, resized[:, :, ::-1]]).astype(np.float32)
    expected = np.mean([network.predict_on_batch(crops) for crops in both], axis=0)
    np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-6)


def test_a_network_without_a_layer_of_features_is_refused():
    with pytest.raises(ValueError, match=r"need a network with a layer 'pool'.*simple_cnn"):
        features_network(build_network("simple_cnn", image_size=32, num_ages=101, min_age=0))


def test_to_begin_with_a_network_tells_its_own_features_where_a_teacher_has_as_many():
    network = build_network("compact", image_size=32, num_ages=101, min_age=0, widths=(4, 8), blocks=(0, 1))
    crops = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    told = training_network(network, 8).predict_on_batch(crops)["teacher_features"]
    np.testing.assert_allclose(told, features_network(network).predict_on_batch(crops), rtol=1e-5, atol=1e-6)
    assert training_network(network, 5).predict_on_batch(crops)["teacher_features"].shape == (2, 5)


def test_a_network_learns_the_features_of_its_teacher_and_is_exported_without_them(teacher, tiny_records, tmp_path):
    records = [record for record in tiny_records if record.split != "test"]
    optimizer = replace(RECIPE.optimizer, warmup_epochs=0.0, ema_momentum=0.0)
    recipe = replace(RECIPE, optimizer=optimizer, distillation=Distillation(weight=0.5, feature_weight=1.0))
    networks = [
        restore_network(train(part, records, tmp_path / str(i), teachers=[teacher.path], detector=None).model)
        for i, part in enumerate([recipe, replace(recipe, distillation=Distillation(weight=0.5))])
    ]
    assert "teacher_features" not in {layer.name for layer in networks[0].layers}
    with_features, without = (network.layers[2].get_weights()[0] for network in networks)
    assert np.abs(with_features - without).max() > 1e-4
