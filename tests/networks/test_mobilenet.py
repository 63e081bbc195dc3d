from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras
from PIL import Image

from asianage.networks import mobilenet
from asianage.networks.mobilenet import BLOCKS, STEM_WIDTH, load_faceres_weights, mobilenet_network
from asianage.networks.residual import residual_network


@pytest.fixture(scope="module")
def arrays() -> list[np.ndarray]:
    """The arrays of the published file in its order, seeded."""
    random = np.random.default_rng(0)
    shapes = [(256, 100), (100,), (1024, 256), (256,), (256, 1), (1,)]
    shapes += [(3, 3, 3, STEM_WIDTH), (STEM_WIDTH,), (), ()]
    channels = STEM_WIDTH
    for width, _ in BLOCKS:
        shapes += [(3, 3, channels, 1), (channels,), (channels,), (), ()]
        shapes += [(1, 1, channels, width), (width,), (), ()]
        channels = width
    return [(random.normal(size=shape) * 0.1).astype(np.float16) for shape in shapes]


@pytest.fixture(scope="module")
def published(arrays) -> bytes:
    """A file of the published form."""
    return b"".join(values.tobytes() for values in arrays) + np.array([1, 2], dtype="<i4").tobytes()


@pytest.fixture(scope="module")
def loaded(published):
    """The whole network with the published weights; not to be changed."""
    network = mobilenet_network(image_size=32)
    load_faceres_weights(network, published)
    return network


def test_the_stem_sees_of_the_crop_what_the_published_one_sees_of_the_crop_enlarged_twice(arrays, loaded):
    crop = np.random.default_rng(1).integers(0, 256, (32, 32, 3)).astype(np.float32)
    stem = keras.Model(loaded.input, loaded.get_layer("stem").output).predict_on_batch(crop[None])[0]
    planes = [Image.fromarray(crop[:, :, channel]) for channel in range(3)]
    enlarged = np.stack([plane.resize((64, 64), Image.Resampling.BILINEAR) for plane in planes], axis=-1)
    centered = enlarged[:, :, ::-1] - np.array([103.939, 116.779, 123.68])
    kernel, bias = (values.astype(np.float64) for values in arrays[6:8])
    for row, column in ((5, 9), (16, 16), (30, 1)):
        # Strides of two from the first pixel on.
        patch = centered[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        by_hand = np.einsum("yxc,yxcf->f", patch, kernel) + bias
        np.testing.assert_allclose(stem[row, column], by_hand, rtol=1e-4, atol=1e-3)


def test_the_resolution_is_halved_where_the_published_network_halves_it():
    network = mobilenet_network(image_size=112)
    sides = [network.get_layer(f"block{block}_pointwise_relu").output.shape[1] for block in range(1, 14)]
    assert sides == [112, 56, 56, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7]


def test_a_stem_in_steps_of_two_sees_every_second_position(loaded):
    halved = mobilenet_network(image_size=32, stem_strides=2)
    halved.set_weights(loaded.get_weights())
    crops = np.random.default_rng(2).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    stems = [
        keras.Model(network.input, network.get_layer("stem").output).predict_on_batch(crops)
        for network in (loaded, halved)
    ]
    # The first window in steps of two begins with the first pixel.
    np.testing.assert_allclose(stems[1], stems[0][:, 1::2, 1::2], rtol=1e-4, atol=1e-3)
    assert halved.get_layer("block13_pointwise").output.shape[1] == 1


def test_each_block_has_the_arrays_that_follow_in_the_file(arrays, loaded):
    kernel, factor, bias, _, _, pointwise, pointwise_bias = arrays[10 + 9 * 12 : 10 + 9 * 12 + 7]
    depthwise = loaded.get_layer("block13_depthwise").get_weights()
    np.testing.assert_allclose(depthwise[0][:, :, :, 0], kernel[..., 0].astype(np.float32) * factor.astype(np.float32))
    np.testing.assert_allclose(depthwise[1], bias.astype(np.float32))
    received = loaded.get_layer("block13_pointwise").get_weights()
    for values, expected in zip(received, (pointwise, pointwise_bias), strict=True):
        np.testing.assert_allclose(values, expected.astype(np.float32))


def test_another_network_is_refused(published):
    with pytest.raises(ValueError, match="must be a `mobilenet_network`"):
        load_faceres_weights(residual_network(image_size=32, widths=(4,), blocks=(0,)), published)


def test_frozen_blocks_and_the_stem_before_them_are_not_trained(loaded):
    network = mobilenet_network(image_size=32, frozen_blocks=2)
    frozen = {layer.name for layer in network.layers if layer.weights and not layer.trainable}
    assert frozen == {"stem", *(f"block{block}_{part}" for block in (1, 2) for part in ("depthwise", "pointwise"))}
    assert all(layer.trainable for layer in loaded.layers)
    with pytest.raises(ValueError, match="`frozen_blocks` must be 0 to 13"):
        mobilenet_network(frozen_blocks=14)


def test_the_exported_network_computes_what_the_network_computes(crops, check_export, monkeypatch):
    monkeypatch.setattr(mobilenet, "BLOCKS", ((16, 1), (32, 2), (32, 1)))
    network = mobilenet_network(image_size=32, num_ages=11)
    check_export(network, crops(32))
