from __future__ import annotations

import h5py
import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from asianage.errors import DownloadError
from asianage.models.ages import softmax
from asianage.networks import vggface
from asianage.networks.heads import training_network
from asianage.networks.vggface import (
    WEIGHTS_FILE,
    fetch_vggface_weights,
    load_vggface_weights,
    vggface_backbone,
    vggface_network,
)

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


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return vggface_network(image_size=32)


@pytest.fixture(scope="module")
def arrays():
    random = np.random.default_rng(0)
    return {
        name: [
            (random.standard_normal((3, 3, *channels), dtype=np.float32) * 0.02),
            random.standard_normal(channels[1], dtype=np.float32) * 0.1,
        ]
        for name, channels in SHAPES.items()
    }


def write_weights(path, layers):
    """Write the layout of Keras 2: every layer in the list, also those without weights."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, values in layers.items():
            group = file.create_group(name)
            parts = [f"{name}/{part}:0" for part in ("kernel", "bias")][: len(values)]
            group.attrs["weight_names"] = [part.encode() for part in parts]
            for part, value in zip(parts, values, strict=True):
                group.create_dataset(part, data=value)
    return path


def as_published(arrays):
    """Return the layers in the order of the network, with input and poolings, which have no weights."""
    layers = {"input_1": []}
    for name, values in arrays.items():
        layers[name] = values
        if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"):
            layers[f"pool{name[4]}"] = []
    return layers


def test_the_studys_network_has_15371329_parameters_of_which_1735488_are_frozen(network):
    assert network.count_params() == 15_371_329
    frozen = [weight for weight in network.weights if not weight.trainable]
    assert sum(int(np.prod(weight.shape)) for weight in frozen) == 1_735_488
    assert {weight.path.split("/")[0][:5] for weight in frozen} == {"conv1", "conv2", "conv3"}
    assert set(training_network(network).output) == {"age_years"}
    backbone = [network.get_layer(name) for name in SHAPES]
    assert sum(layer.count_params() for layer in backbone) == 14_714_688


def test_the_layers_have_the_names_and_shapes_of_vggface(network):
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert {layer.name: tuple(layer.kernel.shape) for layer in convolutions} == {
        name: (3, 3, *channels) for name, channels in SHAPES.items()
    }
    assert [tuple(network.get_layer(f"pool{n}").output.shape[1:3]) for n in range(1, 6)] == [
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


def test_a_file_of_the_published_layout_fills_every_convolution(network, arrays, tmp_path):
    dense = [value.copy() for value in network.get_layer("dense1").get_weights()]
    load_vggface_weights(network, write_weights(tmp_path / "vgg.h5", as_published(arrays)))
    for name, values in arrays.items():
        for received, expected in zip(network.get_layer(name).get_weights(), values, strict=True):
            np.testing.assert_array_equal(received, expected)
    np.testing.assert_array_equal(network.get_layer("dense1").get_weights()[0], dense[0])


def test_a_file_that_keras_wrote_in_its_old_layout_is_read(network, tmp_path):
    old_layout = pytest.importorskip("keras.src.legacy.saving.legacy_h5_format")
    written = vggface_backbone(48)
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        inner = [layer for layer in written.layers if layer.name not in ("crops", "scale")]
        old_layout.save_weights_to_hdf5_group(file, keras.Sequential(inner))
    load_vggface_weights(network, tmp_path / "vgg.h5")
    for name in ("conv1_1", "conv5_3"):
        received, expected = (each.get_layer(name).get_weights()[0] for each in (network, written))
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
    return {**layers, "conv3_2": [layers["conv3_2"][0][..., :128], layers["conv3_2"][1]]}


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
        (renamed, r"lacks the layers conv1_1; the network has no layers block1_conv1"),
        (without_one, r"lacks the layers conv4_2"),
        (with_dense, r"has no layers fc6"),
        (with_another_layer, r"has no layers normalize"),
        (with_other_channels, r"conv3_2 has the shapes .*\(3, 3, 256, 128\).* instead of .*\(3, 3, 256, 256\)"),
        (transposed, r"conv2_1 has the shapes .*\(128, 64, 3, 3\)"),
        (without_bias, r"conv5_3 has the shapes"),
        (emptied, r"conv5_3 has the shapes \(\)"),
        (in_another_order, r"come in the order conv5_3, conv1_1"),
    ],
)
def test_a_file_with_other_layers_is_refused_and_changes_nothing(network, arrays, tmp_path, change, fault):
    # Other values than those in the network.
    layers = {name: [value + 1 for value in values] for name, values in as_published(arrays).items()}
    path = write_weights(tmp_path / "other.h5", change(layers))
    before = {name: network.get_layer(name).get_weights()[1] for name in SHAPES}
    with pytest.raises(ValueError, match=fault):
        load_vggface_weights(network, path)
    for name, bias in before.items():
        np.testing.assert_array_equal(network.get_layer(name).get_weights()[1], bias)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(network, arrays, tmp_path, share):
    path = write_weights(tmp_path / "vgg.h5", as_published(arrays))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"vgg\.h5 cannot be read as HDF5.*fetch it again"):
        load_vggface_weights(network, path)


def test_files_of_other_kinds_are_refused(network, arrays, tmp_path):
    path = tmp_path / "other.h5"
    path.write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(ValueError, match="cannot be read as HDF5"):
        load_vggface_weights(network, path)
    path = tmp_path / "keras3.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("layers")
    with pytest.raises(ValueError, match="no `layer_names`"):
        load_vggface_weights(network, path)
    path = write_weights(tmp_path / "vgg.h5", as_published(arrays))
    with h5py.File(path, "a") as file:
        del file["conv4_1"]
    with pytest.raises(ValueError, match="cannot be read as HDF5"):
        load_vggface_weights(network, path)


def test_a_layer_that_is_listed_twice_is_refused(network, arrays, tmp_path):
    path = write_weights(tmp_path / "vgg.h5", as_published(arrays))
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [name.encode() for name in (*as_published(arrays), "conv1_1")]
    with pytest.raises(ValueError, match="lists a layer twice"):
        load_vggface_weights(network, path)


def test_values_that_are_no_numbers_are_refused(network, arrays, tmp_path):
    layers = as_published(arrays)
    layers["conv1_1"] = [layers["conv1_1"][0], np.full(64, np.nan, dtype=np.float32)]
    with pytest.raises(ValueError, match="conv1_1 that are no numbers"):
        load_vggface_weights(network, write_weights(tmp_path / "vgg.h5", layers))


def test_a_missing_file_and_a_foreign_network_are_refused(network, tmp_path):
    with pytest.raises(FileNotFoundError, match=WEIGHTS_FILE):
        load_vggface_weights(network, tmp_path / "none.h5")
    crops = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="without the layers conv1_1, conv1_2"):
        load_vggface_weights(keras.Model(crops, crops, name="other"), tmp_path / "none.h5")


def test_the_exported_network_says_what_the_network_says(network, crops, exported):
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


def test_weights_are_fetched_once_into_the_cache_of_keras(tmp_path, monkeypatch):
    published = write_weights(tmp_path / "published.h5", {"input_1": []})
    cache = tmp_path / "cache"
    monkeypatch.setenv("KERAS_HOME", str(cache))
    path = fetch_vggface_weights(url=published.as_uri())
    assert path == cache / "models" / "vggface" / "rcmalli_vggface_tf_notop_vgg16.h5"
    assert path.read_bytes() == published.read_bytes()
    assert list(path.parent.iterdir()) == [path]
    published.unlink()
    assert fetch_vggface_weights(url=published.as_uri()) == path


def test_the_published_file_is_where_keras_vggface_has_it():
    assert vggface.WEIGHTS_URL == (
        "https://github.com/rcmalli/keras-vggface/releases/download/v2.0/rcmalli_vggface_tf_notop_vgg16.h5"
    )


def test_weights_that_cannot_be_fetched_leave_nothing_and_name_the_remedy(tmp_path):
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    for url in ((tmp_path / "none.h5").as_uri(), "http://127.0.0.1:9/vgg.h5", broken.as_uri()):
        with pytest.raises(DownloadError, match="give its path"):
            fetch_vggface_weights(tmp_path / "cache", url=url)
    assert not any(path.is_file() for path in (tmp_path / "cache").rglob("*"))


def test_a_download_that_stands_still_ends(tmp_path, monkeypatch):
    import threading

    release = threading.Event()
    monkeypatch.setattr(vggface, "STALL_SECONDS", 0.2)
    monkeypatch.setattr(keras.utils, "get_file", lambda *arguments, **options: release.wait(20))
    try:
        with pytest.raises(DownloadError, match=r"no more bytes within 0\.2 s"):
            fetch_vggface_weights(tmp_path)
    finally:
        release.set()


def test_a_cache_that_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="Check network and disk"):
        fetch_vggface_weights(tmp_path / "file", url="http://127.0.0.1:9/vgg.h5")
