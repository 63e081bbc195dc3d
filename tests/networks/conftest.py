"""What the tests of all networks share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture(scope="session")
def crops() -> Callable[..., np.ndarray]:
    """Make float32 (count, size, size, 3) of whole numbers from 0 to 255, of differing brightness."""

    def make(size: int, count: int = 40) -> np.ndarray:
        random = np.random.default_rng(0)
        pixels = random.integers(0, 256, (count, size, size, 3)) * np.linspace(0.1, 1.0, count)[:, None, None, None]
        return pixels.round().astype(np.float32)

    return make


@pytest.fixture
def exported() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Run crops through the LiteRT twin of a network, as a prediction would."""
    from asianage.models.litert import LiteRTNetwork
    from asianage.training.export.litert import to_tflite

    def run(network, crops: np.ndarray, quantization: str = "float32") -> tuple[np.ndarray, np.ndarray]:
        content = to_tflite(network, quantization=quantization, samples=crops)
        num_ages = network.output["age_logits"].shape[1]
        return LiteRTNetwork(content, source=quantization, image_size=crops.shape[1], num_ages=num_ages)(crops)

    return run


@pytest.fixture
def check_export(exported) -> Callable[..., None]:
    """Compare the logits of a network with those of its LiteRT twin."""

    def check(network, crops: np.ndarray) -> None:
        expected = network.predict_on_batch(crops)
        ages, genders = exported(network, crops)
        tolerance = 1e-4 * np.abs(expected["age_logits"]).max()
        np.testing.assert_allclose(ages, expected["age_logits"], atol=tolerance)
        np.testing.assert_allclose(genders, expected["gender_logit"][:, 0], atol=tolerance)

    return check
