"""A model folder -> files for other programs, each compared with the network that it was made from."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import keras
import numpy as np

from asianage.faces.crops import whole_image_crop
from asianage.faces.images import ImageSource, load_image
from asianage.models import folder as model_folder
from asianage.models.ages import expected_age, softmax
from asianage.models.folder import ModelFolder
from asianage.models.litert import LiteRTNetwork
from asianage.networks.restore import restore_network
from asianage.training.export.litert import quiet, to_tflite

Logits: TypeAlias = "tuple[np.ndarray, np.ndarray]"

FORMATS = {
    "keras": ".keras",
    "saved_model": "",
    "onnx": ".onnx",
    "tflite": ".tflite",
    "int8": "-int8.tflite",
}
"""Names of the formats, and how their files end; `saved_model` is a folder."""

CHECK_CROPS = 64
"""Synthetic crops that the exported file is compared on."""


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """An exported file, and how far it says something else than the Keras network.

    Attributes:
        path: The file, or the folder of a SavedModel.
        probability_difference: Largest difference of a probability of the age distribution.
        age_difference: Largest difference of the expected age, in years.
        gender_difference: Largest difference of the probability of "male".
    """

    path: Path
    probability_difference: float
    age_difference: float
    gender_difference: float


def export_model(
    model: ModelFolder,
    form: str,
    target: str | os.PathLike[str] | None = None,
    *,
    samples: Sequence[ImageSource] | None = None,
) -> ExportedFile:
    """Write a model in another format, in one step, and compare what it says with the Keras network.

    Every format takes float32 or, with int8, uint8 (batch, size, size, 3), RGB in [0, 255], and gives ``age_logits``
    (batch, ages) and ``gender_logit`` (batch, 1); the calibration stays in config.json.

    Args:
        model: A model folder with weights.
        form: "keras", "saved_model", "onnx", "tflite" (float32) or "int8".
        target: Where to write; None takes the model's name in the current folder.
        samples: Pictures of one face each that set the ranges of int8. Without them the network of the model folder
            is taken if it is int8 already.

    Raises:
        FileExistsError: There is something at `target`.
        ModelFormatError: A file of the model is missing or altered.
        ValueError: Unknown format, or int8 without samples from a model that is not int8.
    """
    if form not in FORMATS:
        raise ValueError(f"`form` must be one of {', '.join(FORMATS)}. Received: {form!r}.")
    path = Path(target) if target is not None else Path(model.config.name + FORMATS[form])
    if path.exists() or path.is_symlink():
        raise FileExistsError(f"{path} exists. Choose another file, or remove it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    network = restore_network(model)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".asianage-export-") as folder:
        # Keras goes by the ending, also of the temporary name.
        partial = Path(folder, f"network{FORMATS[form] or '-folder'}")
        if form == "int8":
            partial.write_bytes(_int8(model, network, samples))
        else:
            _WRITERS[form](network, partial)
        result = _compare(model, network, form, partial, path)
        shutil.move(partial, path)
    return result


def _int8(model: ModelFolder, network: keras.Model, samples: Sequence[ImageSource] | None) -> bytes:
    if samples is not None:
        if not samples:
            raise ValueError("`samples` must hold a few hundred pictures of one face each. Received none.")
        size = model.config.image_size
        crops = np.concatenate([whole_image_crop(load_image(sample), size).crops for sample in samples])
        return to_tflite(network, precision="int8", samples=crops)
    if model.config.provenance.get("precision") == "int8":
        return model.read(model_folder.NETWORK)
    raise ValueError(
        f"{model.path} is not quantized, and int8 needs `samples`: a few hundred pictures of one face each."
    )


def _write_keras(network: keras.Model, path: Path) -> None:
    network.save(path)


def _write_saved_model(network: keras.Model, path: Path) -> None:
    with quiet():
        network.export(path, verbose=False)


def _write_onnx(network: keras.Model, path: Path) -> None:
    # Keras takes the shapes from a call.
    network(np.zeros((1, *network.input_shape[1:]), dtype=np.float32))
    with quiet():
        network.export(path, format="onnx", verbose=False)


def _write_tflite(network: keras.Model, path: Path) -> None:
    path.write_bytes(to_tflite(network))


_WRITERS: dict[str, Callable[[keras.Model, Path], None]] = {
    "keras": _write_keras,
    "saved_model": _write_saved_model,
    "onnx": _write_onnx,
    "tflite": _write_tflite,
}


def _compare(model: ModelFolder, network: keras.Model, form: str, written: Path, path: Path) -> ExportedFile:
    crops = _check_crops(model.config.image_size)
    axis = model.config.axis
    expected = network.predict_on_batch(crops.astype(np.float32))
    ages, genders = _READERS[form](model, written, crops)
    distributions = softmax(ages), softmax(np.asarray(expected["age_logits"]))
    male = _sigmoid(genders), _sigmoid(np.asarray(expected["gender_logit"])[:, 0])
    return ExportedFile(
        path=path,
        probability_difference=float(np.abs(distributions[0] - distributions[1]).max()),
        age_difference=float(np.abs(np.subtract(*(expected_age(axis, d) for d in distributions))).max()),
        gender_difference=float(np.abs(male[0] - male[1]).max()),
    )


def _check_crops(size: int) -> np.ndarray:
    """Return uint8 (n, size, size, 3): noise of every coarseness, which reaches all parts of the network."""
    import cv2

    random = np.random.default_rng(0)
    crops = []
    for number in range(CHECK_CROPS):
        cells = 2 + number % 16
        noise = random.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        crops.append(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC))
    return np.stack(crops)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-logits))


def _read_keras(model: ModelFolder, path: Path, crops: np.ndarray) -> Logits:
    outputs = keras.models.load_model(path).predict_on_batch(crops.astype(np.float32))
    return np.asarray(outputs["age_logits"]), np.asarray(outputs["gender_logit"])[:, 0]


def _read_saved_model(model: ModelFolder, path: Path, crops: np.ndarray) -> Logits:
    outputs = keras.layers.TFSMLayer(path, call_endpoint="serve")(crops.astype(np.float32))
    return np.asarray(outputs["age_logits"]), np.asarray(outputs["gender_logit"])[:, 0]


def _read_onnx(model: ModelFolder, path: Path, crops: np.ndarray) -> Logits:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    age_logits, gender_logit = session.run(["age_logits", "gender_logit"], {name: crops.astype(np.float32)})
    return age_logits, gender_logit[:, 0]


def _read_tflite(model: ModelFolder, path: Path, crops: np.ndarray) -> Logits:
    network = LiteRTNetwork(
        path.read_bytes(),
        source=str(path),
        image_size=model.config.image_size,
        num_ages=model.config.axis.num_ages,
    )
    return network(crops)


_READERS: dict[str, Callable[[ModelFolder, Path, np.ndarray], Logits]] = {
    "keras": _read_keras,
    "saved_model": _read_saved_model,
    "onnx": _read_onnx,
    "tflite": _read_tflite,
    "int8": _read_tflite,
}
