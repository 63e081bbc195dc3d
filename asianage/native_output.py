"""Standard streams: keep native libraries from writing to them, and stand in for closed ones."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

_lock = threading.RLock()
"""Held while the descriptors are redirected: two threads would restore each other's redirection."""


def open_standard_streams() -> None:
    """Give a process that was started with closed standard streams ones that lead nowhere, until it ends."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        _fill(descriptor)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


@contextlib.contextmanager
def without_native_output(*, python_too: bool = False) -> Iterator[None]:
    """Discard what compiled libraries write to the file descriptors of standard output and standard error.

    What Python code writes still passes, unless `python_too` is on. The redirection holds for the whole process while
    the block runs.

    Args:
        python_too: Discard what Python code writes to `sys.stdout` as well.
    """
    with _lock, contextlib.ExitStack() as stack:
        for descriptor in (0, 1, 2):
            stack.enter_context(_opened(descriptor))
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            stack.enter_context(_descriptor_discarded(descriptor, name, keep_python=not python_too))
        if python_too:
            # Not `redirect_stderr`: a logger that is first used in here would keep a stream that is closed afterwards.
            null = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(contextlib.redirect_stdout(null))
        yield


@contextlib.contextmanager
def without_announcements() -> Iterator[None]:
    """Discard what libraries announce when they are loaded: `without_native_output`, if no other thread is running.

    What another thread writes meanwhile could be lost.
    """
    with without_native_output() if threading.active_count() == 1 else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _opened(descriptor: int) -> Iterator[None]:
    """Fill a standard descriptor that the process was started without: the next file to be opened would take it."""
    filled = _fill(descriptor)
    try:
        yield
    finally:
        if filled:
            os.close(descriptor)


def _fill(descriptor: int) -> bool:
    """Open the null device as `descriptor` if that is closed, and tell whether it was."""
    try:
        os.fstat(descriptor)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != descriptor:
            os.dup2(null, descriptor)
            os.close(null)
        return True
    return False


@contextlib.contextmanager
def _descriptor_discarded(descriptor: int, name: str, *, keep_python: bool) -> Iterator[None]:
    stream = getattr(sys, name)
    saved = os.dup(descriptor)
    try:
        with contextlib.ExitStack() as stack:
            _flush(stream)
            # A stream that somebody else has put in place does not write to the descriptor.
            if keep_python and stream is not None and stream is getattr(sys, f"__{name}__"):
                redirect = contextlib.redirect_stdout if name == "stdout" else contextlib.redirect_stderr
                python = stack.enter_context(
                    open(saved, "w", encoding=stream.encoding, errors="backslashreplace", closefd=False)
                )
                stack.enter_context(redirect(python))
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, descriptor)
            os.close(null)
            yield
            _flush(stream)
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)


def _flush(stream: Any) -> None:
    # A closed stream has nothing to flush, a full disk is reported at the next write, and a stand-in may lack `flush`.
    with contextlib.suppress(AttributeError, OSError, ValueError):
        stream.flush()
