"""The folder of a report: it replaces an earlier report, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path

from asianage.files import sole_writer

METRICS, PREDICTIONS, TEXT, UNREADABLE = "metrics.json", "predictions.csv", "report.md", "unreadable.csv"
STATEMENT = "practice_statement_draft.md"

_HEADING = b"file,dataset,split,"
"""Begin of the table of predictions of every version."""


def check_report_folder(folder: Path, figures: Collection[str], *, inputs: Collection[Path] = ()) -> None:
    """Check that a report can be written into `folder` without a loss.

    Args:
        folder: Where the report is to go; it need not exist.
        figures: Names of the files with figures that a report may have.
        inputs: Files that are read, of which none may be replaced.

    Raises:
        FileExistsError: `folder` holds a file of such a name that is not of a report.
        NotADirectoryError: `folder` is a file.
        ValueError: The report would replace one of the inputs.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"`folder` must be a folder or not exist yet. Received: the file {folder}.")
    names = [METRICS, PREDICTIONS, TEXT, UNREADABLE, STATEMENT, *figures]
    for file in inputs:
        if file.resolve() in [folder.resolve() / name for name in names]:
            raise ValueError(f"The report must not replace {file}, which is read. Choose another folder than {folder}.")
    present = [name for name in names if os.path.lexists(folder / name)]
    if present and not _is_report(folder):
        raise FileExistsError(
            f"{folder} holds {present[0]}, which is not of a report of this package. It is not replaced. Choose "
            "another folder."
        )


def place_report(complete: Path, folder: Path, figures: Collection[str]) -> None:
    """Move a complete report into `folder`, and remove what an earlier one had and this one has not."""
    check_report_folder(folder, figures)
    folder.mkdir(parents=True, exist_ok=True)
    with sole_writer(folder, wait=True):
        for name in (*figures, UNREADABLE):
            if not (complete / name).exists():
                (folder / name).unlink(missing_ok=True)
        # The two by which a report is known come first: an interrupted replacement stays a report.
        for file in sorted(complete.iterdir(), key=lambda file: file.name not in (METRICS, PREDICTIONS)):
            file.replace(folder / file.name)


def _is_report(folder: Path) -> bool:
    try:
        with (folder / PREDICTIONS).open("rb") as table:
            if not table.readline().startswith(_HEADING):
                return False
        if not (folder / METRICS).exists():
            return True
        metrics = json.loads((folder / METRICS).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(metrics, dict) and {"datasets", "all"} <= set(metrics)
