"""A model measured through the estimator: figures of merit, tables and drawings."""

from __future__ import annotations

from asianage.evaluation.evaluate import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
