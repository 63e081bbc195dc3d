"""The table of labeled faces that training and evaluation start from."""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from pathlib import Path
from typing import Any

from asianage.data.labels import MAX_AGE, GenderLabels, parse_age, parse_age_label, parse_gender, parse_name
from asianage.faces.image_files import address_start, stored_form
from asianage.files import write_csv
from asianage.masking import masked
from asianage.models.config import GENDERS

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """One labeled picture of one face.

    Attributes:
        path: The image file.
        age: Completed years; None if unknown, or if only its group is known. A fraction of a year is dropped: 17.99
            years are 17. A group of one year is an age.
        gender: "female" or "male" as labeled; None if unknown.
        dataset: Name of the data set it comes from.
        split: "train", "val" or "test"; "" if not assigned.
        identity: Pictures of one person share it; "" if unknown.
        group: Group label of the data set, for instance "asian"; "" if unknown.
        age_low: First year of the age group, in completed years; None if there is none.
        age_high: Last year of the age group, included: 19 in "10 to 19".

    Raises:
        ValueError: Age, age group, gender or split is none of these.
    """

    path: Path
    age: float | None
    gender: str | None
    dataset: str = ""
    split: str = ""
    identity: str = ""
    group: str = ""
    age_low: float | None = None
    age_high: float | None = None

    def __post_init__(self) -> None:
        """Take a path as text too, and refuse labels that would be misunderstood later."""
        if not isinstance(self.path, Path):
            object.__setattr__(self, "path", Path(self.path))
        if self.age is not None and not (isinstance(self.age, Real) and 0 <= self.age <= MAX_AGE):
            raise ValueError(f"`age` must be a number of years in [0, {MAX_AGE}], or None. Received: {self.age!r}.")
        if self.age is not None:
            object.__setattr__(self, "age", float(math.floor(self.age)))
        self._check_age_group()
        if self.age is None and self.age_low is not None and self.age_low == self.age_high:
            object.__setattr__(self, "age", self.age_low)
        for name in ("dataset", "identity", "group"):
            object.__setattr__(self, name, parse_name(getattr(self, name)))
        if self.gender is not None and self.gender not in GENDERS:
            raise ValueError(f"`gender` must be {' or '.join(GENDERS)}, or None. Received: {self.gender!r}.")
        if self.split and self.split not in SPLITS:
            raise ValueError(f"`split` must be {', '.join(SPLITS)} or empty. Received: {self.split!r}. Rename it.")

    def _check_age_group(self) -> None:
        low, high = self.age_low, self.age_high
        if low is None and high is None:
            return
        if low is None or high is None or not 0 <= low <= high <= MAX_AGE:
            raise ValueError(
                f"`age_low` and `age_high` must be the first and the last year of a group in [0, {MAX_AGE}], or both "
                f"None. Received: {low!r} and {high!r}."
            )
        if self.age is not None and not low <= self.age < high + 1:
            raise ValueError(f"`age` must lie in its group. Received: {self.age:g} in {low:g} to {high:g}.")

    @property
    def age_range(self) -> tuple[float, float] | None:
        """First and last age that the labels allow, in years: the age twice, or its group; None if nothing is known."""
        if self.age is not None:
            return self.age, self.age
        if self.age_low is None or self.age_high is None:
            return None
        return self.age_low, self.age_high


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """A file that was left out: `reason` can be counted, for instance "not a picture"; `detail` is what was found."""

    path: Path
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RecordTable:
    """Records, and the files that were left out on the way to them."""

    records: list[FaceRecord]
    dropped: list[DroppedFile]

    @classmethod
    def of(cls, entries: Iterable[FaceRecord | DroppedFile]) -> RecordTable:
        """Sort what was found file by file into the two lists."""
        table = cls([], [])
        for entry in entries:
            if isinstance(entry, FaceRecord):
                table.records.append(entry)
            else:
                table.dropped.append(entry)
        return table

    def reasons(self) -> dict[str, int]:
        """Return reason -> number of files left out for it, the most frequent first."""
        return dict(Counter(file.reason for file in self.dropped).most_common())

    def summary(self) -> str:
        """Return one line with the number of faces, and of the files that were left out for each reason."""
        kept = f"{len(self.records):,} faces"
        if not self.dropped:
            return f"{kept}; no file was left out"
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons().items())
        return f"{kept}; {len(self.dropped):,} files were left out: {reasons}"

    def write_dropped(self, table: str | os.PathLike[str]) -> None:
        """Write the files that were left out as a CSV file with the columns file, reason and detail."""
        write_csv(table, ("file", "reason", "detail"), ((f.path, f.reason, f.detail) for f in self.dropped))


def read_records(
    table: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    gender_labels: GenderLabels | None = None,
) -> list[FaceRecord]:
    """Read a CSV file of labeled faces.

    It has a column ``file`` (or ``image``, ``path``) and at least one of ``age``, ``age_low`` and ``gender``. Optional
    columns: ``dataset``, ``split``, ``identity``, ``group``; others are ignored. An empty age or gender means unknown:
    such a row trains only the head that it has a label for. An age may be a group, such as ``25-32`` or ``60+``.
    Instead ``age_low`` and ``age_high`` may hold the first and the last year of the group. A gender is female, male, f,
    m, woman or man.

    Args:
        table: The CSV file, UTF-8, with a header line.
        root: Folder that relative file names start from; by default the table's own.
        gender_labels: What the table writes for each gender, for instance ``{"0": "male", "1": "female"}``.

    Raises:
        FileNotFoundError: There is no such table.
        ValueError: A column is missing, or a line holds a value that cannot be used; the message gives its number.
    """
    table = Path(table)
    root = table.parent if root is None else Path(root)
    if not table.is_file():
        raise FileNotFoundError(f"The table must be a CSV file. Received: {table}, which is no file. Check the path.")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            # A value in quotes may go over several lines.
            rows = ((reader.line_num, cells) for cells in reader)
            records = list(_read_rows(rows, table, root, gender_labels))
    except UnicodeDecodeError as error:
        raise ValueError(f"{table} must be text in UTF-8: {error}. Save the table again with this encoding.") from error
    except csv.Error as error:
        raise ValueError(
            f"{table} is not a readable CSV file: line {reader.line_num}: {error}. Check its quotes."
        ) from error
    if not records:
        raise ValueError(f"{table} holds no rows. Add one line per picture.")
    return records


def write_records(
    records: Iterable[FaceRecord], table: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> None:
    """Write records as a CSV file that `read_records` reads again.

    Args:
        records: What to write.
        table: The CSV file; one that is there is replaced in one step.
        root: Folder that the file names are written relative to. None takes the table's own, and writes whole paths of
            files outside it.

    Raises:
        ValueError: A file does not lie below `root`.
    """
    names = [field.name for field in fields(FaceRecord)]
    folder = Path(table).parent
    lines = ([_name(record.path, folder, root), *(getattr(record, name) for name in names[1:])] for record in records)
    write_csv(table, ("file", *names[1:]), lines)


def records_sha256(records: Sequence[FaceRecord], *, by_name: bool = False) -> str:
    """Hash paths (or file names, which do not depend on the machine), labels and splits of records."""
    digest = hashlib.sha256()
    for record in records:
        name = record.path.name if by_name else record.path.as_posix()
        group = "" if record.age_low is None else f",{record.age_low},{record.age_high}"
        line = f"{name},{record.age},{record.gender},{record.split}{group}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def column_of_files(columns: Sequence[str], table: object) -> str:
    """Return the column with the pictures, and refuse a table that lacks it, or labels, or has a column twice."""
    name = next((column for column in ("file", "image", "path") if column in columns), "")
    if not name or not {"age", "age_low", "gender"} & set(columns):
        raise ValueError(
            f"{table} must have a column `file` (or `image`, `path`) and at least one of `age`, `age_low` and "
            f"`gender`. Received: {masked(str(columns))}. Name the columns in the first line, separated by commas."
        )
    if repeated := sorted(column for column, count in Counter(columns).items() if column and count > 1):
        twice = masked(", ".join(repeated))
        raise ValueError(f"{table} must have every column once. Received twice: {twice}. Rename one.")
    return name


def file_of(root: Path, name: str) -> Path:
    """Return the file of a row, and refuse an empty name and an address. Blanks around a name rarely belong to it."""
    if not name.strip():
        raise ValueError("the file name is empty. Fill it in or remove the row.")
    if name != name.strip() and not os.path.lexists(root / name):
        name = name.strip()
    if (start := address_start(name)) and not os.path.lexists(root / name):
        raise ValueError(f"the file must be local. Received an address that begins with {start}. Download it first.")
    return stored_form(root / name)


def record_of(row: Mapping[str, Any], path: Path, gender_labels: GenderLabels | None = None) -> FaceRecord:
    """Return the record of a row of a table, whose values may be text, numbers or missing."""
    age, low, high = parse_age_label(row.get("age"))
    if row.get("age_low") is not None or row.get("age_high") is not None:
        given = parse_age(row.get("age_low")), parse_age(row.get("age_high"))
        low, high = given if given != (None, None) else (low, high)
    return FaceRecord(
        path=path,
        age=age,
        gender=parse_gender(row.get("gender"), gender_labels),
        dataset=row.get("dataset", ""),
        split=parse_name(row.get("split")).lower(),
        identity=row.get("identity", ""),
        group=row.get("group", ""),
        age_low=low,
        age_high=high,
    )


def _read_rows(
    rows: Iterator[tuple[int, list[str]]], table: Path, root: Path, gender_labels: GenderLabels | None
) -> Iterator[FaceRecord]:
    columns = [column.strip().lower() for column in next(rows, (1, list[str]()))[1]]
    name = column_of_files(columns, table)
    lines: dict[Path, int] = {}
    for number, cells in rows:
        if not cells:
            continue
        try:
            if len(cells) != len(columns):
                raise ValueError(f"{len(columns)} values are needed. Received: {len(cells)}. Quote names with commas.")
            row = dict(zip(columns, cells, strict=True))
            record = record_of(row, file_of(root, row[name]), gender_labels)
            if (first := lines.setdefault(record.path, number)) != number:
                raise ValueError(f"the file {record.path} is in line {first} too. Make one line of the two.")
            yield record
        except ValueError as error:
            raise ValueError(f"{table}, line {number}: {masked(str(error))}") from error


def _name(path: Path, folder: Path, root: str | os.PathLike[str] | None) -> str:
    """Return the name of a file in a table in `folder`."""
    start, whole = Path(os.path.abspath(folder if root is None else root)), Path(os.path.abspath(path))
    if whole.is_relative_to(start):
        return whole.relative_to(start).as_posix()
    if root is None:
        return whole.as_posix()
    raise ValueError(f"Files must lie below `root` ({root}). Received: {path}. Pass a common folder.")
