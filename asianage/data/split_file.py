"""The split of a run: a CSV file with its SHA-256 beside it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asianage.data.records import FaceRecord, read_records, write_records
from asianage.files import write_text


def keep_split(records: Sequence[FaceRecord], table: Path, *, fixed: bool) -> str:
    """Write the split of a run, and return its SHA-256; names start at the folder that all files share.

    Args:
        records: The faces of the run.
        table: The CSV file, as `write_split` writes it.
        fixed: Whether a network has already been trained on the split in the file.

    Raises:
        FileExistsError: `table` is a file, but not the split of a run.
        ValueError: `fixed`, and the file holds another split.
    """
    if table.exists() and not _digest_file(table).is_file():
        raise FileExistsError(f"{table} is not of a run, and would be replaced. Choose another output folder.")
    records = [replace(record, path=Path(os.path.abspath(record.path))) for record in records]
    root = os.path.commonpath([record.path.parent for record in records])
    if fixed and table.is_file():
        before = read_split(table, root)
        if before != sorted(records, key=lambda record: record.path.as_posix()):
            raise ValueError(
                f"{table.parent} holds a run on other faces or another split: {len(before):,} faces. Received: "
                f"{len(records):,}. Go on with the same data, or choose another output folder."
            )
    return write_split(records, table, root)


def write_split(
    records: Sequence[FaceRecord], table: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> str:
    """Write a split as a CSV file, and its SHA-256 into a second file beside it (``*.sha256``).

    With `root` the content does not depend on the machine: names relative to it, sorted.

    Args:
        records: What to write.
        table: The CSV file.
        root: Folder that the names are written relative to; None as in `write_records`.

    Returns:
        The SHA-256 of the CSV file, in hexadecimal.

    Raises:
        ValueError: A file does not lie below `root`.
    """
    table = Path(table)
    # First: it marks the table as the split of a run, even if writing is interrupted.
    _digest_file(table).touch()
    write_records(sorted(records, key=lambda record: record.path.as_posix()), table, root)
    digest = _sha256(table)
    # In the form of `sha256sum --check`.
    write_text(_digest_file(table), f"{digest}  {table.name}\n")
    return digest


def read_split(table: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> list[FaceRecord]:
    """Read a split that `write_split` wrote.

    Raises:
        FileNotFoundError: The CSV file or the file of its SHA-256 is missing.
        ValueError: The CSV file was altered since.
    """
    table = Path(table)
    records = read_records(table, root)
    expected, received = _digest_file(table).read_text("utf-8").partition(" ")[0], _sha256(table)
    if received != expected:
        raise ValueError(
            f"{table} was altered: its SHA-256 is {received} instead of {expected}, as in {_digest_file(table).name}. "
            "Write the split again, or read it as an ordinary table."
        )
    return records


def _sha256(table: Path) -> str:
    return hashlib.sha256(table.read_bytes()).hexdigest()


def _digest_file(table: Path) -> Path:
    return table.with_name(f"{table.name}.sha256")
