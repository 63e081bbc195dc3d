from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.data.records import FaceRecord
from asianage.models.ages import AgeAxis
from asianage.networks.registry import build_network
from asianage.training.export.prior import correct_prior
from asianage.training.recipes.recipe import Faces


def test_frequent_ages_become_less_likely_by_the_share_of_their_density():
    axis = AgeAxis(0, 40)
    network = build_network("residual", image_size=32, num_ages=axis.num_ages, widths=(4,), blocks=(0,))
    faces = Faces(image_size=32, margin=0)
    records = [FaceRecord(Path(f"{i}.png"), 30.0 if i % 10 else 12.0, None) for i in range(1000)]
    kernel, before = network.get_layer("age_logits").get_weights()
    correct_prior(network, records, faces, axis, 0.5)
    after_kernel, after = network.get_layer("age_logits").get_weights()
    np.testing.assert_array_equal(after_kernel, kernel)
    change = after - before
    assert change.mean() == pytest.approx(0.0, abs=1e-5)
    # Nine times as many people are 30 as are 12 years old.
    assert change[12] - change[30] == pytest.approx(0.5 * np.log(9), abs=0.1)
    correct_prior(network, records, faces, axis, 0.0)
    np.testing.assert_array_equal(network.get_layer("age_logits").get_weights()[1], after)
