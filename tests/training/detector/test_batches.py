from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training.detector.batches import CollageBatches, PatchBatches
from asianage.training.recipes.detector import Collages, Patches, Steps
from asianage.training.recipes.recipe import Optimizer
from tests.training.detector.pictures import drawn_sources

STEPS = Steps(optimizer=Optimizer(learning_rate=1e-3), epochs=1, steps_per_epoch=3, batch_size=4)


@pytest.fixture(scope="module")
def sources():
    return drawn_sources()


def test_collages_come_with_their_faces_and_repeat_for_a_seed(sources):
    settings = Collages(image_size=64, most_faces=5)
    batches, again = (CollageBatches(sources, settings, STEPS, seed=1) for _ in range(2))
    assert len(batches) == 3
    images, faces = batches[2]
    assert (images.shape, images.dtype, faces.shape) == ((4, 64, 64, 3), np.float32, (4, 5, 16))
    np.testing.assert_array_equal(images, again[2][0])
    batches.start_epoch(2)
    assert (batches[2][0] != images).any()


def test_patches_come_with_targets_and_weights(sources):
    patches, targets, weights = PatchBatches(sources.singles, sources.empty, Patches(empty=0.5), STEPS, seed=0)[0]
    assert (patches.shape, patches.dtype) == ((4, 64, 64, 3), np.float32)
    assert {name: values.shape for name, values in targets.items()} == {"landmarks": (4, 10), "face": (4, 1)}
    assert weights["face"].tolist() == [1, 1, 1, 1]
    # A face-free patch has no landmarks.
    np.testing.assert_array_equal(weights["landmarks"], targets["face"][:, 0])
