"""`asianage export`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from asianage.cli import options


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("export", help="write a model in another format, compared with the original")
    options.add_model(parser)
    parser.add_argument("--to", required=True, choices=("keras", "saved_model", "onnx", "tflite", "int8"))
    parser.add_argument("--output", type=Path, metavar="PATH", help="where to write (default: the model's name)")
    parser.add_argument("--samples", type=Path, metavar="DIR", help="pictures of one face each, to quantize for int8")
    options.add_register(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Convert a model, and print how far the result is from the original."""
    from asianage.faces.image_files import list_images
    from asianage.models.pretrained import open_model
    from asianage.training.export.conversion import convert_model

    options.start_keras()
    options.run_registered(given)
    samples = None if given.samples is None else list(list_images(given.samples))
    model = open_model(given.model)
    converted = convert_model(model, given.to, given.output, samples=samples)
    print(f"{converted.path}: largest differences from the Keras network on synthetic crops:")
    print(f"  probability of an age {converted.probability_difference:.2g}")
    print(f"  expected age          {converted.age_difference:.2g} years")
    print(f"  probability of male   {converted.gender_difference:.2g}")
    return 0
