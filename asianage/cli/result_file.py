"""A file of results that grows by whole photos, replaces nothing but an earlier one, and can be continued."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

from asianage.files import fitting, sole_writer

Append: TypeAlias = "Callable[[str], None]"

LONGEST_REST = 100_000
"""Bytes of an unfinished row of a table, at most. A longer rest is damage."""


class ResultFile:
    """A CSV table, or a file of JSON lines, with the results of photos.

    A new file grows in place. An earlier one stays whole until the new one, which grows beside it with the suffix
    ``.part``, is complete. Both end after the rows of a photo at any time, so that both can be continued.

    Attributes:
        path: The file.
        is_device: Whether it is a pipe or device, which is written as it is.
    """

    def __init__(self, path: str | os.PathLike[str], heading: str, *, can_resume: bool = True) -> None:
        """Check that nothing is destroyed.

        Args:
            path: The file, or a pipe or device, which is written as it is.
            heading: First line of a CSV table, "" for JSON lines.
            can_resume: Whether --resume goes on with the file; for messages.

        Raises:
            FileExistsError: There is a file that is no earlier output of the same form.
            FileNotFoundError: There is no such folder.
            IsADirectoryError: `path` is a folder.
        """
        self._heading = heading.encode()
        self._can_resume = can_resume
        self._end = 0
        self._read_size = 0
        self.is_device = os.path.exists(path) and not os.path.isfile(path)
        self.path = Path(path) if self.is_device else Path(os.path.realpath(path))
        if self.path.is_dir():
            raise IsADirectoryError(f"Results are written into a file. Received the folder {path}.")
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"There is no folder {self.path.parent} for the results. Create it first.")
        self._part = self.path.with_name(f"{fitting(self.path.name, 250)}.part")
        for file in () if self.is_device else (self.path, self._part):
            if _has_content(file) and not self._is_ours(file):
                raise FileExistsError(
                    f"{file} exists and is no {'table' if heading else 'JSON lines'} of `asianage predict` in the form "
                    "of this version. It is not replaced. Choose another name."
                )

    def finished(self, names: Container[str]) -> dict[str, str]:
        """Return the photos that an interrupted run has finished, with the error of each or "".

        Args:
            names: The photos of this run. If the last photo of the file is one of them, it is taken as unfinished: it
                may have more faces than the file says.

        Raises:
            ValueError: The file is damaged, or is a pipe or a device.
        """
        if self.is_device:
            raise ValueError(f"--resume needs a file with earlier results. Received: {self.path}.")
        errors: dict[str, str] = {}
        file, last, begin, is_repeated = self._unfinished(), None, 0, False
        if not _has_content(file):
            return errors
        self._read_size = file.stat().st_size
        with file.open("rb") as content:
            for start, name, error in self._rows(content):
                if name != last:
                    last, begin, is_repeated = name, start, name in errors
                errors[name] = error
        if last is not None and last in names:
            self._end = begin
            if not is_repeated:
                del errors[last]
        return errors

    @contextlib.contextmanager
    def appending(self, *, resume: bool) -> Iterator[Append]:
        """Yield the function that appends the rows of one photo, as a whole or not at all.

        Args:
            resume: Go on after what `finished` has returned.

        Raises:
            BlockingIOError: Another process writes to the file.
        """
        file = self.path
        if not self.is_device:
            if resume:
                file = self._unfinished()
            elif _has_content(self.path):
                file = self._part
        with contextlib.ExitStack() as stack:
            if is_held := not self.is_device and self.path.exists():
                stack.enter_context(sole_writer(self.path))
            content = stack.enter_context(file.open("wb" if self.is_device else "ab", buffering=0))
            if not self.is_device:
                if file != self.path or not is_held:
                    stack.enter_context(sole_writer(file))
                if file == self.path and not resume:
                    self._part.unlink(missing_ok=True)
                if resume and os.fstat(content.fileno()).st_size != self._read_size:
                    raise BlockingIOError(f"{file} has changed since it was read. Run the command again.")
                content.truncate(self._end if resume else 0)
                content.seek(0, os.SEEK_END)

            def append(rows: str) -> None:
                self._append(content, rows.encode("utf-8", "surrogateescape"))

            if not resume or self._end == 0:
                self._append(content, self._heading)
            yield append
            if file == self._part:
                if self.path.exists():
                    shutil.copymode(self.path, file)
                file.replace(self.path)

    def _unfinished(self) -> Path:
        return self._part if _has_content(self._part) else self.path

    def _append(self, content: IO[bytes], rows: bytes) -> None:
        end = None if self.is_device else content.tell()
        try:
            written = 0
            while written < len(rows):
                written += content.write(rows[written:])
        except BaseException as error:
            if end is not None:
                content.truncate(end)
                content.seek(end)
            if not isinstance(error, OSError) or isinstance(error, BrokenPipeError):
                raise
            remedy = "go on with --resume" if self._can_resume else "run the command again"
            raise OSError(
                f"{self.path} cannot be written: {error.strerror}. What was finished is kept. Make room, then {remedy}."
            ) from error

    def _is_ours(self, file: Path) -> bool:
        with file.open("rb") as content:
            first = content.readline(1_000_000)
        if self._heading or not first.endswith(b"\n"):
            # Not even the first line need be finished.
            return (self._heading or b'{"file": "').startswith(first if self._heading else first[:10])
        return _is_result(_parsed(first))

    def _rows(self, content: IO[bytes]) -> Iterator[tuple[int, str, str]]:
        """Yield begin, photo and error of each whole row, and note where the last of them ends."""
        read = 0

        def lines() -> Iterator[str]:
            nonlocal read
            for line in content:
                if line.endswith(b"\n"):
                    read += len(line)
                    yield line.decode("utf-8", "surrogateescape")

        rows: Iterator[Any] = csv.DictReader(lines(), strict=True) if self._heading else map(_parsed, lines())
        with contextlib.suppress(csv.Error):
            for row in rows:
                if not _is_result(row):
                    raise ValueError(f"--resume needs results that nobody has changed. Received: {self.path}.")
                # The heading of a table is read with its first row.
                yield self._end or len(self._heading), row["file"], row.get("error") or ""
                self._end = read
            self._end = read
        if self._heading and os.fstat(content.fileno()).st_size - self._end > LONGEST_REST:
            raise ValueError(f"--resume needs a table that is not damaged. Received: {self.path}. Choose another name.")


def _parsed(line: str | bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _is_result(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("file"), str) and ("faces" in row or "error" in row)


def _has_content(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0
