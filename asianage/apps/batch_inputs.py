"""What a batch reads: folders, lists and Parquet files at any address -> numbered photos, always the same."""

from __future__ import annotations

import itertools
import os
import posixpath
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from asianage.apps.face_predictor import image_column
from asianage.faces.image_files import IMAGE_SUFFIXES, as_text, list_images, names_in_list

PARQUET = (".parquet", ".pq")

_CHUNK = 10_000
"""Names of a list that are written at once."""


@dataclass(frozen=True, slots=True)
class BatchInputs:
    """Parquet files with a column of photos. A photo's number is its place in all files, from 0.

    Attributes:
        files: Address and number of rows of each file.
        column: Column of the photos: paths, addresses or encoded images.
    """

    files: tuple[tuple[str, int], ...]
    column: str

    def __len__(self) -> int:
        return sum(rows for _, rows in self.files)

    def read(self, first: int, end: int) -> list[Any]:
        """Return the photos with the numbers from `first` to before `end`."""
        photos: list[Any] = []
        begin = 0
        for address, rows in self.files:
            if begin < end and first < begin + rows:
                photos += self._read_file(address, max(first - begin, 0), min(end - begin, rows))
            begin += rows
        return photos

    def _read_file(self, address: str, first: int, end: int) -> list[Any]:
        import fsspec
        from pyarrow import parquet

        with fsspec.open(address, "rb") as content, parquet.ParquetFile(content) as file:
            groups, begin, skipped = [], 0, 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if begin < end and first < begin + rows:
                    groups.append(group)
                elif not groups:
                    skipped += rows
                begin += rows
            # Smaller batches, because a row group of encoded images need not fit into memory.
            batches = file.iter_batches(batch_size=100, row_groups=groups, columns=[self.column])
            values = (value for batch in batches for value in batch.column(0).to_pylist())
            return list(itertools.islice(values, first - skipped, end - skipped))


def find_photos(source: str | os.PathLike[str], column: str | None, list_address: str) -> BatchInputs:
    """Return the photos of a folder, a list or Parquet files, each at any address that `fsspec` reads.

    Args:
        source: A folder of photos or of Parquet files, a Parquet file, or a list that `names_in_list` reads.
        column: Column of Parquet files that holds the photos; None finds it by its name.
        list_address: File to which the names of folders and lists are written, so that they stay the same.

    Raises:
        FileNotFoundError: There is no such folder or file.
        ValueError: There are no photos, or no column holds them.
    """
    import fsspec

    source = os.fspath(source)
    system, path = fsspec.url_to_fs(source)
    if not system.exists(path):
        raise FileNotFoundError(f"There is no folder or file {source}. Check the name.")
    suffix = PurePosixPath(path).suffix.lower()
    if system.isdir(path):
        names = system.ls(path, detail=False)
        tables = sorted(name for name in names if _is_table(name))
        photos = sorted(name for name in map(posixpath.basename, names) if _is_photo(name))
        if tables and photos:
            raise ValueError(
                f"A batch reads a folder of photos or of Parquet files. Received {source}, which holds both, such as "
                f"{photos[0]} and {posixpath.basename(tables[0])}. Name the file, or move it."
            )
        if tables:
            return _of_tables([absolute(system, name) for name in tables], column)
        return _of_names(_listed(source, system, path), list_address, column, source)
    if suffix in PARQUET:
        return _of_tables([absolute(system, path)], column)
    if suffix in IMAGE_SUFFIXES:
        raise ValueError(
            f"A batch reads a folder, a list of names, or Parquet files. Received the photo {source}. For one photo: "
            f"asianage predict {source}"
        )
    with system.open(path, "rb") as file:
        return _of_names(names_in_list(file), list_address, column, source)


def absolute(system: Any, path: str) -> str:
    """Return what a path of a file system is called everywhere; without ``file://`` on this machine."""
    from fsspec.implementations.local import LocalFileSystem

    return path if isinstance(system, LocalFileSystem) else system.unstrip_protocol(path)


def _of_tables(addresses: list[str], column: str | None) -> BatchInputs:
    with ThreadPoolExecutor(16) as pool:
        rows, columns = zip(*pool.map(_heading, addresses), strict=True)
    names = columns[0]
    column = image_column(names) if column is None else column
    for address, there in zip(addresses, columns, strict=True):
        if column not in there:
            raise ValueError(
                f"`column` must name a column of the input. Received: {column!r}; {address} has {', '.join(there)}."
            )
    inputs = BatchInputs(tuple(zip(addresses, rows, strict=True)), column)
    if not len(inputs):
        raise ValueError(f"The input must have photos. Received: no rows in {', '.join(addresses[:3])}.")
    return inputs


def _heading(address: str) -> tuple[int, list[str]]:
    import fsspec
    from pyarrow import parquet

    with fsspec.open(address, "rb") as content, parquet.ParquetFile(content) as file:
        return file.metadata.num_rows, file.schema_arrow.names


def _of_names(names: Iterable[str], list_address: str, column: str | None, source: str) -> BatchInputs:
    """Write the names of photos to a Parquet file, which stays as it is when files come and go."""
    import fsspec
    import pyarrow
    from pyarrow import parquet

    if column is not None:
        raise ValueError(f"`column` belongs to Parquet files. Received: {column!r} for {source}.")
    schema, names, total = pyarrow.schema([("file", pyarrow.string())]), iter(names), 0
    with fsspec.open(list_address, "wb") as content, parquet.ParquetWriter(content, schema) as writer:
        while chunk := list(itertools.islice(names, _CHUNK)):
            writer.write_table(pyarrow.table({"file": [as_text(name) for name in chunk]}, schema))
            total += len(chunk)
    if not total:
        raise ValueError(f"The input must have photos. Received: none in {source}.")
    return BatchInputs(((list_address, total),), "file")


def _listed(source: str, system: Any, path: str) -> Iterator[str]:
    """Yield the names of the photos below a folder."""
    from fsspec.implementations.local import LocalFileSystem

    if isinstance(system, LocalFileSystem):
        yield from map(str, list_images(path if "://" in source else Path(source)))
        return
    archive = source[source.index("::") :] if "::" in source else ""
    for name in sorted(system.find(path)):
        if _is_photo(posixpath.basename(name)):
            yield system.unstrip_protocol(name) + archive


def _is_photo(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")


def _is_table(name: str) -> bool:
    place = PurePosixPath(name)
    return place.suffix.lower() in PARQUET and not place.name.startswith(("_", "."))
