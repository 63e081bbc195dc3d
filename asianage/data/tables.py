"""Labeled faces in tables in memory: pandas, Polars, Arrow, dictionaries, `datasets` of Hugging Face."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asianage.data.labels import GenderLabels
from asianage.data.records import FaceRecord, column_of_files, file_of, record_of
from asianage.faces.images import load_image
from asianage.faces.pixels import pixels_sha256
from asianage.files import write_bytes
from asianage.masking import masked

_ROWS = ("to_dicts", "to_pylist")
"""Methods of Polars and of Arrow that return a list of rows."""


def is_table(source: Any) -> bool:
    """Tell whether `source` is a table that `read_table` takes."""
    if isinstance(source, Mapping) or hasattr(source, "column_names"):
        return True
    if any(hasattr(source, name) for name in ("columns", *_ROWS)):
        return True
    return (
        isinstance(source, Sequence) and not isinstance(source, str) and bool(source) and isinstance(source[0], Mapping)
    )


def read_table(
    table: Any,
    *,
    root: str | os.PathLike[str] = "",
    gender_labels: GenderLabels | None = None,
    pictures: str | os.PathLike[str] | None = None,
) -> list[FaceRecord]:
    """Return the faces of a table with the columns that `asianage.data.records.read_records` describes.

    Args:
        table: A pandas or Polars DataFrame, an Arrow table, a list of dictionaries, a dictionary of columns, or a
            `datasets.Dataset`, whose class labels may be genders or groups of ages.
        root: Folder that relative file names start from.
        gender_labels: What the table writes for each gender.
        pictures: Folder that images in the table itself are written to, each under the hash of its content.

    Raises:
        ValueError: A column is missing, a row holds a value that cannot be used, or images need `pictures`.
    """
    columns, rows = _rows(table)
    names = {str(column).strip().lower(): column for column in columns}
    file = column_of_files([str(column).strip().lower() for column in columns], "The table")
    classes = {name: _class_names(table, column) for name, column in names.items()}
    records: dict[Path, FaceRecord] = {}
    for number, values in enumerate(rows):
        row = {name: _value(values[column], classes[name]) for name, column in names.items()}
        try:
            path = _path(row[file], Path(root), pictures, records)
            if path in records:
                raise ValueError(f"the file {path} is in row {list(records).index(path)} too. Make one row of the two.")
            records[path] = record_of(row, path, gender_labels)
        except ValueError as error:
            raise ValueError(f"Row {number} of the table: {masked(str(error))}") from error
    if not records:
        raise ValueError("The table holds no rows. Add one row per picture.")
    return list(records.values())


def _rows(table: Any) -> tuple[list[Any], Iterable[Mapping[Any, Any]]]:
    """Return the names of the columns, and the rows."""
    for name in _ROWS:
        if hasattr(table, name):
            rows = getattr(table, name)()
            return list(rows[0]) if rows else [], rows
    if hasattr(table, "column_names"):
        return list(table.column_names), table
    if hasattr(table, "itertuples"):
        columns = list(table.columns)
        return columns, (dict(zip(columns, row, strict=True)) for row in table.itertuples(index=False, name=None))
    if isinstance(table, Mapping):
        columns = list(table)
        return columns, [dict(zip(columns, row, strict=True)) for row in zip(*table.values(), strict=True)]
    columns = list(dict.fromkeys(name for row in table for name in row))
    return columns, ({name: row.get(name) for name in columns} for row in table)


def _class_names(table: Any, column: Any) -> Sequence[str]:
    """Return the names of the classes of a column of a `datasets.Dataset`, whose values are their numbers."""
    return getattr((getattr(table, "features", None) or {}).get(column), "names", None) or ()


def _value(value: Any, classes: Sequence[str]) -> Any:
    """Return a value with its class named, None where it is missing: `datasets` writes -1, pandas NaN or NA."""
    if (isinstance(value, float | np.floating) and np.isnan(value)) or type(value).__name__ == "NAType":
        return None
    if classes and isinstance(value, int | np.integer):
        return classes[int(value)] if 0 <= value < len(classes) else None
    return value


def _path(value: Any, root: Path, pictures: str | os.PathLike[str] | None, taken: Collection[Path]) -> Path:
    """Return the file of a picture; an image in the table is written to one, and each copy to a file of its own."""
    if isinstance(value, str | os.PathLike):
        return file_of(root, os.fspath(value))
    if isinstance(value, Mapping):
        # `datasets` without decoding: the bytes of a file, or its name.
        if value.get("bytes") is None and value.get("path"):
            return file_of(root, value["path"])
        value = value.get("bytes")
    if value is None:
        raise ValueError("the picture is empty. Fill it in or remove the row.")
    if pictures is None:
        raise ValueError("images in a table need a folder to be written to. Pass `pictures`.")
    pixels = load_image(value)
    name = pixels_sha256(pixels)[:24]
    copies = (Path(pictures, f"{name}{f'-{copy}' if copy else ''}.png") for copy in itertools.count())
    path = next(path for path in copies if path not in taken)
    if not path.is_file():
        _write(pixels, path)
    return path


def _write(pixels: np.ndarray, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, format="PNG", compress_level=1)
    write_bytes(path, encoded.getvalue())
