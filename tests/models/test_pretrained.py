"""Names, folders and Hub ids: the real client against a server on the loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from asianage.errors import DownloadError, ModelFormatError
from asianage.models import folder as model_folder
from asianage.models import hub
from asianage.models.folder import CARD, CONFIG, NETWORK, WEIGHTS, ModelFolder
from asianage.models.hub import HubAccess, sha256_of
from asianage.models.hub_errors import HubUnreachableError
from asianage.models.pretrained import open_detector, open_model, save_model
from tests.models.conftest import REPO, contents, make_detector, make_model
from tests.models.hub_server import HubServer, answer, disconnect, hang, truncate

Load = Callable[..., ModelFolder]


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


def test_a_folder_comes_before_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: HubServer, load: Load, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    make_model(tmp_path / REPO, name="local")
    monkeypatch.chdir(tmp_path)
    assert load().config.name == "local"
    assert server.requests == []
    assert load(f"{REPO}@main").config.name == "tiny"


def test_a_bundled_name_comes_before_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_model(tmp_path / "bundled" / "compact", name="bundled")
    make_model(tmp_path / "compact", name="local")
    monkeypatch.setattr(model_folder, "BUNDLED", tmp_path / "bundled")
    monkeypatch.chdir(tmp_path)
    assert open_model("compact").config.name == "bundled"
    assert open_model("./compact").config.name == "local"
    assert open_model(Path("compact")).config.name == "local"


def test_a_detector_is_opened_by_its_own_function(tmp_path: Path) -> None:
    assert open_detector("detector").path == model_folder.BUNDLED / model_folder.BUNDLED_DETECTOR
    written = make_detector(tmp_path / "detector")
    for name in (tmp_path / "detector", str(tmp_path / "detector")):
        assert open_detector(name) == written
        with pytest.raises(ModelFormatError, match="Pass the detector as `detector=`"):
            open_model(name)
    with pytest.raises(ModelFormatError, match="the estimator as `model`"):
        open_detector("compact")


def test_a_detector_comes_from_the_hub(server: HubServer, access: HubAccess, load: Load, tmp_path: Path) -> None:
    commit = server.add(REPO, contents(make_detector(tmp_path / "detector").path))
    detector = open_detector(f"{REPO}@{commit}", access)
    assert detector.config.score_threshold == 0.6
    detector.verify()
    with pytest.raises(ModelFormatError, match="is a face detector"):
        load()
    saved = save_model(detector, tmp_path / "copy")
    assert saved.config == detector.config
    assert "# mine" in (tmp_path / "copy" / CARD).read_text("utf-8")


@pytest.mark.parametrize("name", ["Compact", "COMPACT"])
def test_the_case_of_a_bundled_name_does_not_matter(name: str) -> None:
    assert open_model(name).config.name == "compact"


@pytest.mark.parametrize("kind", [str, Path])
def test_the_home_folder_is_expanded(kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    make_model(tmp_path / "models" / "mine", name="mine")
    assert open_model(kind("~/models/mine")).config.name == "mine"


def test_the_folder_of_a_run_names_the_model_in_it(tmp_path: Path) -> None:
    make_model(tmp_path / "run" / "model")
    with pytest.raises(ModelFormatError, match=r"is the folder of a run. Its model is .*model\."):
        open_model(tmp_path / "run")


def test_a_name_with_two_readings_gets_both_in_the_error(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DownloadError, match=r"does not exist, or is private.*no folder 'models/mine'"):
        load("models/mine")
    (tmp_path / "models" / "mine").mkdir(parents=True)
    with pytest.raises(ModelFormatError, match=r"no config\.json.*'models/mine@main' for the Hub"):
        load("models/mine")


def test_a_misspelled_bundled_name_is_recognized() -> None:
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'compact'"):
        open_model("Compcat")


@pytest.mark.parametrize(
    "name",
    ["./owner/name", "../x", "/nowhere/model", "~/nowhere-at-all", "a\\b", Path("owner/name"), "a/b/c", "x" * 5000],
)
def test_a_path_is_never_looked_for_on_the_hub(name: str | Path, server: HubServer, load: Load) -> None:
    with pytest.raises(FileNotFoundError):
        load(name)
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
def test_an_impossible_revision_is_refused(revision: str, load: Load, server: HubServer) -> None:
    with pytest.raises(ValueError, match="`revision` must be"):
        load(revision=revision)
    assert server.requests == []


def test_two_different_revisions_are_refused(load: Load) -> None:
    with pytest.raises(ValueError, match="Two revisions"):
        load(f"{REPO}@one", revision="two")


# Fetching


def test_a_model_is_fetched_as_a_whole_and_nothing_else(
    server: HubServer, load: Load, files: dict[str, bytes], access: HubAccess
) -> None:
    commit = server.add(REPO, {**files, "huge.safetensors": b"x" * 10_000})
    model = load()
    assert model.path == access.repository(REPO) / "snapshots" / commit
    assert contents(model.path) == files
    assert model.read(NETWORK) == files[NETWORK]
    assert not any("huge" in path for path in server.asked())


def test_a_branch_costs_one_request_when_it_is_cached(server: HubServer, load: Load, files: dict[str, bytes]) -> None:
    server.add(REPO, files)
    load()
    server.requests.clear()
    load()
    assert len(server.requests) == 1


def test_a_cached_commit_needs_no_network(server: HubServer, load: Load, files: dict[str, bytes]) -> None:
    commit = server.add(REPO, files)
    load(revision=commit)
    server.requests.clear()
    started = time.perf_counter()
    assert load(f"{REPO}@{commit}").config.name == "tiny"
    assert time.perf_counter() - started < 0.5
    assert server.requests == []


def test_a_branch_that_moved_on_is_followed(server: HubServer, load: Load, tmp_path: Path) -> None:
    first = server.add(REPO, contents(make_model(tmp_path / "a", network=b"first").path))
    load()
    server.add(REPO, contents(make_model(tmp_path / "b", network=b"second").path))
    assert load().read(NETWORK) == b"second"
    assert load(revision=first).read(NETWORK) == b"first"


def test_branches_with_slashes_and_pull_requests_are_found(
    server: HubServer, load: Load, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    for branch in ("feature/small", "refs/pr/1", "v1.0"):
        commit = server.add(REPO, {**files, "note": branch.encode()}, branch)
        assert load(f"{REPO}@{branch}").path.name == commit
        assert load(revision=branch, local_files_only=True).path.name == commit


def test_large_files_come_from_storage_without_the_token(
    server: HubServer, load: Load, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    server.repositories[REPO].private = True
    load(token=server.token)
    storage = [request for request in server.requests if request.host == "_StorageHandler"]
    assert storage
    assert {request.token for request in storage} == {None}
    assert {request.token for request in server.requests if request not in storage} == {server.token}


def test_a_renamed_repository_is_followed(server: HubServer, load: Load, files: dict[str, bytes]) -> None:
    server.add("someone/newer", files)
    server.renamed[REPO] = "someone/newer"
    assert load().config.name == "tiny"


# Saving


def test_a_save_is_the_same_model(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    copy = save_model(model, tmp_path / "copy")
    assert copy.config == model.config
    assert contents(tmp_path / "copy") == contents(tmp_path / "model")


def test_a_card_that_is_no_text_is_saved_as_text(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    (model.path / CARD).write_bytes(b"caf\xe9")
    assert (save_model(model, tmp_path / "one").path / CARD).read_text("utf-8") == "caf\ufffd"


def test_saving_the_same_model_again_leaves_it(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    save_model(model, tmp_path / "copy")
    (tmp_path / "copy" / CARD).write_text("edited")
    assert save_model(model, tmp_path / "copy").config == model.config
    assert (tmp_path / "copy" / CARD).read_text() == "edited"
    assert save_model(model, model.path).config == model.config


def test_saving_onto_a_damaged_save_says_so(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    copy = save_model(model, tmp_path / "copy")
    (copy.path / NETWORK).write_bytes(b"nonsense")
    with pytest.raises(ModelFormatError, match="damaged"):
        save_model(model, copy.path)
    save_model(model, copy.path, overwrite=True)
    assert open_model(copy.path).read(NETWORK) == model.read(NETWORK)


def test_saving_onto_another_model_must_be_told(tmp_path: Path) -> None:
    model, other = make_model(tmp_path / "model"), make_model(tmp_path / "other", name="other")
    with pytest.raises(FileExistsError):
        save_model(model, other.path)
    save_model(model, other.path, overwrite=True)
    assert open_model(other.path).config.name == "tiny"


def test_a_model_can_be_saved_onto_itself(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    before = contents(model.path)
    save_model(model, model.path, overwrite=True)
    assert contents(model.path) == before


def test_a_damaged_model_is_not_saved(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    (model.path / WEIGHTS).write_bytes(b"weight")
    with pytest.raises(ModelFormatError, match=WEIGHTS):
        save_model(model, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_model_of_the_hub_is_saved_as_a_whole(
    server: HubServer, load: Load, files: dict[str, bytes], tmp_path: Path
) -> None:
    server.add(REPO, files)
    save_model(load(), tmp_path / "copy")
    assert contents(tmp_path / "copy") == files


def test_a_model_without_a_card_gets_one_when_saved(
    server: HubServer, load: Load, files: dict[str, bytes], tmp_path: Path
) -> None:
    del files[CARD]
    server.add(REPO, files)
    save_model(load(), tmp_path / "copy")
    assert "library_name: asianage" in (tmp_path / "copy" / CARD).read_text("utf-8")


# Settings of huggingface_hub


@pytest.mark.parametrize("setting", ["HF_HUB_OFFLINE", "local_files_only"])
def test_offline_only_the_cache_is_used(
    setting: str, server: HubServer, load: Load, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add(REPO, files)
    model = load()
    server.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", setting == "HF_HUB_OFFLINE")
    options = {"local_files_only": setting == "local_files_only"}
    assert load(**options).path == model.path
    with pytest.raises(DownloadError, match=f"not in the cache.*{setting}"):
        load(revision="other", **options)
    (model.path / WEIGHTS).unlink()
    with pytest.raises(ModelFormatError, match=rf"weights\.h5 is missing.*can be fetched without {setting}"):
        load(**options)
    assert server.requests == []


def test_environment_variables_are_obeyed(server: HubServer, files: dict[str, bytes], tmp_path: Path) -> None:
    server.add(REPO, files)
    server.repositories[REPO].private = True
    code = f"""
        from asianage.models.hub import ANSWER_SECONDS
        from asianage.models.pretrained import open_model
        print(open_model("{REPO}").path, ANSWER_SECONDS)
        """
    settings = {
        "HF_HUB_ETAG_TIMEOUT": "33",
        "HF_ENDPOINT": server.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": server.token,
    }
    online = run_python(code, **settings)
    assert online.stdout.startswith(str(tmp_path / "home" / "hub")), online.stderr
    assert online.stdout.endswith(" 33.0\n")


@pytest.mark.parametrize(
    ("kind", "token", "message"),
    [
        ("private", None, "private repository log in with `hf auth login`"),
        ("private", "hf_wrong", r"refuses access \(401\)"),
        ("gated", None, r"http://.*/someone/faces is gated: accept its conditions"),
    ],
)
def test_a_closed_repository_says_how_to_get_in(
    kind: str, token: str | None, message: str, server: HubServer, load: Load, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    setattr(server.repositories[REPO], kind, True)
    with pytest.raises(DownloadError, match=message) as caught:
        load(token=token)
    assert not isinstance(caught.value, HubUnreachableError)
    assert token is None or token not in str(caught.value)
    assert load(token=server.token).config.name == "tiny"


# Verification


def test_a_pinned_model_loads_and_another_does_not(
    server: HubServer, load: Load, files: dict[str, bytes], tmp_path: Path
) -> None:
    server.add(REPO, files)
    pin = sha256_of(tmp_path / "source" / CONFIG)
    assert load(sha256=pin.upper()).config.name == "tiny"
    assert open_model(tmp_path / "source", sha256=pin).config.name == "tiny"
    for name in (REPO, tmp_path / "source"):
        with pytest.raises(ModelFormatError, match=rf"config\.json must have the sha256 {'0' * 64}. Received: {pin}"):
            load(name, sha256="0" * 64)


@pytest.mark.parametrize("symlinks", [True, False])
def test_a_damaged_file_of_the_right_size_is_fetched_again(
    symlinks: bool, server: HubServer, load: Load, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", not symlinks)
    monkeypatch.setattr("huggingface_hub.file_download._are_symlinks_supported_in_dir", {}, raising=False)
    commit = server.add(REPO, files)
    path = load().path / NETWORK
    assert path.is_symlink() == symlinks
    for revision in ("main", commit):
        path.write_bytes(b"X" + files[NETWORK][1:])
        with pytest.raises(ModelFormatError, match=r"model\.tflite is damaged"):
            load(revision=revision, local_files_only=True)
        assert load(revision=revision).read(NETWORK) == files[NETWORK]


def test_files_can_be_fetched_again(server: HubServer, load: Load, files: dict[str, bytes]) -> None:
    server.add(REPO, files)
    load()
    server.requests.clear()
    assert load(force_download=True).config.name == "tiny"
    assert any(NETWORK in path for path in server.asked("GET"))


def test_a_file_that_was_exchanged_on_the_hub_is_refused(
    server: HubServer, load: Load, files: dict[str, bytes]
) -> None:
    server.add(REPO, {**files, NETWORK: files[NETWORK][::-1]})
    with pytest.raises(ModelFormatError, match=rf"model\.tflite is damaged or altered.*come from .*/{REPO}"):
        load()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({CONFIG: None}, DownloadError, r"has no file config\.json"),
        ({NETWORK: None}, ModelFormatError, r"model\.tflite is missing"),
        ({CONFIG: b"{"}, ModelFormatError, "not valid JSON"),
        ({CONFIG: b"\xff\xfe"}, ModelFormatError, "not a text file"),
        ({CONFIG: b'{"format_version": 99}'}, ModelFormatError, "pip install --upgrade asianage"),
        ({CONFIG: b'{"model_type": "bert"}'}, ModelFormatError, "format_version"),
        ({CONFIG: b" " * 1_000_001}, ModelFormatError, "larger than 1000000 bytes"),
    ],
)
def test_a_repository_that_is_no_whole_model_is_refused(
    change: dict[str, bytes | None],
    error: type[Exception],
    message: str,
    server: HubServer,
    load: Load,
    files: dict[str, bytes],
) -> None:
    changed = {**files, **change}
    server.add(REPO, {name: content for name, content in changed.items() if content is not None})
    with pytest.raises(error, match=message):
        load()
    if CONFIG in change:
        assert not any(NETWORK in path for path in server.asked())


# Bad networks


FAULTS = {
    "silent from the start": (hang, "cannot be reached"),
    "closes the connection": (disconnect, "cannot be reached"),
    "error 503": (lambda: answer(503), "answers with the error 503"),
    "too many requests": (lambda: answer(429, Retry_After="120"), "too many requests. Try again in 120 s"),
    "login page of a hotel": (lambda: answer(200), "does not answer as a Hugging Face Hub does"),
    "silent at the list of files": (lambda: hang(when="/tree/"), "nothing arrived within 0.5 s"),
    "silent at the network file": (lambda: hang(when="/files/"), "nothing arrived within 0.5 s"),
    "silent within the network file": (lambda: truncate(when="/files/", keep=99, then_hang=True), "nothing arrived"),
    "breaks off within the network file": (lambda: truncate(when="/files/", keep=99), "nothing arrived|Consistency"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_hub_in_trouble_is_given_up_soon_for_the_cached_copy_or_an_error(
    fault: str,
    server: HubServer,
    load: Load,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    first = server.add(REPO, contents(make_model(tmp_path / "a", network=b"first").path))
    load()
    second = server.add(REPO, contents(make_model(tmp_path / "b", network=b"second" * 50).path))
    make, message = FAULTS[fault]
    server.faults.append(make())
    request.getfixturevalue("little_patience")
    started = time.perf_counter()
    with pytest.warns(UserWarning, match=rf"copy of {REPO} in the cache is used, commit {first}"):
        model = load()
    assert model.read(NETWORK) == b"first"
    with pytest.raises(HubUnreachableError, match=message):
        load(revision=second)
    assert time.perf_counter() - started < 4
    assert load(local_files_only=True).read(NETWORK) == b"first"
    server.faults.clear()
    server.release()
    monkeypatch.setattr(hub, "STALL_SECONDS", 30.0)
    assert load().read(NETWORK) == b"second" * 50


def test_a_refusal_of_the_hub_is_not_answered_from_the_cache(
    server: HubServer, load: Load, files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    load()
    del server.repositories[REPO]
    with pytest.raises(DownloadError, match="does not exist"):
        load()
    assert load(local_files_only=True).config.name == "tiny"


def test_a_revision_that_does_not_exist_is_named(server: HubServer, load: Load, files: dict[str, bytes]) -> None:
    server.add(REPO, files)
    with pytest.raises(DownloadError, match="has no revision 'v9'"):
        load(revision="v9")


def test_a_download_that_broke_off_once_is_taken_up_again(
    server: HubServer, load: Load, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "STALL_SECONDS", 20.0)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    server.add(REPO, files)
    server.faults.append(truncate(when="/files/", keep=1000, times=1))
    assert load().read(NETWORK) == files[NETWORK]


# The disk


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
def test_a_full_disk_is_reported_with_the_folder(server: HubServer, tmp_path: Path) -> None:
    server.add(REPO, contents(make_model(tmp_path / "model", network=bytes(3_000_000)).path))
    result = run_python(
        f"""
        import resource
        from asianage.models.pretrained import open_model
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        try:
            open_model("{REPO}", endpoint="{server.url}", cache_dir="{tmp_path / "cache"}")
        except Exception as error:
            print(type(error).__name__, error)
        """
    )
    assert "DownloadError" in result.stdout, result.stderr
    assert f"Make room, or choose another cache than {tmp_path / 'cache'}" in result.stdout
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.stat().st_size > 900_000]


@pytest.mark.skipif(
    not hasattr(os, "getuid") or (os.getuid() == 0 and sys.platform != "linux"),
    reason="needs a user to whom not everything is writable",
)
def test_a_cache_that_cannot_be_written_is_read(
    server: HubServer, load: Load, files: dict[str, bytes], tmp_path: Path
) -> None:
    commit = server.add(REPO, files)
    load()
    server.add(REPO, {**files, CONFIG: files[CONFIG] + b"\n"}, "other")
    code = f"""
        import ctypes, os
        from asianage.models.pretrained import open_model
        # To root everything is writable. Without its capabilities it is an owner like any other, who unlike another
        # user can still read the folder of the checkout.
        if os.getuid() == 0 and ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()):
            raise OSError("the capabilities of root could not be given up")
        for revision in ("main", "{commit}", "other"):
            try:
                place = {{"endpoint": "{server.url}", "cache_dir": "{tmp_path / "cache"}"}}
                print(revision, open_model("{REPO}", revision=revision, **place).config.name)
            except Exception as error:
                print(revision, type(error).__name__, error)
        """
    make_readable_only(tmp_path)
    try:
        result = run_python(code, HF_HUB_DISABLE_IMPLICIT_TOKEN="1")
    finally:
        make_writable(tmp_path)
    lines = result.stdout.splitlines()
    assert lines[:2] == ["main tiny", f"{commit} tiny"], result.stderr
    assert lines[2].startswith("other DownloadError")
    assert "cache_dir=" in lines[2]


def make_readable_only(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)


def make_writable(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_several_processes_may_fetch_at_once(server: HubServer, files: dict[str, bytes], tmp_path: Path) -> None:
    server.add(REPO, files)
    code = f"""
        from asianage.models.pretrained import open_model
        open_model("{REPO}", endpoint="{server.url}", cache_dir="{tmp_path / "cache"}").verify()
        print("whole")
        """
    arguments = [sys.executable, "-c", textwrap.dedent(code)]
    processes = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == ["whole"] * 2


def test_a_link_out_of_a_folder_is_refused(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    (tmp_path / "outside").write_bytes(model.read(NETWORK))
    (model.path / NETWORK).unlink()
    (model.path / NETWORK).symlink_to(tmp_path / "outside")
    with pytest.raises(ModelFormatError, match="link that leads out"):
        open_model(model.path).read(NETWORK)


def test_a_config_that_lists_no_network_is_noticed(server: HubServer, load: Load, files: dict[str, bytes]) -> None:
    config = json.loads(files[CONFIG])
    del config["files"][NETWORK]
    server.add(REPO, {**files, CONFIG: json.dumps(config).encode()})
    with pytest.raises(ModelFormatError, match=r"does not list it"):
        load().read(NETWORK)


def test_an_address_is_refused_without_its_password() -> None:
    with pytest.raises(FileNotFoundError, match=r"Received an address\. Write 'owner/name'") as caught:
        open_model("https://user:secret@hub.example/owner/name")
    assert "secret" not in str(caught.value)
