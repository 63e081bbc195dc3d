"""Published weights that the backbone of a network can begin with, by name: found or fetched, checked, loaded."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import keras

from asianage.errors import DownloadError
from asianage.files import replacing
from asianage.models.hub import YUNET, fetch
from asianage.networks.face_detector import load_yunet_weights
from asianage.networks.mobilenet import load_faceres_weights
from asianage.networks.vggface import load_vggface_weights

VGGFACE_URL = "https://github.com/rcmalli/keras-vggface/releases/download/v2.0/rcmalli_vggface_tf_notop_vgg16.h5"
"""VGG16 without its dense layers, for TensorFlow's order of channels: 59 MB."""

STALL_SECONDS = 60.0
"""How long a download may stand still."""


class PublishedWeights(NamedTuple):
    """A published file: how it is loaded, where it lies, its SHA-256 ("" if none is published), how a user gets it."""

    load: Callable[[keras.Model, bytes], None]
    find: Callable[[], Path]
    sha256: str
    remedy: str


def load_pretrained(network: keras.Model, name: str, path: str | os.PathLike[str] | None = None) -> None:
    """Load published weights into the backbone of a network; its heads keep their own.

    Args:
        network: A network of the architecture that the weights are for.
        name: A name in `PRETRAINED`.
        path: The file; None looks where it usually lies, or fetches it.

    Raises:
        DownloadError: The file cannot be fetched.
        FileNotFoundError: The file is not there.
        ValueError: There are no such weights, or the file or the network does not match.
    """
    file = find_pretrained(name, path)
    weights, content = PRETRAINED[name], file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if weights.sha256 and digest != weights.sha256:
        raise ValueError(
            f"{file} is not the published file: its SHA-256 is {digest} instead of {weights.sha256}. {weights.remedy}"
        )
    try:
        weights.load(network, content)
    except ValueError as error:
        raise ValueError(f"{file} cannot be loaded into the network {network.name!r}. {error}") from error


def find_pretrained(name: str, path: str | os.PathLike[str] | None = None) -> Path:
    """Return the file of published weights; one that can be fetched is fetched.

    Raises:
        DownloadError: The file cannot be fetched.
        FileNotFoundError: The file is not there.
        ValueError: There are no such weights.
    """
    if name not in PRETRAINED:
        raise ValueError(f"There are no pretrained weights {name!r}. Names: {', '.join(PRETRAINED)}.")
    file = PRETRAINED[name].find() if path is None else Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"The pretrained weights {name!r} are not at {file}. {PRETRAINED[name].remedy}")
    return file


def _cached(name: str, file: str) -> Path:
    """Return where Keras keeps a file of a model."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models" / name / file


def _fetch_vggface() -> Path:
    """Return the file from the cache of Keras, where keras-vggface keeps it too; fetch it first if it is missing."""
    target = _cached("vggface", Path(VGGFACE_URL).name)
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as partial:
            with urllib.request.urlopen(VGGFACE_URL, timeout=STALL_SECONDS) as answer, partial.open("wb") as file:
                shutil.copyfileobj(answer, file)
            # HDF5 states its own length: a file that was cut off is refused.
            h5py.File(partial).close()
    except (OSError, http.client.HTTPException) as error:
        reason = f"no more bytes within {STALL_SECONDS:g} s" if isinstance(error, TimeoutError) else error
        raise DownloadError(
            f"The weights of VGGFace could not be fetched from {VGGFACE_URL} to {target}: {reason}. Check network and "
            "disk and try again; or fetch the file on another machine and pass its path."
        ) from error
    return target


PRETRAINED = {
    "faceres": PublishedWeights(
        load_faceres_weights,
        lambda: _cached("faceres", "faceres.bin"),
        "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b",
        "Run: npm pack @vladmandic/human@3.3.6, unpack the archive, and copy package/models/faceres.bin there.",
    ),
    "yunet": PublishedWeights(
        load_yunet_weights, lambda: fetch(YUNET), YUNET.sha256, f"Fetch it from huggingface.co/{YUNET.repo_id}."
    ),
    "vggface": PublishedWeights(load_vggface_weights, _fetch_vggface, "", f"Fetch it from {VGGFACE_URL}."),
}
"""Name -> weights."""
