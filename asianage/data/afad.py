"""AFAD, the Asian Face Age Dataset (Niu et al., CVPR 2016): its layout and its list of files -> records."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from asianage.data.folders import NOT_A_PICTURE, is_picture, list_files, require_folder
from asianage.data.labels import parse_age
from asianage.data.records import DroppedFile, FaceRecord, RecordTable
from asianage.data.special_figures import AgeRange, SpecialFigures
from asianage.faces.image_files import stored_form

GENDER_BY_FOLDER = {"111": "male", "112": "female"}

# Source: AFAD-Full.txt, the list of the files of the full set (Niu et al., CVPR 2016): the 165,501 of its 165,515 lines
# that name a picture; the other 14 name a Thumbs.db.
# fmt: off
NATURAL_COUNTS: Mapping[int, int] = MappingProxyType({
    15: 1251, 16: 2423, 17: 2482, 18: 5585, 19: 12477, 20: 13232, 21: 12560, 22: 13572, 23: 10510, 24: 12891,
    25: 11261, 26: 7676, 27: 6481, 28: 5170, 29: 4730, 30: 4806, 31: 4456, 32: 3996, 33: 3701, 34: 3856, 35: 4246,
    36: 4234, 37: 3898, 38: 3798, 39: 3791, 40: 1335, 41: 114, 42: 146, 43: 118, 44: 94, 45: 65, 46: 59, 47: 49,
    48: 48, 49: 30, 50: 28, 51: 30, 52: 23, 53: 40, 54: 27, 55: 12, 56: 16, 57: 11, 58: 12, 59: 7, 60: 6, 61: 8,
    62: 25, 63: 8, 64: 8, 65: 9, 66: 16, 67: 10, 68: 7, 69: 15, 70: 7, 72: 35,
})
# fmt: on
"""Age -> number of pictures in the full AFAD; there are none of age 71."""

SPECIAL_FIGURES = SpecialFigures(
    age_ranges=(AgeRange(name="to_40", end=41, figures=("mae",)),),
    # The ages that a balanced subset has, up to the study's last.
    natural_counts={age: NATURAL_COUNTS[age] for age in range(20, 41)},
)

# Faces with the same digits before the dash show one person or one photo: they belong in one split.
_IDENTITY = re.compile(r"(\d+)-\d+")


def is_laid_out_as_afad(path: Path) -> bool:
    """Tell whether a file lies as in AFAD: in a folder 111 or 112 within a folder named by an age."""
    return path.parent.name in GENDER_BY_FOLDER and path.parent.parent.name.isdecimal()


def read_afad(root: str | os.PathLike[str]) -> RecordTable:
    """Read AFAD as it is unpacked, or any part of it in the same layout: ``AGE/111/*.jpg`` (male), ``AGE/112/*.jpg``.

    Args:
        root: The folder of the ages, for instance ``AFAD-Full``. Files directly in it are ignored.

    Returns:
        The records, sorted by path, and the files that are not pictures (``Thumbs.db``).

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It has another layout.
    """
    root = require_folder(root)
    names = ((path.relative_to(root).parts, path) for path in list_files(root))
    table = RecordTable.of(_entry(parts, path) for parts, path in names if len(parts) > 1)
    if not table.records:
        found = sorted(path.name for path in root.iterdir() if path.is_dir())[:5]
        raise ValueError(
            f"{root} holds no pictures as AGE/111/*.jpg or AGE/112/*.jpg. Received the folders: {found}. Pass the "
            "folder that holds the ages."
        )
    return table


def read_afad_list(file: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> RecordTable:
    """Read a list of AFAD's files such as ``AFAD-Full.txt``: lines ``./AGE/GENDER/NAME.jpg``. No picture is needed.

    Args:
        file: The list.
        root: Folder that the names are relative to; None takes the list's own.

    Raises:
        FileNotFoundError: There is no such list.
        ValueError: A line has another form; the message gives its number.
    """
    file = Path(file)
    root = file.parent if root is None else Path(root)
    entries = []
    # `splitlines` would also split at other characters than line breaks.
    for number, line in enumerate(file.read_text("utf-8-sig").split("\n"), start=1):
        name = line.strip().removeprefix("./")
        if name:
            try:
                entries.append(_entry(tuple(name.split("/")), stored_form(root / name)))
            except ValueError as error:
                raise ValueError(f"{file}, line {number}: {error}") from error
    table = RecordTable.of(entries)
    if not table.records:
        raise ValueError(f"{file} names no pictures. Pass a list with lines such as ./25/111/638660-1.jpg.")
    return table


def _entry(parts: tuple[str, ...], path: Path) -> FaceRecord | DroppedFile:
    if len(parts) != 3 or not parts[0].isdecimal() or parts[1] not in GENDER_BY_FOLDER:
        raise ValueError(
            "AFAD's files are named AGE/111/NAME.jpg (male) or AGE/112/NAME.jpg (female). "
            f"Received: {'/'.join(parts)}. Remove it, or pass the folder that holds the ages."
        )
    if not is_picture(path):
        return DroppedFile(path, NOT_A_PICTURE)
    found = _IDENTITY.fullmatch(path.stem)
    identity = found[1] if found else ""
    return FaceRecord(path, parse_age(parts[0]), GENDER_BY_FOLDER[parts[1]], "afad", "", identity, "asian")
