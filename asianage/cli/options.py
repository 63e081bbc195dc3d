"""Options that several commands share, and errors that speak of options."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from pathlib import Path
from typing import Any

from asianage.faces.detection.selection import NAMES

_MODEL = "bundled name, model folder or Hub id"


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument MODEL."""
    parser.add_argument("model", metavar="MODEL", help=_MODEL)


def add_estimator(parser: argparse.ArgumentParser) -> None:
    """Add the options of the estimator: `--model`, `--detector` and `--mirror`."""
    parser.add_argument("--model", default="compact", help=f"{_MODEL} (default: %(default)s)")
    add_detector(parser)
    parser.add_argument("--mirror", action="store_true", help="average with the mirror image: a little better, slower")


def add_detector(parser: argparse.ArgumentParser) -> None:
    """Add `--detector`, whose value is what `AgeGenderEstimator` takes."""
    parser.add_argument(
        "--detector",
        default="auto",
        type=_detector,
        help=f"{', '.join(NAMES)}, the path of YuNet's .onnx file, folder or Hub id of a face detector, or "
        "none: each image already is one face",
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add what every run of a training has: OUTPUT, `--name`, `--detector` and `--quantization`."""
    parser.add_argument("output", type=Path, help="folder of the run; its folder `model` becomes the model")
    parser.add_argument("--name", help="name of the new model (default: after the recipe or the first model)")
    add_detector(parser)
    parser.add_argument(
        "--quantization",
        default="int8",
        choices=("int8", "float16", "float32"),
        help="of the exported network (default: %(default)s)",
    )


def begin_run(given: argparse.Namespace) -> dict[str, Any]:
    """Log to standard error, and return the options of `add_run` as `train` and `fine_tune` take them."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    names = ("name", "detector", "quantization")
    return {**{name: getattr(given, name) for name in names}, "progress": sys.stderr.isatty()}


def add_faces(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument DATA: labeled faces."""
    parser.add_argument("data", type=Path, help="CSV table with file, age and/or gender; or folder, such as AFAD's")


def _detector(text: str) -> str | None:
    if text == "none":
        return None
    if text in NAMES or text.lower().endswith(".onnx") or "/" in text or Path(text).is_dir():
        return text
    raise argparse.ArgumentTypeError(
        f"must be {', '.join(NAMES)}, none, the path of a .onnx file, or folder or Hub id of a face detector. "
        f"Received: {text}."
    )


def spoken_of(message: str, usage: str) -> str:
    """Replace the Python arguments that an error message names by the options of a command.

    Args:
        message: The message of an exception.
        usage: What argparse prints as the usage of the command.
    """
    for option in set(re.findall(r"--([a-z][a-z-]*)", usage)):
        argument = option.replace("-", "_")
        message = message.replace(f"`{argument}`", f"--{option}")
        message = re.sub(rf"\b{argument}=True\b", f"--{option}", message)
        message = re.sub(rf"\b{argument}=None\b", f"--{option} none", message)
        message = re.sub(rf"""\b{argument}=["']?([^\s"',;)]+)["']?""", rf"--{option} \1", message)
    return message
