"""`asianage fine-tune`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from asianage.cli import options


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("fine-tune", help="train a model further on faces of one's own")
    options.add_model(parser)
    options.add_faces(parser)
    options.add_run(parser)
    parser.add_argument("--validation", type=Path, metavar="DATA", help="validation faces (default: part of the data)")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the faces (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="peak of the schedule (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, help="faces per step (default: by the number of faces)")
    parser.add_argument(
        "--freeze", action="append", metavar="LAYERS", help="backbone, or the beginning of layer names; may be repeated"
    )
    options.add_register(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Fine-tune a model."""
    from asianage.training.fine_tune import fine_tune

    options.run_registered(given)
    estimator = fine_tune(
        given.model,
        options.labeled_faces(given, given.data),
        given.output,
        validation=None if given.validation is None else options.labeled_faces(given, given.validation),
        epochs=given.epochs,
        learning_rate=given.learning_rate,
        batch_size=given.batch_size,
        freeze=given.freeze,
        **options.begin_run(given),
    )
    print(f"model: {estimator.model.path}")
    return 0
