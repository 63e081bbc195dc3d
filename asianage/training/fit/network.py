"""The network of a recipe: built once, begun from other weights, and handed on with the best ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from asianage.networks import registry
from asianage.networks.heads import OUTPUTS, RAW_OUTPUTS
from asianage.training.fit.callbacks import normalizations
from asianage.training.fit.devices import dtype_policy, spread_over, training_devices
from asianage.training.recipes.recipe import TrainingRecipe

HEAD_LAYERS = frozenset({*RAW_OUTPUTS.values(), *OUTPUTS})
"""Names of the layers with weights that belong to no backbone."""


def build_network(recipe: TrainingRecipe) -> keras.Model:
    """Build the network of a recipe for training: in its dtype policy, on all devices, with its layers frozen.

    Raises:
        ValueError: The recipe freezes layers that the network does not have, or all of them.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype_policy(recipe.dtype_policy))
    try:
        with spread_over(training_devices()):
            keras.utils.set_random_seed(recipe.seed)
            network = _plain_network(recipe)
    finally:
        keras.config.set_dtype_policy(policy)
    freeze_layers(network, recipe.freeze)
    if recipe.freeze_normalization:
        for layer in normalizations(network):
            layer.trainable = False
    return network


def transfer_weights(network: keras.Model, start: keras.Model) -> None:
    """Copy the weights of a network that has every layer of another. It may have more, as a deeper teacher has.

    Raises:
        ValueError: `start` lacks a layer of `network`, or has it in another shape.
    """
    known = {layer.name: layer for layer in start.layers}
    for layer in (layer for layer in network.layers if layer.weights):
        source = known.get(layer.name)
        wanted = [weight.shape for weight in layer.weights]
        found = [weight.shape for weight in source.weights] if source is not None else []
        if source is None or wanted != found:
            raise ValueError(
                "The model to begin with must have every layer of the network that is trained. Received one whose "
                f"layer {layer.name!r} has weights of the shapes {found} instead of {wanted}. Begin with a model of "
                "the same architecture, or with none."
            )
        layer.set_weights(source.get_weights())


def average_weights(network: keras.Model, weights: Sequence[np.ndarray], share: float) -> None:
    """Replace the weights of a network by their average with others.

    Args:
        network: The network.
        weights: The others, as `keras.Model.get_weights` returns them.
        share: Share of these, in [0, 1].
    """
    pairs = zip(network.get_weights(), weights, strict=True)
    network.set_weights([(1.0 - share) * ours + share * theirs for ours, theirs in pairs])


def freeze_layers(network: keras.Model, names: Sequence[str]) -> None:
    """Keep the weights of layers as they are.

    Args:
        network: A network.
        names: Beginnings of the names of layers; "backbone" stands for all layers but the heads.

    Raises:
        ValueError: No layer with weights has such a name, or nothing is left to train.
    """
    layers = {layer.name: layer for layer in network.layers if layer.weights}
    for beginning in names:
        chosen = [name for name in layers if name.startswith(beginning)]
        if beginning == "backbone":
            chosen = [name for name in layers if name not in HEAD_LAYERS]
        if not chosen:
            raise ValueError(
                f"`freeze` must name layers or 'backbone'. Received: {beginning!r}. Layers: {', '.join(layers)}."
            )
        for name in chosen:
            layers[name].trainable = False
    if names and not network.trainable_weights:
        raise ValueError(f"`freeze` must leave layers to train. Received: {', '.join(names)}.")


def trained_network(recipe: TrainingRecipe, network: keras.Model, weights: Path) -> keras.Model:
    """Return a network in float32 on one device with the weights of a file: `network` itself where it is such a one."""
    if dtype_policy(recipe.dtype_policy) != "float32" or len(training_devices()) > 1:
        network = _plain_network(recipe)
    network.load_weights(weights)
    return network


def _plain_network(recipe: TrainingRecipe) -> keras.Model:
    return registry.build_network(
        recipe.architecture,
        image_size=recipe.faces.image_size,
        num_ages=recipe.axis.num_ages,
        min_age=recipe.min_age,
        **recipe.network,
    )
