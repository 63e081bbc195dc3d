"""The command `asianage`."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from asianage import __version__
from asianage.cli import (
    batch,
    build_table,
    demo,
    download,
    evaluate,
    export,
    fine_tune,
    info,
    messages,
    predict,
    publish,
    study,
    train,
    verify,
)
from asianage.masking import masked
from asianage.native_output import open_standard_streams


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0, 1 if some inputs failed and the others are done, 2 if the command could not be carried out.
    """
    open_standard_streams()
    given = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files need not be text, nor need a terminal know their letters.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _raising_on_termination(), warnings.catch_warnings():
            # A photo with odd metadata is no news.
            warnings.filterwarnings("ignore", module=r"PIL\b")
            code = given.run(given)
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader has seen enough.
        _discard_output()
        return 0
    except KeyboardInterrupt:
        print("asianage: interrupted", file=sys.stderr)
        return 130
    except TerminatedError:
        print("asianage: terminated", file=sys.stderr)
        return 143
    # Every exception of this package is one of these, and so are those of files; each names the remedy.
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        messages.say(messages.spoken_of(str(error), given.usage))
        try:
            sys.stdout.flush()
        except OSError:
            _discard_output()
        return 2


class TerminatedError(BaseException):
    """The process is told to end. Files are finished on the way."""


@contextlib.contextmanager
def _raising_on_termination() -> Iterator[None]:
    """Turn the signal SIGTERM into an exception, which closes files and removes unfinished ones."""

    def end(number: int, frame: object) -> None:
        raise TerminatedError

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Parser(argparse.ArgumentParser):
    """A parser that takes files between options too, and does not repeat passwords."""

    _is_inside = False

    def parse_known_args(  # type: ignore[override]
        self, args: Any = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse the arguments of a command in any order; otherwise `a.jpg --json b.jpg` would lack `b.jpg`."""
        # Behind `--` all are files, which the two passes below would forget.
        if self._subparsers is not None or self._is_inside or "--" in (args or ()):
            return super().parse_known_args(args, namespace)
        # It calls this method for its two passes.
        self._is_inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_inside = False

    def error(self, message: str) -> NoReturn:
        super().error(masked(message))


def _discard_output() -> None:
    """Lead standard output nowhere. What is left in its buffer is written when the process ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="asianage", description="Age and gender from photos of Asian faces.")
    parser.add_argument("-V", "--version", action="version", version=f"asianage {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (
        predict,
        batch,
        demo,
        build_table,
        train,
        fine_tune,
        evaluate,
        study,
        export,
        info,
        verify,
        download,
        publish,
    ):
        command.add_to(commands)
    for subparser in commands.choices.values():
        subparser.set_defaults(usage=subparser.format_usage())
    return parser
