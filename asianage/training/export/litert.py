"""Keras network -> LiteRT flatbuffer, float32 or full int8, and weights file."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from asianage.native_output import without_native_output
from asianage.networks.heads import OUTPUTS, prediction_network
from asianage.training.export.own_process import convert_elsewhere, require_tensorflow
from asianage.training.export.ranges import widen_ranges

QUANTIZATIONS = ("float32", "float16", "int8")


def check_quantization(quantization: str) -> None:
    """Refuse before a training what could not be exported after it.

    Raises:
        MissingExtraError: TensorFlow, which alone converts, is not installed.
        ValueError: There is no quantization of this name.
    """
    if quantization not in QUANTIZATIONS:
        raise ValueError(f"`quantization` must be one of {', '.join(QUANTIZATIONS)}. Received: {quantization!r}.")
    if keras.backend.backend() != "tensorflow":
        require_tensorflow()


def to_tflite(
    network: keras.Model,
    *,
    quantization: str = "float32",
    samples: np.ndarray | None = None,
    before: bytes | None = None,
) -> bytes:
    """Convert a network to LiteRT. Where Keras does not run on TensorFlow, a process of its own converts.

    Args:
        network: A network of `asianage.networks`, in float32.
        quantization: "float32", "float16" (weights), or "int8" (weights and activations; the logits leave as float32).
        samples: uint8 (n, size, size, 3), RGB: typical crops that set the ranges of int8; a few hundred are enough.
        before: int8 flatbuffer of the model that the network began with; its ranges of int8 do not become smaller.

    Returns:
        The flatbuffer. It takes (1, size, size, 3), RGB in [0, 255]: float32, for int8 uint8.

    Raises:
        MissingExtraError: TensorFlow, which alone converts, is not installed.
        RuntimeError: The process of its own failed.
        ValueError: Unknown quantization, or int8 without samples.
    """
    check_quantization(quantization)
    if quantization == "int8" and (samples is None or len(samples) == 0):
        raise ValueError("int8 needs `samples`: a few hundred typical crops, uint8 (n, size, size, 3).")
    if keras.backend.backend() != "tensorflow":
        return convert_elsewhere(network, quantization=quantization, samples=samples, before=before)
    import tensorflow as tf

    with without_converter_output():
        converter = tf.lite.TFLiteConverter.from_keras_model(_served(fold_scaling(network)))
        if quantization != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantization == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if quantization == "int8":
            examples = np.array(samples, dtype=np.float32)
            # The range of the input comes from the samples too, and has to be that of pixels.
            examples[0, 0, 0], examples[0, -1, -1] = 0.0, 255.0
            converter.representative_dataset = lambda: ([example[None]] for example in examples)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            return _quantized(converter, network, before)
        return converter.convert()


def _served(network: keras.Model) -> keras.Model:
    """Return an estimator for one crop; a detector takes one picture already."""
    is_estimator = isinstance(network.output, dict) and set(OUTPUTS) <= set(network.output)
    return prediction_network(network) if is_estimator else network


def _quantized(converter: Any, network: keras.Model, before: bytes | None) -> bytes:
    """Calibrate, widen the ranges, and quantize: what `converter.convert` does, with a step between."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    converter._experimental_calibrate_only = True
    calibrated = widen_ranges(converter.convert(), network, before)
    return mlir_quantize(calibrated, input_data_type=tf.uint8, output_data_type=tf.float32)


@contextlib.contextmanager
def without_converter_output() -> Iterator[None]:
    """Discard what TensorFlow's converters print, log and warn of while the block runs."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(without_native_output(python_too=True))
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs", category=UserWarning)
        for logger in (logging.getLogger("tensorflow"), logging.getLogger("absl")):
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.ERROR)
        yield


def fold_scaling(network: keras.Model) -> keras.Model:
    """Return a network that computes the same without scaling its input: its first convolutions have the factor.

    In int8 the scaling costs as much as a block of convolutions. A network that also shifts its input is returned as
    it is, because a convolution's padding is not shifted.
    """
    scaling = next((layer for layer in network.layers if isinstance(layer, keras.layers.Rescaling)), None)
    if scaling is None or np.any(scaling.offset) or np.ndim(scaling.scale):
        return network
    readers = [operation for operation in network.operations if operation.input is scaling.output]
    if not all(isinstance(reader, keras.layers.Conv2D) for reader in readers):
        return network

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        return keras.layers.Identity() if layer is scaling else type(layer).from_config(layer.get_config())

    folded = keras.models.clone_model(network, clone_function=copied)
    folded.set_weights(network.get_weights())
    for reader in readers:
        kernel, *bias = reader.get_weights()
        folded.get_layer(reader.name).set_weights([kernel * scaling.scale, *bias])
    return folded


def to_weights(network: keras.Model) -> bytes:
    """Return the weights as a Keras weights file in half precision: half the size, the same to three digits.

    `keras.Model.load_weights` reads it into a float32 network. The state of an optimizer is left out.
    """
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "full.weights.h5")
        network.save_weights(path)
        with h5py.File(path) as source, h5py.File(content, "w") as target:
            target.attrs.update(source.attrs)
            source.visititems(lambda name, item: _copy_in_half_precision(name, item, target))
    return content.getvalue()


def _copy_in_half_precision(name: str, item: h5py.Group | h5py.Dataset, target: h5py.File) -> None:
    if name.split("/")[0] == "optimizer":
        return
    if isinstance(item, h5py.Dataset):
        values = item[()]
        floating = np.issubdtype(values.dtype, np.floating)
        copy = target.create_dataset(name, data=values.astype(np.float16) if floating else values)
    else:
        copy = target.require_group(name)
    copy.attrs.update(item.attrs)
