"""Backbones of one's own: a function from crops to features becomes an architecture with the heads of every network."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import keras
from keras import layers

from asianage.networks.heads import FEATURES, attach_heads

Backbone = TypeVar("Backbone", bound=Callable[..., Any])

REGISTERED: dict[str, Callable[..., keras.Model]] = {}
"""Name -> function that builds the network, as those of `asianage.networks.registry.ARCHITECTURES`."""

_OF_NETWORK = {"image_size": 96, "num_ages": 101, "min_age": 0, "head": "logits", "task": "both", "dropout": 0.0}
"""Arguments that every network of a registered backbone has, with their defaults."""


def register_backbone(name: str) -> Callable[[Backbone], Backbone]:
    """Return a decorator that makes a backbone an architecture of recipes and model folders.

    The function takes crops, float (batch, size, size, 3), RGB in [0, 255], as `keras.layers` do. It returns features,
    float (batch, height, width, channels) or (batch, width); maps are averaged over their positions. Its further
    arguments have defaults that are numbers, lists of numbers or short texts. A recipe sets them in `network`, beside
    `head`, `task` and `dropout`. A model folder names the architecture; to train such a model further, the function
    must be registered again under the same name.

    Args:
        name: Name of the architecture; not one of this package.

    Example:
        >>> @register_backbone("two_convolutions")
        ... def two_convolutions(crops, *, width=16):
        ...     x = keras.layers.Rescaling(1 / 255)(crops)
        ...     for number in (1, 2):
        ...         x = keras.layers.Conv2D(width * number, 3, strides=2, activation="relu")(x)
        ...     return x

    Raises:
        ValueError: The name is no plain word, or an argument of the function has the name of one of the network.
    """
    if not name.isidentifier():
        raise ValueError(f"`name` must be a word of letters, digits and underscores. Received: {name!r}.")

    def register(backbone: Backbone) -> Backbone:
        own = list(inspect.signature(backbone).parameters.values())[1:]
        taken = sorted({parameter.name for parameter in own} & set(_OF_NETWORK))
        if taken:
            raise ValueError(f"The backbone {name!r} must not have arguments of the network: {', '.join(taken)}.")
        REGISTERED[name] = _builder(name, backbone, own)
        return backbone

    return register


def _builder(name: str, backbone: Callable[..., Any], own: list[inspect.Parameter]) -> Callable[..., keras.Model]:
    """Return the function that builds a network on a backbone; its signature names all arguments."""

    def build(**arguments: Any) -> keras.Model:
        given = {**_OF_NETWORK, **arguments}
        network = {key: given.pop(key) for key in _OF_NETWORK}
        size, dropout = network.pop("image_size"), network.pop("dropout")
        crops = keras.Input((size, size, 3), name="crops")
        x = backbone(crops, **given)
        pool = layers.GlobalAveragePooling2D if len(x.shape) == 4 else layers.Identity
        features = layers.Dropout(dropout, name="dropout")(pool(name=FEATURES)(x))
        return keras.Model(crops, attach_heads(features, **network), name=name)

    keyword = inspect.Parameter.KEYWORD_ONLY
    common = [inspect.Parameter(key, keyword, default=value) for key, value in _OF_NETWORK.items()]
    build.__signature__ = inspect.Signature([*common, *(it.replace(kind=keyword) for it in own)])  # type: ignore[attr-defined]
    return build
