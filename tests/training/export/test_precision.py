from __future__ import annotations

import logging

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.data.crop_cache import CropCache
from asianage.data.records import FaceRecord
from asianage.errors import ModelFormatError
from asianage.models.ages import AgeAxis
from asianage.networks.residual import residual_network
from asianage.training.export import precision
from asianage.training.export.precision import CALIBRATION_FACES, calibration_faces, export_network

TASKS = {"age", "gender"}


@pytest.fixture(scope="module")
def cache():
    crops = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
    records = [FaceRecord(f"{number}.png", 20.0 + number, "female") for number in range(30)]
    return CropCache(records, crops, np.ones(30, dtype=bool), size=32, margin=0)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return residual_network(image_size=32, widths=(8, 16), blocks=(0, 0))


def export(network, cache, quantization):
    splits = np.arange(20), np.arange(20, 30)
    return export_network(network, cache, *splits, AgeAxis(), TASKS, quantization=quantization)


def test_an_export_says_how_far_it_is_from_the_trained_network(network, cache):
    exported = export(network, cache, "float16")
    assert exported.quantization == "float16"
    assert exported.difference == {"faces": 10, "age": pytest.approx(0, abs=0.01), "gender": pytest.approx(0, abs=1e-3)}
    assert export(network, cache, "float32").difference == {}


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        ((0.0, 0.0, 3.0), "in the probability of male, and 0.05 is the limit"),
        ((9.0, 0.0, 0.0), "years of age, and 1 is"),
    ],
)
def test_an_export_that_differs_too_much_is_replaced_by_a_float_one(
    network, cache, monkeypatch, caplog, shift, message
):
    first, rest, gender = shift
    float_logits = precision._float_logits

    def shifted(*arguments):
        ages, genders = float_logits(*arguments)
        return ages + np.where(np.arange(101) < 20, first, rest), genders + gender

    monkeypatch.setattr(precision, "_float_logits", shifted)
    with caplog.at_level(logging.WARNING):
        exported = export(network, cache, "float16")
    assert message in caplog.text
    assert (exported.quantization, exported.difference) == ("float32", {})
    expected = network.predict_on_batch(cache.crops[:3].astype(np.float32))["gender_logit"][:, 0]
    np.testing.assert_allclose(exported.network(cache.crops[:3])[1], expected, atol=1e-3)


def test_an_export_that_cannot_be_made_is_replaced_by_a_float_one(network, cache, monkeypatch, caplog):
    whole = precision.to_tflite

    def broken(network, *, quantization, **options):
        if quantization == "int8":
            raise ModelFormatError("model.tflite has scales that do not fit together.")
        return whole(network, quantization=quantization, **options)

    monkeypatch.setattr(precision, "to_tflite", broken)
    with caplog.at_level(logging.WARNING):
        exported = export(network, cache, "int8")
    assert exported.quantization == "float32"
    assert "it cannot be made: model.tflite has scales" in caplog.text
    monkeypatch.setattr(precision, "to_tflite", lambda *arguments, **options: broken(None, quantization="int8"))
    with pytest.raises(ModelFormatError):
        export(network, cache, "float32")


def test_ranges_come_from_each_gender_and_age_alike():
    records = [
        FaceRecord(f"{number}.png", 25.0 if number % 10 else 65.0, "male" if number < 20 else "female")
        for number in range(2000)
    ]
    train = np.arange(0, 2000)
    chosen = calibration_faces(records, train, seed=0)
    assert len(chosen) == len(set(chosen)) == CALIBRATION_FACES
    assert sum(records[position].gender == "male" for position in chosen) == 20
    assert sum(records[position].age == 65.0 for position in chosen) == pytest.approx(CALIBRATION_FACES / 2, abs=15)
    assert list(calibration_faces(records, np.array([5, 3]), seed=0)) == [3, 5]
