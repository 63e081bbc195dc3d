"""VGGFace and the transfer network of the study: 15,371,329 parameters, 1,735,488 of them frozen.

Parkhi et al.: 'Deep Face Recognition', BMVC 2015: a VGG16 that learned to tell 2,622 people apart. Its weights for
Keras are published by keras-vggface, a package that does not run on Keras 3. So the network is built here with the same
layer names, and takes the published file as it is. Scaling belongs to the network: channels from RGB to BGR, minus the
means of the data that VGGFace was trained on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers, ops

from asianage.errors import DownloadError
from asianage.models.hub import STALL_SECONDS, watched
from asianage.networks.heads import attach_heads
from asianage.networks.published_file import models_folder

WEIGHTS_FILE = "rcmalli_vggface_tf_notop_vgg16.h5"
"""The published weights of VGG16 without its dense layers, for TensorFlow's order of channels."""

WEIGHTS_URL = f"https://github.com/rcmalli/keras-vggface/releases/download/v2.0/{WEIGHTS_FILE}"

BLUE_GREEN_RED_MEANS = (93.5940, 104.7624, 129.1863)
"""Version 1 of the preprocessing of keras-vggface."""

_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))

Shapes = tuple[tuple[int, ...], ...]


def vggface_network(
    *,
    image_size: int = 224,
    num_ages: int = 101,
    task: str = "age",
    head: str = "regression",
    min_age: int = 0,
    units: tuple[int, int] = (1024, 128),
    dropout: float = 0.5,
    frozen_blocks: int = 3,
) -> keras.Model:
    """Build the transfer network with random weights; `load_vggface_weights` fills its convolutions.

    Args:
        image_size: Side of the crops, in pixels.
        num_ages: Length of the age axis.
        task: What is learned, one of `asianage.networks.heads.TASKS`; the study's learns the age.
        head: How the age is learned, one of `asianage.networks.heads.HEADS`; the study's is a regression.
        min_age: First age of the axis, in years.
        units: Widths of the two dense layers.
        dropout: Rate after each of them, in [0, 1).
        frozen_blocks: How many of the five blocks of convolutions, counted from the input, are not trained.

    Returns:
        A network from float32 (batch, image_size, image_size, 3), RGB in [0, 255], to a dict of ``age_logits``
        float32 (batch, num_ages) and ``gender_logit`` float32 (batch, 1), positive for the second gender label; the
        output of a task that is not learned is zero.

    Raises:
        ValueError: `image_size`, `frozen_blocks`, `head` or `task` is out of range.
    """
    if not 0 <= frozen_blocks <= len(_BLOCKS):
        raise ValueError(f"`frozen_blocks` must be 0 to {len(_BLOCKS)}. Received: {frozen_blocks}.")
    backbone = vggface_backbone(image_size)
    for layer in backbone.layers:
        if isinstance(layer, layers.Conv2D) and int(layer.name[4]) <= frozen_blocks:
            layer.trainable = False
    x = layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    for number, width in enumerate(units, start=1):
        x = layers.Dense(width, activation="relu", name=f"dense{number}")(x)
        x = layers.Dropout(dropout, name=f"dropout{number}")(x)
    outputs = attach_heads(x, num_ages=num_ages, min_age=min_age, head=head, task=task)
    return keras.Model(backbone.input, outputs, name="vggface")


def vggface_backbone(image_size: int = 224) -> keras.Model:
    """Build VGG16 without its dense layers: 14,714,688 parameters.

    Args:
        image_size: Side of the crops, in pixels; at least 32.

    Returns:
        A network from float32 (batch, image_size, image_size, 3), RGB in [0, 255], to the output of ``pool5``, float32
        (batch, image_size // 32, image_size // 32, 512).

    Raises:
        ValueError: `image_size` is less than 32.
    """
    if image_size < 32:
        raise ValueError(f"`image_size` must be 32 or more: VGG16 halves it five times. Received: {image_size}.")
    crops = keras.Input((image_size, image_size, 3), name="crops")
    x = VGGFaceScaling(name="scale")(crops)
    for block, (width, depth) in enumerate(_BLOCKS, start=1):
        for number in range(1, depth + 1):
            x = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"conv{block}_{number}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{block}")(x)
    return keras.Model(crops, x, name="vggface_vgg16")


@keras.saving.register_keras_serializable("asianage")
class VGGFaceScaling(layers.Layer):
    """RGB in [0, 255] -> BGR minus the means of VGGFace's own data."""

    def call(self, crops: keras.KerasTensor) -> keras.KerasTensor:
        """Return float (batch, height, width, 3), BGR, of crops of the same shape, RGB."""
        # Slices with a negative step are beyond torch, a flip is beyond the operators of a checked network file.
        bgr = ops.concatenate([crops[..., channel : channel + 1] for channel in (2, 1, 0)], axis=-1)
        return ops.subtract(bgr, np.array(BLUE_GREEN_RED_MEANS, dtype=np.float32))


def load_vggface_weights(network: keras.Model, path: str | os.PathLike[str]) -> None:
    """Fill the convolutions of a network with the weights of VGGFace.

    The file's list of layers and the shape of every array are compared with the network first, and all arrays are read:
    a file that differs in a single layer changes nothing.

    Args:
        network: `vggface_network` or `vggface_backbone`.
        path: The file `WEIGHTS_FILE`, or one of the same layout (HDF5 as Keras 2 wrote it).

    Raises:
        FileNotFoundError: There is no file at `path`.
        ValueError: The file is damaged, has another layout, or other layers than the network.
    """
    path = Path(path)
    expected = _convolutions(network)
    if not path.is_file():
        raise FileNotFoundError(
            f"`path` must be the file {WEIGHTS_FILE}. Received: {path}. "
            f"Fetch it with `fetch_vggface_weights()`, or from {WEIGHTS_URL}."
        )
    try:
        with h5py.File(path) as file:
            names = _weight_names(file, path)
            _compare(_shapes(file, names), expected, path)
            arrays = {layer: [np.asarray(file[layer][name]) for name in names[layer]] for layer in expected}
    # What h5py raises for a damaged file depends on where the damage is.
    except (OSError, KeyError, RuntimeError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as HDF5: {error}. Delete the file and fetch it again.") from error
    for layer, values in arrays.items():
        if not all(np.issubdtype(value.dtype, np.floating) and np.isfinite(value).all() for value in values):
            raise ValueError(f"{path} holds values of {layer} that are no numbers. Delete the file and fetch it again.")
    for layer, values in arrays.items():
        network.get_layer(layer).set_weights(values)


def fetch_vggface_weights(cache_dir: str | os.PathLike[str] | None = None, *, url: str = WEIGHTS_URL) -> Path:
    """Return the published weights from the cache of Keras; download them there first if they are missing.

    They lie in ``models/vggface`` of the cache, where keras-vggface keeps them as well. The 59 MB come from GitHub.

    Args:
        cache_dir: Folder of the cache; None takes ``KERAS_HOME``, or ``~/.keras``.
        url: Where they are published.

    Raises:
        DownloadError: They can be neither fetched nor written; the message says what else can be done.
    """
    target = models_folder("vggface", cache_dir) / WEIGHTS_FILE
    cache = target.parents[2]
    if target.is_file():
        return target
    # A name of its own: a download that is killed must not leave half a file under the name that counts.
    partial = target.with_name(f"{WEIGHTS_FILE}.{os.getpid()}-{time.time_ns()}.part")

    def download() -> None:
        keras.utils.get_file(partial.name, url, cache_dir=str(cache), cache_subdir="models/vggface")

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(cache, os.W_OK):
            # `get_file` would go to a temporary folder without a word.
            raise PermissionError(f"{cache} cannot be written")
        watched(download, STALL_SECONDS, lambda: partial.stat().st_size if partial.exists() else 0)
        with h5py.File(partial):
            pass
        partial.replace(target)
    # The client of Keras raises plain `Exception`.
    except Exception as error:
        reason = f"no more bytes within {STALL_SECONDS:g} s" if isinstance(error, TimeoutError) else error
        raise DownloadError(
            f"The weights of VGGFace could not be fetched from {url} to {target}: {reason}. Check network and disk and "
            f"try again; or fetch {WEIGHTS_FILE} on another machine and give its path."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return target


def _convolutions(network: keras.Model) -> dict[str, Shapes]:
    """Return the shapes of kernel and bias of the thirteen convolutions, in order."""
    names = [f"conv{block}_{number}" for block, (_, depth) in enumerate(_BLOCKS, 1) for number in range(1, depth + 1)]
    present = {layer.name: layer for layer in network.layers}
    missing = [name for name in names if name not in present]
    if missing:
        raise ValueError(
            f"`network` must be a `vggface_network` or `vggface_backbone`. Received: {network.name!r} without the "
            f"layers {', '.join(missing)}."
        )
    return {name: tuple(tuple(weight.shape) for weight in present[name].weights) for name in names}


def _weight_names(file: h5py.File, path: Path) -> dict[str, list[str]]:
    """Return the names of the arrays of each layer that the file lists, in its order."""
    if "layer_names" not in file.attrs:
        raise ValueError(
            f"{path} is not a weights file as Keras 2 wrote it: it has no `layer_names`. "
            f"Required: {WEIGHTS_FILE} of keras-vggface."
        )
    layer_names = [_text(name) for name in file.attrs["layer_names"]]
    if len(set(layer_names)) < len(layer_names):
        raise ValueError(f"{path} lists a layer twice: {', '.join(layer_names)}. Delete the file and fetch it again.")
    return {name: [_text(weight) for weight in file[name].attrs["weight_names"]] for name in layer_names}


def _shapes(file: h5py.File, names: Mapping[str, list[str]]) -> dict[str, Shapes]:
    return {layer: tuple(tuple(file[layer][name].shape) for name in arrays) for layer, arrays in names.items()}


def _compare(found: Mapping[str, Shapes], expected: Mapping[str, Shapes], path: Path) -> None:
    """Refuse a file whose layers are not those of the network, in the same order and of the same shapes."""
    pools = {f"pool{block}" for block in range(1, len(_BLOCKS) + 1)}
    weighted = [name for name, shapes in found.items() if shapes or not _is_harmless(name, pools)]
    faults = []
    missing = [name for name in expected if name not in found]
    unknown = [name for name in weighted if name not in expected]
    if missing:
        faults.append(f"it lacks the layers {', '.join(missing)}")
    if unknown:
        faults.append(f"the network has no layers {', '.join(unknown)}")
    for name in expected:
        if name in found and found[name] != expected[name]:
            faults.append(f"{name} has the shapes {found[name]} instead of {expected[name]}")
    if not faults and weighted != list(expected):
        faults.append(f"its layers come in the order {', '.join(weighted)}")
    if faults:
        raise ValueError(
            f"{path} does not hold the weights of VGGFace's VGG16: {'; '.join(faults)}. Nothing was loaded. "
            f"Required: {WEIGHTS_FILE} of keras-vggface."
        )


def _is_harmless(layer: str, pools: set[str]) -> bool:
    """Tell whether a layer without weights may be in the list: inputs and poolings are numbered as they were built."""
    return layer in pools or layer.startswith(("input", "global_average_pooling", "global_max_pooling"))


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
