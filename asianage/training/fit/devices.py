"""Where a network is trained, and in which dtype policy: decided by the GPUs that Keras's backend sees."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager

import keras

_BFLOAT16_CAPABILITY = (8, 0)
"""NVIDIA GPUs compute in bfloat16 from this compute capability on (Ampere)."""


def use_device(device: str = "auto") -> None:
    """Choose where networks are trained from now on in this process. GPU memory is taken as it is needed.

    Args:
        device: "auto" for all GPUs, or the processor if there is none; "cpu"; "gpu" for the first GPU; "gpu:1" for the
            second, and so on.

    Raises:
        ValueError: There is no such device.
        RuntimeError: TensorFlow is in use already.
    """
    if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", device):
        raise ValueError(f"`device` must be auto, cpu, gpu, or gpu:NUMBER. Received: {device!r}.")
    grow_memory()
    if device == "auto":
        return
    kind, _, number = device.partition(":")
    count = _count_gpus()
    if kind == "gpu" and int(number or 0) >= count:
        raise ValueError(
            f"`device` must be one that Keras on {keras.backend.backend()} sees: {count} GPUs. Received: {device!r}."
        )
    if keras.backend.backend() == "tensorflow":
        _show_tensorflow(kind, int(number or 0))
    elif keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_default_device", jax.devices(kind)[int(number or 0)])
    else:
        # Entered for good: until the process ends.
        keras.device(f"{'cuda' if kind == 'gpu' else 'cpu'}:{number or 0}").__enter__()


def grow_memory() -> None:
    """Let the memory of GPUs grow with what is needed, where Keras's backend would take all of it at once."""
    backend = keras.backend.backend()
    if backend == "jax":
        # Read when JAX looks for devices, which no import does.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if backend != "tensorflow":
        return
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        # TensorFlow refuses once it uses the GPU: the memory is taken then, or grows already.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)


def _count_gpus() -> int:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return len(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return sum(device.platform == "gpu" for device in jax.devices())
    import torch

    return torch.cuda.device_count()


def _show_tensorflow(kind: str, number: int) -> None:
    """Let TensorFlow see one GPU, or none."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    try:
        tf.config.set_visible_devices(gpus[number : number + 1] if kind == "gpu" else [], "GPU")
    except RuntimeError as error:
        message = "`device` must be chosen before TensorFlow is used in the process. Call `use_device` first."
        raise RuntimeError(message) from error


def training_devices() -> list[str]:
    """Return the names of all GPUs; none if there are none, or if Keras does not run on TensorFlow."""
    grow_memory()
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
