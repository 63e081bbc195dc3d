from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra train")

import keras
from ai_edge_litert.interpreter import Interpreter

from asianage.models.folder import BUNDLED, BUNDLED_DETECTOR, DETECTOR_WEIGHTS, open_model_folder
from asianage.networks.face_detector import face_detector_network
from asianage.networks.face_landmarks import face_landmarks_network
from asianage.networks.restore import load_weights
from asianage.training.detector import export
from asianage.training.recipes.detector import DETECTOR
from tests.training.detector.pictures import drawn_sources


def run(content, picture):
    interpreter = Interpreter(model_content=content)
    interpreter.resize_tensor_input(0, picture.shape, strict=True)
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()
    assert runner.get_input_details()[name]["dtype"] == np.uint8
    return runner(**{name: picture})


def test_both_networks_take_one_picture_in_int8_and_their_weights_go_back(monkeypatch):
    keras.utils.set_random_seed(0)
    search, landmarks, sources = face_detector_network(), face_landmarks_network(), drawn_sources()
    load_weights(search, open_model_folder(BUNDLED / BUNDLED_DETECTOR).read(DETECTOR_WEIGHTS))
    monkeypatch.setattr(export, "COLLAGE_SAMPLES", 4)
    monkeypatch.setattr(export, "PATCH_SAMPLES", 8)
    files = export.export_networks(DETECTOR, search, landmarks, sources, sources.singles, sources.empty)
    photo = sources.photos[0].image()
    for picture in (photo[None, 20:84, :96], photo[None, :, 30:62]):
        expected, received = search(picture.astype(np.float32)), run(files["detector.tflite"], picture)
        assert set(received) == set(expected)
        for name, values in received.items():
            assert values.dtype == np.float32
            assert np.corrcoef(values.ravel(), np.asarray(expected[name]).ravel())[0, 1] > 0.9, name
    patch = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    expected, received = landmarks(patch.astype(np.float32)), run(files["landmarks.tflite"], patch)
    for name, values in received.items():
        np.testing.assert_allclose(values, expected[name], atol=0.05, err_msg=name)
    for name, network in (("detector", search), ("landmarks", landmarks)):
        again = keras.models.clone_model(network)
        load_weights(again, files[f"{name}.weights.h5"])
        for array, expected_array in zip(again.get_weights(), network.get_weights(), strict=True):
            np.testing.assert_allclose(array, expected_array, atol=1e-3)


def test_a_detector_is_a_model_folder(tmp_path):
    files = dict.fromkeys(("detector.tflite", "landmarks.tflite"), b"content")
    settings = {"name": "mine", "score_threshold": 0.6, "provenance": {"recipe": DETECTOR.to_dict()}}
    export.write_detector(tmp_path / "model", files, **settings)
    figures = {"photos": 1, "faces": 4, "recall": 0.75, "recall_by_group": {"masked": 0.5}, "extra_per_100": 0.0}
    model = export.write_detector(tmp_path / "model", files, **settings, metrics={"test": figures})
    again = open_model_folder(tmp_path / "model")
    again.verify()
    assert (again.config.name, again.config.score_threshold) == ("mine", 0.6)
    assert model.metrics()["test"]["recall"] == 0.75
