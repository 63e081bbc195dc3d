"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data sets, which lie beside the checkout on some machines."""
    folder = SHARED / "data"
    if not (folder / "labels.csv").is_file():
        pytest.skip("needs the data sets in ../shared/data, which this machine does not have")
    return folder


@pytest.fixture(scope="session")
def yunet_path() -> Path:
    """YuNet's ONNX file, which lies beside the checkout on some machines."""
    path = SHARED / "models" / "face_detection_yunet_2023mar.onnx"
    if not path.is_file():
        pytest.skip("needs YuNet's weights in ../shared/models, which this machine does not have")
    return path
