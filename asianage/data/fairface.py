"""FairFace (Karkkainen and Joo, WACV 2021): pictures and their published label tables -> records."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

from asianage.data.folders import read_pictures, require_folder
from asianage.data.labels import parse_age_label, parse_gender
from asianage.data.records import DroppedFile, FaceRecord, RecordTable
from asianage.data.special_figures import AgeRange, SpecialFigures

PARTS = ("train", "val")

GROUP_BY_RACE = {
    "East Asian": "asian",
    "Southeast Asian": "asian",
    "Black": "black",
    "Indian": "indian",
    "White": "white",
    "Latino Hispanic": "other",
    "Middle Eastern": "other",
}

# The gender of children and teenagers is hard to see.
SPECIAL_FIGURES = SpecialFigures(age_ranges=(AgeRange(name="from_20", first=20, figures=("gender_accuracy",)),))

_COLUMNS = ("file", "age", "gender", "race")


@dataclass(frozen=True, slots=True)
class _Labels:
    age_low: float | None
    age_high: float | None
    gender: str | None
    group: str


def is_laid_out_as_fairface(path: Path) -> bool:
    """Tell whether a file lies as in FairFace: ``train/1.jpg`` or ``val/1.jpg``, with a label table in reach."""
    return (
        path.stem.isdecimal()
        and path.parent.name in PARTS
        and _label_table(path.parents[1], path.parent.name).is_file()
    )


def read_fairface(root: str | os.PathLike[str]) -> RecordTable:
    """Read FairFace: pictures ``train/N.jpg`` and ``val/N.jpg``, and a label table for each of the two folders.

    The tables are ``fairface_label_train.csv`` and ``fairface_label_val.csv``, in `root` or in the folder above it.
    FairFace has groups of ages, no exact ones. The column `split` becomes the published one, train or val.

    Args:
        root: The folder that holds ``train`` and ``val``, for instance ``fairface-img-margin025-trainval``.

    Returns:
        The records, sorted by path, and the files that were left out. Identities are unknown.

    Raises:
        FileNotFoundError: There is no such folder, or a label table is missing.
        ValueError: A table is not of FairFace, or no picture is in it.
    """
    root = require_folder(root)
    labels = {name: row for part in PARTS if (root / part).is_dir() for name, row in _read_labels(root, part).items()}
    table = read_pictures(root, lambda path: _entry(path, path.relative_to(root).as_posix(), labels))
    if not table.records:
        raise ValueError(f"{root} holds no picture as train/1.jpg or val/1.jpg. Pass the folder of train and val.")
    return table


def _label_table(root: Path, part: str) -> Path:
    name = f"fairface_label_{part}.csv"
    return root / name if (root / name).is_file() else root.parent / name


def _read_labels(root: Path, part: str) -> dict[str, _Labels]:
    table = _label_table(root, part)
    if not table.is_file():
        raise FileNotFoundError(
            f"{root} must hold the label table {table.name}, which is published beside the pictures. Put it there."
        )
    labels = {}
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := set(_COLUMNS) - set(reader.fieldnames or ()):
            raise ValueError(f"{table} must have the columns {', '.join(_COLUMNS)}. Missing: {sorted(missing)}.")
        for row in reader:
            try:
                labels[row["file"]] = _labels(row)
            except ValueError as error:
                raise ValueError(f"{table}, line {reader.line_num}: {error}") from error
    return labels


def _labels(row: dict[str, str]) -> _Labels:
    # A spreadsheet turns 3-9 into a date.
    age, low, high = parse_age_label(row["age"])
    if age is not None:
        raise ValueError(f"`age` must be a group such as 3-9. Received: {row['age']!r}. Download the table again.")
    race = row["race"].replace("_", " ")
    if race not in GROUP_BY_RACE:
        raise ValueError(f"`race` must be one of {', '.join(GROUP_BY_RACE)}. Received: {row['race']!r}.")
    return _Labels(low, high, parse_gender(row["gender"]), GROUP_BY_RACE[race])


def _entry(path: Path, name: str, labels: dict[str, _Labels]) -> FaceRecord | DroppedFile:
    found = labels.get(name)
    if found is None:
        return DroppedFile(path, "not in the label tables", f"{name} is needed in the column `file`")
    return FaceRecord(
        path,
        age=None,
        gender=found.gender,
        dataset="fairface",
        split=name.split("/")[0],
        group=found.group,
        age_low=found.age_low,
        age_high=found.age_high,
    )
