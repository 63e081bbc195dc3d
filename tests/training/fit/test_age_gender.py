from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.models.ages import AgeAxis, expected_age, softmax
from asianage.training.fit import age_gender, curves
from asianage.training.fit.age_gender import fit_network
from asianage.training.fit.distillation import TeacherOutputs
from asianage.training.fit.network import build_network
from asianage.training.fit.validation import predict_logits, validate
from asianage.training.recipes.recipe import (
    Distillation,
    Optimizer,
    Ordinal,
    Regression,
)
from asianage.training.run_folder import BEST_WEIGHTS, HISTORY, PROGRESS, RECIPE
from tests.training.tiny_recipe import TINY

TRAIN, VAL = np.arange(60), np.arange(60, 90)

SHORT = replace(TINY, epochs=6)

# Two convolutions and no normalization, which is compiled in a moment.
PLAIN = replace(
    TINY,
    architecture="simple_cnn",
    network={"task": "age", "filters": (4, 4), "units": (8, 4)},
    age_loss=Regression(),
    gender_loss=None,
    augmentation=None,
    epochs=1,
    optimizer=Optimizer(learning_rate=1e-2, schedule="constant", warmup_epochs=0.0, weight_decay=0.0, ema_momentum=0.0),
)


def run(recipe, cache, folder, *, network=None, train=TRAIN, **options):
    network = build_network(recipe) if network is None else network
    network.load_weights(fit_network(recipe, network, cache, train, VAL, folder, **options))
    return network


def history(folder):
    return json.loads((folder / PROGRESS).read_text())["history"]


@pytest.fixture(scope="module")
def whole_run(cache, tmp_path_factory):
    """A run that was not stopped, and a copy of its folder as it was in the third epoch."""
    folder, stopped, calls = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("stopped"), []

    def copy_in_the_third_epoch(*arguments):
        calls.append(1)
        # Every epoch validates twice: the validation faces, and some training faces.
        if len(calls) == 5:
            shutil.copytree(folder, stopped, dirs_exist_ok=True)
        return validate(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(curves, "validate", copy_in_the_third_epoch)
        network = run(SHORT, cache, folder)
    return folder, stopped, network


def test_a_run_learns_and_writes_its_recipe_and_its_history(whole_run):
    folder = whole_run[0]
    with (folder / HISTORY).open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert float(rows[-1]["val_mae_tiny"]) < 14  # 21 for the best constant
    assert float(rows[-1]["val_gender_tiny"]) > 0.9
    assert json.loads((folder / RECIPE).read_text()) == SHORT.to_dict()


def test_a_stopped_run_resumes_to_the_same_weights(whole_run, cache):
    folder, stopped, network = whole_run
    assert len(history(stopped)) == 2
    resumed = run(SHORT, cache, stopped)
    for one, two in zip(resumed.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-4)
    assert [row["loss"] for row in history(stopped)] == pytest.approx([row["loss"] for row in history(folder)])


def test_a_folder_with_another_run_is_refused(whole_run, cache):
    with pytest.raises(ValueError, match="`seed` was 0 and is 1"):
        run(replace(SHORT, seed=1), cache, whole_run[0])


@pytest.mark.parametrize("loss", [Regression(), Ordinal()], ids=lambda loss: loss.head)
def test_what_is_validated_is_what_the_network_then_predicts(loss, cache, tmp_path):
    recipe = replace(PLAIN, age_loss=loss, network={**PLAIN.network, "head": loss.head}, epochs=2)
    age_logits, _ = predict_logits(run(recipe, cache, tmp_path), cache, VAL)
    errors = expected_age(AgeAxis(), softmax(age_logits)) - [cache.records[i].age for i in VAL]
    best = min(row["val_score"] for row in history(tmp_path))
    assert np.abs(errors).mean() == pytest.approx(best, abs=1e-3)


def test_what_a_face_without_an_age_shows_does_not_change_the_age_network(cache, tmp_path):
    unknown = TRAIN[TRAIN % 2 == 1]
    records = [replace(record, age=None) if i in unknown else record for i, record in enumerate(cache.records)]
    crops = np.array(cache.crops)
    crops[unknown] = 255 - crops[unknown]
    losses = []
    for name, pictures in (("as they are", cache.crops), ("inverted", crops)):
        run(PLAIN, replace(cache, records=records, crops=pictures), tmp_path / name)
        losses.append(history(tmp_path / name)[0]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_frozen_layers_stay_as_they_are(cache, tmp_path):
    recipe = replace(PLAIN, freeze=("conv1",))
    network = build_network(recipe)
    before = {name: network.get_layer(name).get_weights()[0] for name in ("conv1", "conv2", "dense1")}
    run(recipe, cache, tmp_path, network=network)
    moved = {name: not np.array_equal(network.get_layer(name).get_weights()[0], old) for name, old in before.items()}
    assert moved == {"conv1": False, "conv2": True, "dense1": True}


def test_a_network_in_bfloat16_is_fitted(cache, tmp_path):
    run(replace(PLAIN, dtype_policy="mixed_bfloat16"), cache, tmp_path, train=TRAIN[:20])
    assert (tmp_path / BEST_WEIGHTS).is_file()


def test_faces_of_other_groups_are_used_less_often_and_those_of_ones_own_are_not(cache):
    groups = ["", "asian", "Asian", "team b", "white", "Black"]
    records = [replace(cache.records[0], group=group) for group in groups]
    recipe = replace(TINY, faces=replace(TINY.faces, other_group_share=0.25))
    batches = age_gender._batches(recipe, replace(cache, records=records), np.arange(6), None)
    assert batches._shares.tolist() == [1.0, 1.0, 1.0, 1.0, 0.25, 0.25]


def test_a_network_learns_the_features_of_its_teacher_and_is_kept_without_them(cache, tmp_path):
    distillation = Distillation(weight=0.5, feature_weight=3.0)
    recipe = replace(TINY, network={"widths": (4,), "blocks": (0,)}, distillation=distillation, epochs=1)
    features = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    losses = age_gender._losses(recipe, features)
    assert {name: weight for name, (_, weight) in losses.items()} == {
        "age_logits": 1.0, "gender_logit": 1.0, "teacher_features": 3.0
    }  # fmt: skip
    ages, males = np.full((60, 101), 1 / 101, dtype=np.float32), np.full(60, 0.5, dtype=np.float32)
    network = run(recipe, cache, tmp_path, teachers=TeacherOutputs(ages, males, features))
    assert "teacher_features" not in {layer.name for layer in network.layers}
    # About 5 of the age, 0.7 of the gender, and 3 times the squared standard deviation of the features.
    assert history(tmp_path)[0]["loss"] == pytest.approx(8.5, abs=2.0)
