"""The public downloads of four data sets -> the table that the bundled models were trained on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from asianage.data.afad import read_afad
from asianage.data.all_age_faces import read_all_age_faces
from asianage.data.fairface import read_fairface
from asianage.data.records import FaceRecord, RecordTable
from asianage.data.split_list import LEFT_OUT, ListedPicture, read_split_list
from asianage.data.utkface import read_utkface

Folder = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """The training table, as far as its pictures were found.

    Attributes:
        records: The faces, in the order of the list.
        missing: The pictures of the given data sets that were not found.
        not_given: Data set -> number of its pictures, for those that no folder was given for.
        left_out: The pictures of the given data sets whose labels contradict what they show. They are not looked for.
    """

    records: list[FaceRecord]
    missing: list[ListedPicture]
    not_given: dict[str, int]
    left_out: list[ListedPicture]

    def summary(self) -> str:
        """Return one line per data set: how many pictures were found in each split, are missing, and left out."""
        found = Counter((record.dataset, record.split) for record in self.records)
        missing = Counter(picture.dataset for picture in self.missing)
        datasets = dict.fromkeys([*(dataset for dataset, _ in found), *missing])
        lines = [
            f"{dataset}: {found[dataset, 'train']:,} train, {found[dataset, 'val']:,} val, "
            f"{found[dataset, 'test']:,} test; {missing[dataset]:,} missing"
            for dataset in sorted(datasets)
        ]
        left_out = Counter(picture.dataset for picture in self.left_out)
        lines += [f"{dataset}: {count:,} left out, of doubtful labels" for dataset, count in sorted(left_out.items())]
        lines += [f"{dataset}: not given, {count:,} faces" for dataset, count in sorted(self.not_given.items())]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Download:
    """How a public download is read, how its pictures are named in the list, and the data sets that it becomes."""

    read: Callable[[Folder], RecordTable]
    name: Callable[[Path], str]
    datasets: tuple[str, ...]


def _name_without_endings(path: Path) -> str:
    """Return the name of UTKFace's aligned faces (``NAME.jpg.chip.jpg``) and pictures in the wild (``NAME.jpg``)."""
    return f"{path.name.split('.')[0]}.jpg"


def _last_parts(count: int) -> Callable[[Path], str]:
    return lambda path: Path(*path.with_suffix(".jpg").parts[-count:]).as_posix()


DOWNLOADS = {
    "afad": _Download(read_afad, _last_parts(3), ("afad",)),
    "all_age_faces": _Download(read_all_age_faces, _last_parts(1), ("aaf",)),
    "utkface": _Download(read_utkface, _name_without_endings, ("utkface", "utkface_more", "utkface_other")),
    "fairface": _Download(read_fairface, _last_parts(2), ("fairface",)),
}


def build_training_table(
    *,
    afad: Folder | None = None,
    all_age_faces: Folder | None = None,
    utkface: Folder | None = None,
    fairface: Folder | None = None,
    pictures: Iterable[ListedPicture] | None = None,
) -> TrainingTable:
    """Find the pictures of the bundled models' training in the public downloads, with labels and splits.

    Pictures are found by their names; their contents are not compared.

    Args:
        afad: The folder of the ages, ``AFAD-Full`` or ``AFAD-Lite``.
        all_age_faces: The folder of the original pictures.
        utkface: A folder of the aligned faces or of the pictures in the wild.
        fairface: The folder that holds ``train`` and ``val``, and the label tables or its parent with them.
        pictures: What to find; None takes the list of the package.

    Raises:
        FileNotFoundError: A folder or a label table is not there.
        ValueError: No folder is given, one is of another data set, or holds a picture twice or none of the list.
    """
    given = {"afad": afad, "all_age_faces": all_age_faces, "utkface": utkface, "fairface": fairface}
    if not any(folder is not None for folder in given.values()):
        raise ValueError(f"At least one folder is needed: {', '.join(f'`{name}`' for name in given)}. Received: none.")
    listed = read_split_list() if pictures is None else list(pictures)
    table = TrainingTable([], [], {}, [])
    for name, folder in given.items():
        download = DOWNLOADS[name]
        pictures_of_it = [picture for picture in listed if picture.dataset in download.datasets]
        wanted = [picture for picture in pictures_of_it if picture.split != LEFT_OUT]
        if folder is None:
            table.not_given.update(Counter(picture.dataset for picture in wanted))
            continue
        records, missing = _find(wanted, _by_name(folder, download))
        if not records:
            raise ValueError(
                f"`{name}` must be a folder of the published files. Received: {folder}, which holds none of the "
                f"{len(wanted):,} pictures, such as {wanted[0].file if wanted else 'any'}. Keep the original names."
            )
        table.records.extend(records)
        table.missing.extend(missing)
        table.left_out.extend(picture for picture in pictures_of_it if picture.split == LEFT_OUT)
    return table


def _by_name(folder: Folder, download: _Download) -> dict[str, FaceRecord]:
    records: dict[str, FaceRecord] = {}
    for record in download.read(folder).records:
        name = download.name(record.path)
        if name in records:
            raise ValueError(
                f"{folder} holds the picture {name} twice: {records[name].path} and {record.path}. Pass one form of "
                "the pictures, for instance the aligned faces."
            )
        records[name] = record
    return records


def _find(wanted: list[ListedPicture], present: dict[str, FaceRecord]) -> tuple[list[FaceRecord], list[ListedPicture]]:
    records, missing = [], []
    for picture in wanted:
        record = present.get(picture.file)
        if record is None:
            missing.append(picture)
        else:
            records.append(replace(record, dataset=picture.dataset, split=picture.split))
    return records, missing
