"""All-Age-Faces (Cheng et al., Tsinghua Science and Technology 2019): labels in the file names -> records."""

from __future__ import annotations

import os
import re
from pathlib import Path

from asianage.data.folders import read_pictures, require_folder
from asianage.data.records import DroppedFile, FaceRecord, RecordTable

LAST_FEMALE = 7380
LAST_MALE = 13321

_NAME = re.compile(r"(?P<person>\d{5})A(?P<age>\d{2,3})")


def is_named_as_all_age_faces(path: Path) -> bool:
    """Tell whether a file has a name of All-Age-Faces."""
    return _NAME.fullmatch(path.stem) is not None


def read_all_age_faces(root: str | os.PathLike[str], image_sets: str | os.PathLike[str] | None = None) -> RecordTable:
    """Read a folder of All-Age-Faces: pictures named ``NNNNNAyy.jpg`` by person and age.

    Persons 00000 to 07380 are female, 07381 to 13321 male. Each has one picture.

    Args:
        root: The folder of the original or of the aligned pictures.
        image_sets: Folder with the published lists ``train.txt`` and ``val.txt``, which then fill the column `split`.

    Returns:
        The records, sorted by path, and the files that were left out.

    Raises:
        FileNotFoundError: There is no such folder or list.
        ValueError: No picture is named as those of All-Age-Faces are, a person comes twice, or a list leaves one out.
    """
    root = require_folder(root)
    splits = _read_image_sets(Path(image_sets)) if image_sets is not None else None
    table = read_pictures(root, lambda path: _entry(path, splits))
    _check(root, table.records)
    return table


def _entry(path: Path, splits: dict[str, str] | None) -> FaceRecord | DroppedFile:
    found = _NAME.fullmatch(path.stem)
    if found is None or int(found["person"]) > LAST_MALE:
        return DroppedFile(path, "no labels in the name", "NNNNNAyy by person and age is needed")
    gender = "female" if int(found["person"]) <= LAST_FEMALE else "male"
    return FaceRecord(path, float(found["age"]), gender, "aaf", _split(path, splits), found["person"], "asian")


def _check(root: Path, records: list[FaceRecord]) -> None:
    if not records:
        raise ValueError(f"{root} holds no picture named NNNNNAyy.jpg: it is not All-Age-Faces. Check the folder.")
    first: dict[str, Path] = {}
    for record in records:
        if record.identity in first:
            raise ValueError(
                f"{root} holds a person twice: {first[record.identity]} and {record.path}. Pass the folder of "
                "either the original or the aligned pictures."
            )
        first[record.identity] = record.path


def _read_image_sets(folder: Path) -> dict[str, str]:
    """Read lines such as ``00000A02 0``: the name of a picture without its suffix, and the gender."""
    splits: dict[str, str] = {}
    for split in ("train", "val"):
        for line in (folder / f"{split}.txt").read_text("utf-8").splitlines():
            if line.strip():
                splits[line.split()[0].removesuffix(".jpg")] = split
    return splits


def _split(path: Path, splits: dict[str, str] | None) -> str:
    if splits is None:
        return ""
    if path.stem not in splits:
        raise ValueError(f"{path} is in neither train.txt nor val.txt. Pass the lists that belong to these pictures.")
    return splits[path.stem]
