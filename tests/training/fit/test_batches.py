from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training.augmentation import Augmentation
from asianage.training.fit.batches import CropBatches, EpochBatches


class Rows(EpochBatches):
    """Batches that show what they are made of."""

    def make(self, rows, random):
        return rows, random.random()


def rows(count=40, per_batch=8, **options):
    return Rows(count, per_batch, **{"seed": 1, **options})


def crops(cache, **options):
    targets = {"age_years": np.arange(40.0)[:, None], "gender_logit": np.arange(40.0)[:, None] % 2}
    weights = {name: np.ones(40, dtype=np.float32) for name in targets}
    settings = {"batch_size": 8, "augmentation": Augmentation(), "seed": 1}
    return CropBatches(cache, np.arange(40), targets, weights, **{**settings, **options})


def test_an_epoch_uses_every_row_once():
    batches = rows()
    assert len(batches) == 5
    assert sorted(np.concatenate([batches[number][0] for number in range(5)])) == list(range(40))


def test_a_last_smaller_batch_is_left_out():
    assert len(rows(47)) == 5
    assert len(rows(3)) == 1


def test_epochs_differ_and_a_resumed_run_gets_the_same():
    running, resumed = rows(), rows()
    first = running[0]
    running.start_epoch(2)
    assert list(running[0][0]) != list(first[0])
    assert running[0][1] != first[1]
    resumed.start_epoch(2)
    assert list(resumed[3][0]) == list(running[3][0])
    assert resumed[3][1] == running[3][1]


def test_neither_threads_nor_the_order_of_fetching_decide_what_a_batch_holds(monkeypatch):
    expected = [rows()[number] for number in range(5)]
    for workers in (1, 5):
        monkeypatch.setattr("asianage.training.fit.batches.usable_processors", lambda number=workers: number)
        batches = rows()
        with batches.prefetched():
            for number in (3, 0, 4, 0, 1, 2):
                received = batches[number]
                assert list(received[0]) == list(expected[number][0])
                assert received[1] == expected[number][1]
            batches.start_epoch(2)
            batches.start_epoch(1)
            assert batches[2][1] == expected[2][1]


def test_batches_are_made_ahead_and_no_thread_is_left(monkeypatch):
    monkeypatch.setattr("asianage.training.fit.batches.usable_processors", lambda: 2)
    others = threading.active_count()
    batches, made = rows(80), []
    batches.make = lambda rows, random: made.append(len(rows))
    with batches.prefetched():
        batches[0]
        batches[1]
        # The two that are used, and two more for each thread.
        batches._ahead[5].result()
        assert 5 <= len(made) <= 6
        assert batches.ready_at(1) > batches.ready_at(0) > 0.0
    assert threading.active_count() == others
    batches[2]
    assert len(made) <= 7


def test_a_share_above_1_repeats_rows():
    batches = rows(40, 4, shares=np.where(np.arange(40) < 10, 2.5, 0.5))
    assert len(batches) == 10
    counts = np.zeros(40)
    for epoch in range(1, 41):
        batches.start_epoch(epoch)
        counts += np.bincount(np.concatenate([batches[i][0] for i in range(10)]), minlength=40)
    assert counts[:10].mean() / 40 == pytest.approx(2.5, rel=0.15)
    assert counts[10:].mean() / 40 == pytest.approx(0.5, rel=0.15)


def test_shares_thin_out_a_group():
    batches = rows(40, 4, shares=np.where(np.arange(40) < 20, 1.0, 0.2))
    assert len(batches) == 6
    counts = np.zeros(40)
    for epoch in range(60):
        batches.start_epoch(epoch)
        counts[np.concatenate([batches[number][0] for number in range(6)])] += 1
    assert counts[:20].mean() > 2.5 * counts[20:].mean()
    assert counts.min() > 0


def test_a_batch_holds_augmented_crops_targets_and_weights(cache):
    pictures, targets, weights = crops(cache)[0]
    assert pictures.shape == (8, 32, 32, 3)
    assert pictures.dtype == np.float32
    assert pictures.max() > 100
    assert {name: values.shape for name, values in targets.items()} == {"age_years": (8, 1), "gender_logit": (8, 1)}
    assert {name: values.shape for name, values in weights.items()} == {"age_years": (8,), "gender_logit": (8,)}


def test_without_augmentation_the_crops_are_as_they_are_cut(cache):
    pictures, targets, _ = crops(cache, augmentation=None)[0]
    for picture, row in zip(pictures, targets["age_years"][:, 0], strict=True):
        np.testing.assert_array_equal(picture, cache.inner(int(row)))
