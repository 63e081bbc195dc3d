"""Write a file whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_LONGEST_NAME = 200
"""Bytes of a temporary name that are taken from the final one; file systems allow 255."""


def fitting(name: str, size: int) -> str:
    """Return the begin of a file's name that takes at most `size` bytes."""
    while len(os.fsencode(name)) > size:
        name = name[:-1]
    return name


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and put it in place of `path` when the block ends without an error.

    An interruption or a full disk leaves the old file whole. The temporary name ends like the final one, because some
    writers go by the suffix.

    Args:
        path: The file to write. Its folder must exist.

    Yields:
        Path of a file that does not exist yet, in the same folder.
    """
    target = Path(path)
    temporary = target.with_name(f".{secrets.token_hex(4)}-{fitting(target.name[::-1], _LONGEST_NAME)[::-1]}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def require_space(folder: Path, size: float, purpose: str) -> None:
    """Refuse to begin what the disk cannot hold: `size` bytes in `folder`; `purpose` is the subject of the message."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(
            f"{purpose} needs about {size / 1e9:.1f} GB. Received: {free / 1e9:.1f} GB free. Make room, or choose "
            f"another disk: {folder.parent}"
        )


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_csv(path: str | os.PathLike[str], columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file in UTF-8, whole or not at all; None becomes an empty cell."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
