"""A file layer with faults: every step that writes can be made to fail, and a disk can be full after any byte."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_STEPS = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "shutil.rmtree"})
"""Audit events of steps that change a disk, besides that of opening a file to write."""


class PowerCutError(BaseException):
    """Nothing catches it but what catches everything."""


class _Layer:
    """Counts the steps in a folder, and raises an error at one of them. Python cannot remove an audit hook."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.count = 0
        self.fails_at = 0
        self.error: BaseException = PowerCutError()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None or not (event in _STEPS or (event == "open" and _writes(arguments))):
            return
        if not os.path.abspath(os.fsdecode(arguments[0])).startswith(self.folder):
            return
        self.count += 1
        if self.count == self.fails_at:
            raise self.error


def _writes(arguments: tuple[Any, ...]) -> bool:
    name, _, flags = arguments
    return isinstance(name, str | bytes | os.PathLike) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


_layer = _Layer()


@contextlib.contextmanager
def failing(folder: Path, step: int, error: BaseException) -> Iterator[None]:
    """Raise an error at a step that writes into `folder`, counted from 1; 0 only counts, see `steps_of`."""
    _layer.folder, _layer.count, _layer.fails_at, _layer.error = str(folder), 0, step, error
    try:
        yield
    finally:
        _layer.folder = None


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let every file end after `size` bytes, as on a full disk."""
    resource = pytest.importorskip("resource", reason="this system has no limit for the size of a file")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def content(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder without temporary ones, whose names begin with a dot."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {
        name: path.read_bytes() for name, path in names.items() if not any(p.startswith(".") for p in name.split("/"))
    }


def check_every_fault(
    place: Path,
    write_old: Callable[[Path], object],
    write_new: Callable[[Path], object],
    *,
    sizes: tuple[int, ...] = (),
    file_by_file: bool = False,
) -> int:
    """Let writing fail at every step and size, and check that the old or the new is there, and that it then succeeds.

    Args:
        place: Folder for the trials.
        write_old: Makes what is there before.
        write_new: Writes over it.
        sizes: Bytes after which the disk is full.
        file_by_file: Whether each file is the old or the new one, and not all files together.

    Returns:
        The number of steps.
    """
    old, new = (
        _state(place / name, *writers) for name, writers in {"old": [write_old], "new": [write_old, write_new]}.items()
    )
    assert old != new
    with failing(place / "counted", 0, PowerCutError()):
        _state(place / "counted", write_old)
        before = _layer.count
        write_new(place / "counted")
        steps = _layer.count - before
    for number, fault in enumerate(
        [
            *(lambda trial, step=step: failing(trial, step, PowerCutError()) for step in range(1, steps + 1)),
            *(
                lambda trial, step=step: failing(trial, step, OSError(28, "No space left"))
                for step in range(1, steps + 1)
            ),
            *(lambda trial, size=size: full_disk(size) for size in sizes),
        ]
    ):
        trial = place / f"trial-{number}"
        _state(trial, write_old)
        with contextlib.suppress(PowerCutError, OSError), fault(trial):
            write_new(trial)
        found = content(trial)
        if file_by_file:
            for name, data in found.items():
                assert data in (old.get(name), new.get(name)), (number, name)
        else:
            assert found in (old, new), (number, sorted(found))
        write_new(trial)
        assert content(trial) == new, number
        shutil.rmtree(trial)
    return steps


def _state(folder: Path, *writers: Callable[[Path], object]) -> dict[str, bytes]:
    folder.mkdir()
    for write in writers:
        write(folder)
    return content(folder)
