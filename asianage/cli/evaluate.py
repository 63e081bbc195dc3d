"""`asianage evaluate`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from asianage.cli import options


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("evaluate", help="measure a model on labeled faces")
    options.add_faces(parser)
    options.add_estimator(parser)
    parser.add_argument("--split", help="only the rows of this split, for instance test")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, as in metrics.json")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write tables, figures and all predictions there")
    parser.add_argument(
        "--thresholds",
        type=int,
        nargs="+",
        metavar="AGE",
        help="ages of age checks: who passes although younger, who is challenged although older (default: 18)",
    )
    parser.add_argument(
        "--challenge",
        type=int,
        nargs="+",
        metavar="AGE",
        help="estimated ages that pass these checks (default: the threshold, and 3 and 7 years more)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Measure a model, print the tables, and write the report."""
    from asianage.data.sources import read_source
    from asianage.evaluation.evaluate import evaluate
    from asianage.evaluation.thresholds import DEFAULT_THRESHOLDS

    if given.output is not None:
        # Figures need Matplotlib, tables do not. A missing package is better known before the work.
        from asianage.evaluation.report import FIGURES, save_report
        from asianage.evaluation.report_folder import check_report_folder

        check_report_folder(given.output, FIGURES, inputs=[given.data])
    records = [
        record
        for record in read_source(options.labeled_faces(given, given.data)).records
        if given.split in (None, record.split)
    ]
    if not records:
        raise ValueError(f"{given.data} has no rows of the split {given.split!r}.")
    result = evaluate(
        options.make_estimator(given),
        records,
        progress=not given.quiet,
        thresholds=given.thresholds or DEFAULT_THRESHOLDS,
        challenge_ages=given.challenge,
    )
    if given.output is not None:
        save_report(result, given.output, statement=given.thresholds is not None)
    print(json.dumps(result.to_dict(), indent=1) if given.json else result.to_markdown())
    return 0
