"""Model folder -> Keras network, to go on training from or to export.

config.json and the weights file may come from anyone. So the arguments of the network are checked before anything of
their size is allocated. The weights file must contain exactly the arrays of that network: `keras.Model.load_weights`
alone would follow links into other files and load what fits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from asianage.errors import ModelFormatError
from asianage.models.config import ModelConfig
from asianage.models.folder import WEIGHTS, ModelFolder
from asianage.networks.registry import architectures, build_network

MAX_TEXT = 40
MAX_STAGES = 8
MAX_WIDTH = 2048
MAX_BLOCKS = 32
MAX_PARAMETERS = 200_000_000

_NESTED = ("gender_options", "age_options")
"""Arguments of a network that are arguments of networks in it."""

_OVERHEAD_BYTES = 4_000_000
"""What HDF5 may need beyond the arrays."""


def restore_network(model: ModelFolder) -> keras.Model:
    """Build the network of a model and load its weights.

    Raises:
        ModelFormatError: config.json describes no network of this package, or the weights are not exactly its weights.
    """
    content = model.read(WEIGHTS)
    network = build_from_config(model.config)
    try:
        load_weights(network, content)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise ModelFormatError(f"{model.path / WEIGHTS} does not fit its config.json: {error}") from error
    return network


def build_from_config(config: ModelConfig) -> keras.Model:
    """Build the network that a config describes, with random weights.

    Raises:
        ModelFormatError: It describes no network of this package.
    """
    if config.architecture not in architectures():
        raise ModelFormatError(
            f"config.json: the architecture {config.architecture[:100]!r} is not one of "
            f"{', '.join(sorted(architectures()))}. Run: pip install --upgrade asianage. If it is a backbone of your "
            "own, register it first: import its module, or pass its file with --register."
        )
    _check_arguments(config.network)
    try:
        return build_network(
            config.architecture,
            image_size=config.image_size,
            num_ages=config.axis.num_ages,
            min_age=config.min_age,
            **config.network,
        )
    except (TypeError, ValueError) as error:
        raise ModelFormatError(f"config.json: the network cannot be built: {error}") from error


def load_weights(network: keras.Model, content: bytes) -> None:
    """Load a weights file that must contain exactly the arrays of a network, as float32 or float16.

    Raises:
        OSError: The file is not HDF5. Damage inside it may raise KeyError, RuntimeError or TypeError as well.
        ValueError: The file contains more, less or something else.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, WEIGHTS)
        network.save_weights(path)
        with h5py.File(path) as file:
            expected = {name: item.shape for name, item in _arrays_in(file)}
        if len(content) > sum(4 * int(np.prod(shape)) for shape in expected.values()) + _OVERHEAD_BYTES:
            raise ValueError("it is larger than the weights of this network can be.")
        path.write_bytes(content)
        with h5py.File(path) as file:
            found = dict(_arrays_in(file))
            _compare(found, expected)
            for name, item in found.items():
                if not np.isfinite(item[()]).all():
                    raise ValueError(f"{name} has values that are not finite.")
        network.load_weights(path)


def _check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse what could make a network of any size; the network itself refuses arguments that it does not take."""
    reserved = sorted(set(arguments) & {"architecture", "image_size", "num_ages", "min_age"})
    if reserved:
        raise ModelFormatError(f"config.json: `network` must not contain {', '.join(reserved)}.")
    for name, value in arguments.items():
        if isinstance(value, Mapping) and name in _NESTED:
            _check_arguments(value)
            continue
        if isinstance(value, str) and len(value) <= MAX_TEXT and name not in ("widths", "blocks"):
            continue
        values = _as_list(value)
        limit = MAX_BLOCKS if name == "blocks" else MAX_WIDTH
        numbers = all(isinstance(item, int | float) and not isinstance(item, bool) for item in values)
        if not numbers or len(values) > MAX_STAGES or not all(0 <= item <= limit for item in values):
            raise ModelFormatError(f"config.json: `network.{name}` cannot be used. Received: {str(value)[:200]}.")
    widths, blocks = (_as_list(arguments.get(name, [0])) for name in ("widths", "blocks"))
    # Not less than two 3x3 convolutions for each block and one for each stage can need.
    if 9 * max(widths, default=0) ** 2 * (2 * sum(blocks) + len(widths)) > MAX_PARAMETERS:
        raise ModelFormatError(f"config.json: the network could have more than {MAX_PARAMETERS} parameters.")


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _arrays_in(group: h5py.Group, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield the arrays under a group; links, and data that lie in other files, are refused."""
    if depth > 8 or len(group) > 2000:
        raise ValueError("it is nested or branched as no weights file is.")
    for key in group:
        name = f"{prefix}{key}"
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link. Fetch the model again.")
        item = group[key]
        if isinstance(item, h5py.Group):
            yield from _arrays_in(item, f"{name}/", depth + 1)
        elif not isinstance(item, h5py.Dataset):
            raise ValueError(f"{name} is neither a group nor an array.")
        elif item.is_virtual or item.external:
            raise ValueError(f"the data of {name} lie in another file. Fetch the model again.")
        else:
            yield name, item


def _compare(found: Mapping[str, h5py.Dataset], expected: Mapping[str, tuple[int, ...]]) -> None:
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or extra:
        raise ValueError(f"{len(missing)} arrays are missing {missing[:3]}, {len(extra)} are too many {extra[:3]}.")
    for name, shape in expected.items():
        item = found[name]
        if item.shape != shape or item.dtype not in (np.float32, np.float16):
            raise ValueError(
                f"{name} must be float32 or float16 of shape {shape}. Received: {item.dtype}, {item.shape}."
            )
