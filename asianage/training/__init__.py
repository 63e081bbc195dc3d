"""The recipes that make the weights, from data files to a model folder. Needs the extra `train`.

The public names are loaded when they are first used; reading data and making splits needs no Keras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asianage.training.evaluation import Evaluation, evaluate
    from asianage.training.recipes import RECIPES, TrainingRecipe
    from asianage.training.records import FaceRecord, read_records, write_records
    from asianage.training.report import save_report
    from asianage.training.run import train

_HOME = {
    "Evaluation": "evaluation",
    "evaluate": "evaluation",
    "RECIPES": "recipes",
    "TrainingRecipe": "recipes",
    "FaceRecord": "records",
    "read_records": "records",
    "write_records": "records",
    "save_report": "report",
    "train": "run",
}

__all__ = [
    "RECIPES",
    "Evaluation",
    "FaceRecord",
    "TrainingRecipe",
    "evaluate",
    "read_records",
    "save_report",
    "train",
    "write_records",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"asianage.training.{_HOME[name]}"), name)
    raise AttributeError(f"module 'asianage.training' has no attribute {name!r}")
