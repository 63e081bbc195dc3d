from __future__ import annotations

import csv
import dataclasses
import errno
import json
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from asianage.data.crop_cache import cut_crops
from asianage.models.ages import AgeAxis, expected_age, softmax
from asianage.training.augmentation import augment
from asianage.training.fit import batches as pipeline
from asianage.training.fit import fitting, normalization
from asianage.training.fit.validation import predict_logits
from asianage.training.recipes.recipe import (
    CrossEntropy,
    Faces,
    GenderLoss,
    LabelDistribution,
    Optimizer,
    Ordinal,
    Regression,
)
from tests.training.tiny_recipe import TINY

RECIPE = replace(TINY, epochs=3)


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
    fitting.fit(replace(RECIPE, epochs=12), cache, np.arange(60), np.arange(60, 90), tmp_path)
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 13))
    assert float(rows[-1]["val_mae_tiny"]) < 14  # 21 for the best constant
    assert float(rows[-1]["val_gender_tiny"]) > 0.9
    assert json.loads((tmp_path / "recipe.json").read_text())["name"] == "tiny"


def test_an_interrupted_run_resumes_to_the_same_weights(cache, whole_run, tmp_path, monkeypatch):
    validate = fitting.validate
    calls = []

    def stop_in_the_second_epoch(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return validate(*arguments)

    monkeypatch.setattr(fitting, "validate", stop_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        fitting.fit(RECIPE, cache, np.arange(60), np.arange(60, 90), tmp_path)
    assert json.loads((tmp_path / "progress.json").read_text())["epoch"] == 1
    monkeypatch.undo()
    fitting.fit(RECIPE, cache, np.arange(60), np.arange(60, 90), tmp_path)
    for resumed, uninterrupted in zip(weights(tmp_path), weights(whole_run), strict=True):
        np.testing.assert_allclose(resumed, uninterrupted, atol=2e-4)
    with (tmp_path / "history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3"]


# A network without normalization, without averaged weights: nothing but Adam, and an end that is not known before.
PLAIN = replace(
    RECIPE,
    architecture="simple_cnn",
    network={"task": "age", "filters": (4, 4), "units": (8, 4)},
    age_loss=Regression(),
    gender_loss=None,
    augmentation=None,
    epochs=9,
    patience=2,
    optimizer=Optimizer(learning_rate=1e-2, schedule="constant", warmup_epochs=0.0, weight_decay=0.0, ema_momentum=0.0),
)


def scored(monkeypatch, scores, *, stop_at=None):
    """Let validations say `scores`, one after the other, and interrupt the one of the epoch `stop_at`."""
    remaining = list(scores)

    def validate(*arguments):
        if len(remaining) == len(scores) - (stop_at or np.inf) + 1:
            raise KeyboardInterrupt
        return {"val_score": remaining.pop(0)}

    monkeypatch.setattr(fitting, "validate", validate)


def test_training_ends_when_nothing_has_become_better(cache, tmp_path, monkeypatch):
    scored(monkeypatch, [5.0, 4.0, 4.5, 3.0, 3.0, 3.5, 1.0])
    fitting.fit(PLAIN, cache, np.arange(60), np.arange(60, 90), tmp_path)
    history = json.loads((tmp_path / "progress.json").read_text())["history"]
    assert [row["val_score"] for row in history] == [5.0, 4.0, 4.5, 3.0, 3.0, 3.5]
    before = (tmp_path / fitting.checkpoint(6)).stat().st_mtime_ns
    fitting.fit(PLAIN, cache, np.arange(60), np.arange(60, 90), tmp_path)
    assert (tmp_path / fitting.checkpoint(6)).stat().st_mtime_ns == before


def test_a_resumed_run_ends_and_keeps_what_an_uninterrupted_one_does(cache, tmp_path, monkeypatch):
    scores = [5.0, 3.0, 4.0, 4.5, 1.0]
    scored(monkeypatch, scores)
    fitting.fit(PLAIN, cache, np.arange(60), np.arange(60, 90), tmp_path / "whole")
    scored(monkeypatch, scores, stop_at=4)
    with pytest.raises(KeyboardInterrupt):
        fitting.fit(PLAIN, cache, np.arange(60), np.arange(60, 90), tmp_path / "resumed")
    scored(monkeypatch, scores[3:])
    fitting.fit(PLAIN, cache, np.arange(60), np.arange(60, 90), tmp_path / "resumed")
    runs = [json.loads((tmp_path / name / "progress.json").read_text()) for name in ("whole", "resumed")]
    assert runs[0]["epoch"] == runs[1]["epoch"] == 4
    assert [row["loss"] for row in runs[1]["history"]] == pytest.approx([row["loss"] for row in runs[0]["history"]])
    for file in (fitting.BEST_WEIGHTS, fitting.checkpoint(4)):
        whole, resumed = (arrays(tmp_path / name / file) for name in ("whole", "resumed"))
        for name, values in whole.items():
            np.testing.assert_allclose(resumed[name], values, atol=1e-5, err_msg=f"{file} {name}")


def arrays(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.mark.parametrize(
    ("loss", "rate"),
    # A regression begins at 0 years and has to move all the way.
    [(Regression(), 0.1), (CrossEntropy(), 0.03), (Ordinal(), 0.03)],
)
def test_other_losses_are_learned(loss, rate, cache, tmp_path):
    network = {**RECIPE.network, "head": loss.head}
    optimizer = replace(RECIPE.optimizer, learning_rate=rate)
    recipe = replace(RECIPE, epochs=8, age_loss=loss, network=network, augmentation=None, optimizer=optimizer)
    fitting.fit(recipe, cache, np.arange(60), np.arange(60, 90), tmp_path)
    history = json.loads((tmp_path / "progress.json").read_text())["history"]
    assert min(row["val_mae_tiny"] for row in history) < 18  # 21 for the best constant
    assert max(row["val_gender_tiny"] for row in history) > 0.9
    restored = fitting.build_network(recipe)
    restored.load_weights(tmp_path / fitting.BEST_WEIGHTS)
    age_logits, _ = predict_logits(restored, cache, np.arange(60, 90))
    errors = expected_age(AgeAxis(), softmax(age_logits)) - [cache.records[i].age for i in range(60, 90)]
    best = min(history, key=lambda row: row["val_score"])
    assert np.abs(errors).mean() == pytest.approx(best["val_mae_tiny"], abs=1e-3)
    # A wrong gender in a hundred counts as a tenth of a year.
    assert best["val_score"] == pytest.approx(best["val_mae_tiny"] + 10 * (1 - best["val_gender_tiny"]))


def test_a_network_for_the_gender_is_chosen_by_its_errors(cache, tmp_path):
    recipe = replace(
        PLAIN, network={**PLAIN.network, "task": "gender"}, age_loss=None, gender_loss=GenderLoss(), epochs=2
    )
    fitting.fit(recipe, cache, np.arange(60), np.arange(60, 90), tmp_path)
    row = json.loads((tmp_path / "progress.json").read_text())["history"][0]
    assert "val_mae_tiny" not in row
    assert row["val_score"] == pytest.approx(10 * (1 - row["val_gender_tiny"]))


def test_what_a_face_without_an_age_shows_does_not_change_the_age_network(cache, tmp_path):
    rows = np.arange(60)
    unknown = rows[rows % 2 == 1]
    records = [dataclasses.replace(r, age=None) if i in unknown else r for i, r in enumerate(cache.records)]
    crops = np.array(cache.crops)
    crops[unknown] = 255 - crops[unknown]
    losses = []
    for name, pictures in (("as they are", cache.crops), ("inverted", crops)):
        changed = dataclasses.replace(cache, records=records, crops=pictures)
        fitting.fit(replace(PLAIN, epochs=1), changed, rows, np.arange(60, 90), tmp_path / name)
        losses.append(json.loads((tmp_path / name / "progress.json").read_text())["history"][0]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_frozen_layers_stay_as_they_are(cache, tmp_path):
    recipe = replace(
        PLAIN,
        architecture="vggface",
        network={"units": (16, 16), "frozen_blocks": 3},
        epochs=1,
        optimizer=replace(PLAIN.optimizer, learning_rate=1e-3),
    )
    keras.utils.set_random_seed(5)
    initial = fitting.build_network(recipe)
    fitting.fit(recipe, cache, np.arange(20), np.arange(60, 90), tmp_path, initial=initial)
    trained = fitting.build_network(recipe)
    trained.load_weights(tmp_path / fitting.BEST_WEIGHTS)
    for name, moves in (("conv3_3", False), ("conv4_1", True), ("conv5_3", True)):
        before, after = (network.get_layer(name).get_weights()[0] for network in (initial, trained))
        assert np.array_equal(before, after) != moves, name


def test_a_deeper_network_for_larger_crops_gives_its_layers():
    def built(blocks, image_size):
        faces = Faces(image_size=image_size, margin=4)
        recipe = replace(RECIPE, architecture="dlib_resnet", network={"blocks": blocks}, faces=faces)
        return fitting.build_network(recipe)

    deep, shallow = built((2, 1, 1, 2), 48), built((1, 1, 1, 1), 32)
    fitting.take_over(shallow, deep)
    for layer in shallow.layers:
        for mine, theirs in zip(layer.get_weights(), deep.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    with pytest.raises(ValueError, match="whose layer 'stage1_block2_conv1' has weights of the shapes \\[\\] instead"):
        fitting.take_over(deep, shallow)


@pytest.mark.parametrize(("gpus", "multiple"), [([], 2), (["GPU:0", "GPU:1", "GPU:2"], 6)])
def test_pairs_of_mirror_images_stay_together_on_every_device(gpus, multiple, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "training_devices", lambda: gpus)
    recipe = replace(RECIPE, age_loss=LabelDistribution(mirror_weight=0.1), batch_size=9)
    with pytest.raises(ValueError, match=f"`batch_size` must be a multiple of {multiple}"):
        fitting.fit(recipe, cache, np.arange(60), np.arange(60, 90), tmp_path)


@pytest.mark.parametrize("names", [("backbone",), ("stage1", "stage2")])
def test_frozen_layers_are_named_by_the_recipe(names):
    network = fitting.build_network(RECIPE)
    fitting.freeze_layers(network, names)
    assert {weight.path.split("/")[0] for weight in network.trainable_weights} == {"age_logits", "gender_logit"}


@pytest.mark.parametrize(
    ("names", "problem"), [(("stem",), "Received: 'stem'. Layers: stage1_down, "), (("",), "leave")]
)
def test_names_of_no_layer_or_of_all_are_refused(names, problem):
    with pytest.raises(ValueError, match=problem):
        fitting.freeze_layers(fitting.build_network(RECIPE), names)


def test_a_loss_that_is_no_number_ends_the_run_with_advice(cache, tmp_path):
    with pytest.raises(RuntimeError, match="Lower `learning_rate`"):
        fitting.fit(
            replace(PLAIN, optimizer=replace(PLAIN.optimizer, learning_rate=1e30)),
            cache,
            np.arange(60),
            np.arange(60, 90),
            tmp_path,
        )


def test_faces_of_other_groups_are_used_less_often_and_those_of_ones_own_are_not(cache):
    groups = ["", "asian", "Asian", "team b", "white", "Black"]
    records = [dataclasses.replace(cache.records[0], group=group) for group in groups]
    recipe = replace(RECIPE, faces=replace(RECIPE.faces, other_group_share=0.25))
    shares = fitting._shares(recipe, dataclasses.replace(cache, records=records), np.arange(6))
    assert shares.tolist() == [1.0, 1.0, 1.0, 1.0, 0.25, 0.25]


def test_time_spent_waiting_for_views_is_recorded(cache, tmp_path, monkeypatch):
    def slow(*arguments):
        time.sleep(0.03)
        return augment(*arguments)

    monkeypatch.setattr(pipeline, "augment", slow)
    fitting.fit(replace(RECIPE, epochs=1), cache, np.arange(60), np.arange(60, 90), tmp_path)
    [row] = json.loads((tmp_path / "progress.json").read_text())["history"]
    assert 0.3 < row["input_share"] <= 1.0


def test_a_full_disk_leaves_a_run_that_goes_on(cache, tmp_path, monkeypatch):
    save = keras.Model.save_weights

    def fill_the_disk(network, path, **options):
        save(network, path, **options)
        if path.name.endswith(fitting.checkpoint(2)):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keras.Model, "save_weights", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        fitting.fit(replace(PLAIN, epochs=3), cache, np.arange(60), np.arange(60, 90), tmp_path)
    assert not list(tmp_path.glob("new-*"))
    assert json.loads((tmp_path / "progress.json").read_text())["epoch"] == 1
    monkeypatch.undo()
    fitting.fit(replace(PLAIN, epochs=3), cache, np.arange(60), np.arange(60, 90), tmp_path)
    assert json.loads((tmp_path / "progress.json").read_text())["epoch"] == 3


def test_a_run_that_is_stopped_while_it_saves_goes_on_as_if_it_had_not_been(cache, tmp_path, monkeypatch):
    fitting.fit(replace(PLAIN, epochs=3), cache, np.arange(60), np.arange(60, 90), tmp_path / "whole")
    write_whole = fitting._replace

    def stop_before_the_progress(file, write):
        if file.name == fitting.PROGRESS and (file.parent / fitting.checkpoint(2)).exists():
            raise KeyboardInterrupt
        write_whole(file, write)

    monkeypatch.setattr(fitting, "_replace", stop_before_the_progress)
    with pytest.raises(KeyboardInterrupt):
        fitting.fit(replace(PLAIN, epochs=3), cache, np.arange(60), np.arange(60, 90), tmp_path / "stopped")
    monkeypatch.undo()
    fitting.fit(replace(PLAIN, epochs=3), cache, np.arange(60), np.arange(60, 90), tmp_path / "stopped")
    whole, stopped = (arrays(tmp_path / name / fitting.checkpoint(3)) for name in ("whole", "stopped"))
    for name, values in whole.items():
        np.testing.assert_allclose(stopped[name], values, atol=1e-5, err_msg=name)


def test_a_finished_run_is_not_repeated(cache, whole_run):
    before = (whole_run / fitting.BEST_WEIGHTS).stat().st_mtime_ns
    fitting.fit(RECIPE, cache, np.arange(60), np.arange(60, 90), whole_run)
    assert (whole_run / fitting.BEST_WEIGHTS).stat().st_mtime_ns == before


def test_a_folder_with_another_run_is_refused(cache, whole_run):
    with pytest.raises(ValueError, match="another recipe"):
        fitting.fit(replace(RECIPE, seed=1), cache, np.arange(60), np.arange(60, 90), whole_run)


def test_a_network_without_dropout_is_fitted(cache, tmp_path):
    recipe = replace(RECIPE, epochs=1, network={**RECIPE.network, "dropout": 0.0})
    assert fitting.fit(recipe, cache, np.arange(20), np.arange(60, 90), tmp_path).is_file()


def test_fitting_leaves_the_global_dtype_policy_alone(cache, tmp_path):
    fitting.fit(
        replace(RECIPE, epochs=1, dtype_policy="mixed_bfloat16"), cache, np.arange(20), np.arange(60, 90), tmp_path
    )
    assert keras.config.dtype_policy().name == "float32"


def test_statistics_of_averaged_weights_are_those_of_the_data(cache):
    network = fitting.build_network(RECIPE)
    layer = normalization.normalizations(network)[0]
    before = normalization.statistics(network)

    class Batches:
        def __len__(self):
            return 4

        def __getitem__(self, number):
            return (np.stack([cache.inner(15 * number + i) for i in range(15)]).astype(np.float32),)

    normalization.reestimate_statistics(network, Batches())
    first = keras.Model(network.input, layer.input)
    activations = first.predict_on_batch(np.stack([cache.inner(i) for i in range(60)]).astype(np.float32))
    moving_mean = keras.ops.convert_to_numpy(layer.moving_mean)
    np.testing.assert_allclose(moving_mean, activations.mean(axis=(0, 1, 2)), atol=1e-4)
    assert layer.momentum == 0.98
    normalization.set_statistics(network, before)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer.moving_mean), before[0])
