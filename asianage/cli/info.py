"""`asianage info`: versions, models and detectors of this machine."""

from __future__ import annotations

import argparse
import importlib.util
import platform
from typing import Any

from asianage import __version__
from asianage.models import folder as model_folder
from asianage.models.hub import YUNET, cached_path
from asianage.models.pretrained import open_detector, open_model

PACKAGES = (
    *("numpy", "pillow", "huggingface-hub", "ai-edge-litert"),
    *("opencv-python-headless", "mtcnn", "tensorflow", "keras"),
)


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("info", help="show versions, models and detectors, and how to get what is missing")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Print versions, bundled models with their size, and which detectors can be used."""
    machine = f"{platform.system()} {platform.machine()}"
    lines = [f"asianage {__version__}, Python {platform.python_version()}, {machine}", "", "packages"]
    lines += [f"  {name:<24} {_version(name) or 'not installed'}" for name in PACKAGES]
    lines += ["", "bundled models"]
    for name in model_folder.bundled_names():
        model = open_model(name)
        config = model.config
        contents = f"crops of {config.image_size} pixels, ages {config.min_age}-{config.max_age}"
        lines.append(f"  {name:<24} {_megabytes(model, model_folder.NETWORK):.1f} MB, {contents}")
        lines += _hashes(model)
    detector = open_detector(model_folder.BUNDLED_DETECTOR)
    size = _megabytes(detector, model_folder.DETECTOR_NETWORK) + _megabytes(detector, model_folder.LANDMARKS_NETWORK)
    path = cached_path(YUNET)
    yunet = f"ready: {path}" if path else "weights not cached: asianage download"
    if not importlib.util.find_spec("cv2"):
        yunet = 'not installed: pip install "asianage[yunet]"'
    is_ready = _version("mtcnn") and (_version("tensorflow") or _version("tensorflow-cpu"))
    mtcnn = "ready" if is_ready else 'not installed: pip install "asianage[mtcnn]"'
    lines += [
        "",
        "face detectors",
        f"  {detector.config.name:<24} ready: bundled, {size:.1f} MB, the default",
        *_hashes(detector),
        f"  {'yunet':<24} {yunet}",
        f"  {'mtcnn':<24} {mtcnn}",
    ]
    print("\n".join(lines))
    return 0


def _megabytes(model: model_folder.AnyModel, file: str) -> float:
    return (model.path / file).stat().st_size / 1e6


def _hashes(model: model_folder.AnyModel) -> list[str]:
    """Return a line with the SHA-256 of each file, which config.json lists and `asianage verify` checks."""
    files = {model_folder.CONFIG: model.config_sha256, **model.config.files}
    return [f"    {name:<22} sha256 {digest}" for name, digest in files.items()]


def _version(package: str) -> str | None:
    # Imported here, because all commands load this module.
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
