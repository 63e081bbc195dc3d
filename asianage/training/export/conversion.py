"""Model folder -> a file for other programs, compared with the network that it was made from."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
from PIL import Image

from asianage.errors import needs_extra
from asianage.faces.crops import whole_image_crop
from asianage.faces.images import ImageSource, load_image
from asianage.models.ages import AgeAxis, expected_age, softmax
from asianage.models.folder import NETWORK, ModelFolder
from asianage.models.litert import LiteRTNetwork
from asianage.networks.restore import restore_network
from asianage.training.export.litert import to_tflite, without_converter_output

Logits: TypeAlias = "tuple[np.ndarray, np.ndarray]"

CHECK_CROPS = 64
"""Synthetic crops on which the file is compared with the network."""


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """A converted model, and how far its outputs are from those of the Keras network.

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


def convert_model(
    model: ModelFolder,
    to: str,
    target: str | os.PathLike[str] | None = None,
    *,
    samples: Sequence[ImageSource] | None = None,
) -> ConvertedModel:
    """Write a model in another format, whole or not at all, and compare it with the Keras network.

    Every format takes float32 or, with int8, uint8 (batch, size, size, 3), RGB in [0, 255], and gives ``age_logits``
    (batch, ages) and ``gender_logit`` (batch, 1); the calibration stays in config.json.

    Args:
        model: A model folder with weights.
        to: "keras", "saved_model", "onnx", "tflite" (float32) or "int8".
        target: Where to write; None takes the model's name in the current folder.
        samples: Pictures of one face each that set the ranges of int8. Without them int8 takes the network of the
            model folder, which must be int8 already.

    Raises:
        FileExistsError: There is something at `target`.
        ModelFormatError: A file of the model is missing or altered.
        ValueError: Unknown format, or int8 without samples from a model that is not int8.
    """
    if to not in FORMATS:
        raise ValueError(f"`to` must be one of {', '.join(FORMATS)}. Received: {to!r}.")
    suffix, write, run = FORMATS[to]
    path = Path(target) if target is not None else Path(Path(model.config.name).name + suffix)
    if path.exists() or path.is_symlink():
        raise FileExistsError(f"{path} exists. Choose another file, or remove it.")
    if to == "int8":
        _require_samples(model, samples)
    path.parent.mkdir(parents=True, exist_ok=True)
    network = restore_network(model)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".asianage-export-") as folder:
        # Keras goes by the ending, also of the temporary name.
        partial = Path(folder, f"network{suffix or '-folder'}")
        if to == "int8":
            partial.write_bytes(_int8(model, network, samples))
        else:
            write(network, partial)
        crops = _check_crops(model.config.image_size)
        outputs = network.predict_on_batch(crops.astype(np.float32))
        distances = _distances(model.config.axis, _plain(outputs), run(partial, crops, model.config.axis.num_ages))
        shutil.move(partial, path)
    return ConvertedModel(path, *distances)


def _int8(model: ModelFolder, network: keras.Model, samples: Sequence[ImageSource] | None) -> bytes:
    if samples is None:
        # What the folder predicts with is int8 already.
        return model.read(NETWORK)
    size = model.config.image_size
    crops = np.concatenate([whole_image_crop(load_image(sample), size).crops for sample in samples])
    return to_tflite(network, quantization="int8", samples=crops)


def _require_samples(model: ModelFolder, samples: Sequence[ImageSource] | None) -> None:
    provenance = model.config.provenance
    # Models of the first version have it as their precision.
    is_int8 = "int8" in (provenance.get("quantization"), provenance.get("precision"))
    if not samples and not (samples is None and is_int8):
        raise ValueError(f"int8 needs `samples`: a few hundred pictures of one face each. Received: {samples}.")


def _check_crops(size: int) -> np.ndarray:
    """Return uint8 (n, size, size, 3): noise of every coarseness, which reaches all parts of the network."""
    random = np.random.default_rng(0)
    cells = (2 + number % 16 for number in range(CHECK_CROPS))
    noise = (Image.fromarray(random.integers(0, 256, (count, count, 3), dtype=np.uint8)) for count in cells)
    return np.stack([np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)) for image in noise])


def _distances(axis: AgeAxis, *logits: Logits) -> tuple[float, float, float]:
    """Return the largest differences of an age's probability, of the expected age and of the probability of "male"."""
    ages = [softmax(age_logits) for age_logits, _ in logits]
    males = [1.0 / (1.0 + np.exp(-gender_logits)) for _, gender_logits in logits]
    years = [expected_age(axis, distribution) for distribution in ages]
    probability, age, gender = (float(np.abs(np.subtract(*pair)).max()) for pair in (ages, years, males))
    return probability, age, gender


def _plain(outputs: Mapping[str, Any]) -> Logits:
    return np.asarray(outputs["age_logits"]), np.asarray(outputs["gender_logit"])[:, 0]


def _write_onnx(network: keras.Model, path: Path) -> None:
    with needs_extra("onnx", "Conversion to ONNX"):
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401
    # Keras takes the shapes from a call.
    network(np.zeros((1, *network.input_shape[1:]), dtype=np.float32))
    _export(network, path, "onnx")


def _export(network: keras.Model, path: Path, to: str = "tf_saved_model") -> None:
    with without_converter_output():
        network.export(path, format=to, verbose=False)


def _write_tflite(network: keras.Model, path: Path) -> None:
    path.write_bytes(to_tflite(network))


def _run_keras(path: Path, crops: np.ndarray, num_ages: int) -> Logits:
    return _plain(keras.models.load_model(path).predict_on_batch(crops.astype(np.float32)))


def _run_saved_model(path: Path, crops: np.ndarray, num_ages: int) -> Logits:
    return _plain(keras.layers.TFSMLayer(path, call_endpoint="serve")(crops.astype(np.float32)))


def _run_onnx(path: Path, crops: np.ndarray, num_ages: int) -> Logits:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {session.get_inputs()[0].name: crops.astype(np.float32)})
    return _plain(dict(zip(names, values, strict=True)))


def _run_tflite(path: Path, crops: np.ndarray, num_ages: int) -> Logits:
    return LiteRTNetwork(path.read_bytes(), source=str(path), image_size=crops.shape[1], num_ages=num_ages)(crops)


class Format(NamedTuple):
    """How files of a format end, how a network is written to one, and how one is run on crops."""

    suffix: str
    write: Callable[[keras.Model, Path], None]
    run: Callable[[Path, np.ndarray, int], Logits]


FORMATS = {
    "keras": Format(".keras", lambda network, path: network.save(path), _run_keras),
    "saved_model": Format("", _export, _run_saved_model),
    "onnx": Format(".onnx", _write_onnx, _run_onnx),
    "tflite": Format(".tflite", _write_tflite, _run_tflite),
    "int8": Format("-int8.tflite", _write_tflite, _run_tflite),
}
"""Names of the formats; a SavedModel is a folder."""
