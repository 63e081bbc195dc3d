"""Recipe and data to a model folder. Needs the extra `train`."""

from __future__ import annotations

from asianage.errors import needs_extra

with needs_extra("train", "Training"):
    from asianage.data.records import FaceRecord, read_records, write_records
    from asianage.evaluation.evaluate import Evaluation, evaluate
    from asianage.evaluation.report import save_report
    from asianage.training.fine_tune import fine_tune
    from asianage.training.recipes.composed import CHAIN_RECIPES, STUDY_RECIPES, ChainRecipe, Cycle, StudyRecipe
    from asianage.training.recipes.single import RECIPES, TrainingRecipe
    from asianage.training.study.assemble import assemble_study
    from asianage.training.study.baselines import run_baseline
    from asianage.training.train import train

__all__ = [
    "CHAIN_RECIPES",
    "RECIPES",
    "STUDY_RECIPES",
    "ChainRecipe",
    "Cycle",
    "Evaluation",
    "FaceRecord",
    "StudyRecipe",
    "TrainingRecipe",
    "assemble_study",
    "evaluate",
    "fine_tune",
    "read_records",
    "run_baseline",
    "save_report",
    "train",
    "write_records",
]
