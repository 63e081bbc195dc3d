"""VGGFace and the transfer network of the study: 15,371,329 parameters, 1,735,488 of them frozen.

Parkhi et al.: 'Deep Face Recognition', BMVC 2015: a VGG16 that learned to tell 2,622 people apart. Its weights for
Keras are published by keras-vggface, a package that does not run on Keras 3. So the network is built here with the same
layer names, and takes the published file as it is. Scaling belongs to the network. VGGFace expects channels from RGB to
BGR, minus the means of the data that it was trained on; the study gave it pixels in [-1/255, 1/255] instead.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers, ops

from asianage.networks.heads import attach_heads, check_choice
from asianage.networks.pixels import scaled

BLUE_GREEN_RED_MEANS = (93.5940, 104.7624, 129.1863)
"""Version 1 of the preprocessing of keras-vggface."""

_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))

PIXELS = ("vggface", "study")
"""How pixels are scaled: as VGGFace expects them, or as the study gave them to it."""

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
    pixels: str = "vggface",
) -> keras.Model:
    """Build the transfer network. `asianage.networks.registry.build_network` states the contract.

    Args:
        units: Widths of the two dense layers.
        dropout: Rate after each of them, in [0, 1).
        frozen_blocks: How many of the five blocks of convolutions, counted from the input, are not trained.
        pixels: How pixels are scaled, one of `PIXELS`.

    Raises:
        ValueError: `image_size`, `frozen_blocks`, `head`, `task` or `pixels` is out of range.
    """
    if not 0 <= frozen_blocks <= len(_BLOCKS):
        raise ValueError(f"`frozen_blocks` must be 0 to {len(_BLOCKS)}. Received: {frozen_blocks}.")
    backbone = vggface_backbone(image_size, pixels)
    for layer in backbone.layers:
        if isinstance(layer, layers.Conv2D) and int(layer.name[4]) <= frozen_blocks:
            layer.trainable = False
    x = layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    for number, width in enumerate(units, start=1):
        x = layers.Dense(width, activation="relu", name=f"dense{number}")(x)
        x = layers.Dropout(dropout, name=f"dropout{number}")(x)
    outputs = attach_heads(x, num_ages=num_ages, min_age=min_age, head=head, task=task)
    return keras.Model(backbone.input, outputs, name="vggface")


def vggface_backbone(image_size: int = 224, pixels: str = "vggface") -> keras.Model:
    """Build VGG16 without its dense layers: 14,714,688 parameters.

    Args:
        image_size: Side of the crops, in pixels; at least 32.
        pixels: How pixels are scaled, one of `PIXELS`.

    Returns:
        A network from float32 (batch, image_size, image_size, 3), RGB in [0, 255], to the output of ``pool5``, float32
        (batch, image_size // 32, image_size // 32, 512).

    Raises:
        ValueError: `image_size` is less than 32, or `pixels` is unknown.
    """
    if image_size < 32:
        raise ValueError(f"`image_size` must be 32 or more: VGG16 halves it five times. Received: {image_size}.")
    crops = keras.Input((image_size, image_size, 3), name="crops")
    check_choice("pixels", pixels, PIXELS)
    x = VGGFaceScaling(name="scale")(crops) if pixels == "vggface" else scaled(crops, pixels)
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


def load_vggface_weights(network: keras.Model, content: bytes) -> None:
    """Load the published weights into the convolutions of a network; its heads keep their own.

    The layers that the file lists and the shapes of their arrays are compared with the network first. A file that
    differs in a single layer changes nothing.

    Args:
        network: `vggface_network` or `vggface_backbone`.
        content: Of ``rcmalli_vggface_tf_notop_vgg16.h5`` of keras-vggface, or of a file of the same layout: HDF5 as
            Keras 2 wrote it.

    Raises:
        ValueError: The file is damaged, has another layout, or other layers than the network.
    """
    expected = _convolutions(network)
    try:
        with h5py.File(io.BytesIO(content)) as file:
            names = _weight_names(file)
            _compare({layer: tuple(file[layer][name].shape for name in names[layer]) for layer in names}, expected)
            arrays = {layer: [np.asarray(file[layer][name]) for name in names[layer]] for layer in expected}
    # What h5py raises for a damaged file depends on where the damage is.
    except (OSError, KeyError, RuntimeError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ValueError(f"It cannot be read as HDF5: {error}. Delete the file and fetch it again.") from error
    for layer, values in arrays.items():
        if not all(np.issubdtype(value.dtype, np.floating) and np.isfinite(value).all() for value in values):
            raise ValueError(f"Values of {layer} are no finite numbers. Delete the file and fetch it again.")
    for layer, values in arrays.items():
        network.get_layer(layer).set_weights(values)


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


def _weight_names(file: h5py.File) -> dict[str, list[str]]:
    """Return the names of the arrays of each layer that the file lists, in its order."""
    if "layer_names" not in file.attrs:
        raise ValueError("It is not a weights file as Keras 2 wrote it: it has no `layer_names`.")
    layer_names = [_text(name) for name in file.attrs["layer_names"]]
    if len(set(layer_names)) < len(layer_names):
        raise ValueError(f"It lists a layer twice: {', '.join(layer_names)}. Delete the file and fetch it again.")
    return {name: [_text(weight) for weight in file[name].attrs["weight_names"]] for name in layer_names}


def _compare(found: Mapping[str, Shapes], expected: Mapping[str, Shapes]) -> None:
    """Refuse a file whose layers are not those of the network, in the same order and of the same shapes."""
    # Inputs and poolings have no weights; Keras numbers them.
    harmless = ("input", "global_average_pooling", "global_max_pooling", *(f"pool{n}" for n in range(1, 6)))
    weighted = {name: shapes for name, shapes in found.items() if shapes or not name.startswith(harmless)}
    if list(weighted.items()) != list(expected.items()):
        differing = [
            f"{name} has the shapes {weighted.get(name)} instead of {expected.get(name)}"
            for name in {**expected, **weighted}
            if weighted.get(name) != expected.get(name)
        ] or [f"the layers come in the order {', '.join(weighted)}"]
        raise ValueError(f"These are not the weights of VGGFace's VGG16: {'; '.join(differing)}. Nothing was loaded.")


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
