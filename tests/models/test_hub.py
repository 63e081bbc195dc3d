"""One file of the Hub: from the cache, or from a server on the loopback with the real client."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from asianage.errors import DownloadError
from asianage.models.hub import HubAccess, HubFile, cached_path, fetch, sha256_of, watched
from asianage.models.hub_errors import HubUnreachableError
from tests.models.hub_server import HubServer, hang

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = b"the weights"
FILE = HubFile("owner/name", "weights.bin", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(HubAccess(token="secret"))


def test_a_relative_cache_stays_where_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    access = HubAccess(cache_dir="cache")
    monkeypatch.chdir("/")
    assert access.cache == tmp_path / "cache"


def test_a_user_without_a_home_is_told_to_name_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "~/.cache/huggingface/hub")
    assert cached_path(FILE) is None
    with pytest.raises(DownloadError, match=r"no home folder\. Received: ~/\.cache.*HF_HOME.*`cache_dir` in Python"):
        fetch(FILE)


def test_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# The cache


def test_a_cached_file_is_returned_without_the_network(cache: Path) -> None:
    assert cached_path(FILE) is None
    path = put(cache)
    assert fetch(FILE) == cached_path(FILE) == path


def test_a_link_into_the_cache_is_followed(cache: Path) -> None:
    path = put(cache)
    blob = cache / "models--owner--name" / "blobs" / "abc"
    blob.parent.mkdir()
    path.rename(blob)
    path.symlink_to(blob)
    assert fetch(FILE).read_bytes() == CONTENT


def test_a_full_commit_needs_no_branch(cache: Path) -> None:
    path = put(cache, branch=None)
    assert fetch(dataclasses.replace(FILE, revision=COMMIT)) == path


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], b"The weights"])
def test_a_damaged_file_is_refused_offline_with_both_hashes(cache: Path, content: bytes) -> None:
    path = put(cache, content)
    with pytest.raises(DownloadError) as caught:
        fetch(FILE)
    for part in (str(path), FILE.sha256, hashlib.sha256(content).hexdigest(), "HF_HUB_OFFLINE"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"filename": "other.bin"}, {"repo_id": "owner/other"}, {"revision": "next"}, {"revision": COMMIT[::-1]}]
)
def test_an_uncached_file_is_refused_offline(cache: Path, change: dict[str, str]) -> None:
    put(cache)
    with pytest.raises(DownloadError, match=r"not in the cache.*HF_HUB_OFFLINE"):
        fetch(dataclasses.replace(FILE, **change))


def test_a_branch_that_names_no_commit_is_not_followed(cache: Path) -> None:
    put(cache)
    (cache / "models--owner--name" / "refs" / "main").write_text("../../../etc")
    with pytest.raises(DownloadError, match="not in the cache"):
        fetch(FILE)


# Fetching


def test_a_file_is_fetched_once_and_again_when_it_is_damaged(server: HubServer, access: HubAccess) -> None:
    server.add(FILE.repo_id, {FILE.filename: CONTENT, "huge.bin": b"x"})
    path = fetch(FILE, access)
    assert path.read_bytes() == CONTENT
    server.requests.clear()
    assert fetch(FILE, dataclasses.replace(access, local_files_only=True)) == path
    assert server.requests == []
    path.write_bytes(CONTENT.upper())
    assert fetch(FILE, access).read_bytes() == CONTENT
    assert not any("huge" in path for path in server.asked())


def test_a_file_that_was_exchanged_on_the_hub_is_refused(server: HubServer, access: HubAccess) -> None:
    server.add(FILE.repo_id, {FILE.filename: b"exchanged"})
    with pytest.raises(
        DownloadError, match=rf"weights\.bin must have the sha256 {FILE.sha256}.*comes from {server.url}"
    ):
        fetch(FILE, access)
    assert cached_path(FILE, access) is None


def test_a_repository_without_the_file_is_refused(server: HubServer, access: HubAccess) -> None:
    server.add(FILE.repo_id, {"other.bin": CONTENT})
    with pytest.raises(DownloadError, match=r"has no file weights\.bin at revision main"):
        fetch(FILE, access)


# Unreachable


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """Yield the address of a port where connections are neither accepted nor refused."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.usefixtures("little_patience")
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse connections when the backlog is full")
def test_an_address_that_never_accepts_is_given_up(tmp_path: Path) -> None:
    with full_backlog() as address:
        started = time.perf_counter()
        with pytest.raises(HubUnreachableError, match=f"{address} cannot be reached.*Check the network"):
            fetch(FILE, HubAccess(endpoint=address, cache_dir=tmp_path))
        assert time.perf_counter() - started < 2


@pytest.mark.usefixtures("little_patience")
def test_a_server_that_never_answers_is_given_up(server: HubServer, access: HubAccess) -> None:
    server.faults.append(hang())
    with pytest.raises(HubUnreachableError, match="cannot be reached"):
        fetch(FILE, access)


def test_a_refused_connection_is_reported_at_once(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        started = time.perf_counter()
        with pytest.raises(HubUnreachableError, match="cannot be reached"):
            fetch(FILE, HubAccess(endpoint=address, cache_dir=tmp_path))
        assert time.perf_counter() - started < 2


@pytest.mark.parametrize("endpoint", ["huggingface.co", "file:///etc", "https://"])
def test_an_address_that_is_none_is_refused(endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError):
        fetch(FILE, HubAccess(endpoint=endpoint, cache_dir=tmp_path))


# Watching


def test_a_call_returns_its_result_or_raises_its_error() -> None:
    assert watched(lambda: 3, 5.0) == 3
    with pytest.raises(ZeroDivisionError):
        watched(lambda: 1 / 0, 5.0)


def test_a_call_is_waited_for_as_long_as_it_makes_progress() -> None:
    finished = threading.Event()
    sizes = iter(range(10**9))

    def progress() -> int:
        size = next(sizes)
        if size == 4:
            finished.set()
        return size

    assert watched(lambda: finished.wait(30), 0.05, progress)
    with pytest.raises(TimeoutError, match=r"within 0\.05 s"):
        watched(lambda: time.sleep(1), 0.05, lambda: 7)
