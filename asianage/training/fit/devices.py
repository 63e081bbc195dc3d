"""Where a network is trained, and in which precision: decided by the hardware that TensorFlow sees."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager

import keras

_BFLOAT16_CAPABILITY = (8, 0)
"""NVIDIA GPUs compute in bfloat16 from this compute capability on (Ampere)."""


def training_devices() -> list[str]:
    """Return the names of all GPUs; none if there are none, or if Keras does not run on TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    return [device.name for device in tf.config.list_logical_devices("GPU")]


def spread_over(devices: Sequence[str]) -> AbstractContextManager[object]:
    """Return the scope to build and compile a network in, so that every batch is divided among the devices.

    Fewer than two leave it to Keras where it computes.
    """
    if len(devices) < 2:
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices).scope()


def dtype_policy(precision: str) -> str:
    """Return the Keras dtype policy of a recipe's precision; "auto" is bfloat16 where every GPU has it."""
    if precision != "auto":
        return precision
    if keras.backend.backend() != "tensorflow":
        return "float32"
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    able = all(detail.get("compute_capability", (0, 0)) >= _BFLOAT16_CAPABILITY for detail in details)
    return "mixed_bfloat16" if gpus and able else "float32"
