"""`asianage info`: versions, models and detectors of this machine."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from typing import Any

from asianage import __version__
from asianage.models import folder as model_folder
from asianage.models.hub import YUNET, cached_path

PACKAGES = (
    *("numpy", "pillow", "opencv-python-headless", "huggingface-hub", "ai-edge-litert"),
    *("mtcnn", "tensorflow", "keras"),
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
        model = model_folder.require_estimator(model_folder.open_model_folder(model_folder.BUNDLED / name))
        config = model.config
        size = (model.path / model_folder.NETWORK).stat().st_size / 1e6
        lines.append(
            f"  {name:<24} {size:.1f} MB, crops of {config.image_size} pixels, ages {config.min_age}-{config.max_age}"
        )
    path = cached_path(YUNET)
    mtcnn = _version("mtcnn") and (_version("tensorflow") or _version("tensorflow-cpu"))
    lines += [
        "",
        "face detectors",
        f"  {'yunet':<24} {f'ready: {path}' if path else 'weights not cached: asianage download'}",
        f"  {'mtcnn':<24} {'ready' if mtcnn else 'not installed: pip install asianage[mtcnn]'}",
    ]
    print("\n".join(lines))
    return 0


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
