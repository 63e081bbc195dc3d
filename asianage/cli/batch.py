"""`asianage batch`."""

from __future__ import annotations

import argparse
from typing import Any

from asianage.cli import options
from asianage.cli.messages import say


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("batch", help="predict any number of photos on many processors or machines")
    parser.add_argument(
        "source",
        metavar="INPUT",
        help="folder of photos or of Parquet files, a Parquet file, or a text file with one name a line; on this "
        "machine or at an address such as s3://bucket/photos",
    )
    parser.add_argument("output", metavar="OUTPUT", help="folder of the parts, each a Parquet file; begun or new")
    parser.add_argument("--column", help="column of Parquet files with paths, addresses or encoded images")
    options.add_estimator(parser)
    parser.add_argument("--distribution", action="store_true", help="also write the probability of each year of age")
    parser.add_argument("--part-size", type=int, default=1000, metavar="N", help="photos a part (default: %(default)s)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: as many as processors)")
    parser.add_argument("--address", help="address of a Ray cluster, or auto (default: workers on this machine)")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Predict what is not done yet, and say how much that was."""
    from asianage.apps.batch import predict_batch

    done = predict_batch(
        given.source,
        given.output,
        column=given.column,
        part_size=given.part_size,
        workers=given.workers,
        num_threads=1 if given.threads is None else given.threads,
        address=given.address,
        distribution=given.distribution,
        progress=not given.quiet,
        model=given.model,
        **options.estimator_options(given),
    )
    if not given.quiet:
        if done.parts_before:
            say(f"{done.parts_before:,} parts were there already.")
        say(
            f"{done.parts:,} parts are written to {done.output}: {done.photos:,} photos, {done.faces:,} faces, "
            f"{done.photos / max(done.seconds, 1e-9):.1f} photos a second."
        )
    if done.errors:
        photos = "photo" if done.errors == 1 else "photos"
        say(f"{done.errors:,} {photos} could not be read. The column error says why.")
    return 1 if done.errors else 0
