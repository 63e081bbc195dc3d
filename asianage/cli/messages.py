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


_VALUE = r"""(?:"([^"]*)"|'([^']*)'|(-?\d[\d.,]*\d|\d))"""
"""What a message has as the value of an argument: a text in quotation marks, or a number."""

_NAME_BEFORE, _NAME_AFTER = r"(?<![\w/\\.-])", r"(?![\w/\\-]|\.\w)"
"""What does not stand around an argument, because it would be a part of the name of a file."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def printable(name: str) -> str:
    """Return a name that stays on its line: line breaks and other control characters are escaped."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], name)


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
        given = f"{_NAME_BEFORE}{argument}="
        message = re.sub(f"{given}True{_NAME_AFTER}", f"--{option}", message)
        message = re.sub(f"{given}None{_NAME_AFTER}", f"--{option} none", message)
        message = re.sub(f"{given}{_VALUE}{_NAME_AFTER}", f"--{option} \\1\\2\\3", message)
    return message
