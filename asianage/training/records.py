"""The table of labelled faces that everything in training starts from."""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from asianage.config import GENDERS

MAX_AGE = 120


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """One labelled picture of one face.

    Attributes:
        path: The image file.
        age: Years; None if unknown.
        gender: "female" or "male" as labelled; None if unknown.
        dataset: Name of the data set it comes from.
        split: "train", "val" or "test"; "" if not assigned.
        identity: Pictures of one person share it; "" if unknown.
        group: Group label of the data set, for reports only; "" if unknown.
    """

    path: Path
    age: float | None
    gender: str | None
    dataset: str = ""
    split: str = ""
    identity: str = ""
    group: str = ""


def read_records(table: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> list[FaceRecord]:
    """Read a CSV file with a column ``file`` (or ``image``) and at least one of ``age`` and ``gender``.

    Optional columns: ``dataset``, ``split``, ``identity``, ``group``; others are ignored. An empty age or gender means
    unknown.

    Args:
        table: The CSV file, UTF-8, with a header line.
        root: Folder that relative file names start from; by default the table's own.

    Raises:
        FileNotFoundError: There is no such table.
        ValueError: A column is missing, or a line holds a value that cannot be used; the message gives its number.
    """
    table = Path(table)
    root = table.parent if root is None else Path(root)
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or ())
        name = "file" if "file" in columns else "image"
        if name not in columns or not columns & {"age", "gender"}:
            raise ValueError(
                f"{table} must have a column `file` (or `image`) and at least one of `age` and `gender`. "
                f"Received: {sorted(columns)}."
            )
        records = []
        for row in reader:
            try:
                records.append(_record(row, root, row[name]))
            except ValueError as error:
                raise ValueError(f"{table}, line {reader.line_num}: {error}") from error
    if not records:
        raise ValueError(f"{table} holds no rows. Add one line per picture.")
    return records


def write_records(records: Iterable[FaceRecord], table: str | os.PathLike[str]) -> None:
    """Write records as a CSV file that `read_records` reads again."""
    names = [field.name for field in fields(FaceRecord)]
    with Path(table).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", *names[1:]])
        for record in records:
            values = [getattr(record, name) for name in names]
            writer.writerow("" if value is None else value for value in values)


def records_sha256(records: Sequence[FaceRecord], *, by_name: bool = False) -> str:
    """Hash what the records say: paths (or file names, which do not depend on the machine), labels and splits."""
    digest = hashlib.sha256()
    for record in records:
        name = record.path.name if by_name else record.path.as_posix()
        digest.update(f"{name},{record.age},{record.gender},{record.split}\n".encode())
    return digest.hexdigest()


def _record(row: dict[str, str], root: Path, name: str) -> FaceRecord:
    if not name:
        raise ValueError("the file name is empty.")
    return FaceRecord(
        path=root / name,
        age=_age(row.get("age") or ""),
        gender=_gender(row.get("gender") or ""),
        dataset=row.get("dataset") or "",
        split=row.get("split") or "",
        identity=row.get("identity") or "",
        group=row.get("group") or "",
    )


def _age(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        age = float(text)
    except ValueError:
        age = math.nan
    if not 0 <= age <= MAX_AGE:
        raise ValueError(f"`age` must be a number of years in [0, {MAX_AGE}]. Received: {text!r}.")
    return age


def _gender(text: str) -> str | None:
    gender = text.strip().lower()
    if not gender:
        return None
    if gender not in GENDERS:
        raise ValueError(f"`gender` must be one of {', '.join(GENDERS)}, or empty. Received: {text!r}.")
    return gender
