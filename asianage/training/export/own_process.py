"""Conversion to LiteRT in a process of its own, for trainings on JAX or PyTorch: only TensorFlow converts."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from asianage.errors import MissingExtraError

NETWORK_FILE, SAMPLES, BEFORE, RESULT = "network.keras", "samples.npy", "before.tflite", "network.tflite"


def require_tensorflow() -> None:
    """Refuse a training whose network could not be converted at its end.

    Raises:
        MissingExtraError: TensorFlow is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        purpose = f"Keras trains on {keras.backend.backend()}, but writing model.tflite"
        raise MissingExtraError("tensorflow", "train", purpose)


def convert_elsewhere(
    network: keras.Model, *, quantization: str, samples: np.ndarray | None, before: bytes | None
) -> bytes:
    """Return what `asianage.training.export.litert.to_tflite` returns, from a process where Keras runs on TensorFlow.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        RuntimeError: The conversion failed; the message has the end of what it printed.
    """
    require_tensorflow()
    with tempfile.TemporaryDirectory(prefix="asianage-conversion-") as name:
        folder = Path(name)
        network.save(folder / NETWORK_FILE)
        if samples is not None:
            np.save(folder / SAMPLES, samples)
        if before is not None:
            (folder / BEFORE).write_bytes(before)
        command = [sys.executable, "-m", "asianage.training.export.own_process", str(folder), quantization]
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(
                f"TensorFlow could not convert the network in a process of its own: {done.stderr.strip()[-1000:]} "
                "Its weights are kept: run the same command again with KERAS_BACKEND=tensorflow."
            )
        return (folder / RESULT).read_bytes()


def _environment() -> dict[str, str]:
    """Return the environment of the other process: TensorFlow, on the processor, with the same packages."""
    # The GPU belongs to the training.
    settings = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    return {**os.environ, **settings, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def main(folder: Path, quantization: str) -> None:
    """Convert the network in a folder, in this process."""
    # The layers of this package register themselves for the file.
    import asianage.networks.registry  # noqa: F401
    from asianage.training.export.litert import to_tflite

    samples, before = folder / SAMPLES, folder / BEFORE
    converted = to_tflite(
        keras.models.load_model(folder / NETWORK_FILE, compile=False),
        quantization=quantization,
        samples=np.load(samples) if samples.is_file() else None,
        before=before.read_bytes() if before.is_file() else None,
    )
    (folder / RESULT).write_bytes(converted)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
