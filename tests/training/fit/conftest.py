"""Fixtures of the tests of fitting."""

from __future__ import annotations

import pytest

from asianage.data.crop_cache import cut_crops


@pytest.fixture(scope="session")
def cache(tiny_records, tmp_path_factory):
    """Crops of all pictures: positions 0 to 59 are for training, 60 to 89 for validation."""
    return cut_crops(tiny_records, tmp_path_factory.mktemp("cache") / "crops", size=32, margin=4, detector=None)
