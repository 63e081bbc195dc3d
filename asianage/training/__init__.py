"""Recipe and data to a model folder. Needs the extra `train`."""

from __future__ import annotations

from asianage.errors import needs_extra

with needs_extra("train", "Training"):
    from asianage.data.records import FaceRecord, read_records, write_records
    from asianage.evaluation.evaluate import Evaluation, evaluate
    from asianage.evaluation.report import save_report
    from asianage.training import recipes
    from asianage.training.fine_tune import fine_tune
    from asianage.training.study.baselines import run_baseline
    from asianage.training.train import train

__all__ = [
    "Evaluation",
    "FaceRecord",
    "evaluate",
    "fine_tune",
    "read_records",
    "recipes",
    "run_baseline",
    "save_report",
    "train",
    "write_records",
]
