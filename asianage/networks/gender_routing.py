"""The system of the study as one network: a gender network chooses between two age networks.

The three are trained apart. Then `gender_routing_network` is built and each part takes its weights:
``network.get_layer("age_male").set_weights(trained.get_weights())``, likewise "age_female" and "gender". All three run
on every face, because an exported network has no branches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from asianage.networks.heads import check_choice
from asianage.networks.simple_cnn import simple_cnn_network
from asianage.networks.vggface import vggface_network

AGE_ARCHITECTURES: dict[str, Callable[..., keras.Model]] = {
    "simple_cnn": simple_cnn_network,
    "vggface": vggface_network,
}
"""Networks that the study estimates ages with."""

_STEEPNESS = 1000.0


def gender_routing_network(
    *,
    image_size: int = 224,
    num_ages: int = 101,
    min_age: int = 0,
    age_architecture: str = "vggface",
    gender_image_size: int | None = 100,
    gender_options: Mapping[str, Any] | None = None,
    age_options: Mapping[str, Any] | None = None,
) -> keras.Model:
    """Build the three networks as one. `asianage.networks.registry.build_network` states the contract.

    Its layers "gender", "age_female" and "age_male" are the three networks.

    Args:
        age_architecture: "vggface" or "simple_cnn", both twice, for women and for men.
        gender_image_size: Side of the shrunk crops for the gender network, in pixels; None does not shrink them.
        gender_options: Further arguments of the gender network, a simple CNN.
        age_options: Further arguments of the age networks.

    Raises:
        ValueError: Unknown `age_architecture`, or a `gender_image_size` above `image_size`.
    """
    check_choice("age_architecture", age_architecture, AGE_ARCHITECTURES)
    gender_image_size = image_size if gender_image_size is None else gender_image_size
    if gender_image_size > image_size:
        raise ValueError(
            f"`gender_image_size` must be at most `image_size`. Received: {gender_image_size} and {image_size}."
        )
    axis = {"num_ages": num_ages, "min_age": min_age}
    crops = keras.Input((image_size, image_size, 3), name="crops")
    shrunk = crops
    if gender_image_size < image_size:
        shrunk = AreaShrinking(image_size, gender_image_size, name="shrink")(crops)
    gender_options = {**axis, **(gender_options or {}), "image_size": gender_image_size, "task": "gender"}
    gender_logit = _named(simple_cnn_network(**gender_options), "gender")(shrunk)["gender_logit"]
    build_age = AGE_ARCHITECTURES[age_architecture]
    age_options = {**(age_options or {}), **axis, "image_size": image_size, "task": "age"}
    female, male = (_named(build_age(**age_options), name)(crops)["age_logits"] for name in ("age_female", "age_male"))
    outputs = {
        "age_logits": GenderRouting(dtype="float32", name="age_logits")([gender_logit, female, male]),
        "gender_logit": layers.Identity(dtype="float32", name="gender_logit")(gender_logit),
    }
    return keras.Model(crops, outputs, name="gender_routing")


@keras.saving.register_keras_serializable("asianage")
class GenderRouting(layers.Layer):
    """Take the age logits of the gender that is likelier."""

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Return one of two age logits (batch, num_ages), the second where the gender logit (batch, 1) is positive.

        Given ``[gender_logit, female, male]``. Within some thousandths of zero the two are mixed.
        """
        gender_logit, female, male = inputs
        # A sigmoid this steep is a switch. `asianage.models.flatbuffer` allows its operator.
        return female + ops.sigmoid(_STEEPNESS * gender_logit) * (male - female)


@keras.saving.register_keras_serializable("asianage")
class AreaShrinking(layers.Layer):
    """Shrink square images: every new pixel is the mean of the area that it covers."""

    def __init__(self, size: int, new_size: int, **options: Any) -> None:
        """Create the layer from (batch, size, size, 3) to (batch, new_size, new_size, 3)."""
        super().__init__(**options)
        self.size = size
        self.new_size = new_size
        edges = np.arange(new_size + 1) * (size / new_size)
        pixels = np.arange(size)[:, None]
        covered = np.minimum(pixels + 1, edges[None, 1:]) - np.maximum(pixels, edges[None, :-1])
        self._weights_of_pixels = (np.maximum(covered, 0.0) * (new_size / size)).astype(np.float32)

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Return the shrunk images."""
        # Products of plain matrices, one side after the other: LiteRT's resizing would skip pixels.
        columns = ops.reshape(ops.transpose(images, (0, 2, 3, 1)), (-1, self.size))
        columns = ops.reshape(ops.matmul(columns, self._weights_of_pixels), (-1, self.size, 3, self.new_size))
        rows = ops.reshape(ops.transpose(columns, (0, 3, 2, 1)), (-1, self.size))
        rows = ops.reshape(ops.matmul(rows, self._weights_of_pixels), (-1, self.new_size, 3, self.new_size))
        return ops.transpose(rows, (0, 1, 3, 2))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "size": self.size, "new_size": self.new_size}


def _named(network: keras.Model, name: str) -> keras.Model:
    return keras.Model(network.input, network.output, name=name)
