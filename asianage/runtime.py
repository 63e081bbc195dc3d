"""Run an exported network on a batch of crops, through LiteRT: no TensorFlow, no compiler, no GPU."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np

from asianage.errors import ModelFormatError
from asianage.flatbuffer import check_network_file

BATCH = 32
"""Faces per call when there are many; fewer go through one by one, which costs the same per face."""


def usable_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LiteRTNetwork:
    """A ``model.tflite`` of a model folder; safe to call from several threads."""

    def __init__(
        self, path: str | os.PathLike[str], *, image_size: int, num_ages: int, num_threads: int | None = None
    ) -> None:
        """Load the network.

        Args:
            path: The flatbuffer.
            image_size: Side of the crops, in pixels.
            num_ages: Length of the age axis.
            num_threads: Threads of a full batch; None takes the processors that this process may use.

        Raises:
            ModelFormatError: The file is not a network of that form.
            ValueError: `num_threads` is less than 1.
        """
        if num_threads is not None and num_threads < 1:
            raise ValueError(f"`num_threads` must be None, or 1 or more. Received: {num_threads}.")
        self._path = Path(path)
        check_network_file(self._path)
        self._image_size = image_size
        self._num_ages = num_ages
        self._num_threads = num_threads or usable_processors()
        self._lock = threading.Lock()
        self._interpreters = {1: _Interpreter(self._path, 1, image_size, num_ages, threads=1)}

    def __call__(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return age logits float32 (n, num_ages) and gender logits float32 (n,).

        Args:
            crops: uint8 or float32 (n, image_size, image_size, 3), RGB in [0, 255].

        Raises:
            ValueError: `crops` has another shape.
        """
        if crops.shape[1:] != (self._image_size, self._image_size, 3):
            raise ValueError(
                f"`crops` must have shape (n, {self._image_size}, {self._image_size}, 3). "
                f"Received: shape={crops.shape}, dtype={crops.dtype}."
            )
        age_logits = np.empty((len(crops), self._num_ages), dtype=np.float32)
        gender_logits = np.empty(len(crops), dtype=np.float32)
        # An interpreter holds the tensors of one call.
        with self._lock:
            start = 0
            while start < len(crops):
                size = BATCH if len(crops) - start >= BATCH else 1
                rows = slice(start, start + size)
                age_logits[rows], gender_logits[rows] = self._interpreter(size).run(crops[rows])
                start += size
        return age_logits, gender_logits

    def _interpreter(self, batch: int) -> _Interpreter:
        if batch not in self._interpreters:
            self._interpreters[batch] = _Interpreter(
                self._path, batch, self._image_size, self._num_ages, threads=self._num_threads
            )
        return self._interpreters[batch]


def averaged_with_mirror(network: LiteRTNetwork, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits of `crops`, each averaged with those of its mirror image, as calling `network` returns them."""
    age_logits, gender_logits = network(crops)
    mirrored_ages, mirrored_genders = network(np.ascontiguousarray(crops[:, :, ::-1]))
    return (age_logits + mirrored_ages) / 2, (gender_logits + mirrored_genders) / 2


class _Interpreter:
    """One LiteRT interpreter of a fixed batch."""

    def __init__(self, path: Path, batch: int, image_size: int, num_ages: int, *, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._input = self._interpreter.get_input_details()[0]
            self._interpreter.resize_tensor_input(self._input["index"], (batch, image_size, image_size, 3), strict=True)
            self._interpreter.allocate_tensors()
            outputs = {tuple(detail["shape"]): detail["index"] for detail in self._interpreter.get_output_details()}
            self._age, self._gender = outputs[(batch, num_ages)], outputs[(batch, 1)]
        except (ValueError, RuntimeError, KeyError, IndexError) as error:
            raise ModelFormatError(
                f"{path} is not a network from crops of {image_size} pixels to {num_ages} ages: {error}. "
                "Fetch the model again."
            ) from error

    def run(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if np.issubdtype(self._input["dtype"], np.integer) and crops.dtype != self._input["dtype"]:
            crops = np.rint(crops).clip(0, 255)
        self._interpreter.set_tensor(self._input["index"], crops.astype(self._input["dtype"], copy=False))
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._age), self._interpreter.get_tensor(self._gender)[:, 0]
