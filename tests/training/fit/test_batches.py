from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from asianage.data.crop_cache import cut_crops
from asianage.models.ages import AgeAxis
from asianage.training.augmentation import Augmentation
from asianage.training.fit.batches import CropBatches


@pytest.fixture(scope="module")
def cache(tiny_records, tmp_path_factory):
    records = list(tiny_records[:40])
    records[3] = dataclasses.replace(records[3], age=None)
    records[5] = dataclasses.replace(records[5], gender=None)
    return cut_crops(records, tmp_path_factory.mktemp("cache") / "crops", size=32, margin=4, detector=None)


def batches(cache, **options):
    settings = {"axis": AgeAxis(), "label_sigma": 2.0, "batch_size": 8, "augmentation": Augmentation(), "seed": 1}
    return CropBatches(cache, np.arange(40), **{**settings, **options})


def test_a_batch_holds_views_targets_and_weights(cache):
    views, targets, weights = batches(cache)[0]
    assert views.shape == (8, 32, 32, 3)
    assert views.dtype == np.float32
    assert views.max() > 100
    np.testing.assert_allclose(targets["age_logits"].sum(axis=1), 1.0, rtol=1e-5)
    assert targets["gender_logit"].shape == (8, 1)
    assert weights["age_logits"].shape == (8,)


def test_an_epoch_uses_every_crop_once(cache):
    data = batches(cache)
    ages = np.concatenate([data[i][1]["age_logits"].argmax(axis=1) for i in range(len(data))])
    weights = np.concatenate([data[i][2]["age_logits"] for i in range(len(data))])
    expected = sorted(int(record.age) for record in cache.records if record.age is not None)
    assert sorted(ages[weights > 0].tolist()) == expected


def test_missing_labels_weigh_nothing(cache):
    data = batches(cache)
    age = np.concatenate([data[i][2]["age_logits"] for i in range(len(data))])
    gender = np.concatenate([data[i][2]["gender_logit"] for i in range(len(data))])
    assert (age == 0).sum() == 1
    assert (gender == 0).sum() == 1


def test_epochs_differ_and_a_resumed_run_sees_the_same(cache):
    running = batches(cache)
    first = running[0][0]
    running.on_epoch_end()
    assert not np.array_equal(running[0][0], first)
    np.testing.assert_array_equal(batches(cache, first_epoch=1)[2][0], running[2][0])


def test_mirrored_views_follow_theirs_with_the_same_targets(cache):
    data = batches(cache, mirrored=True)
    assert len(data) == 10
    views, targets, weights = data[0]
    assert views.shape == (8, 32, 32, 3)
    np.testing.assert_array_equal(views[1::2], views[0::2, :, ::-1])
    assert len({view.tobytes() for view in views}) == 8
    for values in (*targets.values(), *weights.values()):
        np.testing.assert_array_equal(values[1::2], values[0::2])


def test_mirrored_views_need_an_even_batch(cache):
    with pytest.raises(ValueError, match="even `batch_size`"):
        batches(cache, mirrored=True, batch_size=7)


def test_shares_thin_out_a_group(cache):
    shares = np.where(np.arange(40) < 20, 1.0, 0.2)
    data = batches(cache, shares=shares, batch_size=4)
    assert len(data) == 6
    counts = np.zeros(40)
    for _ in range(60):
        counts[data._order] += 1
        data.on_epoch_end()
    assert counts[:20].mean() > 2.5 * counts[20:].mean()
    assert counts.min() > 0


def test_neither_threads_nor_the_order_of_asking_decide_what_a_batch_holds(cache):
    one, many = batches(cache, workers=1), batches(cache, workers=5)
    expected = [one[number] for number in range(len(one))]
    for number in (3, 0, 4, 0, 1, 2):
        for received, wanted in zip(many[number][1:], expected[number][1:], strict=True):
            np.testing.assert_array_equal(received["age_logits"], wanted["age_logits"])
        np.testing.assert_array_equal(many[number][0], expected[number][0])
    for data in (one, many):
        data.on_epoch_end()
    np.testing.assert_array_equal(many[4][0], one[4][0])


def test_without_augmentation_the_crops_are_as_they_are_cut(cache):
    data = batches(cache, augmentation=None, label_sigma=None)
    views, targets, _ = data[0]
    for view, age, gender in zip(views, targets["age_logits"], targets["gender_logit"], strict=True):
        same = [i for i in range(40) if np.array_equal(view, cache.inner(i))]
        assert len(same) == 1
        record = cache.records[same[0]]
        assert age == (record.age or 0)
        assert gender == (record.gender == "male")


def test_only_the_labels_that_a_network_learns_are_given(cache):
    _, targets, weights = batches(cache, outputs=["age_years"], label_sigma=None)[0]
    assert list(targets) == list(weights) == ["age_years"]
    assert targets["age_years"].shape == (8, 1)
