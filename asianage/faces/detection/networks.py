"""The two networks of the bundled detector, through LiteRT."""

from __future__ import annotations

import functools
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from asianage.errors import ModelFormatError
from asianage.models.flatbuffer import check_network
from asianage.models.litert import load_silently

STRIDES = (8, 16, 32)
"""Pixels per cell, of the three feature maps of the detector network."""

PATCH = 64
"""Side of the patches that the landmarks network takes, in pixels."""

_OUTPUTS = 12
"""Outputs of the detector network: face, object, box and landmarks of each feature map."""

_SMALL_SIDE, _SMALL_STEP, _STEP = 384, 32, 64
"""Sides up to 384 pixels are padded to multiples of 32, others to multiples of 64: preparing an interpreter for another
shape takes as long as running it."""

_LEAST_FACTOR = 1e-6
"""Smaller probabilities count as none."""

_KEPT_PIXELS = 4_000_000
"""Pixels of the inputs of all idle interpreters together. A pixel takes about 20 bytes."""


_Shape: TypeAlias = tuple[int, ...]


class FaceNetwork:
    """The network that finds faces in a picture of any size; safe to call from several threads."""

    def __init__(self, content: bytes, *, source: str) -> None:
        """Load the network.

        Args:
            content: The flatbuffer, as `asianage.models.folder.ModelFolder.read` returns it.
            source: Where it comes from, for error messages.

        Raises:
            ModelFormatError: `content` is not a network of that form.
        """
        check_network(content, source, outputs=(_OUTPUTS,))
        self._interpreters = _Interpreters(content, source, _map_sizes, (1, _SMALL_STEP, _SMALL_STEP, 3))

    def __call__(self, image: np.ndarray, least_score: float) -> tuple[np.ndarray, np.ndarray]:
        """Return boxes, float64 (n, 4) in pixels of the image, and scores in [0, 1], float64 (n,), in no order.

        Args:
            image: uint8 (height, width, 3), RGB. It is padded with black.
            least_score: Smallest score of a box, in [0, 1].
        """
        height, width = image.shape[:2]
        step = _SMALL_STEP if max(height, width) <= _SMALL_SIDE else _STEP
        shape = (-(-height // step) * step, -(-width // step) * step)
        with self._interpreters.borrowed((1, *shape, 3)) as interpreter:
            interpreter.fill(image)
            maps = interpreter.run()
        # The score is the root of a product: neither factor may be smaller than the score's square.
        least_factor = least_score**2
        least_logit = np.inf if least_factor >= 1.0 else np.log(max(least_factor, _LEAST_FACTOR) / (1.0 - least_factor))
        face, object_, box = (
            np.concatenate([maps[f"{name}_{stride}"].reshape(-1, values) for stride in STRIDES])
            for name, values in _MAPS.items()
        )
        cells = np.flatnonzero((face > least_logit) & (object_ > least_logit))
        logits = np.concatenate([face[cells], object_[cells]], axis=1).astype(np.float64)
        scores = np.sqrt((1.0 / (1.0 + np.exp(-logits))).prod(axis=1))
        boxes = _decoded(box[cells].astype(np.float64), *(part[cells] for part in grid_points(*shape)))
        good = scores >= least_score
        return boxes[good], scores[good]


_MAPS = {"face": 1, "object": 1, "box": 4}
"""Values of a cell, by the name of the maps that are read."""


def _map_sizes(shape: _Shape) -> dict[str, int]:
    _, height, width, _ = shape
    return {
        f"{name}_{stride}": (height // stride) * (width // stride) * values
        for name, values in _MAPS.items()
        for stride in STRIDES
    }


def _decoded(values: np.ndarray, corners: np.ndarray, strides: np.ndarray) -> np.ndarray:
    """Return the boxes of cells, in pixels.

    Args:
        values: float64 (n, 4), as the network gives them.
        corners: float32 (n, 2), as `grid_points` returns them.
        strides: float32 (n, 1), likewise.
    """
    center = corners + values[:, :2] * strides
    half = 0.5 * strides * np.exp(values[:, 2:].clip(-8.0, 8.0))
    return np.concatenate([center - half, center + half], axis=1)


@functools.lru_cache(maxsize=16)
def grid_points(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of a picture whose sides are multiples of 32: the cells of all maps, in the order of `STRIDES`.

    Returns:
        float32 (n, 2), x and y of the upper left corners of the cells, and float32 (n, 1), their strides; in pixels.
    """
    corners, strides = [], []
    for stride in STRIDES:
        y, x = np.mgrid[: height // stride, : width // stride].reshape(2, -1)
        corners.append(np.stack([x, y], axis=1) * stride)
        strides.append(np.full((len(x), 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(strides).astype(np.float32)


class LandmarksNetwork:
    """The network that looks at one face; safe to call from several threads."""

    def __init__(self, content: bytes, *, source: str) -> None:
        """Load the network; arguments and errors are those of `FaceNetwork`."""
        check_network(content, source)
        sizes = {"landmarks": 10, "face": 1}
        self._interpreters = _Interpreters(content, source, lambda _: sizes, (1, PATCH, PATCH, 3))

    def __call__(self, patch: np.ndarray) -> tuple[np.ndarray, float]:
        """Return five landmarks, float64 (5, 2), in pixels of the patch, and the probability that there is a face.

        Args:
            patch: uint8 (64, 64, 3), RGB.
        """
        with self._interpreters.borrowed((1, PATCH, PATCH, 3)) as interpreter:
            interpreter.fill(patch)
            values = interpreter.run()
        landmarks = (values["landmarks"].reshape(5, 2).astype(np.float64) + 1.0) * (PATCH / 2)
        return landmarks, float(1.0 / (1.0 + np.exp(-values["face"].item())))


class _Interpreters:
    """Interpreters by the shape of their input: one that is prepared for a shape is used again."""

    def __init__(self, content: bytes, source: str, sizes: Callable[[_Shape], dict[str, int]], shape: _Shape) -> None:
        """Prepare the first one.

        Args:
            content: The flatbuffer.
            source: Where it comes from, for error messages.
            sizes: Returns name -> number of values of the outputs that are read, for the shape of an input.
            shape: Shape of an input.

        Raises:
            ModelFormatError: The network has no such outputs.
        """
        self._content, self._source, self._sizes = content, source, sizes
        self._idle: OrderedDict[_Shape, list[_Interpreter]] = OrderedDict()
        self._lock = threading.Lock()
        # A wrong file is an error already here.
        first = load_silently(lambda: self._prepared(shape))
        self._idle[shape] = [first]

    @contextmanager
    def borrowed(self, shape: _Shape) -> Iterator[_Interpreter]:
        """Lend an interpreter to one call."""
        with self._lock:
            idle = self._idle.get(shape)
            interpreter = idle.pop() if idle else None
        interpreter = interpreter or self._prepared(shape)
        yield interpreter
        with self._lock:
            self._idle.setdefault(shape, []).append(interpreter)
            self._idle.move_to_end(shape)
            while sum(height * width * len(kept) for (_, height, width, _), kept in self._idle.items()) > _KEPT_PIXELS:
                self._idle.popitem(last=False)

    def _prepared(self, shape: _Shape) -> _Interpreter:
        return _Interpreter(self._content, self._source, self._sizes(shape), shape)


class _Interpreter:
    """One LiteRT interpreter, on one thread, for one shape."""

    def __init__(self, content: bytes, source: str, sizes: dict[str, int], shape: _Shape) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._input = self._interpreter.get_input_details()[0]
            self._interpreter.resize_tensor_input(self._input["index"], shape, strict=True)
            self._interpreter.allocate_tensors()
            details: dict[str, Any] = self._interpreter.get_signature_runner().get_output_details()
            self._outputs = {name: details[name]["index"] for name in sizes}
            found = {name: math.prod(details[name]["shape"].tolist()) for name in sizes}
        except (ValueError, RuntimeError, KeyError, IndexError) as error:
            raise ModelFormatError(f"{source} is not a network of a face detector: {error}.") from error
        if found != sizes:
            raise ModelFormatError(
                f"{source} is not a network of a face detector: its outputs have {found} values instead of {sizes}."
            )

    def fill(self, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        # The network's own memory: LiteRT does not run while an array of it is kept.
        picture = self._interpreter.tensor(self._input["index"])()[0]
        picture[:height, :width] = image
        picture[height:] = 0
        picture[:height, width:] = 0

    def run(self) -> dict[str, np.ndarray]:
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}
