"""The data sets that are known: a table, a list or a folder of labeled faces -> records; special figures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from asianage.data import afad, fairface, utkface
from asianage.data.afad import is_laid_out_as_afad, read_afad, read_afad_list
from asianage.data.all_age_faces import is_named_as_all_age_faces, read_all_age_faces
from asianage.data.datasets import REGISTERED
from asianage.data.fairface import is_laid_out_as_fairface, read_fairface
from asianage.data.folders import is_picture, list_files, read_folders
from asianage.data.labels import GenderLabels
from asianage.data.records import FaceRecord, RecordTable, read_records
from asianage.data.special_figures import SpecialFigures
from asianage.data.tables import is_table, read_table
from asianage.data.utkface import is_named_as_utkface, read_utkface
from asianage.faces.image_files import address_start, stored_form


class TableInMemory(Protocol):
    """A table of pandas, Polars, Arrow or `datasets`: what has columns with names."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...


_LAYOUTS = (
    (is_laid_out_as_afad, read_afad),
    (is_named_as_utkface, read_utkface),
    (is_named_as_all_age_faces, read_all_age_faces),
    (is_laid_out_as_fairface, read_fairface),
)
"""Whether a picture's path has the layout of a data set, and the reader of that data set."""

_SPECIAL_FIGURES = {
    "afad": afad.SPECIAL_FIGURES,
    "fairface": fairface.SPECIAL_FIGURES,
    "utkface": utkface.SPECIAL_FIGURES,
}


Source: TypeAlias = str | os.PathLike[str] | Sequence[FaceRecord] | Sequence[Mapping[str, Any]] | TableInMemory
"""Labeled faces in any form that `read_source` takes."""


def read_source(
    source: Source,
    *,
    gender_labels: GenderLabels | None = None,
    pictures: str | os.PathLike[str] | None = None,
) -> RecordTable:
    """Read a CSV table, a list of AFAD's files (``*.txt``), a folder in a known layout, or a table in memory.

    Records stay as they are. `asianage.data.tables.read_table` says what tables in memory are.

    Most pictures of a folder decide its layout: AFAD (``AGE/111/*.jpg``), UTKFace (``age_gender_group_date.jpg``),
    All-Age-Faces (``NNNNNAyy.jpg``), FairFace (``train/N.jpg`` and its label tables), otherwise subfolders named
    female, male or by ages.

    Args:
        source: The faces.
        gender_labels: What a table writes for each gender, for instance ``{"0": "male", "1": "female"}``.
        pictures: Folder that images in a table in memory are written to.

    Raises:
        FileNotFoundError: There is nothing at `source`.
        TypeError: It is nothing of these.
        ValueError: It does not have the form that it seems to have.
    """
    if not isinstance(source, str | os.PathLike):
        return _in_memory(source, gender_labels, pictures)
    start = address_start(str(source))
    source = stored_form(Path(source))
    if not source.exists() and start:
        raise ValueError(f"`source` must be local. Received an address that begins with {start}. Download it first.")
    if not source.exists():
        raise FileNotFoundError(f"`source` must be a CSV table or a folder. Received: {source}, which is not there.")
    if source.is_file():
        return read_afad_list(source) if source.suffix.lower() == ".txt" else _csv_table(source, gender_labels)
    files = [path for path in list_files(source) if is_picture(path)]
    if not files:
        raise ValueError(f"{source} holds no pictures. Pass a folder of pictures or a CSV table.")
    # Pictures beside the labeled folders, such as an overview, do not count.
    inner = [path for path in files if path.parent != source]
    registered = [(dataset.has, dataset.read) for dataset in REGISTERED.values()]
    for some in (inner, files):
        for is_of, read in (*registered, *_LAYOUTS):
            if 2 * sum(map(is_of, some)) > len(some):
                return read(source)
    return read_folders(source)


def _csv_table(source: Path, gender_labels: GenderLabels | None) -> RecordTable:
    return RecordTable(read_records(source, gender_labels=gender_labels), [])


def _in_memory(source: Any, gender_labels: GenderLabels | None, pictures: str | os.PathLike[str] | None) -> RecordTable:
    if is_table(source):
        return RecordTable(read_table(source, gender_labels=gender_labels, pictures=pictures), [])
    records = list(source)
    if wrong := [type(record).__name__ for record in records if not isinstance(record, FaceRecord)]:
        raise TypeError(
            "`source` must be a CSV table, a folder, a table in memory, or a list of FaceRecord. Received: a list of "
            f"{wrong[0]}."
        )
    return RecordTable(records, [])


def special_figures(dataset: str) -> SpecialFigures:
    """Return the special figures of a data set, by the beginning of its name: "AFAD-Lite" has those of AFAD."""
    known = {**{name: registered.figures for name, registered in REGISTERED.items()}, **_SPECIAL_FIGURES}
    matching = (figures for name, figures in known.items() if dataset.lower().startswith(name))
    return next(matching, SpecialFigures())
