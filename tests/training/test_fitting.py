from __future__ import annotations

import csv
import json

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from asianage.training import fitting
from asianage.training.crops import cut_crops
from asianage.training.recipes import TrainingRecipe

RECIPE = TrainingRecipe(
    name="tiny",
    network={"widths": (8, 16), "blocks": (0, 1)},
    image_size=32,
    margin=4,
    epochs=3,
    batch_size=10,
    learning_rate=1e-2,
    ema_momentum=0.8,
)


@pytest.fixture(scope="module")
def cache(tiny_records, tmp_path_factory):
    return cut_crops(tiny_records, tmp_path_factory.mktemp("cache") / "crops", size=32, margin=4, detector=None)


@pytest.fixture(scope="module")
def whole_run(cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    fitting.fit(RECIPE, cache, np.arange(60), np.arange(60, 90), folder)
    return folder


def weights(folder):
    network = fitting.build_network(RECIPE)
    network.load_weights(folder / fitting.BEST_WEIGHTS)
    return network.get_weights()


def test_a_run_learns_and_writes_its_history(cache, tmp_path):
    fitting.fit(RECIPE.changed(epochs=12), cache, np.arange(60), np.arange(60, 90), tmp_path)
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 13))
    assert float(rows[-1]["val_mae_tiny"]) < 14  # 21 for the best constant
    assert float(rows[-1]["val_gender_tiny"]) > 0.9
    assert json.loads((tmp_path / "recipe.json").read_text())["name"] == "tiny"


def test_an_interrupted_run_resumes_to_the_same_weights(cache, whole_run, tmp_path, monkeypatch):
    validate = fitting._validate
    calls = []

    def stop_in_the_second_epoch(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return validate(*arguments)

    monkeypatch.setattr(fitting, "_validate", stop_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        fitting.fit(RECIPE, cache, np.arange(60), np.arange(60, 90), tmp_path)
    assert json.loads((tmp_path / "progress.json").read_text())["epoch"] == 1
    monkeypatch.undo()
    fitting.fit(RECIPE, cache, np.arange(60), np.arange(60, 90), tmp_path)
    for resumed, uninterrupted in zip(weights(tmp_path), weights(whole_run), strict=True):
        np.testing.assert_allclose(resumed, uninterrupted, atol=2e-4)
    with (tmp_path / "history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3"]


def test_a_finished_run_is_not_repeated(cache, whole_run):
    before = (whole_run / fitting.BEST_WEIGHTS).stat().st_mtime_ns
    fitting.fit(RECIPE, cache, np.arange(60), np.arange(60, 90), whole_run)
    assert (whole_run / fitting.BEST_WEIGHTS).stat().st_mtime_ns == before


def test_a_folder_with_another_run_is_refused(cache, whole_run):
    with pytest.raises(ValueError, match="another recipe"):
        fitting.fit(RECIPE.changed(seed=1), cache, np.arange(60), np.arange(60, 90), whole_run)


def test_a_network_without_dropout_is_fitted(cache, tmp_path):
    recipe = RECIPE.changed(epochs=1, network={**RECIPE.network, "dropout": 0.0})
    assert fitting.fit(recipe, cache, np.arange(20), np.arange(60, 90), tmp_path).is_file()


def test_fitting_leaves_the_global_dtype_policy_alone(cache, tmp_path):
    fitting.fit(RECIPE.changed(epochs=1, precision="mixed_bfloat16"), cache, np.arange(20), np.arange(60, 90), tmp_path)
    assert keras.config.dtype_policy().name == "float32"


def test_statistics_of_averaged_weights_are_those_of_the_data(cache):
    network = fitting.build_network(RECIPE)
    layer = fitting._normalizations(network)[0]
    before = fitting._statistics(network)

    class Batches:
        def __len__(self):
            return 4

        def __getitem__(self, number):
            return (np.stack([cache.inner(15 * number + i) for i in range(15)]).astype(np.float32),)

    fitting._reestimate_statistics(network, Batches())
    first = keras.Model(network.input, layer.input)
    activations = first.predict_on_batch(np.stack([cache.inner(i) for i in range(60)]).astype(np.float32))
    moving_mean = keras.ops.convert_to_numpy(layer.moving_mean)
    np.testing.assert_allclose(moving_mean, activations.mean(axis=(0, 1, 2)), atol=1e-4)
    assert layer.momentum == 0.98
    fitting._set_statistics(network, before)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer.moving_mean), before[0])
