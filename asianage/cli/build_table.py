"""`asianage build-table`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from asianage.cli import messages

_SHOWN = 3
"""Missing pictures that are named, of each data set."""


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "build-table", help="make the training table of the bundled models from the public downloads"
    )
    parser.add_argument("--afad", type=Path, metavar="DIR", help="AFAD: the folder of the ages")
    parser.add_argument("--all-age-faces", type=Path, metavar="DIR", help="All-Age-Faces: the original pictures")
    parser.add_argument("--utkface", type=Path, metavar="DIR", help="UTKFace: aligned faces or pictures in the wild")
    parser.add_argument("--fairface", type=Path, metavar="DIR", help="FairFace: the folder that holds train and val")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="CSV file of the table")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Write the table, and say what was found and what is missing."""
    from asianage.data.records import write_records
    from asianage.data.training_table import build_training_table

    if not given.output.parent.is_dir():
        raise FileNotFoundError(f"OUTPUT must be in a folder that exists. Received: {given.output}. Make the folder.")
    table = build_training_table(
        afad=_absolute(given.afad),
        all_age_faces=_absolute(given.all_age_faces),
        utkface=_absolute(given.utkface),
        fairface=_absolute(given.fairface),
    )
    write_records(table.records, given.output)
    print(table.summary())
    print(f"table: {given.output}, {len(table.records):,} faces")
    for dataset in dict.fromkeys(picture.dataset for picture in table.missing):
        names = [picture.file for picture in table.missing if picture.dataset == dataset]
        rest = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        messages.say(f"missing of {dataset}: {', '.join(names[:_SHOWN])}{rest}")
    return 1 if table.missing else 0


def _absolute(folder: Path | None) -> Path | None:
    """Return a folder whose pictures the table names wherever it lies."""
    return None if folder is None else folder.absolute()
