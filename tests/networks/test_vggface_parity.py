"""Our VGG16 against the package keras-vggface itself, which needs help to run on Keras 3."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")
pytest.importorskip("keras_applications", reason="needs keras-vggface and keras_applications")

import h5py
import keras

from asianage.networks.vggface import load_vggface_weights, vggface_backbone, vggface_network


@pytest.fixture(scope="module")
def original():
    """The package, with the names of Keras 2 that it imports aliased for the time of its import."""
    missing = {
        "keras.utils.layer_utils": {},
        "keras.utils.data_utils": {"get_file": keras.utils.get_file},
        "keras.engine": {},
        "keras.engine.topology": {"get_source_inputs": keras.utils.get_source_inputs},
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, contents in missing.items():
            module = types.ModuleType(name)
            module.__dict__.update(contents)
            patch.setitem(sys.modules, name, module)
        patch.setattr(keras.utils, "layer_utils", sys.modules["keras.utils.layer_utils"], raising=False)
        yield pytest.importorskip("keras_vggface", reason="needs keras-vggface")


@pytest.fixture(scope="module")
def their_network(original):
    keras.utils.set_random_seed(0)
    network = original.VGGFace(model="vgg16", include_top=False, weights=None, input_shape=(64, 64, 3))
    random = np.random.default_rng(0)
    for layer in network.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            scale = np.sqrt(2 / np.prod(kernel.shape[:3]))
            layer.set_weights([random.normal(0, scale, kernel.shape), random.normal(0, 1, bias.shape)])
    return network


@pytest.fixture(scope="module")
def their_file(their_network, tmp_path_factory):
    old_layout = pytest.importorskip("keras.src.legacy.saving.legacy_h5_format")
    path = tmp_path_factory.mktemp("weights") / "vgg.h5"
    with h5py.File(path, "w") as file:
        old_layout.save_weights_to_hdf5_group(file, their_network)
    return path.read_bytes()


def test_layers_and_parameters_are_those_of_keras_vggface(their_network):
    ours = vggface_backbone(64)
    assert their_network.count_params() == ours.count_params() == 14_714_688
    ours_by_name = [(layer.name, [tuple(w.shape) for w in layer.weights]) for layer in ours.layers[2:]]
    assert ours_by_name == [(layer.name, [tuple(w.shape) for w in layer.weights]) for layer in their_network.layers[1:]]


def test_rgb_crops_give_the_features_of_keras_vggface(original, their_network, their_file):
    from keras_vggface.utils import preprocess_input

    crops = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3)).astype(np.float32)
    theirs = their_network.predict_on_batch(preprocess_input(crops, version=1))
    ours = vggface_backbone(64)
    load_vggface_weights(ours, their_file)
    assert theirs.std() > 1
    np.testing.assert_allclose(ours.predict_on_batch(crops), theirs, rtol=1e-4, atol=1e-3)


def test_the_transfer_network_takes_their_file(their_network, their_file):
    network = vggface_network(image_size=64)
    load_vggface_weights(network, their_file)
    for name in ("conv1_1", "conv3_2", "conv5_3"):
        received, expected = (n.get_layer(name).get_weights() for n in (network, their_network))
        np.testing.assert_array_equal(received[0], expected[0])
        np.testing.assert_array_equal(received[1], expected[1])
