"""The command `asianage`."""

from __future__ import annotations

import argparse
import glob
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asianage import __version__
from asianage.cli import output, train
from asianage.faces.images import IMAGE_SUFFIXES, list_images

STANDARD_INPUT = "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0, 1 if some inputs failed and the others are done, 2 if the command could not be carried out.
    """
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files need not be text, nor need a terminal know their letters.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return options.run(options)
    except BrokenPipeError:
        # The reader has seen enough; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("asianage: interrupted", file=sys.stderr)
        return 130
    # Every exception of this package is one of these, and so are those of files; each says what to do.
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        print(f"asianage: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="asianage", description="Age and gender from photos of Asian faces.")
    parser.add_argument("--version", action="version", version=f"asianage {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    predict = commands.add_parser("predict", help="estimate age and gender of the faces in photos")
    predict.add_argument("paths", nargs="+", metavar="PATH", help="photo, folder, pattern, or - for standard input")
    predict.add_argument(
        "--model", default="compact", help="bundled name, model folder or Hub id (default: %(default)s)"
    )
    predict.add_argument(
        "--detector",
        default="auto",
        help='auto, yunet, mtcnn, the path of YuNet\'s .onnx file, or "none" when each image is one face already',
    )
    predict.add_argument("--mirror", action="store_true", help="average with the mirror image: a little better, slower")
    form = predict.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object per photo, a line each")
    form.add_argument("--csv", metavar="FILE", help="write one line per face into FILE, - for standard output")
    predict.add_argument("--draw", type=Path, metavar="DIR", help="write the photos with boxes and labels into DIR")
    predict.set_defaults(run=_predict)

    train.add_commands(commands)

    info = commands.add_parser("info", help="show versions, models and detectors, and how to get what is missing")
    info.set_defaults(run=_info)

    download = commands.add_parser("download", help="fetch now what would be fetched later, for offline machines")
    download.set_defaults(run=_download)
    return parser


def _predict(options: argparse.Namespace) -> int:
    from asianage.prediction.estimator import AgeGenderEstimator

    images, failures = _expand(options.paths)
    total = len(images) + len(failures)
    if images:
        with output.quiet_native_code():
            estimator = AgeGenderEstimator.from_pretrained(
                options.model,
                detector=None if options.detector == "none" else options.detector,
                mirror=options.mirror,
            )
        errors: dict[int, Exception] = {}
        stream = estimator.predict_stream(
            [source for _, source in images],
            # A single photo need not wait for a batch to fill.
            batch_size=min(len(images), 32),
            on_error=lambda position, _, error: errors.__setitem__(position, error),
            progress=len(images) > 1 and sys.stderr.isatty(),
        )
        with output.writer(options, [name for name, _ in images]) as write:
            for position, faces in enumerate(stream):
                name, source = images[position]
                error = errors.get(position)
                write(name, faces, error)
                if options.draw is not None and error is None:
                    output.save_drawing(options.draw, name, source, faces)
        failures += [(images[position][0], str(error)) for position, error in errors.items()]
    for name, reason in failures:
        print(f"asianage: {name}: {reason}", file=sys.stderr)
    if failures:
        print(f"asianage: {len(failures)} of {total} inputs failed.", file=sys.stderr)
    return 1 if failures else 0


def _expand(paths: Sequence[str]) -> tuple[list[tuple[str, Any]], list[tuple[str, str]]]:
    """Return what to predict as (name, source), and what cannot be found as (name, reason)."""
    images: list[tuple[str, Any]] = []
    failures: list[tuple[str, str]] = []
    for path in paths:
        if path == STANDARD_INPUT:
            images.append(("standard input", sys.stdin.buffer.read()))
        elif os.path.isdir(path):
            found = [(str(file), file) for file in list_images(path)]
            images += found
            if not found:
                failures.append((path, f"The folder holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})."))
        elif os.path.exists(path) or not glob.has_magic(path):
            images.append((path, Path(path)))
        else:
            found = [(file, Path(file)) for file in sorted(glob.glob(path, recursive=True)) if os.path.isfile(file)]
            images += found
            if not found:
                failures.append((path, "No file matches this pattern."))
    return images, failures


def _info(options: argparse.Namespace) -> int:
    from asianage.cli.info import describe

    print(describe())
    return 0


def _download(options: argparse.Namespace) -> int:
    from asianage.faces.detection.yunet import WEIGHTS
    from asianage.models.downloads import fetch

    print(f"YuNet: {fetch(WEIGHTS)}")
    return 0
