from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage import AgeGenderEstimator
from asianage.faces.crops import whole_image_crop
from asianage.models.ages import AgeAxis
from asianage.models.config import GENDERS
from asianage.models.pretrained import open_model
from asianage.networks.heads import features_network, training_network
from asianage.networks.registry import build_network
from asianage.networks.restore import restore_network
from asianage.training.fit.distillation import extract_features, run_teachers

CHOSEN = np.array([7, 3])


@pytest.fixture(scope="module")
def teacher():
    return open_model("compact")


@pytest.fixture(scope="module")
def network(teacher):
    return features_network(restore_network(teacher))


def test_the_outputs_of_teachers_are_averages_of_what_they_predict(teacher, cache):
    outputs = run_teachers([teacher, open_model("accurate")], cache, CHOSEN, AgeAxis())
    faces = [
        AgeGenderEstimator(name, detector=None, mirror=True).predict_crops(
            [cache.inner(i) for i in CHOSEN], align=False
        )
        for name in ("compact", "accurate")
    ]
    expected = np.mean([[face.age_distribution for face in part] for part in faces], axis=0)
    np.testing.assert_allclose(outputs.age_distributions, expected, rtol=1e-5, atol=1e-7)
    males = [
        [face.gender_probability if face.gender == GENDERS[1] else 1.0 - face.gender_probability for face in part]
        for part in faces
    ]
    np.testing.assert_allclose(outputs.male_probabilities, np.mean(males, axis=0), rtol=1e-5)
    assert outputs.features is None


def test_a_teacher_of_other_ages_is_refused(teacher, cache):
    with pytest.raises(ValueError, match=r"ages 15 to 40\..*0 to 100"):
        run_teachers([teacher], cache, CHOSEN, AgeAxis(15, 40))


def test_features_are_those_of_a_resized_crop_and_its_mirror_image(teacher, network, cache):
    size = teacher.config.image_size
    assert size != cache.size
    crops = np.concatenate([whole_image_crop(cache.inner(i), size).crops for i in CHOSEN]).astype(np.float32)
    expected = (network.predict_on_batch(crops) + network.predict_on_batch(crops[:, :, ::-1])) / 2
    np.testing.assert_allclose(extract_features(teacher, cache, CHOSEN), expected, rtol=1e-4, atol=1e-5)


def test_features_of_the_first_teacher_come_with_its_outputs(teacher, cache):
    outputs = run_teachers([teacher], cache, CHOSEN, AgeAxis(), features=True)
    assert outputs.features.shape == (2, 720)
    assert outputs.features.dtype == np.float32


def test_a_network_without_a_layer_of_features_is_refused():
    with pytest.raises(ValueError, match=r"need a network with a layer 'pool'.*simple_cnn"):
        features_network(build_network("simple_cnn", image_size=32, num_ages=101, min_age=0))


def test_a_network_begins_with_its_own_features_where_a_teacher_has_as_many():
    network = build_network("residual", image_size=32, num_ages=101, min_age=0, widths=(4, 8), blocks=(0, 1))
    crops = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    features = training_network(network, 8).predict_on_batch(crops)["teacher_features"]
    np.testing.assert_allclose(features, features_network(network).predict_on_batch(crops), rtol=1e-5, atol=1e-6)
    assert training_network(network, 5).predict_on_batch(crops)["teacher_features"].shape == (2, 5)
