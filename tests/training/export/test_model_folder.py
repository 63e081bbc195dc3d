from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras
from PIL import Image

from asianage.data.crop_cache import CropCache
from asianage.data.records import FaceRecord
from asianage.models import folder as model_folder
from asianage.models.ages import AgeAxis, expected_age, softmax
from asianage.models.config import Calibration
from asianage.models.litert import LiteRTNetwork
from asianage.networks.registry import build_network
from asianage.networks.restore import restore_network
from asianage.training.export import model_folder as export
from asianage.training.export.calibration import MIN_FACES
from tests.training.tiny_recipe import TINY as RECIPE


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return build_network("residual", image_size=32, num_ages=101, **RECIPE.network)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """60 crops of noise with a margin; every second has a gender."""
    random = np.random.default_rng(0)
    crops = random.integers(0, 256, (60, 40, 40, 3), dtype=np.uint8)
    folder = tmp_path_factory.mktemp("faces")
    records = [
        FaceRecord(folder / f"{n}.png", 20.0 + n, ("female", "male", None, None)[n % 4], dataset=("a", "b")[n % 2])
        for n in range(60)
    ]
    yes = np.ones(60, dtype=bool)
    return CropCache(records, crops, yes, size=32, margin=4)


SPLITS = {"train": np.arange(30), "val": np.arange(30, 60)}


@pytest.fixture(scope="module")
def written(network, cache, tmp_path_factory):
    target = tmp_path_factory.mktemp("run") / "model"
    return export.write_model(
        RECIPE, network, cache, SPLITS, target, name="mine", quantization="float32", provenance={"initial": None}
    )


def test_the_folder_holds_the_network_for_prediction_and_for_training(written, network, cache):
    assert set(written.config.files) == {model_folder.WEIGHTS, model_folder.NETWORK}
    assert sorted(path.name for path in written.path.parent.iterdir()) == ["model"]
    crops = np.stack([cache.inner(i) for i in range(8)])
    expected = network.predict_on_batch(crops.astype(np.float32))["age_logits"]
    exported = LiteRTNetwork(written.read(model_folder.NETWORK), source="test", image_size=32, num_ages=101)
    np.testing.assert_allclose(exported(crops)[0], expected, atol=1e-4)
    received = restore_network(written).predict_on_batch(crops.astype(np.float32))["age_logits"]
    np.testing.assert_allclose(received, expected, atol=5e-3)


def test_the_config_says_what_was_trained_on_what(written, network):
    config = written.config
    assert (config.name, config.architecture, config.image_size) == ("mine", "residual", 32)
    assert (config.min_age, config.max_age) == (0, 100)
    assert config.calibration != Calibration()
    provenance = config.provenance
    assert provenance["recipe"]["name"] == "tiny"
    assert provenance["quantization"] == "float32"
    assert provenance["parameters"] == network.count_params()
    assert provenance["faces"] == {"train": {"a": 15, "b": 15}, "val": {"a": 15, "b": 15}}
    assert {name: len(value) for name, value in provenance["split_sha256"].items()} == {"train": 64, "val": 64}
    assert provenance["backend"] == keras.backend.backend()
    assert provenance["initial"] is None


def test_metrics_come_into_the_folder_and_onto_the_card(written):
    before = {name: written.read(name) for name in written.config.files}
    metrics = {"test": {"n": 3, "datasets": {}, "mae": 3.25}}
    measured = export.add_metrics(written, metrics)
    assert json.loads(measured.read(model_folder.METRICS)) == metrics
    assert {name: measured.read(name) for name in before} == before
    assert model_folder.open_model_folder(written.path).config.files == measured.config.files
    assert export.add_metrics(measured, metrics).config == measured.config


def test_a_network_that_is_kept_stays_as_it_was_with_its_calibration(written, network, cache, tmp_path):
    options = {"name": "other", "quantization": "float32", "improved": written, "is_kept": True}
    for _ in range(2):
        model = export.write_model(RECIPE, network, cache, SPLITS, tmp_path / "model", **options)
        assert model_folder.open_model_folder(tmp_path / "model").config.name == "other"
        assert model.read(model_folder.NETWORK) == written.read(model_folder.NETWORK)
        assert model.config.calibration == written.config.calibration


def test_the_fewer_faces_are_held_out_the_more_of_the_calibration_before_stays(written, network, cache, tmp_path):
    before = written.config.calibration

    def calibration(faces):
        splits = {"train": SPLITS["train"], "val": SPLITS["val"][:faces]}
        options = {"name": "other", "quantization": "float32", "improved": written}
        return export.write_model(RECIPE, network, cache, splits, tmp_path / "model", **options).config.calibration

    assert calibration(MIN_FACES - 1) == before
    few = calibration(MIN_FACES)
    assert few != before
    assert len(few.interval_mass["0.9"]) == 21
    # Seven women and men each are held out.
    assert calibration(30).gender_temperature == before.gender_temperature


def exported(crops):
    """Give everybody every age alike, and be sure that half of the crops show men."""
    return np.zeros((len(crops), 101)), np.where(np.arange(len(crops)) % 2, 3.0, -3.0)


def test_a_task_that_is_not_learned_is_calibrated_without_labels(cache):
    ageless = [FaceRecord(record.path, None, record.gender) for record in cache.records]
    unlabeled = CropCache(ageless, cache.crops, cache.readable, cache.size, cache.margin)

    def calibrated(task, faces, before):
        recipe = SimpleNamespace(axis=AgeAxis(), tasks={task}, age_estimate="mean")
        return export._calibration(recipe, exported, faces, np.arange(60), before)

    calibration = calibrated("gender", unlabeled, None)
    assert calibration.gender_temperature != 1.0
    assert calibration.interval_mass["0.9"] == pytest.approx(0.9, abs=0.1)
    before = Calibration(gender_temperature=2.5)
    assert calibrated("age", cache, before).gender_temperature == 2.5
    with pytest.raises(ValueError, match="20 faces"):
        calibrated("age", unlabeled, None)


def test_a_warning_stretches_intervals_no_less_than_before(cache, monkeypatch):
    monkeypatch.setattr(export, "interval_stretch", lambda *_: {"dark": 1.0, "blurred": 2.0})
    recipe = SimpleNamespace(axis=AgeAxis(), tasks={"age", "gender"}, age_estimate="mean")
    before = Calibration(interval_stretch={"dark": 1.5, "small": 1.2})
    calibration = export._calibration(recipe, exported, cache, np.arange(60), before)
    assert calibration.interval_stretch == {"dark": 1.5, "small": 1.2, "blurred": 2.0}


RELEASED = {
    "compact": ("compact", "compact", ["mobilenet-refine"]),
    "accurate": ("accurate-strong", "accurate-plain", ["accurate-plain"]),
}
"""Bundled model -> its recipe, the one that it began with, and those that it learned from."""


@pytest.fixture(scope="module", params=RELEASED)
def bundled(request):
    return model_folder.open_model_folder(model_folder.BUNDLED / request.param)


@pytest.fixture(scope="module")
def restored(bundled):
    return restore_network(bundled)


def test_every_bundled_model_is_tested():
    assert set(model_folder.bundled_names()) == set(RELEASED)


def test_the_bundled_models_metadata_is_true(bundled, restored):
    recipe, *before = RELEASED[bundled.config.name]
    provenance = bundled.config.provenance
    assert restored.count_params() == provenance["parameters"]
    assert provenance["recipe"]["name"] == recipe
    names = {key: ancestor["recipe"]["name"] for key, ancestor in provenance["ancestors"].items()}
    assert [names.get(provenance["initial"]), [names[key] for key in provenance["teachers"]]] == before
    metrics = json.loads(bundled.read(model_folder.METRICS))
    assert set(provenance["faces"]["train"]) <= set(metrics["test"]["datasets"])


def test_the_bundled_network_computes_what_its_weights_compute(bundled, restored, hopper):
    config = bundled.config
    size, axis = config.image_size, config.axis
    # A real face, looked at from here and there: on pictures that resemble none, eight bits and floating point part.
    crops = []
    for x, y, side in itertools.product((260, 268, 276), (214, 222, 230), (206, 230, 254)):
        face = hopper[y - side // 2 : y + side // 2, x - side // 2 : x + side // 2]
        crops.append(np.asarray(Image.fromarray(face).resize((size, size), Image.Resampling.HAMMING)))
    crops = np.stack(crops)
    content = bundled.read(model_folder.NETWORK)
    exported = LiteRTNetwork(content, source="bundled", image_size=size, num_ages=axis.num_ages)(crops)
    outputs = restored.predict_on_batch(crops.astype(np.float32))
    ages = [expected_age(axis, softmax(logits)) for logits in (exported[0], outputs["age_logits"])]
    np.testing.assert_allclose(*ages, atol=1.0)
    np.testing.assert_allclose(exported[1], outputs["gender_logit"][:, 0], atol=0.5)
