"""`asianage study`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from asianage.cli import options


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("study", help="train and measure every row of the study, and write one table")
    options.add_faces(parser)
    parser.add_argument("output", type=Path, help="folder of the study; its file study.md becomes the table")
    parser.add_argument(
        "--protocol",
        action="append",
        choices=("study", "identity", "random"),
        help="how faces are split; may be repeated (default: study and identity)",
    )
    parser.add_argument("--epochs", type=int, help="passes over the faces (default: the study's)")
    parser.add_argument("--seed", type=int, help="seed of weights and order (default: that of the recipes)")
    parser.add_argument("--max-faces", type=int, metavar="N", help="at most N faces, for a trial (default: all)")
    parser.add_argument(
        "--vggface-size", type=int, metavar="PIXELS", help="side of VGGFace's crops, for a trial (default: 224)"
    )
    parser.add_argument("--pretrained", type=Path, metavar="FILE", help="published weights of VGGFace")
    parser.add_argument("--random-vggface", action="store_true", help="begin VGGFace with random weights")
    parser.add_argument("--scaled", action="store_true", help="scale pixels as each network expects them")
    parser.add_argument(
        "--show-faces", action="store_true", help="draw sample faces; the license of the data decides who may see them"
    )
    parser.add_argument("--dataset", metavar="NAME", help="only the faces of this data set (default: all)")
    options.add_detector(parser, default="none")
    options.add_quantization(parser)
    options.add_device(parser)
    options.add_quiet(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Run the study, and print its table."""
    from asianage.training.run_study import run_study

    progress = options.begin_logging(given)
    options.choose_device(given)
    options.start_keras()
    names = ("epochs", "seed", "max_faces", "vggface_size", "pretrained", "random_vggface", "scaled")
    table = run_study(
        options.labeled_faces(given, given.data),
        given.output,
        protocols=tuple(given.protocol or ("study", "identity")),
        **{name: getattr(given, name) for name in (*names, "show_faces", "dataset", "detector", "quantization")},
        progress=progress,
    )
    print(table.read_text("utf-8"), end="")
    return 0
