from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra train")

import cv2
import tensorflow as tf

from asianage.data.photos import LabeledFace, Photo, write_photos
from asianage.faces.detection.detector import Detection
from asianage.models.folder import (
    BUNDLED,
    BUNDLED_DETECTOR,
    DETECTOR_NETWORK,
    LANDMARKS_NETWORK,
    open_model_folder,
)
from asianage.training import run_folder
from asianage.training.detector import train, validation
from asianage.training.detector.sources import Sources
from asianage.training.detector.train import train_detector
from asianage.training.recipes.detector import Collages, DetectorRecipe, Steps
from asianage.training.recipes.recipe import Optimizer
from tests.training.detector.pictures import LANDMARKS, background, paint_face, write_detection_folder

STEPS = Steps(
    optimizer=Optimizer(learning_rate=1e-3, ema_momentum=0.9, clip_norm=5.0), epochs=1, steps_per_epoch=2, batch_size=3
)
TINY = DetectorRecipe(
    name="tiny",
    pretrained="",
    collages=Collages(image_size=64, most_faces=6),
    search=STEPS,
    landmarks=STEPS,
)


class FakeYuNet:
    """Finds the skin of the drawn faces."""

    def __init__(self, path, score_threshold):
        assert score_threshold == train.TEACHER_SCORE

    def detect(self, image):
        skin = (np.abs(image.astype(int) - (230, 190, 150)).max(axis=2) < 25).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(skin, cv2.MORPH_CLOSE, np.ones((9, 9))))
        faces = []
        for x, y, width, height, area in stats[1:]:
            if area > 200:
                landmarks = LANDMARKS * height + (x + width / 2, y + height / 2)
                faces.append(Detection((x, y, x + width, y + height), landmarks, 0.9))
        return faces


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    write_detection_folder(folder)
    image = background(77)
    _, landmarks = paint_face(image, (80, 80), 90)
    cv2.imwrite(str(folder / "more.png"), image[:, :, ::-1])
    photo = Photo(folder / "more.png", (LabeledFace(landmarks=landmarks),), False, "more", "train")
    write_photos([photo], folder / "more.csv", folder)
    return folder


@pytest.fixture
def eager():
    """Two steps are done before they would be compiled."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def history(folder):
    with (folder / run_folder.HISTORY).open() as file:
        return list(csv.DictReader(file))


def test_photos_become_a_detector(data, eager, tmp_path, monkeypatch):
    trained = {}

    def export(recipe, search, landmarks, sources, faces, empty):
        trained.update(search=search, landmarks=landmarks)
        assert [len(part) for part in (sources.photos, sources.singles, faces, empty)] == [2, 5, 9, 2]
        # Random networks find thousands of faces.
        bundled = open_model_folder(BUNDLED / BUNDLED_DETECTOR)
        return {name: bundled.read(name) for name in (DETECTOR_NETWORK, LANDMARKS_NETWORK)}

    monkeypatch.setattr(train, "YuNetDetector", FakeYuNet)
    monkeypatch.setattr(train, "find_pretrained", lambda name, path: path)
    monkeypatch.setattr(train, "export_networks", export)
    monkeypatch.setattr(validation, "SIDES", (96,))
    monkeypatch.setattr(validation, "SQUARE", 96)
    run = tmp_path / "run"
    model = train_detector(data, run, recipe=TINY, faces=[data / "more.csv"], name="mine")

    assert [{"val_recall", "val_extra_per_100"} <= set(row) for row in history(run / "search")] == [True]
    assert [float(row["val_landmark_error"]) > 0 for row in history(run / "landmarks")] == [True]
    assert json.loads((run / "search" / run_folder.RECIPE).read_text()) == TINY.to_dict()
    model.verify()
    assert (model.config.name, model.config.score_threshold) == ("mine", 0.68)
    provenance = model.config.provenance
    assert provenance["recipe"] == TINY.to_dict()
    assert provenance["pictures"]["train"] == {"drawn": 8, "more": 1}
    assert provenance["parameters"]["detector"] == 62_704
    assert model.metrics()["test"]["faces"] == 4

    # What is finished is not trained again, and has the weights of the best epoch.
    monkeypatch.setattr(train.keras.Model, "fit", None)
    again = train.train_search(TINY, Sources([], [], []), [], run / "search")
    for array, expected in zip(again.get_weights(), trained["search"].get_weights(), strict=True):
        np.testing.assert_array_equal(array, expected)
    trained["landmarks"].load_weights(run / "landmarks" / run_folder.BEST_WEIGHTS)

    with pytest.raises(ValueError, match=r"`seed` was 0 and is 1"):
        train_detector(data, run, recipe=replace(TINY, seed=1), faces=[data / "more.csv"])
    with pytest.raises(ValueError, match=r"`search\.epochs` was 1 and is 5; `landmarks\.epochs` was 1 and is 5"):
        train_detector(data, run, recipe=TINY, epochs=5, faces=[data / "more.csv"])
    with pytest.raises(ValueError, match=r"pictures\.train\.more"):
        train_detector(data, run, recipe=TINY)


def test_data_that_lack_a_split_are_refused(tmp_path):
    write_detection_folder(tmp_path / "data", splits=("train",))
    with pytest.raises(ValueError, match=r"The split 'val' must have photos with boxes, .* no photos with boxes"):
        train_detector(tmp_path / "data", tmp_path / "run", recipe=TINY)
    assert not (tmp_path / "run").exists()
