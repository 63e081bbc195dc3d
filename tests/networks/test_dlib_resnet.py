from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.networks import dlib_resnet
from asianage.networks.dlib_resnet import STAGES, dlib_resnet_network, load_dlib_weights
from asianage.networks.residual import residual_network


def integer(value: int) -> bytes:
    length = (value.bit_length() + 7) // 8
    return bytes([length]) + value.to_bytes(length, "little")


def array(values: np.ndarray) -> bytes:
    return integer(values.size) + integer(1) * 3 + values.astype("<f4").tobytes()


@pytest.fixture(scope="module")
def layers() -> list[tuple[np.ndarray, ...]]:
    """Kernels (filters, channels, rows, columns), biases, factors and summands of all 29 convolutions, seeded."""
    random = np.random.default_rng(0)
    shapes = [(32, 3, 7, 7)]
    channels = 32
    for width, depth in (*STAGES, (256, 1)):
        for block in range(depth):
            shapes += [(width, width if block else channels, 3, 3), (width, width, 3, 3)]
        channels = width
    # The published last block halves the resolution and not the channels: it counts with the stage before it.
    return [
        (random.normal(size=shape) * 0.05, *(random.normal(size=(3, shape[0])) + np.array([[0.0], [1.0], [0.0]])))
        for shape in shapes
    ]


@pytest.fixture(scope="module")
def published(layers) -> bytes:
    """A file of the published form."""
    content = b"\x01\x02loss_metric_2"
    for kernel, bias, factor, summand in layers:
        content += b"\x05con_4\x01\x02" + array(np.concatenate([kernel.ravel(), bias])) + b"\x01\x03"
        content += b"\x07affine_\x01\x02" + array(np.concatenate([factor, summand])) + b"\x01\x01\x05relu_"
    return content


def test_the_outputs_are_logits_of_the_stated_shapes_for_even_and_odd_sides():
    for size in (96, 112):
        network = dlib_resnet_network(image_size=size, num_ages=7, blocks=(1, 1, 1, 1))
        outputs = network.predict_on_batch(np.zeros((2, size, size, 3), dtype=np.float32))
        assert outputs["age_logits"].shape == (2, 7)
        assert outputs["gender_logit"].shape == (2, 1)


def test_published_layers_are_computed_as_dlib_computes_them(layers, published):
    network = dlib_resnet_network(image_size=32, blocks=(3, 4, 3, 1))
    load_dlib_weights(network, published)
    pixels = np.random.default_rng(1).integers(0, 256, (7, 7, 3)).astype(np.float64)
    kernel, bias, factor, summand = layers[0]
    centered = (pixels - dlib_resnet._MEAN_COLOR) / 256
    by_hand = factor * (np.einsum("yxc,fcyx->f", centered, kernel) + bias) + summand
    stem = network.get_layer("stem")
    loaded, shift = stem.get_weights()
    np.testing.assert_allclose(np.einsum("yxc,yxcf->f", pixels / 256, loaded) + shift, by_hand, rtol=1e-3, atol=1e-4)

    kernel, bias, factor, summand = layers[1 + 2 * 3]
    patch = np.random.default_rng(2).normal(size=(3, 3, 32))
    by_hand = factor * (np.einsum("yxc,fcyx->f", patch, kernel) + bias) + summand
    loaded, shift = network.get_layer("stage2_block1_conv1").get_weights()
    np.testing.assert_allclose(np.einsum("yxc,yxcf->f", patch, loaded) + shift, by_hand, rtol=1e-4, atol=1e-5)


def test_a_shortened_stage_has_its_first_blocks(layers, published):
    network = dlib_resnet_network(image_size=32, blocks=(1, 1, 1, 1))
    load_dlib_weights(network, published)
    kernel, _, factor, _ = layers[1 + 2 * (3 + 4)]
    loaded, _ = network.get_layer("stage3_block1_conv1").get_weights()
    np.testing.assert_allclose(loaded, kernel.transpose(2, 3, 1, 0) * factor, rtol=1e-5)


def test_another_network_is_refused(published):
    with pytest.raises(ValueError, match="must be a `dlib_resnet_network`"):
        load_dlib_weights(residual_network(image_size=32, widths=(4,), blocks=(0,)), published)


def test_impossible_depths_are_refused():
    for blocks in ((1, 1, 1), (0, 1, 1, 1), (1, 1, 1, 4)):
        with pytest.raises(ValueError, match="`blocks`"):
            dlib_resnet_network(blocks=blocks)


def test_the_exported_network_computes_what_the_network_computes(published, crops, check_export):
    network = dlib_resnet_network(image_size=32, num_ages=11, blocks=(1, 1, 1, 1))
    load_dlib_weights(network, published)
    check_export(network, crops(32))
