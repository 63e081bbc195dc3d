from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.data.crop_cache import cut_crops
from asianage.networks.heads import training_network
from asianage.training.fit import curves
from asianage.training.fit.age_gender import _losses
from asianage.training.fit.curves import EpochScores
from asianage.training.fit.network import build_network
from asianage.training.fit.validation import validate
from asianage.training.recipes.recipe import Distillation
from tests.training.tiny_recipe import TINY


@pytest.fixture(scope="module")
def scored(tiny_records, tmp_path_factory):
    cache = cut_crops(tiny_records[:90], tmp_path_factory.mktemp("crops") / "crops", size=32, margin=4, detector=None)
    network = build_network(TINY)
    train, val = cache.positions("train"), cache.positions("val")
    return EpochScores(TINY, network, training_network(network), _losses(TINY, None), cache, train, val)


def test_training_faces_are_measured_as_validation_faces_are(scored):
    scores = scored()
    beside = validate(scored.network, scored.cache, scored.train, TINY.axis)
    assert scores["train_mae_tiny"] == beside["val_mae_tiny"]
    assert scores["train_gender_tiny"] == beside["val_gender_tiny"]
    assert scores["val_score"] == validate(scored.network, scored.cache, scored.val, TINY.axis)["val_score"]
    assert "train_score" not in scores


def test_the_validation_loss_is_that_of_the_training(scored):
    scored.learner.compile(
        loss={name: loss for name, (loss, _) in scored.losses.items()},
        loss_weights={name: weight for name, (_, weight) in scored.losses.items()},
    )
    targets, weights = curves.make_targets(TINY, [scored.cache.records[i] for i in scored.val])
    crops = np.stack([scored.cache.inner(i) for i in scored.val]).astype(np.float32)
    expected = scored.learner.evaluate(crops, targets, sample_weight=weights, verbose=0, batch_size=30)
    assert scored()["val_loss"] == pytest.approx(expected if np.isscalar(expected) else expected[0], rel=1e-4)


def test_at_most_a_thousand_faces_from_all_over_are_measured():
    chosen = curves._some(np.arange(2_500))
    assert len(chosen) <= curves.MOST_FACES
    assert chosen[-1] > 2_400
    assert len(curves._some(np.array([], dtype=int))) == 0


def test_trainings_with_another_loss_have_no_curve_of_it(scored):
    taught = replace(TINY, distillation=Distillation(weight=0.5))
    assert "val_loss" in scored()
    assert "val_loss" not in replace(scored, recipe=taught)()
