"""Folders of one's own pictures, labeled by the names of their subfolders -> records."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from asianage.data.labels import AgeLabel, parse_age_label, parse_gender
from asianage.data.records import SPLITS, DroppedFile, FaceRecord, RecordTable
from asianage.faces.image_files import IMAGE_SUFFIXES, LeftOut, conclude, stored_form, walk

NOT_A_PICTURE = "not a picture"
NAME_NOT_UTF_8 = "name that is not UTF-8"

_SPLIT_FOLDERS = {**{split: split for split in SPLITS}, "validation": "val", "valid": "val"}
"""Names of folders, in small letters -> split."""


def read_folders(root: str | os.PathLike[str], dataset: str | None = None) -> RecordTable:
    """Read a folder whose subfolders are named ``female`` and ``male``, by ages such as ``25`` or ``25-32``, or both.

    They may lie in folders named ``train``, ``val`` and ``test``, which are the splits.

    Args:
        root: The folder. ``female/25/a.jpg`` and ``25/female/a.jpg`` are the same; ``female/a.jpg`` has no age.
        dataset: Name of the data set; by default the folder's own.

    Returns:
        The records, sorted by path, and the files that are not pictures.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: A subfolder is neither a gender nor an age, a folder holds no picture, or a picture has no label.
    """
    root = require_folder(root)
    dataset = root.resolve().name if dataset is None else dataset
    table = read_pictures(root, lambda path: _record(path, root, dataset))
    _require_filled(root, table.records)
    return table


def read_pictures(root: Path, label: Callable[[Path], FaceRecord | DroppedFile]) -> RecordTable:
    """Return what `label` makes of every picture below `root`, sorted by path, and the files that are no pictures."""
    return RecordTable.of(_entry(path, label) for path in list_files(root))


def _entry(path: Path, label: Callable[[Path], FaceRecord | DroppedFile]) -> FaceRecord | DroppedFile:
    if not is_picture(path):
        return DroppedFile(path, NOT_A_PICTURE)
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        return DroppedFile(path, NAME_NOT_UTF_8, "tables cannot hold it: rename the file")
    return label(path)


def require_folder(root: str | os.PathLike[str]) -> Path:
    """Return `root` as a path; refuse one that is not there, or is a file."""
    root = stored_form(Path(root))
    if not root.exists():
        raise FileNotFoundError(f"`root` must be a folder of pictures. Received: {root}, which is not there.")
    if not root.is_dir():
        raise NotADirectoryError(f"`root` must be a folder of pictures. Received: {root}, which is a file.")
    return root


def list_files(root: Path) -> Iterator[Path]:
    """Yield every file below `root`, in a fixed order; hidden folders and those of thumbnails are left out.

    Raises:
        PermissionError: A folder cannot be read; raised at the end.
    """
    left_out = LeftOut()
    for directory, names in walk(root, left_out):
        yield from (directory / name for name in names)
    conclude(root, left_out)


def is_picture(path: Path) -> bool:
    """Tell by its name whether a file is a picture; the hidden files of desktops are none."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _record(path: Path, root: Path, dataset: str) -> FaceRecord:
    folders = path.relative_to(root).parts[:-1]
    splits = [_SPLIT_FOLDERS[name.strip().lower()] for name in folders if name.strip().lower() in _SPLIT_FOLDERS]
    rest = [name for name in folders if name.strip().lower() not in _SPLIT_FOLDERS]
    genders = [gender for name in rest if (gender := _gender(name)) is not None]
    ages = [_age(name, path.parent) for name in rest if _gender(name) is None]
    if not rest:
        raise ValueError(
            f"{path} has no label. Put it into a subfolder named female, male or by its age in years, or use a table."
        )
    if len(ages) > 1 or len(genders) > 1 or len(splits) > 1:
        raise ValueError(f"{path} has more than one age, gender or split: {', '.join(folders)}. Leave one of each.")
    age, low, high = ages[0] if ages else (None, None, None)
    gender = genders[0] if genders else None
    split = splits[0] if splits else ""
    return FaceRecord(path, age, gender, dataset, split, age_low=low, age_high=high)


def _gender(name: str) -> str | None:
    """Return the gender that a folder is named for, None if it is none."""
    try:
        return parse_gender(name)
    except ValueError:
        return None


def _age(name: str, folder: Path) -> AgeLabel:
    try:
        return parse_age_label(name)
    except ValueError as error:
        raise ValueError(
            f"Subfolders must be named female, male, train, val, test, or by an age in years from 0 to 120 or a group "
            f"of ages. Received: {name!r} in {folder}. Rename or remove it."
        ) from error


def _require_filled(root: Path, records: list[FaceRecord]) -> None:
    if not records:
        raise ValueError(
            f"{root} holds no pictures in subfolders. Name the subfolders female and male, or by ages, or pass a CSV "
            "table."
        )
    filled = {parent for record in records for parent in record.path.parents}
    for directory, _ in walk(root, LeftOut()):
        if directory != root and directory not in filled:
            raise ValueError(f"The folder {directory} holds no picture. Fill it or remove it.")
