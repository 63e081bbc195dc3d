"""What the command line says, in terms of options."""

from __future__ import annotations

import re
import sys

from asianage.masking import masked

_OTHER_NAMES = {"num_threads": "threads", "teachers": "teacher", "challenge_ages": "challenge"}
"""Python argument -> option, where the names differ."""

_REMEDIES = (
    ("or pass `token=`", "or set HF_TOKEN"),
    ("`token=` and the file", "the file"),
    ("`cache_dir=` or HF_HOME", "HF_HOME"),
    (", or pass `cache_dir` in Python", ""),
    ("`endpoint=` or HF_ENDPOINT", "HF_ENDPOINT"),
    ("Check HF_TOKEN, the file", "Check HF_TOKEN and the file"),
    ("`image` must", "PATH must"),
    ("`source` must", "DATA must"),
)
"""What helps in Python -> what helps at the command line."""


def say(text: str) -> None:
    """Write a line to standard error."""
    print(f"asianage: {masked(text)}", file=sys.stderr)


def spoken_of(message: str, usage: str) -> str:
    """Replace the Python arguments that an error message names by the options of a command.

    Args:
        message: The message of an exception.
        usage: What argparse prints as the usage of the command.
    """
    for python, here in _REMEDIES:
        message = message.replace(python, here)
    options = {option.replace("-", "_"): option for option in re.findall(r"--([a-z][a-z-]*)", usage)}
    options |= {argument: option for argument, option in _OTHER_NAMES.items() if option in options.values()}
    for argument, option in options.items():
        message = re.sub(rf"`{argument}=?`", f"--{option}", message)
        message = re.sub(rf"\b{argument}=True\b", f"--{option}", message)
        message = re.sub(rf"\b{argument}=None\b", f"--{option} none", message)
        message = re.sub(rf"""\b{argument}=["']?([^\s"',;)]+)["']?""", rf"--{option} \1", message)
    return message
