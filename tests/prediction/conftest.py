from __future__ import annotations

import pytest

from asianage import AgeGenderEstimator


@pytest.fixture(scope="session")
def estimator() -> AgeGenderEstimator:
    return AgeGenderEstimator(detector=None)
