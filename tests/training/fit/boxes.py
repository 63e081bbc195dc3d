"""A task without faces: find the box of a bright rectangle. It trains in seconds."""

from __future__ import annotations

import keras
import numpy as np

from asianage.training.fit.batches import EpochBatches

SIDE = 12


def draw_boxes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures float32 (count, SIDE, SIDE, 1) and boxes float32 (count, 4)."""
    random = np.random.default_rng(seed)
    corners, sizes = random.integers(0, 6, (count, 2)), random.integers(2, 6, (count, 2))
    boxes = np.concatenate([corners, corners + sizes], axis=1)
    pictures = np.zeros((count, SIDE, SIDE, 1), dtype=np.float32)
    for picture, (left, top, right, bottom) in zip(pictures, boxes, strict=True):
        picture[top:bottom, left:right] = 1.0
    return pictures, boxes.astype(np.float32)


class BoxBatches(EpochBatches):
    """Pictures with random noise, and their boxes."""

    def __init__(self, count: int = 48) -> None:
        self.pictures, self.boxes = draw_boxes(count, 0)
        super().__init__(count, 8, seed=3)

    def make(self, rows, random):
        noise = random.normal(0.0, 0.1, (len(rows), *self.pictures.shape[1:])).astype(np.float32)
        return self.pictures[rows] + noise, self.boxes[rows]


def box_network(dropout: float = 0.1) -> keras.Model:
    """Return a network with everything that a resumed run must bring back."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    pictures = keras.Input((SIDE, SIDE, 1))
    x = layers.Conv2D(4, 3, strides=2, use_bias=False, name="convolution")(pictures)
    x = layers.ReLU()(layers.BatchNormalization(name="normalization")(x))
    x = layers.Dropout(dropout)(layers.Flatten()(x))
    return keras.Model(pictures, layers.Dense(4)(x))


def box_learner(network: keras.Model | None = None) -> keras.Model:
    """Return a compiled network."""
    network = network or box_network()
    optimizer = keras.optimizers.AdamW(1e-2, use_ema=True, ema_momentum=0.8)
    optimizer.build(network.trainable_variables)
    network.compile(optimizer, loss="mae")
    return network


def box_validation(learner: keras.Model):
    """Return a validation of a network: the mean error of other boxes, in pixels."""
    pictures, boxes = draw_boxes(30, 1)
    return lambda: {"val_score": float(np.abs(np.asarray(learner(pictures)) - boxes).mean())}
