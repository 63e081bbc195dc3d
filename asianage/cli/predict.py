"""`asianage predict`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from asianage.cli import options, output, video
from asianage.cli.drawings import DrawingFolder, without_drawings
from asianage.cli.inputs import find_inputs
from asianage.cli.messages import printable, say, spoken_of
from asianage.cli.result_file import ResultFile


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("predict", help="estimate age and gender of the faces in photos and videos")
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="photo, folder, pattern, video, or - for standard input"
    )
    parser.add_argument(
        "--files-from", metavar="FILE", help="names of photos and folders, one a line; - for standard input"
    )
    options.add_estimator(parser)
    output.add_to(parser)
    parser.add_argument(
        "--draw", type=Path, metavar="DIR", help="write the photos with boxes and labels into DIR; FILE for a video"
    )
    video.add_to(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Predict every image, and list at the end what failed."""
    if video.has_videos(given):
        return video.run(given)
    if not given.paths and given.files_from is None:
        raise ValueError("PATH or --files-from must name photos. Received: neither.")
    inputs = find_inputs(given.paths, given.files_from)
    tell = _say_nothing if given.quiet else say
    for line in inputs.left_out:
        tell(line)
    failures = inputs.failures
    images, left_out = without_drawings(inputs.images, inputs.named, given.draw)
    if left_out:
        tell(f"{left_out} drawings of --draw are left out. Name one to predict it.")
    total = len(images) + len(failures)
    form, file = output.destination(given, [name for name, source in images if isinstance(source, Path)])
    folder = None if given.draw is None else DrawingFolder(given.draw)
    if given.resume and file is not None:
        done = file.finished({name for name, _ in images})
        found = images
        # Standard input and pipes may have other content than before.
        images = [(name, source) for name, source in found if name not in done or not isinstance(source, Path)]
        left = {name for name, _ in images}
        failures += [(name, done[name]) for name, _ in found if name not in left and done[name]]
        count = len(found) - len(images)
        tell(f"{file.path} has the results of {count} photos for certain. To be computed: {len(images)}.")
    if images:
        failures += _predict(given, images, form, file, folder)
    for name, reason in failures:
        say(f"{printable(name)}: {spoken_of(reason, given.usage)}")
    if failures:
        say(f"{len(failures)} of {total} inputs failed.")
    return 1 if failures else 0


def _predict(
    given: argparse.Namespace,
    images: list[tuple[str, Any]],
    form: str,
    file: ResultFile | None,
    folder: DrawingFolder | None,
) -> list[tuple[str, str]]:
    """Write the results of images, and return which failed, with the reason."""
    estimator = options.make_estimator(given)
    errors: dict[int, Exception] = {}
    failures = []
    stream = estimator.predict_stream(
        [source for _, source in images],
        # A single photo need not wait for a batch to fill.
        batch_size=min(len(images), 16),
        on_error=lambda position, _, error: errors.__setitem__(position, error),
        progress=len(images) > 1 and not given.quiet,
    )
    names = [name for name, _ in images]
    with output.writer(form, file, names, resume=given.resume) as write:
        for (name, source), (position, faces) in zip(images, enumerate(stream), strict=True):
            error = errors.get(position)
            if folder is not None and error is None:
                try:
                    folder.save(name, source, faces, max_pixels=given.max_pixels)
                except (OSError, ValueError) as problem:
                    failures.append((name, f"The drawing cannot be written: {problem}"))
            write(name, faces, error)
    return [(names[position], str(error)) for position, error in errors.items()] + failures


def _say_nothing(text: str) -> None:
    pass
