"""Keras network -> LiteRT flatbuffer, float32 or full int8."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

PRECISIONS = ("float32", "float16", "int8")


def check_precision(precision: str) -> None:
    """Refuse a precision that no network can be exported in.

    Raises:
        ValueError: There is none of this name.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"`precision` must be one of {', '.join(PRECISIONS)}. Received: {precision!r}.")


def to_tflite(network: keras.Model, *, precision: str = "float32", samples: np.ndarray | None = None) -> bytes:
    """Convert a network to LiteRT.

    Args:
        network: A network of `asianage.networks`, in float32.
        precision: "float32", "float16" (weights), or "int8" (weights and activations; the logits leave as float32).
        samples: uint8 (n, size, size, 3), RGB: typical crops that set the ranges of int8; a few hundred are enough.

    Returns:
        The flatbuffer. It takes (batch, size, size, 3), RGB in [0, 255]: float32, for int8 uint8.

    Raises:
        RuntimeError: Keras does not run on TensorFlow, which alone can convert.
        ValueError: Unknown precision, or int8 without samples.
    """
    check_precision(precision)
    if precision == "int8" and (samples is None or len(samples) == 0):
        raise ValueError("int8 needs `samples`: a few hundred typical crops, uint8 (n, size, size, 3).")
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError("Only TensorFlow converts to LiteRT. Set KERAS_BACKEND=tensorflow and run the export again.")
    import tensorflow as tf

    with quiet():
        converter = tf.lite.TFLiteConverter.from_keras_model(fold_scaling(network))
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if precision == "int8":
            examples = np.array(samples, dtype=np.float32)
            # The range of the input comes from the samples too, and has to be that of pixels.
            examples[0, 0, 0], examples[0, -1, -1] = 0.0, 255.0
            converter.representative_dataset = lambda: ([example[None]] for example in examples)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Statistics for quantized inputs", category=UserWarning)
            return converter.convert()


def fold_scaling(network: keras.Model) -> keras.Model:
    """Return a network that computes the same without scaling its input: its first convolutions have the factor.

    In int8 the scaling costs as much as a block of convolutions. A network that also shifts its input is returned as
    it is, because a convolution's padding is not shifted.
    """
    scaling = next((layer for layer in network.layers if isinstance(layer, keras.layers.Rescaling)), None)
    if scaling is None or np.any(scaling.offset) or np.ndim(scaling.scale):
        return network
    readers = [operation for operation in network.operations if operation.input is scaling.output]
    if not all(isinstance(reader, keras.layers.Conv2D) for reader in readers):
        return network
    folded = keras.models.clone_model(
        network, clone_function=lambda layer: keras.layers.Identity() if layer is scaling else _copied(layer)
    )
    folded.set_weights(network.get_weights())
    for reader in readers:
        kernel, *bias = reader.get_weights()
        folded.get_layer(reader.name).set_weights([kernel * scaling.scale, *bias])
    return folded


def _copied(layer: keras.layers.Layer) -> keras.layers.Layer:
    return type(layer).from_config(layer.get_config())


def to_weights(network: keras.Model) -> bytes:
    """Return the weights as a Keras weights file in half precision: half the size, the same to three digits.

    `keras.Model.load_weights` reads it into a float32 network.
    """
    with tempfile.TemporaryDirectory() as folder:
        full, half = Path(folder, "full.weights.h5"), Path(folder, "half.weights.h5")
        # A copy without an optimizer, whose state would be saved along.
        plain = keras.models.clone_model(network)
        plain.set_weights(network.get_weights())
        plain.save_weights(full)
        with h5py.File(full) as source, h5py.File(half, "w") as target:
            target.attrs.update(source.attrs)
            source.visititems(lambda name, item: _copy_in_half_precision(name, item, target))
        return half.read_bytes()


def _copy_in_half_precision(name: str, item: h5py.Group | h5py.Dataset, target: h5py.File) -> None:
    if isinstance(item, h5py.Dataset):
        values = item[()]
        floating = np.issubdtype(values.dtype, np.floating)
        copy = target.create_dataset(name, data=values.astype(np.float16) if floating else values)
    else:
        copy = target.require_group(name)
    copy.attrs.update(item.attrs)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the converter's chatter, part of it from C++, off standard output and standard error."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "absl")]
    levels = [logger.level for logger in loggers]
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        # Not `redirect_stderr`: a logger that is first used in here would keep a stream that is closed afterwards.
        with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
            os.dup2(null.fileno(), 1)
            os.dup2(null.fileno(), 2)
            yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
