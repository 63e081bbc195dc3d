"""Statistics of BatchNorm layers under weights that are averaged over steps."""

from __future__ import annotations

import keras
import numpy as np

from asianage.training.fit.batches import CropBatches

STATISTICS_BATCHES = 24
"""Batches that normalization statistics are averaged over before validation."""


def normalizations(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Return the BatchNorm layers of a network."""
    return [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]


def statistics(network: keras.Model) -> list[np.ndarray]:
    """Return copies of the moving means and variances, layer by layer."""
    layers = normalizations(network)
    values = [value for layer in layers for value in (layer.moving_mean, layer.moving_variance)]
    return [np.array(keras.ops.convert_to_numpy(value)) for value in values]


def set_statistics(network: keras.Model, values: list[np.ndarray]) -> None:
    """Put back what `statistics` returned."""
    for layer, mean, variance in zip(normalizations(network), values[::2], values[1::2], strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)


def reestimate_statistics(network: keras.Model, batches: CropBatches) -> None:
    """Average the normalization statistics of the weights in force over a few batches.

    The moving statistics belong to the raw weights; with averaged weights they give nonsense while the learning rate
    is high (as in Izmailov et al., 'Averaging Weights Leads to Wider Optima', UAI 2018).
    """
    layers = normalizations(network)
    momenta = [layer.momentum for layer in layers]
    for number in range(min(STATISTICS_BATCHES, len(batches))):
        for layer in layers:
            layer.momentum = number / (number + 1)
        network(batches[number][0], training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
