"""Photos with labeled faces, to train and measure face detectors on, from the tables that list them."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asianage.data.labels import parse_name
from asianage.data.records import SPLITS, file_of
from asianage.faces.detection import LANDMARK_COLUMNS
from asianage.files import write_csv

BOX = ("x_min", "y_min", "x_max", "y_max")
"""Columns of a box."""

UNSURE = "unknown"
"""Label of faces that are neither missed nor false alarms."""

COMPLETE_TABLES, SINGLE_FACES = ("photos", "no_faces"), "landmarks"
"""Tables in a folder of detection data, without ``.csv``. The pictures of each lie in a folder of its name."""


@dataclass(frozen=True, slots=True, eq=False)
class LabeledFace:
    """A labeled face.

    Attributes:
        box: (x_min, y_min, x_max, y_max), in pixels; None if the face has landmarks alone.
        landmarks: float32 (5, 2): x and y in pixels, as in `asianage.Detection`; None if there are none.
        label: Any label, such as "masked".
    """

    box: tuple[float, float, float, float] | None = None
    landmarks: np.ndarray | None = None
    label: str = ""

    @property
    def is_sure(self) -> bool:
        """Whether the face counts. Others are ignored."""
        return self.label != UNSURE


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A picture with the faces that its table lists.

    Attributes:
        path: The picture.
        faces: The labeled faces.
        is_complete: Whether all faces are labeled. Such a photo without faces is face-free.
        dataset: Name of the data set.
        split: "train", "val", "test" or "".
    """

    path: Path
    faces: tuple[LabeledFace, ...] = ()
    is_complete: bool = True
    dataset: str = ""
    split: str = ""


def read_detection_folder(folder: str | os.PathLike[str]) -> list[Photo]:
    """Read the tables ``photos.csv``, ``no_faces.csv`` and ``landmarks.csv`` of a folder, as far as they are there.

    The pictures lie in the folders ``photos``, ``no_faces`` and ``landmarks`` beside them. The first two tables list
    every face of their pictures. The third lists one face of each.

    Raises:
        FileNotFoundError: The folder has none of the tables.
        ValueError: A table cannot be read.
    """
    folder = Path(folder)
    photos = []
    for name in (*COMPLETE_TABLES, SINGLE_FACES):
        table = folder / f"{name}.csv"
        if table.is_file():
            photos += read_photos(table, folder / name, is_complete=name in COMPLETE_TABLES)
    if not photos:
        names = ", ".join(f"{name}.csv" for name in (*COMPLETE_TABLES, SINGLE_FACES))
        raise FileNotFoundError(f"{folder} must be a folder with one or more of the tables {names}.")
    return photos


def read_photos(
    table: str | os.PathLike[str], root: str | os.PathLike[str] | None = None, *, is_complete: bool
) -> list[Photo]:
    """Read a table of faces: one row for a face, or for a picture without labeled faces.

    The column ``file`` is needed. The columns in `BOX` and `LANDMARK_COLUMNS`, ``label``, ``split`` and ``dataset`` (or
    ``source``) are optional, as are their values. Other columns are left aside.

    Args:
        table: The CSV file.
        root: Folder that file names are relative to; None takes the folder of the table.
        is_complete: Whether the table lists every face of its pictures.

    Raises:
        ValueError: A value is not a number, only a part of a box or of the landmarks is there, or a split is unknown or
            not the same in all rows of a picture.
    """
    table = Path(table)
    root = table.parent if root is None else Path(root)
    splits: dict[Path, str] = {}
    datasets: dict[Path, str] = {}
    faces: dict[Path, list[LabeledFace]] = {}
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if "file" not in (reader.fieldnames or ()):
            raise ValueError(f"{table} must have the column `file`. Received: {', '.join(reader.fieldnames or ())}.")
        for row in reader:
            place = f"{table}, line {reader.line_num}"
            try:
                path, split = file_of(root, row["file"] or ""), parse_name(row.get("split")).lower()
                if split and split not in SPLITS:
                    raise ValueError(f"`split` must be {', '.join(SPLITS)} or empty. Received: {row['split']!r}.")
                if splits.setdefault(path, split) != split:
                    raise ValueError(f"{path} must be of one split. Received: {splits[path]!r} and {split!r}.")
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from error
            datasets.setdefault(path, parse_name(row.get("dataset") or row.get("source")))
            face = _face(row, place)
            faces.setdefault(path, []).extend([] if face is None else [face])
    return [
        Photo(path, tuple(found), is_complete, dataset=datasets[path], split=splits[path])
        for path, found in faces.items()
    ]


def photos_sha256(photos: Iterable[Photo]) -> str:
    """Hash file names, splits and faces of photos, in hexadecimal. Folders do not count."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(f"{photo.path.name},{photo.split},{photo.is_complete}\n".encode("utf-8", "surrogateescape"))
        for face in photo.faces:
            points = None if face.landmarks is None else face.landmarks.tolist()
            digest.update(f"{face.box},{points},{face.label}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def write_photos(photos: Iterable[Photo], table: str | os.PathLike[str], root: str | os.PathLike[str]) -> None:
    """Write photos as a CSV file that `read_photos` reads again.

    Args:
        photos: What to write.
        table: The CSV file; one that is there is replaced in one step.
        root: Folder that the file names are written relative to.
    """
    lines = []
    for photo in photos:
        for face in photo.faces or (LabeledFace(),):
            box = ("",) * len(BOX) if face.box is None else face.box
            points = ("",) * len(LANDMARK_COLUMNS) if face.landmarks is None else face.landmarks.reshape(-1).tolist()
            name = photo.path.relative_to(root).as_posix()
            lines.append([name, *box, *points, face.label, photo.dataset, photo.split])
    write_csv(table, ("file", *BOX, *LANDMARK_COLUMNS, "label", "dataset", "split"), lines)


def _face(row: Mapping[str, str], place: str) -> LabeledFace | None:
    box, landmarks = _numbers(row, BOX, place), _numbers(row, LANDMARK_COLUMNS, place)
    if box is None and landmarks is None:
        return None
    if box is not None and not (box[0] < box[2] and box[1] < box[3]):
        raise ValueError(f"{place}: a box must have x_min < x_max and y_min < y_max. Received: {box}.")
    points = None if landmarks is None else np.array(landmarks, dtype=np.float32).reshape(5, 2)
    return LabeledFace(None if box is None else (box[0], box[1], box[2], box[3]), points, row.get("label") or "")


def _numbers(row: Mapping[str, str], columns: Sequence[str], place: str) -> list[float] | None:
    texts = [row.get(column) or "" for column in columns]
    if not any(texts):
        return None
    try:
        values = [float(text) for text in texts]
    except ValueError:
        values = [np.nan]
    if not np.isfinite(values).all():
        raise ValueError(f"{place}: {', '.join(columns)} must all be numbers, or all empty. Received: {texts}.")
    return values
