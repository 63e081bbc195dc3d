"""Recipe and data to a model folder. Needs the extra `train`, apart from the baselines."""

from __future__ import annotations

from typing import Any

from asianage.data.records import FaceRecord, read_records, write_records
from asianage.errors import MissingExtraError, needs_extra
from asianage.evaluation.evaluate import Evaluation, evaluate
from asianage.training.study.baselines import run_baseline

try:
    with needs_extra("train", "Training"):
        import asianage.networks  # noqa: F401  # The first import of Keras, which is silent there.
        from asianage.networks.backbones import register_backbone
        from asianage.training import recipes
        from asianage.training.compare_heads import compare_heads
        from asianage.training.detector.train import train_detector
        from asianage.training.fine_tune import fine_tune
        from asianage.training.fit.devices import use_device
        from asianage.training.run_study import run_study
        from asianage.training.train import train
    with needs_extra("train", "A report"):
        from asianage.evaluation.report import save_report
except MissingExtraError as error:
    _missing = error

    def __getattr__(name: str) -> Any:
        if name in __all__:
            raise _missing
        raise AttributeError(f"module 'asianage.training' has no attribute {name!r}")


__all__ = [
    "Evaluation",
    "FaceRecord",
    "compare_heads",
    "evaluate",
    "fine_tune",
    "read_records",
    "recipes",
    "register_backbone",
    "run_baseline",
    "run_study",
    "save_report",
    "train",
    "train_detector",
    "use_device",
    "write_records",
]
