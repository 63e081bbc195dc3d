from __future__ import annotations

import dataclasses
import hashlib
import socket
import time
from pathlib import Path

import pytest

from asianage.errors import DownloadError
from asianage.models.hub import HubFile, fetch, sha256_of

constants = pytest.importorskip("huggingface_hub.constants")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = b"the weights"
FILE = HubFile("owner/name", "weights.bin", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of a machine without a network."""

    def connect(*arguments: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def put(cache: Path, content: bytes = CONTENT, branch: str | None = "main") -> Path:
    repository = cache / "models--owner--name"
    path = repository / "snapshots" / COMMIT / "weights.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    if branch is not None:
        (repository / "refs").mkdir()
        (repository / "refs" / branch).write_text(COMMIT)
    return path


def test_the_hash_is_that_of_the_content(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.write_bytes(b"")
    assert sha256_of(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_file_that_is_cached_is_returned_without_the_network(cache):
    path = put(cache)
    assert fetch(FILE) == path


def test_a_link_into_the_cache_is_followed(cache):
    path = put(cache)
    blob = cache / "models--owner--name" / "blobs" / "abc"
    blob.parent.mkdir()
    path.rename(blob)
    path.symlink_to(blob)
    assert fetch(FILE).read_bytes() == CONTENT


def test_a_full_commit_needs_no_branch(cache):
    path = put(cache, branch=None)
    assert fetch(dataclasses.replace(FILE, revision=COMMIT)) == path


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], b"The weights"])
def test_a_damaged_file_is_refused_with_both_hashes(cache, content):
    path = put(cache, content)
    with pytest.raises(DownloadError) as caught:
        fetch(FILE)
    assert str(path) in str(caught.value)
    assert FILE.sha256 in str(caught.value)
    assert hashlib.sha256(content).hexdigest() in str(caught.value)


def test_what_is_not_cached_is_not_there_offline(cache):
    put(cache)
    missing = [
        dataclasses.replace(FILE, filename="other.bin"),
        dataclasses.replace(FILE, repo_id="owner/other"),
        dataclasses.replace(FILE, revision="next"),
        dataclasses.replace(FILE, revision=COMMIT[::-1]),
    ]
    for file in missing:
        begin = time.perf_counter()
        with pytest.raises(DownloadError, match=r"not in the cache.*HF_HUB_OFFLINE"):
            fetch(file)
        assert time.perf_counter() - begin < 2.0


def test_a_branch_that_names_no_commit_is_not_followed(cache):
    put(cache)
    (cache / "models--owner--name" / "refs" / "main").write_text("../../../etc")
    with pytest.raises(DownloadError, match="not in the cache"):
        fetch(FILE)
