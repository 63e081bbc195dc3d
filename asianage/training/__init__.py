"""The recipes that make the weights, from data files to a model folder. Needs the extra `train`.

The public names are loaded when they are first used; reading data and making splits needs no Keras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asianage.training.baselines import run_baseline
    from asianage.training.composed_recipes import CHAIN_RECIPES, STUDY_RECIPES, ChainRecipe, Cycle, StudyRecipe
    from asianage.training.data.records import FaceRecord, read_records, write_records
    from asianage.training.evaluation import Evaluation, evaluate
    from asianage.training.fine_tuning import fine_tune
    from asianage.training.recipes import RECIPES, TrainingRecipe
    from asianage.training.reporting.report import save_report
    from asianage.training.run import train
    from asianage.training.study import assemble_study

_HOME = {
    "Evaluation": "evaluation",
    "evaluate": "evaluation",
    "fine_tune": "fine_tuning",
    "CHAIN_RECIPES": "composed_recipes",
    "RECIPES": "recipes",
    "STUDY_RECIPES": "composed_recipes",
    "ChainRecipe": "composed_recipes",
    "Cycle": "composed_recipes",
    "StudyRecipe": "composed_recipes",
    "TrainingRecipe": "recipes",
    "FaceRecord": "data.records",
    "assemble_study": "study",
    "read_records": "data.records",
    "run_baseline": "baselines",
    "write_records": "data.records",
    "save_report": "reporting.report",
    "train": "run",
}

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


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"asianage.training.{_HOME[name]}"), name)
    raise AttributeError(f"module 'asianage.training' has no attribute {name!r}")
