"""Fixtures of the tests of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from asianage.data.records import write_records


@pytest.fixture(scope="session")
def tiny_run(tiny_records, tmp_path_factory) -> Path:
    """The folder of a run of the tiny recipe, measured, without the figures of its report."""
    pytest.importorskip("keras", reason="needs the extra train")
    from asianage.training import train
    from tests.training.tiny_recipe import TINY

    folder = tmp_path_factory.mktemp("tiny")
    write_records(tiny_records, folder / "faces.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asianage.training.train_network.save_report", lambda evaluation, folder, **more: None)
        train(TINY, folder / "faces.csv", folder / "run", detector=None)
    return folder / "run"
