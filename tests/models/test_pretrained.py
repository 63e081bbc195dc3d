"""Loading models from the Hub and pushing them there: the real client against a server on the loopback."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from asianage.models.downloads import HubFile, fetch, sha256_of
from asianage.models.hub_access import HubAccess, HubUnreachableError
from huggingface_hub import constants

from asianage.errors import DownloadError, ModelFormatError, UploadError
from asianage.models import folder as model_folder
from asianage.models import pretrained as hub
from asianage.models.card import model_card
from asianage.models.config import ModelConfig
from asianage.models.folder import CARD, CONFIG, METRICS, NETWORK, WEIGHTS, ModelFolder, write_model_folder
from asianage.models.pretrained import open_model
from asianage.models.publish import PushedModel, push_model
from asianage.prediction.estimator import AgeGenderEstimator
from tests.models.hub_server import HubServer, answer, disconnect, hang, running_hub, truncate

REPO = "someone/faces"


@pytest.fixture(autouse=True)
def _clean_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the tokens, nor the proxies, nor the cache of the machine."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_ETAG_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "default-cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # Xet has a protocol and a storage of its own; without its package the client uses plain HTTP.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)


@pytest.fixture
def server() -> Iterator[HubServer]:
    with running_hub() as running:
        yield running


@pytest.fixture
def access(server: HubServer, tmp_path: Path) -> HubAccess:
    """The server, an empty cache, and little patience."""
    return HubAccess(endpoint=server.url, cache_dir=tmp_path / "cache", answer_seconds=2.0, stall_seconds=4.0)


def make_model(folder: Path, *, name: str = "tiny", network: bytes = b"network" * 500) -> ModelFolder:
    """Write a model folder whose files are any bytes."""
    config = ModelConfig(name=name, architecture="residual", image_size=32)
    files = {NETWORK: network, WEIGHTS: b"weights" * 1000, METRICS: b"{}"}
    return write_model_folder(folder, config, files, card="# A card\n", overwrite=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    return contents(make_model(tmp_path / "source").path)


def snapshot(access: HubAccess, commit: str) -> Path:
    return access.snapshot(REPO, commit)


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own and wait for it."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HF_HUB_DISABLE_XET": "1", **environment},
    )


# Names


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(HubAccess(token="secret"))


def test_a_folder_that_is_there_comes_before_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: HubServer, access: HubAccess, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    make_model(tmp_path / REPO, name="local")
    monkeypatch.chdir(tmp_path)
    assert open_model(REPO, access=access).config.name == "local"
    assert server.requests == []
    assert open_model(f"{REPO}@main", access=access).config.name == "tiny"


def test_a_bundled_name_comes_before_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_model(tmp_path / "bundled" / "compact", name="bundled")
    make_model(tmp_path / "compact", name="local")
    monkeypatch.setattr(model_folder, "BUNDLED", tmp_path / "bundled")
    monkeypatch.chdir(tmp_path)
    assert open_model("compact").config.name == "bundled"
    assert open_model("./compact").config.name == "local"
    assert open_model(Path("compact")).config.name == "local"


def test_a_name_that_could_be_both_gives_both_readings(
    server: HubServer, access: HubAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DownloadError, match=r"does not exist, or is private.*no folder 'models/mine'"):
        open_model("models/mine", access=access)
    (tmp_path / "models" / "mine").mkdir(parents=True)
    with pytest.raises(ModelFormatError, match=r"no config\.json.*'models/mine@main' for the Hub"):
        open_model("models/mine", access=access)


def test_a_misspelled_bundled_name_is_recognized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_model(tmp_path / "bundled" / "compact")
    monkeypatch.setattr(model_folder, "BUNDLED", tmp_path / "bundled")
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'compact'"):
        open_model("compcat")


@pytest.mark.parametrize(
    "name",
    ["./owner/name", "../x", "/nowhere/model", "~/nowhere-at-all", "a\\b", Path("owner/name"), "a/b/c", "x" * 5000],
)
def test_what_can_only_be_a_path_is_never_looked_for_on_the_hub(
    name: str | Path, server: HubServer, access: HubAccess
) -> None:
    with pytest.raises(FileNotFoundError):
        open_model(name, access=access)
    assert server.requests == []


def test_a_file_is_not_a_model(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match="Give the folder that it lies in"):
        open_model(model.path / NETWORK)


@pytest.mark.parametrize(("name", "error"), [(3, TypeError), (None, TypeError), ("a\0b", FileNotFoundError)])
def test_names_of_a_wrong_kind_are_refused(name: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        open_model(name)  # type: ignore[arg-type]


def test_a_folder_has_no_revisions(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    with pytest.raises(ValueError, match="`revision` is for models on the Hub"):
        open_model(model.path, revision="main")


@pytest.mark.parametrize("revision", ["../../etc", "a..b", "/main", "main/", "a b", "x.lock", "ref\n"])
def test_a_revision_that_git_could_not_have_is_refused(revision: str, access: HubAccess, server: HubServer) -> None:
    with pytest.raises(ValueError, match="`revision` must be"):
        open_model(REPO, revision=revision, access=access)
    assert server.requests == []


def test_two_different_revisions_are_refused(access: HubAccess) -> None:
    with pytest.raises(ValueError, match="Two revisions"):
        open_model(f"{REPO}@one", revision="two", access=access)


# Fetching


def test_only_what_a_prediction_needs_is_fetched(server: HubServer, access: HubAccess, files: dict[str, bytes]) -> None:
    commit = server.add(REPO, files)
    model = open_model(REPO, access=access)
    assert {file.name for file in model.path.iterdir()} == {CONFIG, NETWORK}
    assert model.path == snapshot(access, commit)
    assert model.file(NETWORK).read_bytes() == files[NETWORK]
    assert not any(WEIGHTS in path or METRICS in path for path in server.asked())
    assert len(server.asked()) <= 6


def test_a_branch_is_asked_for_once_when_everything_is_cached(
    server: HubServer, access: HubAccess, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    open_model(REPO, access=access)
    server.requests.clear()
    open_model(REPO, access=access)
    assert [request.method for request in server.requests] == ["HEAD"]


def test_a_cached_commit_needs_no_network(access: HubAccess, files: dict[str, bytes]) -> None:
    with running_hub() as server:
        commit = server.add(REPO, files)
        here = HubAccess(endpoint=server.url, cache_dir=access.cache_dir)
        open_model(REPO, revision=commit, access=here)
    started = time.perf_counter()
    assert open_model(f"{REPO}@{commit}", access=here).config.name == "tiny"
    assert time.perf_counter() - started < 0.5


def test_a_branch_that_moved_on_is_followed(server: HubServer, access: HubAccess, tmp_path: Path) -> None:
    first = server.add(REPO, contents(make_model(tmp_path / "a", network=b"first").path))
    open_model(REPO, access=access)
    server.add(REPO, contents(make_model(tmp_path / "b", network=b"second").path))
    assert open_model(REPO, access=access).file(NETWORK).read_bytes() == b"second"
    assert open_model(REPO, revision=first, access=access).file(NETWORK).read_bytes() == b"first"


def test_branches_with_slashes_and_pull_requests_are_found(
    server: HubServer, access: HubAccess, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    for branch in ("feature/small", "refs/pr/1", "v1.0"):
        commit = server.add(REPO, {**files, "note": branch.encode()}, branch)
        assert open_model(f"{REPO}@{branch}", access=access).path.name == commit


def test_large_files_come_from_storage_without_the_token(
    server: HubServer, access: HubAccess, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    server.repositories[REPO].private = True
    open_model(REPO, access=HubAccess(**{**fields(access), "token": server.token}))
    storage = [request for request in server.requests if request.host == "_StorageHandler"]
    assert storage
    assert {request.token for request in storage} == {None}
    assert {request.token for request in server.requests if request not in storage} == {server.token}


def fields(access: HubAccess) -> dict:
    return {name: getattr(access, name) for name in access.__dataclass_fields__}


def with_changes(access: HubAccess, **changes: object) -> HubAccess:
    return HubAccess(**{**fields(access), **changes})


def test_a_renamed_repository_is_followed(server: HubServer, access: HubAccess, files: dict[str, bytes]) -> None:
    server.add("someone/newer", files)
    server.renamed[REPO] = "someone/newer"
    assert open_model(REPO, access=access).config.name == "tiny"


def test_a_file_that_is_needed_later_is_fetched_then(
    server: HubServer, access: HubAccess, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    model = open_model(REPO, access=access)
    assert model.file(WEIGHTS).read_bytes() == files[WEIGHTS]


def test_a_model_of_the_hub_is_saved_as_a_whole(
    server: HubServer, access: HubAccess, files: dict[str, bytes], tmp_path: Path
) -> None:
    server.add(REPO, files)
    hub.save_model(open_model(REPO, access=access), tmp_path / "copy")
    assert contents(tmp_path / "copy") == files


def test_a_model_without_a_card_gets_one_when_saved(
    server: HubServer, access: HubAccess, files: dict[str, bytes], tmp_path: Path
) -> None:
    del files[CARD]
    server.add(REPO, files)
    hub.save_model(open_model(REPO, access=access), tmp_path / "copy")
    assert "library_name: asianage" in (tmp_path / "copy" / CARD).read_text("utf-8")


# Settings of huggingface_hub


def test_offline_mode_takes_the_cache_and_asks_nobody(
    server: HubServer, access: HubAccess, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add(REPO, files)
    open_model(REPO, access=access)
    server.requests.clear()
    assert open_model(REPO, access=with_changes(access, local_files_only=True)).config.name == "tiny"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    model = open_model(REPO, access=access)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
        model.file(WEIGHTS)
    assert server.requests == []


@pytest.mark.parametrize("setting", ["HF_HUB_OFFLINE", "local_files_only"])
def test_offline_without_a_cached_copy_says_which_setting(
    setting: str, server: HubServer, access: HubAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", setting == "HF_HUB_OFFLINE")
    with pytest.raises(DownloadError, match=setting):
        open_model(REPO, access=with_changes(access, local_files_only=setting == "local_files_only"))
    assert server.requests == []


def test_environment_variables_are_obeyed(server: HubServer, files: dict[str, bytes], tmp_path: Path) -> None:
    server.add(REPO, files)
    server.repositories[REPO].private = True
    code = f"""
        from asianage.models.pretrained import open_model
        print(open_model("{REPO}").path)
        """
    settings = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": server.token}
    online = run_python(code, **settings)
    assert str(tmp_path / "home" / "hub") in online.stdout, online.stderr
    server.requests.clear()
    offline = run_python(code, **settings, HF_HUB_OFFLINE="1")
    assert offline.stdout == online.stdout
    assert server.requests == []


@pytest.mark.parametrize(
    ("kind", "token", "message"),
    [
        ("private", None, "private repository log in with `hf auth login`"),
        ("private", "hf_wrong", r"refuses access \(401\)"),
        ("gated", None, r"is gated: accept its conditions at http://.*/someone/faces"),
    ],
)
def test_repositories_that_are_not_open_say_how_to_get_in(
    kind: str, token: str | None, message: str, server: HubServer, access: HubAccess, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    setattr(server.repositories[REPO], kind, True)
    with pytest.raises(DownloadError, match=message):
        open_model(REPO, access=with_changes(access, token=token))
    assert open_model(REPO, access=with_changes(access, token=server.token)).config.name == "tiny"


# Verification


def test_a_pinned_model_loads_and_another_does_not(
    server: HubServer, access: HubAccess, files: dict[str, bytes], tmp_path: Path
) -> None:
    server.add(REPO, files)
    pin = sha256_of(tmp_path / "source" / CONFIG)
    assert open_model(REPO, sha256=pin.upper(), access=access).config.name == "tiny"
    assert open_model(tmp_path / "source", sha256=pin).config.name == "tiny"
    with pytest.raises(ModelFormatError, match=rf"config\.json has the sha256 {pin}; {'0' * 64} is required"):
        open_model(REPO, sha256="0" * 64, access=access)
    with pytest.raises(ModelFormatError, match="is required"):
        open_model(tmp_path / "source", sha256="0" * 64)


@pytest.mark.parametrize("symlinks", [True, False])
def test_a_damaged_file_of_the_right_size_is_named_kept_and_repaired_on_demand(
    symlinks: bool, server: HubServer, access: HubAccess, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", not symlinks)
    monkeypatch.setattr("huggingface_hub.file_download._are_symlinks_supported_in_dir", {})
    server.add(REPO, files)
    path = open_model(REPO, access=access).file(NETWORK)
    assert path.is_symlink() == symlinks
    damaged = b"X" + files[NETWORK][1:]
    path.write_bytes(damaged)
    with pytest.raises(ModelFormatError, match=r"model\.tflite is damaged.*Nothing was removed.*force_download=True"):
        open_model(REPO, access=access)
    assert path.read_bytes() == damaged
    assert open_model(REPO, force_download=True, access=access).file(NETWORK).read_bytes() == files[NETWORK]
    assert open_model(REPO, access=access).file(NETWORK).read_bytes() == files[NETWORK]


def test_a_damaged_file_that_is_known_by_its_hash_is_fetched_again(server: HubServer, access: HubAccess) -> None:
    server.add("someone/detector", {"faces.onnx": b"detector"})
    file = HubFile("someone/detector", "faces.onnx", hashlib.sha256(b"detector").hexdigest())
    path = fetch(file, access)
    path.write_bytes(b"Detector")
    assert fetch(file, access).read_bytes() == b"detector"
    server.add("someone/other", {"faces.onnx": b"exchanged"})
    with pytest.raises(DownloadError, match=r"gives faces\.onnx of someone/other with the sha256"):
        fetch(dataclasses.replace(file, repo_id="someone/other"), access)


def test_a_file_that_was_exchanged_on_the_hub_is_refused(
    server: HubServer, access: HubAccess, files: dict[str, bytes]
) -> None:
    server.add(REPO, {**files, NETWORK: files[NETWORK][::-1]})
    with pytest.raises(ModelFormatError, match=r"model\.tflite is damaged or altered"):
        open_model(REPO, access=access)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({CONFIG: None}, DownloadError, r"has no file config\.json"),
        ({NETWORK: None}, DownloadError, r"has no file model\.tflite"),
        ({NETWORK: None, "network.tflite": b"x"}, DownloadError, r"has no file model\.tflite"),
        ({CONFIG: b"{"}, ModelFormatError, "not valid JSON"),
        ({CONFIG: b"\xff\xfe"}, ModelFormatError, "not a text file"),
        ({CONFIG: b'{"format_version": 99}'}, ModelFormatError, "pip install --upgrade asianage"),
        ({CONFIG: b'{"model_type": "bert"}'}, ModelFormatError, "format_version"),
        ({CONFIG: b" " * 1_000_001}, DownloadError, "1000000 at most"),
    ],
)
def test_a_repository_that_is_no_whole_model_is_refused(
    change: dict[str, bytes | None],
    error: type[Exception],
    message: str,
    server: HubServer,
    access: HubAccess,
    files: dict[str, bytes],
) -> None:
    changed = {**files, **change}
    server.add(REPO, {name: content for name, content in changed.items() if content is not None})
    with pytest.raises(error, match=message):
        open_model(REPO, access=access)


def test_a_config_that_lists_no_network_is_refused(
    server: HubServer, access: HubAccess, files: dict[str, bytes]
) -> None:
    config = json.loads(files[CONFIG])
    del config["files"][NETWORK]
    server.add(REPO, {**files, CONFIG: json.dumps(config).encode()})
    with pytest.raises(ModelFormatError, match=r"does not list it"):
        open_model(REPO, access=access)


# Bad networks


FAULTS = {
    "silent from the start": (hang, "did not answer within 2 s"),
    "closes the connection": (disconnect, "could not be fetched"),
    "error 500": (lambda: answer(500), "answers with the error 500"),
    "error 503": (lambda: answer(503), "answers with the error 503"),
    "too many requests": (lambda: answer(429, Retry_After="120"), "too many requests. Try again in 120 s"),
    "login page of a hotel": (lambda: answer(200), "does not answer as a Hugging Face Hub does"),
    "silent at the network file": (lambda: hang(when="/files/"), "stood still for 4 s"),
    "silent within the network file": (lambda: truncate(when="/files/", keep=99, then_hang=True), "stood still"),
    "breaks off within the network file": (lambda: truncate(when="/files/", keep=99), "stood still|Consistency"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_hub_in_trouble_is_given_up_soon(
    fault: str, server: HubServer, access: HubAccess, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    make, message = FAULTS[fault]
    server.faults.append(make())
    started = time.perf_counter()
    with pytest.raises(HubUnreachableError, match=message):
        open_model(REPO, access=access)
    assert time.perf_counter() - started < 8
    server.faults.clear()
    server.release()
    assert open_model(REPO, access=with_changes(access, stall_seconds=30)).config.name == "tiny"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_hub_in_trouble_does_not_keep_from_the_cached_copy(
    fault: str, server: HubServer, access: HubAccess, tmp_path: Path
) -> None:
    first = server.add(REPO, contents(make_model(tmp_path / "a", network=b"first").path))
    open_model(REPO, access=access)
    server.add(REPO, contents(make_model(tmp_path / "b", network=b"second" * 50).path))
    make, _ = FAULTS[fault]
    server.faults.append(make())
    with pytest.warns(UserWarning, match=rf"copy of {REPO} in the cache is used, commit {first}"):
        model = open_model(REPO, access=access)
    assert model.file(NETWORK).read_bytes() == b"first"


def test_the_hubs_no_is_not_answered_from_the_cache(
    server: HubServer, access: HubAccess, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    open_model(REPO, access=access)
    del server.repositories[REPO]
    with pytest.raises(DownloadError, match="does not exist"):
        open_model(REPO, access=access)
    assert open_model(REPO, access=with_changes(access, local_files_only=True)).config.name == "tiny"


@pytest.mark.parametrize(("status", "message"), [(401, r"\(401\)"), (403, r"\(403\)"), (404, "has no file")])
def test_bare_refusals_say_what_to_do(status: int, message: str, server: HubServer, access: HubAccess) -> None:
    server.faults.append(answer(status))
    with pytest.raises(DownloadError, match=message) as caught:
        open_model(REPO, access=access)
    assert not isinstance(caught.value, HubUnreachableError)


def test_a_revision_that_is_not_there_is_named(server: HubServer, access: HubAccess, files: dict[str, bytes]) -> None:
    server.add(REPO, files)
    with pytest.raises(DownloadError, match="has no revision 'v9'"):
        open_model(REPO, revision="v9", access=access)


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


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse connections when the backlog is full")
def test_a_hub_that_cannot_be_connected_to_is_given_up_in_two_seconds(access: HubAccess) -> None:
    file = HubFile(repo_id="opencv/face_detection_yunet", filename="face.onnx", sha256="0" * 64)
    with full_backlog() as address:
        started = time.perf_counter()
        with pytest.raises(HubUnreachableError, match=r"no connection within 1\.5 s"):
            fetch(file, with_changes(access, endpoint=address))
        assert time.perf_counter() - started < 2


def test_a_refused_connection_is_reported_at_once(access: HubAccess) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        started = time.perf_counter()
        with pytest.raises(HubUnreachableError, match="cannot be reached"):
            open_model(REPO, access=with_changes(access, endpoint=address))
        assert time.perf_counter() - started < 1


def test_a_proxy_that_is_down_is_named(server: HubServer, access: HubAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(HubUnreachableError, match=r"through the proxy 127\.0\.0\.1:9"):
        open_model(REPO, access=access)
    assert server.requests == []


@pytest.mark.parametrize("endpoint", ["huggingface.co", "file:///etc", "https://"])
def test_an_address_that_is_none_is_refused(endpoint: str, access: HubAccess) -> None:
    with pytest.raises(DownloadError):
        open_model(REPO, access=with_changes(access, endpoint=endpoint))


def test_a_download_that_broke_off_once_is_taken_up_again(
    server: HubServer, access: HubAccess, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    server.faults.append(truncate(when="/files/", keep=1000, times=1))
    model = open_model(REPO, access=with_changes(access, stall_seconds=20))
    assert model.file(NETWORK).read_bytes() == files[NETWORK]


# The disk


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
def test_a_full_disk_is_reported_with_the_folder(server: HubServer, files: dict[str, bytes], tmp_path: Path) -> None:
    server.add(REPO, {**files, NETWORK: bytes(3_000_000), CONFIG: with_hash(files[CONFIG], bytes(3_000_000))})
    result = run_python(
        f"""
        import resource
        from asianage.models.hub_access import HubAccess
        from asianage.models.pretrained import open_model
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        try:
            open_model("{REPO}", access=HubAccess(endpoint="{server.url}", cache_dir="{tmp_path / "cache"}"))
        except Exception as error:
            print(type(error).__name__, error)
        """
    )
    assert "DownloadError" in result.stdout, result.stderr
    assert f"cannot be written to the cache {tmp_path / 'cache'}" in result.stdout
    assert "Make room" in result.stdout
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.stat().st_size > 900_000]


def with_hash(config: bytes, network: bytes) -> bytes:
    import hashlib

    values = json.loads(config)
    values["files"][NETWORK] = hashlib.sha256(network).hexdigest()
    return json.dumps(values).encode()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs users")
def test_a_cache_that_cannot_be_written_is_read(server: HubServer, files: dict[str, bytes], tmp_path: Path) -> None:
    commit = server.add(REPO, files)
    cache = tmp_path / "cache"
    open_model(REPO, access=HubAccess(endpoint=server.url, cache_dir=cache))
    make_readable_only(tmp_path)
    code = f"""
        import os
        from asianage.models.hub_access import HubAccess
        from asianage.models.pretrained import open_model
        # Imports what the client imports late, while it can be read.
        open_model("{REPO}", access=HubAccess(endpoint="{server.url}", cache_dir="{tmp_path / "warm"}"))
        if os.getuid() == 0:  # To whom everything is writable.
            os.setgid(65534)
            os.setuid(65534)
        access = HubAccess(endpoint="{server.url}", cache_dir="{cache}")
        for revision in ("main", "{commit}", "other"):
            try:
                print(revision, open_model("{REPO}", revision=revision, access=access).config.name)
            except Exception as error:
                print(revision, type(error).__name__, error)
        """
    server.add(REPO, {**files, CONFIG: files[CONFIG] + b"\n"}, "other")
    try:
        lines = run_python(code, HF_HUB_DISABLE_IMPLICIT_TOKEN="1").stdout.splitlines()
    finally:
        make_writable(tmp_path)
    assert lines[0] == "main tiny"
    assert lines[1] == f"{commit} tiny"
    assert lines[2].startswith("other DownloadError")
    assert "cache_dir=" in lines[2]


def make_readable_only(folder: Path) -> None:
    for parent in (folder, folder.parent, folder.parent.parent):  # pytest's own, closed to other users.
        parent.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)


def make_writable(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_two_processes_may_fetch_at_once(server: HubServer, files: dict[str, bytes], tmp_path: Path) -> None:
    server.add(REPO, files)
    code = f"""
        from asianage.models.hub_access import HubAccess
        from asianage.models.pretrained import open_model
        model = open_model("{REPO}", access=HubAccess(endpoint="{server.url}", cache_dir="{tmp_path / "cache"}"))
        print(len(model.file("model.tflite").read_bytes()), len(model.file("model.weights.h5").read_bytes()))
        """
    processes = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert outputs == [f"{len(files[NETWORK])} {len(files[WEIGHTS])}"] * 3


def test_a_link_out_of_a_folder_is_refused(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    (tmp_path / "outside").write_bytes((model.path / NETWORK).read_bytes())
    (model.path / NETWORK).unlink()
    (model.path / NETWORK).symlink_to(tmp_path / "outside")
    with pytest.raises(ModelFormatError, match="link that leads out"):
        open_model(model.path)


# Pushing


@pytest.fixture
def push(server: HubServer, access: HubAccess) -> Callable[..., PushedModel]:
    def push(model: ModelFolder, repo_id: str = REPO, **options: object) -> PushedModel:
        return push_model(model, repo_id, access=with_changes(access, token=server.token), **options)

    return push


def test_a_pushed_folder_arrives_exactly_in_one_commit(
    server: HubServer, push: Callable[..., PushedModel], tmp_path: Path, access: HubAccess
) -> None:
    model = make_model(tmp_path / "model")
    pushed = push(model, private=True)
    repository = server.repositories[REPO]
    assert repository.private
    stored = repository.commits[pushed.commit]
    assert {name: stored[name] for name in stored if name != ".gitattributes"} == contents(model.path)
    assert len(repository.commits) == 2  # The Hub's own first commit, and ours.
    pulled = open_model(
        REPO, revision=pushed.commit, sha256=pushed.sha256, access=with_changes(access, token=server.token)
    )
    assert pulled.config == model.config


def test_pushing_again_without_a_change_makes_no_commit(
    server: HubServer, push: Callable[..., PushedModel], tmp_path: Path
) -> None:
    model = make_model(tmp_path / "model")
    assert push(model).commit == push(model).commit
    assert len(server.repositories[REPO].commits) == 2


def test_the_printed_line_loads_what_was_pushed(
    server: HubServer, tiny_estimator: AgeGenderEstimator, capsys: pytest.CaptureFixture[str], access: HubAccess
) -> None:
    commit = tiny_estimator.push_to_hub(REPO, token=server.token, endpoint=server.url)
    line = capsys.readouterr().out.strip()
    assert f'revision="{commit}"' in line
    call = line.replace(")", f', endpoint="{server.url}", cache_dir=r"{access.cache_dir}", detector=None)')
    pulled = eval(call, {"AgeGenderEstimator": AgeGenderEstimator})
    assert pulled.model.config == tiny_estimator.model.config


def test_push_then_pull_gives_identical_predictions(
    server: HubServer, tiny_estimator: AgeGenderEstimator, access: HubAccess, tmp_path: Path
) -> None:
    commit = tiny_estimator.push_to_hub(REPO, token=server.token, endpoint=server.url)
    options = {"endpoint": server.url, "cache_dir": access.cache_dir, "detector": None}
    pulled = AgeGenderEstimator.from_pretrained(f"{REPO}@{commit}", **options)
    crops = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    assert [face.to_dict() for face in pulled.predict_crops(crops)] == [
        face.to_dict() for face in tiny_estimator.predict_crops(crops)
    ]
    pulled.save_pretrained(tmp_path / "saved")
    saved = AgeGenderEstimator.from_pretrained(tmp_path / "saved", detector=None)
    assert saved.model.file(WEIGHTS).read_bytes() == tiny_estimator.model.file(WEIGHTS).read_bytes()


def test_large_files_are_pushed_through_xet_where_the_client_has_it(
    server: HubServer, tmp_path: Path, access: HubAccess
) -> None:
    pytest.importorskip("hf_xet")
    noise = np.random.default_rng(0).normal(size=60_000).astype(np.float32).tobytes()
    model = make_model(tmp_path / "model", network=noise)
    result = run_python(
        f"""
        from asianage.models.hub_access import HubAccess
        from asianage.models.publish import push_model
        from asianage.models.folder import open_model_folder
        access = HubAccess(endpoint="{server.url}", token="{server.token}")
        print(push_model(open_model_folder("{model.path}"), "{REPO}", access=access).commit)
        """,
        HF_HUB_DISABLE_XET="0",
        HF_HOME=str(tmp_path / "home"),
    )
    commit = result.stdout.strip()
    assert commit in server.repositories[REPO].commits, result.stderr
    assert any(path.startswith("/v1/xorbs/") for path in server.asked("POST"))
    assert not any("objects/batch" in path for path in server.asked())
    assert open_model(REPO, revision=commit, access=access).file(NETWORK).read_bytes() == noise


def test_a_card_edited_on_the_hub_is_kept_unless_told_otherwise(
    server: HubServer, push: Callable[..., PushedModel], tmp_path: Path
) -> None:
    push(make_model(tmp_path / "model"))
    files = server.repositories[REPO].commits[server.repositories[REPO].refs["main"]]
    server.add(REPO, {**files, CARD: b"---\nlicense: mit\n---\nMy own words.\n"})
    newer = make_model(tmp_path / "newer", network=b"newer")
    kept = server.repositories[REPO].commits[push(newer).commit]
    assert kept[CARD].endswith(b"My own words.\n")
    assert kept[NETWORK] == b"newer"
    replaced = server.repositories[REPO].commits[push(newer, overwrite_card=True).commit]
    assert replaced[CARD] == contents(newer.path)[CARD]


def test_a_card_that_nobody_edited_is_renewed_with_the_repositorys_name(
    server: HubServer, push: Callable[..., PushedModel], tmp_path: Path
) -> None:
    model = make_model(tmp_path / "model")
    (model.path / CARD).write_text(model_card(model.config, {}), "utf-8")
    first = server.repositories
    push(model)
    newer = make_model(tmp_path / "newer", network=b"newer", name="second")
    (newer.path / CARD).write_text(model_card(newer.config, {}), "utf-8")
    card = first[REPO].commits[push(newer).commit][CARD].decode()
    assert f'from_pretrained("{REPO}")' in card
    assert "# second" in card


def test_a_branch_and_a_pull_request_leave_main_alone(
    server: HubServer, push: Callable[..., PushedModel], tmp_path: Path, access: HubAccess
) -> None:
    push(make_model(tmp_path / "model"))
    repository = server.repositories[REPO]
    main = repository.refs["main"]
    on_branch = push(make_model(tmp_path / "b", network=b"branch"), revision="next")
    request = push(make_model(tmp_path / "c", network=b"request"), create_pr=True)
    assert repository.refs["main"] == main
    assert repository.refs["next"] == on_branch.commit
    assert repository.refs["refs/pr/1"] == request.commit
    assert request.pull_request == f"{server.url}/{REPO}/discussions/1"
    assert open_model(f"{REPO}@refs/pr/1", access=access).file(NETWORK).read_bytes() == b"request"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repo_id": "name"}, "owner/name"),
        ({"repo_id": "a/b@c"}, "owner/name"),
        ({"revision": "x", "create_pr": True}, "main"),
    ],
)
def test_pushes_that_cannot_be_meant_are_refused(
    options: dict, message: str, push: Callable[..., PushedModel], tmp_path: Path, server: HubServer
) -> None:
    with pytest.raises(ValueError, match=message):
        push(make_model(tmp_path / "model"), **options)
    assert server.requests == []


@pytest.mark.parametrize("token", [None, "hf_wrong"])
def test_a_push_without_permission_says_so(
    token: str | None, server: HubServer, access: HubAccess, tmp_path: Path
) -> None:
    with pytest.raises(UploadError, match=r"refuses access \(401\).*Log in with `hf auth login`"):
        push_model(make_model(tmp_path / "model"), REPO, access=with_changes(access, token=token))
    assert server.repositories == {}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda: disconnect(when="/upload/", method="PUT"), "did not take the upload within 3 s"),
        (lambda: disconnect(when="/commit/"), "could not be uploaded"),
        (lambda: hang(when="/commit/"), "did not take the upload within 3 s"),
        (lambda: hang(when="/preupload/"), "did not take the upload within 3 s"),
        (lambda: answer(500, when="/commit/"), "error 500"),
        (lambda: answer(403, when="/commit/"), r"refuses access \(403\)"),
    ],
)
def test_an_interrupted_push_leaves_the_repository_as_it_was(
    fault: Callable, message: str, server: HubServer, push: Callable[..., PushedModel], tmp_path: Path
) -> None:
    before = push(make_model(tmp_path / "model"))
    server.faults.append(fault())
    newer = make_model(tmp_path / "newer", network=b"newer" * 99)
    started = time.perf_counter()
    with pytest.raises(UploadError, match=f"{message}.*as they were"):
        push(newer, upload_seconds=3.0)
    assert time.perf_counter() - started < 6
    assert server.repositories[REPO].refs["main"] == before.commit
    server.faults.clear()
    assert server.repositories[REPO].commits[push(newer).commit][NETWORK] == b"newer" * 99


def test_a_damaged_model_is_not_pushed(push: Callable[..., PushedModel], tmp_path: Path, server: HubServer) -> None:
    model = make_model(tmp_path / "model")
    (model.path / NETWORK).write_bytes(b"other")
    with pytest.raises(ModelFormatError, match="damaged or altered"):
        push(model)
    assert server.requests == []


def test_nothing_is_pushed_offline(
    push: Callable[..., PushedModel], tmp_path: Path, server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UploadError, match="HF_HUB_OFFLINE"):
        push(make_model(tmp_path / "model"))
    assert server.requests == []


def test_a_model_of_the_hub_can_be_pushed_on(
    server: HubServer, push: Callable[..., PushedModel], access: HubAccess, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    pushed = push(open_model(REPO, access=access), "other/copy")
    assert server.repositories["other/copy"].commits[pushed.commit][WEIGHTS] == files[WEIGHTS]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A model with random weights that really runs."""
    pytest.importorskip("tensorflow")
    from asianage.networks.residual import residual_network
    from asianage.training.export.litert import to_tflite

    folder = tmp_path_factory.mktemp("tiny")
    network = residual_network(image_size=32, widths=(4,), blocks=(0,))
    network.save_weights(folder / WEIGHTS)
    config = ModelConfig(
        name="tiny", architecture="residual", image_size=32, network={"widths": [4], "blocks": [0], "dropout": 0.2}
    )
    files = {NETWORK: to_tflite(network), WEIGHTS: folder / WEIGHTS}
    return write_model_folder(folder / "model", config, files, card=model_card(config, {}))


@pytest.fixture
def tiny_estimator(tiny_model: ModelFolder) -> AgeGenderEstimator:
    return AgeGenderEstimator(tiny_model, detector=None)
