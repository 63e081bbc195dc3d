"""`asianage fine-tune`."""

from __future__ import annotations

import argparse
from typing import Any

from asianage.cli import options


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("fine-tune", help="train a model further on faces of one's own")
    options.add_model(parser)
    options.add_faces(parser)
    options.add_run(parser)
    parser.add_argument("--epochs", type=int, default=10, help="passes over the faces (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="peak of the schedule (default: %(default)s)")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Fine-tune a model."""
    from asianage.training.fine_tune import fine_tune

    estimator = fine_tune(
        given.model,
        given.data,
        given.output,
        epochs=given.epochs,
        learning_rate=given.learning_rate,
        **options.begin_run(given),
    )
    print(f"model: {estimator.model.path}")
    return 0
