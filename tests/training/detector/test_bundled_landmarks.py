"""The bundled landmarks network against the weights that it was exported from, which do not lie in the wheel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs the extra train")

from asianage.faces.detection.networks import LandmarksNetwork  # noqa: E402
from asianage.models.folder import BUNDLED, BUNDLED_DETECTOR, LANDMARKS_NETWORK  # noqa: E402
from asianage.models.pretrained import open_detector  # noqa: E402
from asianage.networks.face_landmarks import INPUT_SIDE, face_landmarks_network  # noqa: E402

WEIGHTS = Path(__file__).with_name("data") / "landmarks.weights.h5"


def test_the_bundled_network_computes_what_its_weights_compute(hopper):
    network = face_landmarks_network()
    network.load_weights(WEIGHTS)
    bundled = LandmarksNetwork(open_detector(BUNDLED / BUNDLED_DETECTOR).read(LANDMARKS_NETWORK), source="bundled")
    # Rows and columns of the face in the photo, one in four.
    patch = np.ascontiguousarray(hopper[90 : 90 + 4 * INPUT_SIDE : 4, 140 : 140 + 4 * INPUT_SIDE : 4])
    expected = network(patch[None].astype(np.float32))
    points, probability = bundled(patch)
    middle = (INPUT_SIDE - 1) / 2
    wanted = np.asarray(expected["landmarks"])[0].reshape(5, 2) * INPUT_SIDE / 2 + middle
    assert np.abs(points - wanted).max() < 1.0  # Pixels: eight bits.
    assert probability == pytest.approx(1.0 / (1.0 + np.exp(-float(expected["face"][0, 0]))), abs=0.02)
