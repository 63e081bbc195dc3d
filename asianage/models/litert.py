"""Crops -> logits: an exported network through LiteRT, without TensorFlow, a compiler or a GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import LifoQueue
from typing import TypeVar

import numpy as np

from asianage.errors import ModelFormatError
from asianage.models.flatbuffer import check_network
from asianage.native_output import without_announcements
from asianage.threads import submit, usable_processors

Loaded = TypeVar("Loaded")

_is_announced = False


def load_silently(load: Callable[[], Loaded]) -> Loaded:
    """Return what `load` returns, without the line with which LiteRT announces the first interpreter of a process."""
    global _is_announced
    from ai_edge_litert.interpreter import Interpreter  # noqa: F401

    with contextlib.nullcontext() if _is_announced else without_announcements():
        loaded = load()
    _is_announced = True
    return loaded


class LiteRTNetwork:
    """A ``model.tflite`` of a model folder; safe to call from several threads.

    Each crop runs alone, on one processor. In LiteRT a batch costs as much per crop, and two processors that share a
    crop are slower than two with a crop each.

    Attributes:
        feature_width: Width of the features that `features` returns; None if the network has no such output.
    """

    def __init__(
        self, content: bytes, *, source: str, image_size: int, num_ages: int, num_threads: int | None = None
    ) -> None:
        """Load the network.

        Args:
            content: The flatbuffer, as `ModelFolder.read` returns it.
            source: Where it comes from, for error messages.
            image_size: Side of the crops, in pixels.
            num_ages: Length of the age axis.
            num_threads: Crops that are computed at once, in all calls together; None takes `usable_processors`.

        Raises:
            ModelFormatError: `content` is not a network of that form.
            ValueError: `num_threads` is less than 1.
        """
        if num_threads is not None and num_threads < 1:
            raise ValueError(f"`num_threads` must be None, or 1 or more. Received: {num_threads}.")
        check_network(content, source)
        self._load = partial(_Interpreter, content, source, image_size, num_ages)
        self._image_size = image_size
        self._num_ages = num_ages
        self._num_threads = num_threads or usable_processors()
        # An interpreter holds the tensors of one call. None stands for one that no call has needed yet.
        self._interpreters: LifoQueue[_Interpreter | None] = LifoQueue()
        first = load_silently(self._load)
        for interpreter in (*[None] * (self._num_threads - 1), first):
            self._interpreters.put(interpreter)
        self.feature_width: int | None = first.feature_width

    def __call__(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return age logits float32 (n, num_ages) and gender logits float32 (n,).

        Args:
            crops: uint8 or float32 (n, image_size, image_size, 3), RGB in [0, 255].

        Raises:
            ValueError: `crops` has another shape.
        """
        age_logits = np.empty((len(crops), self._num_ages), dtype=np.float32)
        gender_logits = np.empty(len(crops), dtype=np.float32)

        def keep(row: int, interpreter: _Interpreter) -> None:
            age_logits[row], gender_logits[row] = interpreter.logits()

        self._run(crops, keep)
        return age_logits, gender_logits

    def features(self, crops: np.ndarray) -> np.ndarray:
        """Return the features before the heads, float32 (n, feature_width), for `crops` as in a call.

        Raises:
            ValueError: `crops` has another shape, or the network has no features.
        """
        if self.feature_width is None:
            raise ValueError("The network must have an output of features. Received one without.")
        features = np.empty((len(crops), self.feature_width), dtype=np.float32)

        def keep(row: int, interpreter: _Interpreter) -> None:
            features[row] = interpreter.features()

        self._run(crops, keep)
        return features

    def _run(self, crops: np.ndarray, keep: Callable[[int, _Interpreter], None]) -> None:
        """Run each crop, and hand its row and the interpreter that holds its outputs to `keep`."""
        if crops.shape[1:] != (self._image_size, self._image_size, 3):
            raise ValueError(
                f"`crops` must have shape (n, {self._image_size}, {self._image_size}, 3). "
                f"Received: shape={crops.shape}, dtype={crops.dtype}."
            )

        def run(rows: range) -> None:
            interpreter = self._interpreters.get()
            try:
                interpreter = interpreter or self._load()
                for row in rows:
                    interpreter.invoke(crops[row : row + 1])
                    keep(row, interpreter)
            finally:
                self._interpreters.put(interpreter)

        workers = min(self._num_threads, len(crops))
        if workers <= 1:
            run(range(len(crops)))
        else:
            # More parts than workers: a slow processor leaves parts to the others. The threads end with the call, so
            # that a process forked later misses none.
            parts = min(4 * workers, len(crops))
            with ThreadPoolExecutor(workers) as pool:
                for future in [submit(pool, run, range(part, len(crops), parts)) for part in range(parts)]:
                    future.result()


def averaged_with_mirror(network: LiteRTNetwork, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits of `crops`, each averaged with those of its mirror image, as calling `network` returns them."""
    age_logits, gender_logits = network(crops)
    mirrored_ages, mirrored_genders = network(np.ascontiguousarray(crops[:, :, ::-1]))
    return (age_logits + mirrored_ages) / 2, (gender_logits + mirrored_genders) / 2


class _Interpreter:
    """One LiteRT interpreter, on one thread, of one crop."""

    def __init__(self, content: bytes, source: str, image_size: int, num_ages: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._input = self._interpreter.get_input_details()[0]
            # Networks of the first version take any number of crops.
            self._interpreter.resize_tensor_input(self._input["index"], (1, image_size, image_size, 3), strict=True)
            self._interpreter.allocate_tensors()
            outputs = {tuple(detail["shape"]): detail["index"] for detail in self._interpreter.get_output_details()}
            self._age, self._gender = outputs.pop((1, num_ages)), outputs.pop((1, 1))
            others = list(outputs.values())
            (self._features,) = others or [None]
            self.feature_width = next((width for _, width in outputs), None)
        except (ValueError, RuntimeError, KeyError, IndexError) as error:
            raise ModelFormatError(
                f"{source} is not a network from crops of {image_size} pixels to {num_ages} ages: {error}. "
                "Fetch the model again."
            ) from error

    def invoke(self, crops: np.ndarray) -> None:
        if np.issubdtype(self._input["dtype"], np.integer) and crops.dtype != self._input["dtype"]:
            crops = np.rint(crops).clip(0, 255)
        self._interpreter.set_tensor(self._input["index"], crops.astype(self._input["dtype"], copy=False))
        self._interpreter.invoke()

    def logits(self) -> tuple[np.ndarray, float]:
        return self._interpreter.get_tensor(self._age)[0], self._interpreter.get_tensor(self._gender)[0, 0]

    def features(self) -> np.ndarray:
        return self._interpreter.get_tensor(self._features)[0]
