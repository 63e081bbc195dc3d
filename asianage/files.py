"""Write a file or a folder whole or not at all, and one process at a time."""

from __future__ import annotations

import contextlib
import csv
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_LONGEST_NAME = 200
"""Bytes of a temporary name that are taken from the final one; file systems allow 255."""


def fitting(name: str, size: int) -> str:
    """Return the beginning of a file's name that takes at most `size` bytes."""
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


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all.

    Encoders such as Pillow's do not notice when a full disk takes only a part: they had better write to memory first.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def put_in_place(partial: Path, place: Path) -> None:
    """Move a complete folder to `place`. What was there is removed; one of the two is there at all times.

    Where the system cannot exchange two folders in one step, the old one stands aside for a moment and comes back if
    the move fails.
    """
    if not place.exists():
        try:
            partial.rename(place)
            return
        except OSError:
            if not place.exists():  # Otherwise another process has just put one there.
                raise
    if _exchanged(partial, place):
        shutil.rmtree(partial)
    else:
        previous = partial.with_name(f"{partial.name}.previous")
        place.rename(previous)
        try:
            partial.rename(place)
        except BaseException:
            previous.rename(place)
            raise
        shutil.rmtree(previous)


def _exchanged(first: Path, second: Path) -> bool:
    """Exchange two folders in one step, and tell whether the system could."""
    import ctypes

    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux; the latter is RENAME_SWAP of macOS.
    names = os.fsencode(first), os.fsencode(second)
    try:
        library = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return library.renamex_np(*names, exchange) == 0
        return library.renameat2(here, names[0], here, names[1], exchange) == 0
    except (AttributeError, OSError, TypeError):  # Windows, and old or other C libraries.
        return False


@contextlib.contextmanager
def sole_writer(place: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other processes of this package from writing to a file or folder while the block runs.

    The end of a process ends its hold. Windows and some network drives have no such locks: nothing is kept there.

    Args:
        place: A file or folder that exists.
        wait: Wait for another writer instead of raising an error.

    Raises:
        BlockingIOError: Another process, or another thread, writes there.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        raise BlockingIOError(
            f"Two processes must not write to one place. Another one is writing to {place}. Wait for its end, or "
            "choose another place."
        ) from None
    except OSError:  # No locks here.
        pass
    try:
        yield
    finally:
        os.close(descriptor)


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
    """Write a CSV file in UTF-8, whole or not at all; None becomes an empty cell.

    Bytes of a file name that are not UTF-8 are written as Python escapes them.
    """
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
