"""A batch of a table with photos -> the table of their faces, as Ray Data's ``map_batches`` calls it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asianage.errors import needs_extra
from asianage.faces.image_files import as_text
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.prediction.table import DISTRIBUTION_COLUMN, Row, predicted_rows, table_columns

if TYPE_CHECKING:
    import pyarrow

IMAGE_COLUMNS = ("file", "path", "image", "photo", "bytes")
"""Names by which a column of photos is found."""

_TEXT_COLUMNS = frozenset({"file", "gender", "detector", "warnings", "error"})

_FETCHES = 16
"""Photos that are fetched from other machines at once."""


class FacePredictor:
    """Predicts the photos of a batch. Ray Data makes one per worker, which loads the model once.

    Examples:
        >>> import ray  # doctest: +SKIP
        >>> from asianage.apps.face_predictor import FacePredictor
        >>> photos = ray.data.read_parquet("photos.parquet")  # doctest: +SKIP
        >>> faces = photos.map_batches(FacePredictor, concurrency=2, batch_format="pyarrow")  # doctest: +SKIP
    """

    def __init__(
        self,
        column: str | None = None,
        *,
        distribution: bool = False,
        num_threads: int = 1,
        folder: str | os.PathLike[str] = "",
        **options: Any,
    ) -> None:
        """Load the model.

        Args:
            column: Column of photos: paths, addresses that `fsspec` reads, encoded images, arrays, or the images of
                Hugging Face's data sets. None takes the one of the name file, path, image, photo or bytes.
            distribution: Whether there is a column `age_distribution`: float16 (num_ages,).
            num_threads: Processors of a worker.
            folder: Folder that relative paths start from; "" is the one of the worker.
            **options: Arguments of `asianage.AgeGenderEstimator`, such as `model`, `detector` and `mirror`.
        """
        self._column = column
        self._distribution = distribution
        self._folder = Path(folder)
        self._estimator = AgeGenderEstimator(num_threads=num_threads, **options)

    def __call__(self, batch: Any) -> pyarrow.Table:
        """Return one row per face, with the other columns of the batch beside it.

        Args:
            batch: A table of Arrow or pandas, or a dictionary of arrays: what Ray Data passes.

        Raises:
            ValueError: No column holds photos, or a column has the name of one that is to be written.
        """
        with needs_extra("ray", "A batch of photos"):
            import pyarrow

        if not isinstance(batch, Mapping | pyarrow.Table):
            batch = pyarrow.Table.from_pandas(batch, preserve_index=False)
        names = list(batch) if isinstance(batch, Mapping) else batch.column_names
        column = image_column(names) if self._column is None else self._column
        others = {name: batch[name] for name in names if name != column}
        if twice := sorted(set(others) & set(table_columns(landmarks=True, distribution=self._distribution)[1:])):
            raise ValueError(
                f"Columns of the input must have other names than those of the faces. Received: {', '.join(twice)}. "
                "Rename them, for instance with `rename_columns` of Ray Data."
            )
        values = list(batch[column]) if isinstance(batch, Mapping) else batch[column].to_pylist()
        faces = self.predict(values)
        positions, faces = faces["position"], faces.drop_columns(["position"])
        for place, (name, values) in enumerate(others.items()):
            whole = values if isinstance(values, pyarrow.ChunkedArray) else pyarrow.array(list(values))
            faces = faces.add_column(place, name, whole.take(positions))
        return faces

    def predict(self, values: Sequence[Any], first: int = 0, *, error: str | None = None) -> pyarrow.Table:
        """Return one row per face of photos, and one with an error for each that cannot be read.

        Args:
            values: The photos: paths, addresses, encoded images, arrays, or None.
            first: Position of the first photo.
            error: Why none of them is to be read; None reads them.
        """
        photos = [_photo(value, self._folder) for value in values]
        if error is not None:
            photos = [(name, _NotFetched(OSError(error))) for name, _ in photos]
        images = _fetched(image for _, image in photos)
        rows = list(predicted_rows(images, self._estimator, landmarks=True, distribution=self._distribution))
        for row in rows:
            name = photos[row["position"]][0]
            row["file"] = name if name is None else as_text(name)
            row["position"] += first
        return _arrow_table(rows, self._distribution)


def image_column(names: Sequence[str]) -> str:
    """Return which of these columns holds photos.

    Raises:
        ValueError: None of them, or several.
    """
    found = [name for name in names if name in IMAGE_COLUMNS]
    if len(found) != 1:
        raise ValueError(
            "`column` must name the column that holds the photos, unless exactly one is called "
            f"{', '.join(IMAGE_COLUMNS)}. Received: the columns {', '.join(names)}."
        )
    return found[0]


@dataclass(frozen=True, slots=True)
class _Address:
    """A photo on another machine or in an archive."""

    text: str

    def fetch(self) -> bytes:
        import fsspec

        try:
            with fsspec.open(self.text, "rb") as file:
                return file.read()
        # The file systems raise many kinds of exceptions.
        except Exception as error:
            raise OSError(f"{self.text} cannot be read: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class _NotFetched:
    """A file object that only gives the error of an address."""

    error: BaseException

    def read(self) -> bytes:
        raise self.error


def _photo(value: Any, folder: Path) -> tuple[str | None, Any]:
    """Return the name of a photo, None if it has none, and what is to be read."""
    if isinstance(value, Mapping) and {"bytes", "path"} <= set(value):
        return value["path"], _photo(value["path"], folder)[1] if value["bytes"] is None else value["bytes"]
    if isinstance(value, str) and value:
        return value, _Address(value) if "://" in value else folder / value
    return None, value


def _fetched(images: Iterable[Any]) -> Iterator[Any]:
    """Yield the images in order, with the content of those that have an address, which is fetched ahead."""
    waiting: deque[Any] = deque()
    with ThreadPoolExecutor(_FETCHES, thread_name_prefix="asianage") as pool:
        for image in images:
            waiting.append(pool.submit(image.fetch) if isinstance(image, _Address) else image)
            if len(waiting) >= 2 * _FETCHES:
                yield _content(waiting.popleft())
        while waiting:
            yield _content(waiting.popleft())


def _content(image: Any) -> Any:
    if not isinstance(image, Future):
        return image
    error = image.exception()
    return image.result() if error is None else _NotFetched(error)


def _arrow_table(rows: Sequence[Row], distribution: bool) -> pyarrow.Table:
    """Return rows as a table whose types do not depend on what the rows hold."""
    import pyarrow

    names = table_columns(landmarks=True, distribution=distribution)
    return pyarrow.table({name: _arrow_column([row[name] for row in rows], name) for name in names})


def _arrow_column(values: list[Any], name: str) -> pyarrow.Array:
    import pyarrow

    if name != DISTRIBUTION_COLUMN:
        kinds = {"position": pyarrow.int64(), "face": pyarrow.int32()}
        kind = pyarrow.string() if name in _TEXT_COLUMNS else kinds.get(name, pyarrow.float32())
        return pyarrow.array(values, kind)
    lengths = [0 if value is None else len(value) for value in values]
    offsets = np.cumsum([0, *lengths], dtype=np.int32)
    flat = np.array([share for value in values for share in value or ()], dtype=np.float16)
    nothing = pyarrow.array([value is None for value in values], pyarrow.bool_())
    return pyarrow.ListArray.from_arrays(pyarrow.array(offsets), pyarrow.array(flat), mask=nothing)
