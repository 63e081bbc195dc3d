"""UTKFace (Zhang et al., CVPR 2017): labels in the file names -> records."""

from __future__ import annotations

import os
import re
from pathlib import Path

from asianage.data.folders import read_pictures, require_folder
from asianage.data.records import MAX_AGE, DroppedFile, FaceRecord, RecordTable
from asianage.data.special_figures import AgeRange, SpecialFigures

GENDER_BY_DIGIT = {"0": "male", "1": "female"}
GROUP_BY_DIGIT = {"0": "white", "1": "black", "2": "asian", "3": "indian", "4": "other"}
OTHER_GROUPS = frozenset(GROUP_BY_DIGIT.values()) - {"asian"}

# The gender of children is hard to see, and UTKFace has many.
SPECIAL_FIGURES = SpecialFigures(age_ranges=(AgeRange(name="from_15", first=15, figures=("gender_accuracy",)),))

_NAME = re.compile(r"(?P<age>\d{1,3})_(?P<gender>[01])_(?P<group>[0-4])_\d+")


def is_named_as_utkface(path: Path) -> bool:
    """Tell whether a file has a name of UTKFace."""
    return _NAME.fullmatch(path.name.split(".")[0]) is not None


def read_utkface(root: str | os.PathLike[str]) -> RecordTable:
    """Read a folder of UTKFace: pictures named ``age_gender_group_date.jpg``, with gender 0 for male and 1 for female.

    The aligned faces (``.jpg.chip.jpg``) and the pictures in the wild have the same names. A few published names lack
    one of the labels; those files are left out.

    Returns:
        The records, sorted by path, and the files that were left out. Identities are unknown.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: No picture in it is named as those of UTKFace are.
    """
    table = read_pictures(require_folder(root), _entry)
    if not table.records:
        raise ValueError(f"{root} holds no picture named age_gender_group_date.jpg: it is not UTKFace.")
    return table


def _entry(path: Path) -> FaceRecord | DroppedFile:
    found = _NAME.fullmatch(path.name.split(".")[0])
    if found is None or int(found["age"]) > MAX_AGE:
        return DroppedFile(path, "no labels in the name", "age_gender_group_date is needed")
    gender, group = GENDER_BY_DIGIT[found["gender"]], GROUP_BY_DIGIT[found["group"]]
    return FaceRecord(path, float(found["age"]), gender, "utkface", group=group)
