"""Model folder -> Keras network, to go on training from or to export.

config.json and the weights file may come from anyone. So the arguments of the network are checked before anything of
their size is allocated, and the weights file must hold exactly the arrays of that network: `keras.Model.load_weights`
alone would follow links into other files and take what fits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from asianage.errors import ModelFormatError
from asianage.models import folder as model_folder
from asianage.models.config import ModelConfig
from asianage.models.folder import ModelFolder
from asianage.networks.registry import ARCHITECTURES, build_network

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
    content = model.read(model_folder.WEIGHTS)
    network = build_from_config(model.config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, model_folder.WEIGHTS)
        path.write_bytes(content)
        load_weights(network, path)
    return network


def build_from_config(config: ModelConfig) -> keras.Model:
    """Build the network that a config describes, with random weights.

    Raises:
        ModelFormatError: It describes no network of this package.
    """
    if config.architecture not in ARCHITECTURES:
        raise ModelFormatError(
            f"config.json: the architecture {config.architecture[:100]!r} is not one of "
            f"{', '.join(sorted(ARCHITECTURES))}. "
            "Run: pip install --upgrade asianage"
        )
    _check_arguments(config.network)
    try:
        return build_network(
            config.architecture,
            image_size=config.image_size,
            num_ages=config.max_age - config.min_age + 1,
            min_age=config.min_age,
            **dict(config.network),
        )
    except (TypeError, ValueError) as error:
        raise ModelFormatError(f"config.json: the network cannot be built: {error}") from error


def load_weights(network: keras.Model, path: Path) -> None:
    """Load a weights file that must hold exactly the arrays of a network, as float32 or float16.

    Raises:
        ModelFormatError: The file is not HDF5, or holds more, less or something else.
    """
    expected = _arrays_of(network)
    size = sum(4 * int(np.prod(shape)) for shape in expected.values())
    try:
        if path.stat().st_size > size + _OVERHEAD_BYTES:
            raise ModelFormatError(f"{path} is larger than the weights of this network can be.")
        with h5py.File(path, "r") as file:
            found = dict(_arrays_in(file, path))
            _compare(found, expected, path)
            for name in found:
                if not np.isfinite(file[name][()]).all():
                    raise ModelFormatError(f"{path}: {name} holds values that are not finite.")
        network.load_weights(path)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        if isinstance(error, ModelFormatError):
            raise
        raise ModelFormatError(f"{path} cannot be read as weights of this network: {error}") from error


def _check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse what could make a network of any size; whether an argument exists is for the network to say."""
    reserved = sorted(set(arguments) & {"architecture", "image_size", "num_ages", "min_age"})
    if reserved:
        raise ModelFormatError(f"config.json: `network` must not hold {', '.join(reserved)}.")
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


def _arrays_of(network: keras.Model) -> dict[str, tuple[int, ...]]:
    """Return name and shape of the arrays in a weights file of a network."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "expected.weights.h5")
        network.save_weights(path)
        with h5py.File(path, "r") as file:
            return {name: item.shape for name, item in _arrays_in(file, path)}


def _arrays_in(group: h5py.Group, path: Path, prefix: str = "", depth: int = 0) -> list[tuple[str, h5py.Dataset]]:
    """Return the arrays under a group; links, and data that lie in other files, are refused."""
    if depth > 8 or len(group) > 2000:
        raise ModelFormatError(f"{path} is nested or branched as no weights file is.")
    arrays: list[tuple[str, h5py.Dataset]] = []
    for key in group:
        name = f"{prefix}{key}"
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise ModelFormatError(f"{path}: {name} is a link. Fetch the model again.")
        item = group[key]
        if isinstance(item, h5py.Group):
            arrays.extend(_arrays_in(item, path, f"{name}/", depth + 1))
        elif isinstance(item, h5py.Dataset):
            if item.is_virtual or item.external:
                raise ModelFormatError(f"{path}: the data of {name} lie in another file. Fetch the model again.")
            arrays.append((name, item))
        else:
            raise ModelFormatError(f"{path}: {name} is neither a group nor an array.")
    return arrays


def _compare(found: Mapping[str, h5py.Dataset], expected: Mapping[str, tuple[int, ...]], path: Path) -> None:
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or extra:
        raise ModelFormatError(
            f"{path} does not belong to the network that config.json describes: "
            f"{len(missing)} arrays are missing {missing[:3]}, {len(extra)} are too many {extra[:3]}."
        )
    for name, shape in expected.items():
        item = found[name]
        if item.shape != shape or item.dtype not in (np.float32, np.float16):
            raise ModelFormatError(
                f"{path}: {name} must be float32 or float16 of shape {shape}. Received: {item.dtype}, {item.shape}."
            )
