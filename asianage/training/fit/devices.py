"""Where a network is trained, and in which dtype policy: decided by the GPUs that Keras's backend sees."""

from __future__ import annotations

import contextlib
import re
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
    """Return the scope to build a network in, so that every batch is divided among the devices.

    Fewer than two leave it to Keras where it computes.
    """
    if len(devices) < 2:
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices).scope()


def scope_of(network: keras.Model) -> AbstractContextManager[object]:
    """Return the scope that a network was built in, to compile it or to build more layers on it."""
    strategy = getattr(network, "distribute_strategy", None)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def dtype_policy(name: str) -> str:
    """Return the Keras dtype policy of a recipe's; "auto" is mixed_bfloat16 where every GPU has it, else float32."""
    if name != "auto":
        return name
    capabilities = _compute_capabilities()
    able = capabilities and min(capabilities) >= _BFLOAT16_CAPABILITY
    return "mixed_bfloat16" if able else "float32"


def _compute_capabilities() -> list[tuple[int, int]]:
    """Return the compute capability of every GPU, (0, 0) if it has none."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        return [tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) for gpu in gpus]
    if keras.backend.backend() == "jax":
        import jax

        gpus = [device for device in jax.devices() if device.platform == "gpu"]
        found = [re.fullmatch(r"(\d+)\.(\d+)", str(getattr(gpu, "compute_capability", ""))) for gpu in gpus]
        return [(int(match[1]), int(match[2])) if match else (0, 0) for match in found]
    return []
