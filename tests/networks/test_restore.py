from __future__ import annotations

import io

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import h5py

from asianage.errors import ModelFormatError
from asianage.models.config import ModelConfig
from asianage.models.folder import NETWORK, WEIGHTS, write_model_folder
from asianage.networks.registry import build_network
from asianage.networks.restore import build_from_config, restore_network
from asianage.training.export.litert import to_weights

TINY = {"widths": [4], "blocks": [0]}
BIAS = "layers/dense/vars/1"
"""Bias of the first head: 101 values."""


def config(**values):
    return ModelConfig(**{"name": "tiny", "architecture": "residual", "image_size": 32, "network": TINY, **values})


@pytest.fixture(scope="module")
def network():
    return build_network("residual", image_size=32, num_ages=101, **TINY)


@pytest.fixture(scope="module")
def weights(network):
    return to_weights(network)


@pytest.fixture
def folder_of(tmp_path):
    def write(content):
        return write_model_folder(
            tmp_path / "model", config(), {NETWORK: b"", WEIGHTS: content}, card="tiny\n", overwrite=True
        )

    return write


def test_a_restored_network_has_the_weights_of_the_folder(network, weights, folder_of):
    restored = restore_network(folder_of(weights))
    for received, expected in zip(restored.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-4)


def remove(file):
    del file[BIAS]


def add(file):
    file["layers/dense/vars/2"] = np.zeros(3, np.float32)


def reshape(file):
    remove(file)
    file[BIAS] = np.zeros(7, np.float32)


def retype(file):
    remove(file)
    file[BIAS] = np.zeros(101, np.int32)


def poison(file):
    file[BIAS][3] = np.nan


def link(file):
    remove(file)
    file[BIAS] = h5py.SoftLink("/layers/dense/vars/0")


def link_out(file):
    remove(file)
    file[BIAS] = h5py.ExternalLink("/etc/passwd", "/")


def externalize(file):
    remove(file)
    file.create_dataset(BIAS, (101,), "f4", external=[("/etc/hostname", 0, 404)])


def virtualize(file):
    remove(file)
    layout = h5py.VirtualLayout((101,), "f4")
    layout[...] = h5py.VirtualSource("/etc/hostname", "x", (101,))
    file.create_virtual_dataset(BIAS, layout)


def name_a_type(file):
    file["layers/kind"] = np.dtype("f4")


def nest(file):
    file.create_group("a/b/c/d/e/f/g/h/i/j")


def swell(file):
    file["layers/large"] = np.zeros(2_000_000, np.float32)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (remove, r"1 arrays are missing \['layers/dense/vars/1'\]"),
        (add, r"1 are too many \['layers/dense/vars/2'\]"),
        (reshape, r"of shape \(101,\)\. Received: float32, \(7,\)"),
        (retype, "Received: int32"),
        (poison, "not finite"),
        (link, "is a link"),
        (link_out, "is a link"),
        (externalize, "lie in another file"),
        (virtualize, "lie in another file"),
        (name_a_type, "neither a group nor an array"),
        (nest, "nested or branched"),
        (swell, "larger than the weights"),
    ],
)
def test_a_file_that_does_not_hold_exactly_the_weights_is_refused(weights, folder_of, change, fault):
    content = io.BytesIO(weights)
    with h5py.File(content, "r+") as file:
        change(file)
    with pytest.raises(ModelFormatError, match=rf"model\.weights\.h5 does not fit its config\.json: .*{fault}"):
        restore_network(folder_of(content.getvalue()))


def test_a_file_that_is_no_hdf5_is_refused(weights, folder_of):
    for content in (b"", b"weights", weights[: len(weights) // 2]):
        with pytest.raises(ModelFormatError, match="does not fit"):
            restore_network(folder_of(content))


@pytest.mark.parametrize(
    ("network", "fault"),
    [
        ({"widths": "4"}, r"`network\.widths` cannot be used"),
        ({"blocks": "1"}, r"`network\.blocks` cannot be used"),
        ({"widths": ["4"]}, r"`network\.widths` cannot be used"),
        ({"widths": [1e9], "blocks": [0]}, r"`network\.widths` cannot be used"),
        ({"widths": [4] * 9}, r"`network\.widths` cannot be used"),
        ({"dropout": True}, r"`network\.dropout` cannot be used"),
        ({"head": "x" * 41}, r"`network\.head` cannot be used"),
        ({"head": {"a": 1}}, r"`network\.head` cannot be used"),
        ({"widths": [2048] * 5, "blocks": [32] * 5}, "more than 200000000 parameters"),
        ({"image_size": 9000}, "must not contain image_size"),
        ({"depth": 3}, "cannot be built: 'residual' has no option depth"),
        ({"widths": [4], "blocks": [0, 1]}, "cannot be built"),
    ],
)
def test_a_config_of_no_network_is_refused(network, fault):
    with pytest.raises(ModelFormatError, match=fault):
        build_from_config(config(network=network))


def test_an_architecture_of_a_later_version_is_refused_with_the_remedy():
    with pytest.raises(ModelFormatError, match=r"'transformer' is not one of .*pip install --upgrade asianage"):
        build_from_config(config(architecture="transformer"))


def test_networks_inside_a_network_are_checked_too():
    with pytest.raises(ModelFormatError, match=r"`network\.units` cannot be used"):
        build_from_config(config(architecture="gender_routing", network={"age_options": {"units": [9999, 4]}}))
