from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from asianage.faces.crops import cut_face_crops
from asianage.faces.detection import Detection
from asianage.models.ages import age_interval, estimated_age, softmax
from asianage.models.folder import BUNDLED, NETWORK, open_model_folder
from asianage.models.litert import LiteRTNetwork
from asianage.prediction.estimates import CropEstimates, CropEstimator
from tests.prediction.fakes import noise

OPTIONS = {"interval_coverage": 0.8, "mirror": False, "num_threads": 1}


@pytest.fixture(scope="module")
def model():
    return open_model_folder(BUNDLED / "compact")


@pytest.fixture(scope="module")
def crops(model):
    return np.stack([noise(seed, model.config.image_size, model.config.image_size) for seed in range(3)])


def test_estimates_are_the_decoded_logits_of_the_network(model, crops):
    config = model.config
    network = LiteRTNetwork(
        model.read(NETWORK), source="", image_size=config.image_size, num_ages=config.axis.num_ages, num_threads=1
    )
    age_logits, gender_logits = network(crops)
    estimates = CropEstimator(model, **OPTIONS)(crops)
    distributions = softmax(age_logits, config.calibration.age_temperature)
    np.testing.assert_array_equal(estimates.age_distributions, distributions)
    np.testing.assert_array_equal(
        estimates.ages, estimated_age(config.axis, distributions, config.calibration.age_estimate)
    )
    mass = config.calibration.interval_mass["0.8"]
    np.testing.assert_array_equal(
        estimates.intervals, age_interval(config.axis, distributions, mass, config.calibration.age_estimate)
    )
    odds = np.exp(gender_logits / config.calibration.gender_temperature)
    np.testing.assert_allclose(estimates.male_probabilities, odds / (1 + odds), rtol=1e-5)
    for name in CropEstimates.__slots__:
        assert getattr(estimates, name).dtype == np.float32


def test_the_mirror_image_is_averaged_in_the_logits(model, crops):
    mirrored = CropEstimator(model, **{**OPTIONS, "mirror": True})
    both = mirrored(np.concatenate([crops, crops[:, :, ::-1]]))
    np.testing.assert_allclose(both.ages[:3], both.ages[3:], atol=1e-3)
    assert not np.allclose(both.ages[:3], CropEstimator(model, **OPTIONS)(crops).ages, atol=1e-3)


def test_batches_are_joined_in_order(model, crops):
    estimator = CropEstimator(model, **OPTIONS)
    whole = estimator(crops)
    joined = CropEstimates.concatenated([estimator(crops[:0]), estimator(crops[:1]), estimator(crops[1:])])
    assert len(joined) == 3
    for name in CropEstimates.__slots__:
        np.testing.assert_allclose(getattr(joined, name), getattr(whole, name), rtol=1e-5)


def test_faces_of_several_images_get_their_own_estimates(model):
    estimator = CropEstimator(model, **OPTIONS)
    boxes = [[], [(0, 0, 40, 40), (10, 10, 60, 60)], [(5, 5, 50, 50)]]
    images = [
        cut_face_crops(noise(seed), [Detection(box) for box in found], model.config.image_size, detector="fake")
        for seed, found in enumerate(boxes)
    ]
    predictions = list(estimator.predict(images))
    assert [[face.box for face in faces] for faces in predictions] == boxes
    for image, faces in zip(images, predictions, strict=True):
        assert [face.age for face in faces] == pytest.approx(estimator(image.crops).ages.tolist(), rel=1e-6)
        assert all(face.interval_coverage == 0.8 for face in faces)


def test_a_dark_face_carries_a_warning(model):
    dark = cut_face_crops(noise(1) // 16, [Detection((0, 0, 64, 64))], model.config.image_size, detector=None)
    assert "dark" in next(CropEstimator(model, **OPTIONS).predict([dark]))[0].warnings


def test_a_warning_stretches_the_interval_as_the_calibration_says(model):
    dark = cut_face_crops(noise(1) // 16, [Detection((0, 0, 64, 64))], model.config.image_size, detector=None)

    def interval(**stretch: float) -> tuple[float, tuple[float, float]]:
        calibration = replace(model.config.calibration, interval_stretch=stretch)
        changed = replace(model, config=replace(model.config, calibration=calibration))
        (face,) = next(CropEstimator(changed, **OPTIONS).predict([dark]))
        return face.age, face.age_interval

    age, (low, high) = interval(blurred=3.0)
    assert interval() == (age, (low, high))
    wider = interval(dark=1.5, small=1.2)
    assert wider[0] == age
    ends = [max(0.0, age - 1.5 * (age - low)), min(100.0, age + 1.5 * (high - age))]
    assert wider[1] == pytest.approx(ends, abs=1e-3)


def test_another_process_loads_the_network_from_the_same_folder(model, crops):
    estimator = CropEstimator(model, **{**OPTIONS, "mirror": True})
    content = pickle.dumps(estimator)
    assert len(content) < 100_000
    again = pickle.loads(content)
    assert (again.mirror, again.coverage) == (True, 0.8)
    np.testing.assert_array_equal(again(crops).ages, estimator(crops).ages)


def test_a_coverage_that_was_not_calibrated_is_refused(model):
    with pytest.raises(ValueError, match=r"`interval_coverage` must be .* 0\.5, 0\.8.* Received: 0\.7"):
        CropEstimator(model, **{**OPTIONS, "interval_coverage": 0.7})


@pytest.mark.parametrize("task", ["age", "gender"])
def test_what_a_model_did_not_learn_is_unknown(task, model, crops):
    config = replace(model.config, network={**model.config.network, "task": task})
    estimator = CropEstimator(replace(model, config=config), **OPTIONS)
    both, one = CropEstimator(model, **OPTIONS)(crops), estimator(crops)
    learned, unknown = [("ages", "intervals", "age_distributions"), ("male_probabilities",)][
        :: 1 if task == "age" else -1
    ]
    for name in learned:
        np.testing.assert_array_equal(getattr(one, name), getattr(both, name))
    assert all(np.isnan(getattr(one, name)).all() for name in unknown)
    image = np.zeros((120, 120, 3), dtype=np.uint8)
    faces = cut_face_crops(image, [Detection((20, 20, 100, 100), None, 1.0)], config.image_size, detector="fake")
    (face,) = next(estimator.predict([faces]))
    ages, genders = (face.age, face.age_interval, face.age_distribution), (face.gender, face.gender_probability)
    assert (ages == (None, None, None)) == (task == "gender")
    assert (genders == (None, None)) == (task == "age")


@pytest.mark.parametrize(
    "options", [{"num_threads": 2.5}, {"num_threads": "2"}, {"interval_coverage": "0.9"}, {"interval_coverage": None}]
)
def test_options_of_another_kind_are_refused_where_they_are_given(options):
    model = open_model_folder(BUNDLED / "compact")
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be .*Received"):
        CropEstimator(model, **{"interval_coverage": 0.9, "mirror": False, "num_threads": None, **options})
