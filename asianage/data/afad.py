"""AFAD, the Asian Face Age Dataset (Niu et al., CVPR 2016): its layout and its list of files -> records; download."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from asianage.data.afad_download import PublishedArchive, fetch_archive
from asianage.data.afad_parts import FULL_PARTS, LITE_PARTS
from asianage.data.folders import NOT_A_PICTURE, is_picture, list_files, require_folder
from asianage.data.records import DroppedFile, FaceRecord, RecordTable, parse_age

GENDER_BY_FOLDER = {"111": "male", "112": "female"}

ARCHIVES = {
    "full": PublishedArchive(
        name="AFAD-Full",
        base_url="https://github.com/afad-dataset/tarball/raw/0511da136747c31c7f9a7efdde44e0c8f902457b",
        parts=FULL_PARTS,
        md5="22ff8bcf4acf6e5911ff75a537d5ba91",
        pictures=165_501,
    ),
    "lite": PublishedArchive(
        name="AFAD-Lite",
        base_url="https://github.com/afad-dataset/tarball-lite/raw/a30a0a56e9b4f81057a342249b5953e605b5dc92",
        parts=LITE_PARTS,
        md5="e0b3ac0d6017daa556cf49d911975f50",
        pictures=59_344,
    ),
}
"""What the authors of AFAD publish, at the commits that the hashes were looked up for. For academic research only."""

# Faces with the same digits before the dash come from one person or one photo: they belong into the same split.
_IDENTITY = re.compile(r"(\d+)-\d+")


def download_afad(
    root: str | os.PathLike[str],
    variant: str = "full",
    *,
    base_url: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Download and unpack AFAD, or go on where an earlier call stopped. It may be used for academic research only.

    Every part is compared with its published Git hash, and the parts together with the published MD5, before anything
    is unpacked. What is there already is not fetched again.

    Args:
        root: Folder to unpack into, for instance ``data``; made if missing.
        variant: "full" (165,501 pictures, ages 15 to 72) or "lite" (59,344 pictures, ages 18 to 39).
        base_url: Address of a mirror that holds the parts; by default the authors' own.
        progress: Called with (stage, done, total): bytes while "downloading" and "unpacking".

    Returns:
        The folder of the data set, for `read_afad`.

    Raises:
        ValueError: There is no such variant.
        DownloadError: A part cannot be fetched, or is not what was published.
        FileExistsError: The data set's folder is there, but incomplete.
        OSError: The disk has not enough space.
    """
    if variant not in ARCHIVES:
        raise ValueError(f"`variant` must be {' or '.join(ARCHIVES)}. Received: {variant!r}.")
    return fetch_archive(ARCHIVES[variant], Path(root), base_url=base_url, progress=progress)


def is_laid_out_as_afad(path: Path) -> bool:
    """Tell whether a file lies where AFAD has its pictures: in a folder 111 or 112 in a folder named by an age."""
    return path.parent.name in GENDER_BY_FOLDER and path.parent.parent.name.isdecimal()


def read_afad(root: str | os.PathLike[str]) -> RecordTable:
    """Read AFAD as it is unpacked, or any part of it in the same layout: ``AGE/111/*.jpg`` (male), ``AGE/112/*.jpg``.

    Args:
        root: The folder that holds the ages, for instance ``AFAD-Full``. Files directly in it are none of the data.

    Returns:
        The records, sorted by path, and the files that are not pictures (``Thumbs.db``).

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It has another layout.
    """
    root = require_folder(root)
    names = [(path.relative_to(root).parts, path) for path in list_files(root)]
    table = _table([_entry(parts, path) for parts, path in names if len(parts) > 1])
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
        root: Folder that the lines start from; by default the list's own.

    Raises:
        FileNotFoundError: There is no such list.
        ValueError: A line has another form; the message gives its number.
    """
    file = Path(file)
    root = file.parent if root is None else Path(root)
    entries = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
        name = line.strip().removeprefix("./")
        if name:
            try:
                entries.append(_entry(tuple(name.split("/")), root / name))
            except ValueError as error:
                raise ValueError(f"{file}, line {number}: {error}") from error
    table = _table(entries)
    if not table.records:
        raise ValueError(f"{file} names no pictures. Pass a list with lines such as ./25/111/638660-1.jpg.")
    return table


def count_faces(records: Iterable[FaceRecord]) -> dict[str, dict[int, int]]:
    """Return gender -> whole years of age -> number of faces, for the faces that have both labels."""
    counts = Counter((r.gender, int(r.age)) for r in records if r.age is not None and r.gender is not None)
    table: dict[str, dict[int, int]] = {}
    for (gender, age), number in sorted(counts.items()):
        table.setdefault(gender, {})[age] = number
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


def _table(entries: Iterable[FaceRecord | DroppedFile]) -> RecordTable:
    table = RecordTable([], [])
    for entry in entries:
        if isinstance(entry, FaceRecord):
            table.records.append(entry)
        else:
            table.dropped.append(entry)
    return table
