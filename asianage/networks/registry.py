"""Architecture by name, as recipes and config.json have it -> network."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

from asianage.networks.dlib_resnet import dlib_resnet_network
from asianage.networks.gender_routing import study_network
from asianage.networks.mobilenet import mobilenet_network
from asianage.networks.residual import compact_network
from asianage.networks.simple_cnn import simple_cnn_network
from asianage.networks.vggface import vggface_network

ARCHITECTURES: dict[str, Callable[..., keras.Model]] = {
    "compact": compact_network,
    "dlib_resnet": dlib_resnet_network,
    "mobilenet": mobilenet_network,
    "simple_cnn": simple_cnn_network,
    "vggface": vggface_network,
    "study": study_network,
}
"""Name -> function that builds the network."""


def build_network(
    architecture: str, *, image_size: int, num_ages: int, min_age: int = 0, **options: Any
) -> keras.Model:
    """Build a network with random weights, under the dtype policy in force.

    Args:
        architecture: A name in `ARCHITECTURES`.
        image_size: Side of the crops, in pixels.
        num_ages: Length of the age axis.
        min_age: First age of the axis, in years.
        options: Further arguments of that architecture.

    Returns:
        A network from float32 (batch, image_size, image_size, 3), RGB in [0, 255], to a dict of ``age_logits``
        float32 (batch, num_ages) and ``gender_logit`` float32 (batch, 1), positive for the second gender label.

    Raises:
        ValueError: There is no such architecture, it has no such option, or a value is out of range.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"There is no architecture {architecture!r}. Architectures: {', '.join(ARCHITECTURES)}.")
    build = ARCHITECTURES[architecture]
    known = [name for name in inspect.signature(build).parameters if name not in ("image_size", "num_ages", "min_age")]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ValueError(f"{architecture!r} has no option {', '.join(unknown)}. Its options: {', '.join(known)}.")
    return build(image_size=image_size, num_ages=num_ages, min_age=min_age, **options)
