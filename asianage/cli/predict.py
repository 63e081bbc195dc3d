"""`asianage predict`."""

from __future__ import annotations

import argparse
import glob
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asianage.cli import options, output
from asianage.faces.images import IMAGE_SUFFIXES, list_images
from asianage.native_output import without_native_output

STANDARD_INPUT = "-"


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("predict", help="estimate age and gender of the faces in photos")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="photo, folder, pattern, or - for standard input")
    options.add_estimator(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object per photo, a line each")
    form.add_argument("--csv", metavar="FILE", help="write one line per face into FILE, - for standard output")
    parser.add_argument("--draw", type=Path, metavar="DIR", help="write the photos with boxes and labels into DIR")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Predict every image, and list at the end what failed."""
    from asianage.prediction.estimator import AgeGenderEstimator

    images, failures = _expand(given.paths)
    total = len(images) + len(failures)
    if images:
        with without_native_output():
            estimator = AgeGenderEstimator(given.model, detector=given.detector, mirror=given.mirror)
        errors: dict[int, Exception] = {}
        stream = estimator.predict_stream(
            [source for _, source in images],
            # A single photo need not wait for a batch to fill.
            batch_size=min(len(images), 32),
            on_error=lambda position, _, error: errors.__setitem__(position, error),
            progress=len(images) > 1 and sys.stderr.isatty(),
        )
        with output.writer(given, [name for name, _ in images]) as write:
            for position, faces in enumerate(stream):
                name, source = images[position]
                error = errors.get(position)
                write(name, faces, error)
                if given.draw is not None and error is None:
                    output.save_drawing(given.draw, name, source, faces)
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
            continue
        if os.path.isdir(path):
            found = list(list_images(path))
            reason = f"The folder holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})."
        elif os.path.exists(path) or not glob.has_magic(path):
            found, reason = [Path(path)], ""
        else:
            found = [Path(file) for file in sorted(glob.glob(path, recursive=True)) if os.path.isfile(file)]
            reason = "No file matches this pattern."
        images += [(str(file), file) for file in found]
        if not found:
            failures.append((path, reason))
    return images, failures
