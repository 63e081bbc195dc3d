from __future__ import annotations

import io

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import h5py
import keras

from asianage.models.ages import softmax
from asianage.networks import vggface
from asianage.networks.heads import training_network
from asianage.networks.vggface import load_vggface_weights, vggface_backbone, vggface_network

SHAPES = {
    "conv1_1": (3, 64),
    "conv1_2": (64, 64),
    "conv2_1": (64, 128),
    "conv2_2": (128, 128),
    "conv3_1": (128, 256),
    "conv3_2": (256, 256),
    "conv3_3": (256, 256),
    "conv4_1": (256, 512),
    "conv4_2": (512, 512),
    "conv4_3": (512, 512),
    "conv5_1": (512, 512),
    "conv5_2": (512, 512),
    "conv5_3": (512, 512),
}
"""Channels in and out of each layer, written down apart from the code."""


TINY = {
    name: (channels[0] if name == "conv1_1" else channels[0] // 16, channels[1] // 16)
    for name, channels in SHAPES.items()
}
"""The same layers with a sixteenth of the channels: files of them are read and compared in the same way."""


@pytest.fixture(scope="module")
def full_size():
    return vggface_network(image_size=32)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vggface, "_BLOCKS", ((4, 2), (8, 2), (16, 3), (32, 3), (32, 3)))
        return vggface_network(image_size=32, units=(16, 8))


@pytest.fixture(scope="module")
def arrays():
    random = np.random.default_rng(0)
    return {
        name: [
            random.standard_normal((3, 3, *channels), dtype=np.float32) * 0.1,
            random.standard_normal(channels[1], dtype=np.float32) * 0.1,
        ]
        for name, channels in TINY.items()
    }


def written(layers, change=lambda file: None) -> bytes:
    """Return a file as Keras 2 wrote it: every layer is in the list, also those without weights."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, values in layers.items():
            group = file.create_group(name)
            parts = [f"{name}/{part}:0" for part in ("kernel", "bias")][: len(values)]
            group.attrs["weight_names"] = [part.encode() for part in parts]
            for part, value in zip(parts, values, strict=True):
                group.create_dataset(part, data=value)
        change(file)
    return content.getvalue()


def as_published(arrays):
    """Return the layers in the order of the network, with input and poolings, which have no weights."""
    layers = {"input_1": []}
    for name, values in arrays.items():
        layers[name] = values
        if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"):
            layers[f"pool{name[4]}"] = []
    return layers


def test_the_studys_network_has_15371329_parameters_of_which_1735488_are_frozen(full_size):
    assert full_size.count_params() == 15_371_329
    frozen = [weight for weight in full_size.weights if not weight.trainable]
    assert sum(int(np.prod(weight.shape)) for weight in frozen) == 1_735_488
    assert {weight.path.split("/")[0][:5] for weight in frozen} == {"conv1", "conv2", "conv3"}
    assert set(training_network(full_size).output) == {"age_years"}
    backbone = [full_size.get_layer(name) for name in SHAPES]
    assert sum(layer.count_params() for layer in backbone) == 14_714_688


def test_the_layers_have_the_names_and_shapes_of_vggface(full_size):
    convolutions = [layer for layer in full_size.layers if isinstance(layer, keras.layers.Conv2D)]
    assert {layer.name: tuple(layer.kernel.shape) for layer in convolutions} == {
        name: (3, 3, *channels) for name, channels in SHAPES.items()
    }
    assert [tuple(full_size.get_layer(f"pool{n}").output.shape[1:3]) for n in range(1, 6)] == [
        (16, 16),
        (8, 8),
        (4, 4),
        (2, 2),
        (1, 1),
    ]


def test_crops_enter_as_rgb_and_are_scaled_inside(network):
    scaled = keras.Model(network.input, network.get_layer("scale").output)
    crops = np.zeros((1, 32, 32, 3), dtype=np.float32)
    crops[..., :] = (10.0, 20.0, 200.0)
    pixel = scaled.predict_on_batch(crops)[0, 5, 7]
    np.testing.assert_allclose(pixel, [200 - 93.5940, 20 - 104.7624, 10 - 129.1863], rtol=1e-5)


def test_a_file_of_the_published_layout_fills_every_convolution(network, arrays):
    dense = [value.copy() for value in network.get_layer("dense1").get_weights()]
    load_vggface_weights(network, written(as_published(arrays)))
    for name, values in arrays.items():
        for received, expected in zip(network.get_layer(name).get_weights(), values, strict=True):
            np.testing.assert_array_equal(received, expected)
    np.testing.assert_array_equal(network.get_layer("dense1").get_weights()[0], dense[0])


def test_a_file_that_keras_wrote_in_its_old_layout_is_read(network):
    old_layout = pytest.importorskip("keras.src.legacy.saving.legacy_h5_format")
    other = keras.models.clone_model(network)
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        convolutions = [
            layer for layer in other.layers if layer.name.startswith(("conv", "pool")) and layer.name != "pool"
        ]
        old_layout.save_weights_to_hdf5_group(file, keras.Sequential(convolutions))
    load_vggface_weights(network, content.getvalue())
    for name in ("conv1_1", "conv5_3"):
        received, expected = (each.get_layer(name).get_weights()[0] for each in (network, other))
        np.testing.assert_array_equal(received, expected)


def renamed(layers):
    return {"block1_conv1" if name == "conv1_1" else name: values for name, values in layers.items()}


def without_one(layers):
    return {name: values for name, values in layers.items() if name != "conv4_2"}


def with_dense(layers):
    return {**layers, "fc6": [np.zeros((4, 2), np.float32), np.zeros(2, np.float32)]}


def with_another_layer(layers):
    return {**layers, "normalize": []}


def with_other_channels(layers):
    return {**layers, "conv3_2": [layers["conv3_2"][0][..., :8], layers["conv3_2"][1]]}


def transposed(layers):
    return {**layers, "conv2_1": [layers["conv2_1"][0].transpose(3, 2, 0, 1), layers["conv2_1"][1]]}


def without_bias(layers):
    return {**layers, "conv5_3": layers["conv5_3"][:1]}


def emptied(layers):
    return {**layers, "conv5_3": []}


def in_another_order(layers):
    return {"conv5_3": layers["conv5_3"], **layers}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (renamed, r"conv1_1 has the shapes None instead .*; block1_conv1 has the shapes .* instead of None"),
        (without_one, r"conv4_2 has the shapes None instead"),
        (with_dense, r"fc6 has the shapes .* instead of None"),
        (with_another_layer, r"normalize has the shapes \(\) instead of None"),
        (with_other_channels, r"conv3_2 has the shapes .*\(3, 3, 16, 8\).* instead of .*\(3, 3, 16, 16\)"),
        (transposed, r"conv2_1 has the shapes .*\(8, 4, 3, 3\)"),
        (without_bias, r"conv5_3 has the shapes"),
        (emptied, r"conv5_3 has the shapes \(\)"),
        (in_another_order, r"come in the order conv5_3, conv1_1"),
    ],
)
def test_a_file_with_other_layers_is_refused_and_changes_nothing(network, arrays, change, fault):
    # Other values than those in the network.
    layers = {name: [value + 1 for value in values] for name, values in as_published(arrays).items()}
    before = {name: network.get_layer(name).get_weights()[1] for name in SHAPES}
    with pytest.raises(ValueError, match=fault):
        load_vggface_weights(network, written(change(layers)))
    for name, bias in before.items():
        np.testing.assert_array_equal(network.get_layer(name).get_weights()[1], bias)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(network, arrays, share):
    content = written(as_published(arrays))
    with pytest.raises(ValueError, match=r"cannot be read as HDF5.*fetch it again"):
        load_vggface_weights(network, content[: int(share * len(content))])


def test_files_of_other_kinds_are_refused(network, arrays):
    layers = as_published(arrays)
    without_a_group = written(layers, lambda file: file.__delitem__("conv4_1"))
    for content in (b"<html>not found</html>" * 100, without_a_group):
        with pytest.raises(ValueError, match="cannot be read as HDF5"):
            load_vggface_weights(network, content)
    with pytest.raises(ValueError, match="no `layer_names`"):
        load_vggface_weights(network, written({}, lambda file: file.attrs.__delitem__("layer_names")))
    names = [name.encode() for name in (*layers, "conv1_1")]
    with pytest.raises(ValueError, match="lists a layer twice"):
        load_vggface_weights(network, written(layers, lambda file: file.attrs.__setitem__("layer_names", names)))


def test_values_that_are_no_numbers_are_refused(network, arrays):
    layers = as_published(arrays)
    layers["conv1_1"] = [layers["conv1_1"][0], np.full(4, np.nan, dtype=np.float32)]
    with pytest.raises(ValueError, match="conv1_1 are no finite numbers"):
        load_vggface_weights(network, written(layers))


def test_another_network_is_refused():
    crops = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="without the layers conv1_1, conv1_2"):
        load_vggface_weights(keras.Model(crops, crops, name="other"), b"")


def test_the_exported_network_computes_what_the_network_computes(network, crops, exported):
    inputs = crops(32, 3)
    kernel = network.get_layer("age_years").get_weights()[0]
    network.get_layer("age_years").set_weights([kernel, np.array([30.0])])
    expected = network.predict_on_batch(inputs)
    ages, genders = exported(network, inputs)
    received, wanted = (softmax(logits) @ np.arange(101) for logits in (ages, expected["age_logits"]))
    assert wanted.min() > 1
    np.testing.assert_allclose(received, wanted, atol=1e-3)
    assert not genders.any()


def test_impossible_networks_are_refused():
    with pytest.raises(ValueError, match="Received: 31"):
        vggface_backbone(31)
    with pytest.raises(ValueError, match=r"0 to 5\. Received: 6"):
        vggface_network(image_size=32, frozen_blocks=6)
