"""Options that several commands share."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asianage.faces.detection.selection import NAMES
from asianage.faces.images import MAX_PIXELS
from asianage.native_output import without_native_output

if TYPE_CHECKING:
    from asianage.prediction.estimator import AgeGenderEstimator

_MODEL = "bundled name, model folder or Hub id"

_FACES: dict[str, tuple[type, str, str]] = {
    "score_threshold": (float, "X", "smallest score of a face, from 0 to 1 (default: the detector's)"),
    "min_face_size": (float, "PIXELS", "shorter side of the smallest faces (default: 16, more in large photos)"),
    "max_faces": (int, "N", "faces of a photo, the largest (default: all)"),
}
"""Options that choose among the faces of a photo -> type, letter and help."""


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument MODEL."""
    parser.add_argument("model", metavar="MODEL", help=_MODEL)


def add_estimator(parser: argparse.ArgumentParser) -> None:
    """Add the options of the estimator, those of `make_estimator` and `estimator_options`."""
    parser.add_argument("--model", default="compact", help=f"{_MODEL} (default: %(default)s)")
    add_detector(parser)
    parser.add_argument("--mirror", action="store_true", help="average with the mirror image: a little better, slower")
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="photos and faces at once; of each worker in batch (default: the usable processors, 1 in batch)",
    )
    parser.add_argument(
        "--max-pixels",
        type=int,
        default=MAX_PIXELS,
        metavar="N",
        help="largest accepted width x height of a photo (default: %(default)s)",
    )
    for name, (kind, letter, text) in _FACES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=letter, help=text)
    add_quiet(parser)


def make_estimator(given: argparse.Namespace) -> AgeGenderEstimator:
    """Return the estimator that the options of `add_estimator` describe."""
    from asianage.prediction.estimator import AgeGenderEstimator

    with without_native_output():
        return AgeGenderEstimator(given.model, num_threads=given.threads, **estimator_options(given))


def estimator_options(given: argparse.Namespace) -> dict[str, Any]:
    """Return the options of `add_estimator` apart from model and threads, as `AgeGenderEstimator` takes them."""
    chosen = {name: getattr(given, name) for name in _FACES if getattr(given, name) is not None}
    return {"detector": given.detector, "mirror": given.mirror, "max_pixels": given.max_pixels, **chosen}


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add `--quiet`."""
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but results, failures and warnings")


def add_detector(parser: argparse.ArgumentParser, default: str = "auto") -> None:
    """Add `--detector`, whose value is what `AgeGenderEstimator` takes."""
    parser.add_argument(
        "--detector",
        default=default,
        type=_detector,
        help=f"{', '.join(NAMES)}, the path of YuNet's .onnx file, folder or Hub id of a face detector, or "
        f"none: each image already is one face (default: {default})",
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add what every run of a training has: OUTPUT, `--name`, `--detector` and `--quantization`."""
    parser.add_argument("output", type=Path, help="folder of the run; its folder `model` becomes the model")
    parser.add_argument("--name", help="name of the new model (default: after the recipe or the first model)")
    add_detector(parser)
    add_quantization(parser)
    add_device(parser)
    add_quiet(parser)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--device`."""
    parser.add_argument(
        "--device",
        default="auto",
        help="where to train: auto, cpu, gpu, or gpu:1 for the second GPU (default: auto, all GPUs)",
    )


def choose_device(given: argparse.Namespace) -> None:
    """Train on what `--device` names."""
    from asianage.training.fit.devices import use_device

    use_device(given.device)


def add_quantization(parser: argparse.ArgumentParser) -> None:
    """Add `--quantization`."""
    parser.add_argument(
        "--quantization",
        default="int8",
        choices=("int8", "float16", "float32"),
        help="of the exported network (default: %(default)s)",
    )


def begin_run(given: argparse.Namespace) -> dict[str, Any]:
    """Log, choose the device, and return the options of `add_run` as `train` and `fine_tune` take them."""
    progress = begin_logging(given)
    choose_device(given)
    start_keras()
    names = ("name", "detector", "quantization")
    return {**{name: getattr(given, name) for name in names}, "progress": progress}


def begin_logging(given: argparse.Namespace) -> bool:
    """Log to standard error, and tell whether to show progress."""
    level = logging.WARNING if given.quiet else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", stream=sys.stderr)
    # It warns of every network but the first that it compiles anew.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return not given.quiet


def start_keras() -> None:
    """Let Keras begin to compute, without what TensorFlow says about processors and drivers."""
    with without_native_output():
        import keras

        keras.ops.zeros(1)


def add_register(parser: argparse.ArgumentParser) -> None:
    """Add `--register`, for models whose backbone is not of this package."""
    parser.add_argument(
        "--register", type=Path, metavar="FILE", help="Python file to run first: registers the backbone of the model"
    )


def run_registered(given: argparse.Namespace) -> None:
    """Run the file that `--register` names."""
    if given.register is not None:
        from asianage.training.recipes.recipe_file import run_file

        run_file(given.register)


def add_faces(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument DATA, labeled faces, and `--gender-labels`."""
    parser.add_argument("data", type=Path, help="CSV table with file, age and/or gender; or folder, such as AFAD's")
    parser.add_argument(
        "--gender-labels",
        metavar="LABELS",
        help="what the table writes for each gender, for instance 0=male,1=female (default: female, male, f, m)",
    )


def labeled_faces(given: argparse.Namespace, data: Path) -> Any:
    """Return `data` as training and evaluation take it: read already where the table writes genders in its own way."""
    if given.gender_labels is None:
        return data
    from asianage.data.labels import parse_gender_labels
    from asianage.data.sources import read_source

    return read_source(data, gender_labels=parse_gender_labels(given.gender_labels)).records


def _detector(text: str) -> str | None:
    if text == "none":
        return None
    if text in NAMES or text.lower().endswith(".onnx") or "/" in text or Path(text).is_dir():
        return text
    raise argparse.ArgumentTypeError(
        f"must be {', '.join(NAMES)}, none, the path of a .onnx file, or folder or Hub id of a face detector. "
        f"Received: {text}."
    )
