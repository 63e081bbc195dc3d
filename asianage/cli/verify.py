"""`asianage verify`."""

from __future__ import annotations

import argparse
from typing import Any

from asianage.models import folder as model_folder
from asianage.models.folder import AnyModel, DetectorFolder
from asianage.models.hub import HubAccess, sha256_of
from asianage.models.pretrained import open_any_model


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("verify", help="check the files of a model against their hashes, and that it runs")
    parser.add_argument("model", metavar="MODEL", help="bundled name, model folder or Hub id, of either kind of model")
    parser.add_argument("--sha256", help="hash that config.json must have; it pins all files")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Check a model, and print its files with their hashes."""
    model = open_any_model(given.model, HubAccess(), sha256=given.sha256)
    model.verify()
    _try(model)
    kind = "face detector" if isinstance(model, DetectorFolder) else "estimator of age and gender"
    print(f"{model.config.name}, {kind}, in {model.path}")
    print(f"{model.config_sha256}  {model_folder.CONFIG}")
    for name, digest in model.config.files.items():
        print(f"{digest}  {name}")
    listed = {*model.config.files, model_folder.CONFIG}
    for file in sorted(model.path.iterdir()):
        if file.name not in listed:
            print(f"{sha256_of(file) if file.is_file() else 'folder':<64}  {file.name} (not listed)")
    print(f"The model runs, and {len(listed)} files are as {model_folder.CONFIG} lists them.")
    return 0


def _try(model: AnyModel) -> None:
    """Run the network once, which raises a `ModelFormatError` if it is not one of this package."""
    import numpy as np

    if isinstance(model, DetectorFolder):
        from asianage.faces.detection.bundled import BundledDetector

        BundledDetector(model).detect(np.zeros((64, 64, 3), np.uint8))
    else:
        from asianage.prediction.estimator import AgeGenderEstimator

        size = model.config.image_size
        AgeGenderEstimator(model, detector=None, num_threads=1).estimate_crops(np.zeros((1, size, size, 3), np.uint8))
