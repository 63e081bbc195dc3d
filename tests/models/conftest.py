"""Fixtures of a Hub on the loopback, an empty cache, and models to fetch from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from asianage.models import hub
from asianage.models.config import DetectorConfig, ModelConfig
from asianage.models.folder import (
    DETECTOR_NETWORK,
    LANDMARKS_NETWORK,
    METRICS,
    NETWORK,
    WEIGHTS,
    DetectorFolder,
    ModelFolder,
    write_model_folder,
)
from asianage.models.hub import HubAccess
from asianage.models.pretrained import open_model
from tests.models.hub_server import HubServer, running_hub

REPO = "someone/faces"


def make_model(folder: Path, *, name: str = "tiny", network: bytes = b"network" * 500) -> ModelFolder:
    """Write a model folder whose files are any bytes."""
    config = ModelConfig(name=name, architecture="residual", image_size=32)
    files = {NETWORK: network, WEIGHTS: b"weights" * 1000, METRICS: b"{}"}
    return write_model_folder(folder, config, files, card="# A card\n", overwrite=True)


def make_detector(folder: Path) -> DetectorFolder:
    """Write the model folder of a detector, likewise."""
    files = {DETECTOR_NETWORK: b"search" * 500, LANDMARKS_NETWORK: b"landmarks" * 500}
    return write_model_folder(folder, DetectorConfig(name="mine", score_threshold=0.6), files, card="")


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(autouse=True)
def clean_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the tokens, nor the proxies, nor the cache of the machine."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_ETAG_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "default-cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # Xet has a protocol and a storage of its own; without its package the client uses plain HTTP.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test can wait for."""
    monkeypatch.setattr(hub, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(hub, "STALL_SECONDS", 0.5)


@pytest.fixture
def server() -> Iterator[HubServer]:
    with running_hub() as running:
        yield running


@pytest.fixture
def access(server: HubServer, tmp_path: Path) -> HubAccess:
    """The server and an empty cache."""
    return HubAccess(endpoint=server.url, cache_dir=tmp_path / "cache")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """The files of a model."""
    return contents(make_model(tmp_path / "source").path)


@pytest.fixture
def load(access: HubAccess) -> Callable[..., ModelFolder]:
    """Open a model with the server and the empty cache."""

    def load(name: str | Path = REPO, **options: Any) -> ModelFolder:
        return open_model(name, **{"endpoint": access.endpoint, "cache_dir": access.cache_dir, **options})

    return load
