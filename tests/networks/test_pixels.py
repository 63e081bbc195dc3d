from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.networks.pixels import PIXELS, scaled


@pytest.mark.parametrize(("pixels", "ends"), [("unit", (0.0, 1.0)), ("study", (-1 / 255, 1 / 255))])
def test_pixels_reach_from_end_to_end(pixels, ends):
    crops = keras.Input((1, 1, 3))
    network = keras.Model(crops, scaled(crops, pixels))
    black_and_white = np.stack([np.zeros((1, 1, 3)), np.full((1, 1, 3), 255.0)])
    assert network.predict_on_batch(black_and_white)[:, 0, 0, 0] == pytest.approx(ends, abs=1e-7)
    assert pixels in PIXELS
