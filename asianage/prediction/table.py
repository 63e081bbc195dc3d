"""Results -> rows and columns of plain values, for pandas, Polars, Arrow, CSV or JSON."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from asianage.faces.detection import LANDMARK_COLUMNS
from asianage.faces.image_files import as_text
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.prediction.face_prediction import ROW_COLUMNS, FacePrediction

Row: TypeAlias = "dict[str, Any]"

Table: TypeAlias = "dict[str, list[Any]]"
"""Name of a column -> its values, one per row."""

TABLE_COLUMNS = ("position", "file", "face", *ROW_COLUMNS, "error")
"""Columns of every table."""

DISTRIBUTION_COLUMN = "age_distribution"

MISSING = "The value is missing."
"""Error of a row for a missing value."""

_END = object()


def to_rows(
    results: Any,
    files: Any = None,
    *,
    errors: Mapping[int, Exception] | None = None,
    landmarks: bool = False,
    distribution: bool = False,
) -> list[Row]:
    """Return the same as `to_table`, as one dictionary per row, for `csv.DictWriter` or `json`."""
    return [
        row
        for position, (file, faces) in enumerate(_images(results, files))
        for row in image_rows(
            position,
            file,
            faces,
            (errors or {}).get(position),
            landmarks=landmarks,
            distribution=distribution,
        )
    ]


def to_table(
    results: Any,
    files: Any = None,
    *,
    errors: Mapping[int, Exception] | None = None,
    landmarks: bool = False,
    distribution: bool = False,
) -> Table:
    """Turn results into a table with one row per face.

    ``pandas.DataFrame``, ``polars.DataFrame`` and ``pyarrow.table`` take it as it is. An image without a face has one
    row, in which only `position`, `file` and `error` have values.

    Args:
        results: What `predict`, `predict_crops`, `predict_stream` or `predict_stream_with_sources` returns, or the
            `results` of a `BatchError`.
        files: Name of the image, or one name per image; None takes the sources of `predict_stream_with_sources` that
            are paths. With one name per image, a flat list of predictions is one face per image, as `predict_crops`
            returns it.
        errors: Errors of images that could not be read, by position, such as the `errors` of a `BatchError`.
        landmarks: Whether there are ten columns with the landmarks, in pixels.
        distribution: Whether there is a column of lists with the probability of each year of age.

    Returns:
        Column -> values. `position` counts the images from 0, `face` the faces of an image from 1. The other columns
        are those of `FacePrediction.to_row`, and `error`.

    Raises:
        TypeError: `results` are no results.
        ValueError: There are more or fewer files than results.
    """
    rows = to_rows(results, files, errors=errors, landmarks=landmarks, distribution=distribution)
    return columns(rows, table_columns(landmarks=landmarks, distribution=distribution))


def predict_table(
    images: Iterable[Any],
    estimator: AgeGenderEstimator | None = None,
    *,
    landmarks: bool = False,
    distribution: bool = False,
    progress: bool = False,
) -> Table:
    """Predict a column of a table, or a list of paths, and return a table with one row per face.

    A missing value (None, NaN or NA) and an image that cannot be read become a row with an `error`.

    Examples:
        >>> import asianage
        >>> asianage.predict_table(["there_is_no_such_photo.jpg"])["face"]
        [None]

    Args:
        images: A column of pandas, Polars or Arrow, or any other iterable, of paths or encoded images.
        estimator: Who predicts; None takes ``AgeGenderEstimator()``.
        landmarks: Whether there are ten columns with the landmarks, in pixels.
        distribution: Whether there is a column of lists with the probability of each year of age.
        progress: Show a progress bar on standard error.

    Returns:
        Column -> values, as in `to_table`. `position` is the place in `images`, to join both tables.

    Raises:
        DetectorUnavailableError: No face detector can be used on this machine.
        TypeError: `images` is one image or a whole table.
    """
    options = {"landmarks": landmarks, "distribution": distribution}
    rows = predicted_rows(values_of(images), estimator or AgeGenderEstimator(), progress=progress, **options)
    return columns(rows, table_columns(**options))


def predicted_rows(
    images: Iterable[Any], estimator: AgeGenderEstimator, *, progress: bool = False, **options: bool
) -> Iterator[Row]:
    """Yield the rows of each image, in order; missing values and what cannot be read as rows with an error.

    Args:
        images: Paths or encoded images; missing values are None.
        estimator: Who predicts.
        progress: Show a progress bar on standard error.
        **options: `landmarks` and `distribution`, as in `to_table`.
    """
    missing: set[int] = set()
    errors: dict[int, Exception] = {}
    stream = estimator.predict_stream_with_sources(
        _noting_missing(images, missing),
        on_error=lambda position, image, error: errors.__setitem__(position, error),
        progress=progress,
    )
    for position, (image, faces) in enumerate(stream):
        error = errors.pop(position, None)
        yield from image_rows(position, _name(image), faces, MISSING if position in missing else error, **options)


def values_of(column: Any) -> Iterable[Any]:
    """Return the values of a column or list.

    Raises:
        TypeError: It is one image, one name, a whole table, or nothing that has values.
    """
    is_table = isinstance(column, Mapping) or hasattr(column, "columns")
    is_one = isinstance(column, str | bytes | os.PathLike) or len(getattr(column, "shape", (1,))) != 1
    if is_table or is_one or not isinstance(column, Iterable):
        remedy = "Pass one of its columns, such as table['file']." if is_table else "Pass a list."
        raise TypeError(f"A column or a list of images is needed. Received: {type(column).__name__}. {remedy}")
    # The values of Arrow are objects of its own.
    return column.to_pylist() if hasattr(column, "to_pylist") else column


def image_rows(
    position: int,
    file: str | None,
    faces: Sequence[FacePrediction],
    error: Exception | str | None,
    *,
    landmarks: bool = False,
    distribution: bool = False,
) -> Iterator[Row]:
    """Yield one row per face of an image, or one row without a face."""
    names = table_columns(landmarks=landmarks, distribution=distribution)
    start = {**dict.fromkeys(names), "position": position, "file": file}
    if not faces:
        yield {**start, "error": None if error is None else as_text(str(error))}
    for number, face in enumerate(faces, start=1):
        row = {**start, "face": number, **face.to_row()}
        if landmarks and face.landmarks is not None:
            row.update(zip(LANDMARK_COLUMNS, face.landmarks.astype(float).round(1).ravel().tolist(), strict=True))
        if distribution and face.age_distribution is not None:
            row[DISTRIBUTION_COLUMN] = face.age_distribution.astype(float).round(5).tolist()
        yield row


def table_columns(*, landmarks: bool = False, distribution: bool = False) -> tuple[str, ...]:
    """Return the columns of a table, `error` last."""
    extra = (*(LANDMARK_COLUMNS if landmarks else ()), *((DISTRIBUTION_COLUMN,) if distribution else ()))
    return (*TABLE_COLUMNS[:-1], *extra, TABLE_COLUMNS[-1])


def columns(rows: Iterable[Row], names: Sequence[str]) -> Table:
    """Turn rows into columns."""
    table: Table = {name: [] for name in names}
    for row in rows:
        for name, values in table.items():
            values.append(row[name])
    return table


def _images(results: Any, files: Any) -> Iterator[tuple[str | None, Sequence[FacePrediction]]]:
    """Yield the name and the faces of each image."""
    names = None if files is None or _name(files) is not None else values_of(files)
    if isinstance(results, str | bytes | Mapping | FacePrediction) or not isinstance(results, Iterable):
        raise _no_results(results)
    if isinstance(results, Sequence) and all(isinstance(item, FacePrediction | None) for item in results):
        if names is None and None not in results:
            if results or files is not None:
                yield _name(files), results
            return
        results = [[] if face is None else [face] for face in results]
    elif names is None and files is not None:
        raise ValueError(f"`files` must be one name per image. Received: the name {files!r} for several images.")
    if names is None:
        yield from map(_image, results)
        return
    names = iter(names)
    for item in results:
        name = next(names, _END)
        if name is _END:
            raise ValueError("`files` must be one name per image. Received: fewer names than results.")
        yield _name(name), _image(item)[1]
    if next(names, _END) is not _END:
        raise ValueError("`files` must be one name per image. Received: more names than results.")


def _image(item: Any) -> tuple[str | None, Sequence[FacePrediction]]:
    """Return name and faces of an item of a stream, with or without its source."""
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], list):
        return _name(item[0]), _image(item[1])[1]
    if isinstance(item, list) and all(isinstance(face, FacePrediction) for face in item):
        return None, item
    raise _no_results(item)


def _no_results(value: Any) -> TypeError:
    return TypeError(
        "`results` must be what `predict`, `predict_crops` or `predict_stream` returns. "
        f"Received: {type(value).__name__}."
    )


def _noting_missing(images: Iterable[Any], missing: set[int]) -> Iterator[Any]:
    """Yield the images, and what cannot be read for a missing one, whose position is put into `missing`."""
    for position, image in enumerate(images):
        if _is_missing(image):
            missing.add(position)
        yield b"" if position in missing else image


def _is_missing(value: Any) -> bool:
    """Tell whether a value is None, "", NaN, or the NA or NaT of pandas."""
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return value is None or (isinstance(value, str) and not value) or type(value).__name__ in ("NAType", "NaTType")


def _name(image: Any) -> str | None:
    return as_text(os.fsdecode(image)) if isinstance(image, str | os.PathLike) else None
