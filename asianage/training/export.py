"""Keras network -> LiteRT flatbuffer, float32 or full int8."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

import keras
import numpy as np

PRECISIONS = ("float32", "float16", "int8")


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
    if precision not in PRECISIONS:
        raise ValueError(f"`precision` must be one of {', '.join(PRECISIONS)}. Received: {precision!r}.")
    if precision == "int8" and (samples is None or len(samples) == 0):
        raise ValueError("int8 needs `samples`: a few hundred typical crops, uint8 (n, size, size, 3).")
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError("Only TensorFlow converts to LiteRT. Set KERAS_BACKEND=tensorflow and run the export again.")
    import tensorflow as tf

    with _quiet():
        converter = tf.lite.TFLiteConverter.from_keras_model(network)
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if precision == "int8":
            examples = np.asarray(samples, dtype=np.float32)
            converter.representative_dataset = lambda: ([example[None]] for example in examples)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
        return converter.convert()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converter's chatter, part of it from C++, off standard output and standard error."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "absl")]
    levels = [logger.level for logger in loggers]
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with open(os.devnull, "wb") as null:
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
