"""Begin a narrower MobileNet with the weights of a wider one.

Of the filters of each layer those are kept that together tell most about what the next layer computes. The convolution
of the kept filters is then fitted anew, by least squares, to what they gave in the wider network. Luo et al.: 'ThiNet',
ICCV 2017; He et al.: 'Channel Pruning for Accelerating Very Deep Neural Networks', ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
import numpy as np

from asianage.models.config import ModelConfig
from asianage.networks.heads import FEATURES, OUTPUTS
from asianage.networks.mobilenet import BLOCKS, LIMIT
from asianage.training.recipes.recipe import TrainingRecipe

SAMPLES = 1_000
"""Crops that the layers are compared on, at most."""

_POSITIONS = 16
"""Positions of each crop that count."""

_CHUNK = 50
_ROUNDS = 3
_RIDGE = 1e-4
# The features of few crops are fitted to; those of positions are many.
_HEADS_RIDGE = 1e-2


def is_narrower(recipe: TrainingRecipe, config: ModelConfig) -> bool:
    """Tell whether a recipe trains a narrower MobileNet than that of a model."""
    widths = [network.get("alpha", 1.0) for network in (recipe.network, config.network)]
    return recipe.architecture == config.architecture == "mobilenet" and widths[0] < widths[1]


def narrow(network: keras.Model, wide: keras.Model, crops: np.ndarray) -> None:
    """Set the weights of a network so that it computes what a wider one does, as closely as its width allows.

    Args:
        network: A `mobilenet_network`.
        wide: Another with the same arguments, but for a larger `alpha`.
        crops: (n, size, size, 3), RGB in [0, 255]: faces that both are to agree on. More than `SAMPLES` are not used.
    """
    crops = crops[:SAMPLES].astype(np.float32)
    blocks = range(1, len(BLOCKS) + 1)
    kernels = [wide.get_layer(f"block{block}_pointwise").get_weights()[0][0, 0] for block in blocks]
    kernels.append(np.concatenate([wide.get_layer(name).get_weights()[0] for name in OUTPUTS], axis=1))
    names = [*(f"block{block}_depthwise_relu" for block in blocks), f"block{len(BLOCKS)}_pointwise_relu"]
    given = _sampled(wide, names, crops)

    stem = network.get_layer("stem")
    kept = _most_telling(given[0], kernels[0], stem.filters)
    stem.set_weights([weights[..., kept] for weights in wide.get_layer("stem").get_weights()])
    for block in blocks:
        kernel, bias = wide.get_layer(f"block{block}_depthwise").get_weights()
        network.get_layer(f"block{block}_depthwise").set_weights([kernel[:, :, kept], bias[kept]])
        pointwise = network.get_layer(f"block{block}_pointwise")
        kept = _most_telling(given[block], kernels[block], pointwise.filters)
        bias = wide.get_layer(pointwise.name).get_weights()[1][kept]
        wanted = given[block - 1] @ kernels[block - 1][:, kept] + bias
        (seen,) = _sampled(network, names[block - 1 : block], crops)
        kernel, bias = _fitted(seen, wanted)
        pointwise.set_weights([kernel[None, None], bias])

    features, wide_features = (
        np.concatenate([chunk[FEATURES] for chunk in _outputs(model, [FEATURES], crops)]) for model in (network, wide)
    )
    for name in OUTPUTS:
        kernel, bias = wide.get_layer(name).get_weights()
        network.get_layer(name).set_weights(_least_squares(features, wide_features @ kernel + bias, _HEADS_RIDGE))


def _most_telling(values: np.ndarray, kernel: np.ndarray, count: int) -> np.ndarray:
    """Return which columns of `values` (n, channels) tell most about `values @ kernel`: sorted int (count,).

    One after the other, that column is taken that explains most of what is left.
    """
    centered = values - values.mean(axis=0)
    among = (centered.T @ centered).astype(np.float64)
    # What channels that are never active would explain is no number.
    least = 1e-6 * np.trace(among) / len(among)
    among[np.diag_indices_from(among)] += least
    left = among @ kernel
    kept: list[int] = []
    for _ in range(count):
        gain = np.square(left).sum(axis=1) / np.maximum(np.diag(among), least)
        gain[kept] = -1.0
        best = int(gain.argmax())
        kept.append(best)
        share = among[:, best] / max(among[best, best], least)
        left = left - np.outer(share, left[best])
        among = among - np.outer(share, among[best])
    return np.sort(np.array(kept))


def _fitted(values: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel and bias of a linear layer from `values` to `wanted`, whose activation cuts both at 0 and `LIMIT`.

    Beyond a limit any value is right: there the last fit is what is wanted.
    """
    kernel, bias = _least_squares(values, wanted, _RIDGE)
    for _ in range(_ROUNDS):
        reached = values @ kernel + bias
        is_cut = ((wanted <= 0.0) & (reached <= 0.0)) | ((wanted >= LIMIT) & (reached >= LIMIT))
        kernel, bias = _least_squares(values, np.where(is_cut, reached, wanted), _RIDGE)
    return kernel, bias


def _least_squares(values: np.ndarray, wanted: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel (channels, outputs) and bias (outputs,), float32, of the linear fit."""
    means = values.mean(axis=0), wanted.mean(axis=0)
    centered = (values - means[0]).astype(np.float64)
    products = centered.T @ centered
    products[np.diag_indices_from(products)] += ridge * np.trace(products) / len(products)
    kernel = np.linalg.solve(products, centered.T @ (wanted - means[1]))
    return kernel.astype(np.float32), (means[1] - means[0] @ kernel).astype(np.float32)


def _sampled(network: keras.Model, names: Sequence[str], crops: np.ndarray) -> list[np.ndarray]:
    """Return outputs of layers, float32 (n * positions, channels) each, at the same positions for the same size."""
    parts: list[list[np.ndarray]] = [[] for _ in names]
    for number, chunk in enumerate(_outputs(network, names, crops)):
        for part, maps in zip(parts, chunk.values(), strict=True):
            flat = maps.reshape(len(maps), -1, maps.shape[-1])
            random = np.random.default_rng((number, flat.shape[1]))
            positions = random.integers(0, flat.shape[1], (len(flat), min(_POSITIONS, flat.shape[1]), 1))
            part.append(np.take_along_axis(flat, positions, axis=1).reshape(-1, flat.shape[-1]))
    return [np.concatenate(part) for part in parts]


def _outputs(network: keras.Model, names: Sequence[str], crops: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """Yield the outputs of layers by their names, for some crops after the other."""
    inner = keras.Model(network.input, {name: network.get_layer(name).output for name in names})
    for start in range(0, len(crops), _CHUNK):
        outputs = inner.predict_on_batch(crops[start : start + _CHUNK])
        yield {name: outputs[name] for name in names}
