"""The command `asianage`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from asianage import __version__
from asianage.cli import download, evaluate, export, fine_tune, info, options, predict, train
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
        return given.run(given)
    except BrokenPipeError:
        # The reader has seen enough; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("asianage: interrupted", file=sys.stderr)
        return 130
    # Every exception of this package is one of these, and so are those of files; each names the remedy.
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        print(f"asianage: {options.spoken_of(str(error), given.usage)}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="asianage", description="Age and gender from photos of Asian faces.")
    parser.add_argument("--version", action="version", version=f"asianage {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (predict, train, fine_tune, evaluate, export, info, download):
        command.add_to(commands)
    for subparser in commands.choices.values():
        subparser.set_defaults(usage=subparser.format_usage())
    return parser
