"""The data sets that are known: a table, a list or a folder of labeled faces -> records; special figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from asianage.data import afad, utkface
from asianage.data.afad import is_laid_out_as_afad, read_afad, read_afad_list
from asianage.data.all_age_faces import is_named_as_all_age_faces, read_all_age_faces
from asianage.data.folders import is_picture, list_files, read_folders
from asianage.data.records import FaceRecord, RecordTable, read_records
from asianage.data.special_figures import SpecialFigures
from asianage.data.utkface import is_named_as_utkface, read_utkface
from asianage.faces.image_files import address_start, stored_form

_LAYOUTS = (
    (is_laid_out_as_afad, read_afad),
    (is_named_as_utkface, read_utkface),
    (is_named_as_all_age_faces, read_all_age_faces),
)
"""Whether a picture's path has the layout of a data set, and the reader of that data set."""

_SPECIAL_FIGURES = {"afad": afad.SPECIAL_FIGURES, "utkface": utkface.SPECIAL_FIGURES}


Source: TypeAlias = str | os.PathLike[str] | Sequence[FaceRecord]
"""Labeled faces in any form that `read_source` takes."""


def read_source(source: Source) -> RecordTable:
    """Read a CSV table, a list of AFAD's files (``*.txt``), or a folder in a known layout. Records stay as they are.

    Most pictures of a folder decide its layout: AFAD (``AGE/111/*.jpg``), UTKFace (``age_gender_group_date.jpg``),
    All-Age-Faces (``NNNNNAyy.jpg``), otherwise subfolders named female, male or by ages.

    Raises:
        FileNotFoundError: There is nothing at `source`.
        ValueError: It does not have the form that it seems to have.
    """
    if not isinstance(source, str | os.PathLike):
        return RecordTable(list(source), [])
    start = address_start(str(source))
    source = stored_form(Path(source))
    if not source.exists() and start:
        raise ValueError(f"`source` must be local. Received an address that begins with {start}. Download it first.")
    if not source.exists():
        raise FileNotFoundError(f"`source` must be a CSV table or a folder. Received: {source}, which is not there.")
    if source.is_file():
        return read_afad_list(source) if source.suffix.lower() == ".txt" else RecordTable(read_records(source), [])
    pictures = [path for path in list_files(source) if is_picture(path)]
    if not pictures:
        raise ValueError(f"{source} holds no pictures. Pass a folder of pictures or a CSV table.")
    # Pictures beside the labeled folders, such as an overview, do not count.
    inner = [path for path in pictures if path.parent != source]
    for some in (inner, pictures):
        for is_of, read in _LAYOUTS:
            if 2 * sum(map(is_of, some)) > len(some):
                return read(source)
    return read_folders(source)


def special_figures(dataset: str) -> SpecialFigures:
    """Return the special figures of a data set, by the beginning of its name: "AFAD-Lite" has those of AFAD."""
    matching = (figures for name, figures in _SPECIAL_FIGURES.items() if dataset.lower().startswith(name))
    return next(matching, SpecialFigures())
