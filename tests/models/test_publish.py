"""Pushing models to a server on the loopback with the real client."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from asianage.errors import ModelFormatError, UploadError
from asianage.models import folder as model_folder
from asianage.models import publish
from asianage.models.card import model_card
from asianage.models.folder import CARD, DETECTOR_NETWORK, NETWORK, WEIGHTS, AnyModel, ModelFolder
from asianage.models.hub import HubAccess
from asianage.models.pretrained import open_detector, open_model
from asianage.models.publish import PushedModel, push_bundled, push_model
from asianage.prediction.estimator import AgeGenderEstimator
from tests.models.conftest import REPO, contents, make_detector, make_model
from tests.models.hub_server import HubServer, answer, disconnect, hang

Push = Callable[..., PushedModel]

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # The client's, of its HTTP library.


@pytest.fixture
def push(server: HubServer) -> Push:
    def push(model: AnyModel, repo_id: str = REPO, **options: object) -> PushedModel:
        return push_model(model, repo_id, **{"token": server.token, "endpoint": server.url, **options})

    return push


def test_a_pushed_folder_arrives_exactly_in_one_commit(
    server: HubServer, push: Push, load: Callable[..., ModelFolder], tmp_path: Path
) -> None:
    model = make_model(tmp_path / "model")
    pushed = push(model, private=True)
    repository = server.repositories[REPO]
    assert repository.private
    stored = repository.commits[pushed.commit]
    assert {name: stored[name] for name in stored if name != ".gitattributes"} == contents(model.path)
    assert len(repository.commits) == 2  # The Hub's own first commit, and ours.
    assert (pushed.repo_id, pushed.pull_request) == (REPO, None)
    assert pushed.url == f"{server.url}/{REPO}/commit/{pushed.commit}"
    pulled = load(revision=pushed.commit, sha256=pushed.sha256, token=server.token)
    assert pulled.config == model.config


def test_pushing_again_without_a_change_makes_no_commit(server: HubServer, push: Push, tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    assert push(model).commit == push(model).commit
    assert len(server.repositories[REPO].commits) == 2


def test_the_line_loads_what_was_pushed(server: HubServer, push: Push, tmp_path: Path) -> None:
    model = open_model("compact")
    line = push(model).line
    call = line.replace(")", f', endpoint="{server.url}", cache_dir=r"{tmp_path / "cache"}", detector=None)')
    pulled = eval(call, {"AgeGenderEstimator": AgeGenderEstimator})
    assert pulled.model.config == model.config
    assert pulled.model.read(NETWORK) == model.read(NETWORK)
    card = server.repositories[REPO].commits[server.repositories[REPO].refs["main"]][CARD].decode()
    assert f'from_pretrained("{REPO}")' in card


def test_a_detector_is_pushed_too_and_its_line_names_it_as_one(server: HubServer, push: Push, tmp_path: Path) -> None:
    detector = open_detector("detector")
    pushed = push(detector)
    assert pushed.line == f'AgeGenderEstimator(detector="{REPO}@{pushed.commit}")'
    stored = server.repositories[REPO].commits[pushed.commit]
    assert stored[DETECTOR_NETWORK] == detector.read(DETECTOR_NETWORK)
    assert f'detector="{REPO}"' in stored[CARD].decode()
    call = pushed.line.replace(")", f', endpoint="{server.url}", cache_dir=r"{tmp_path / "cache"}")')
    estimator = eval(call, {"AgeGenderEstimator": AgeGenderEstimator})
    assert estimator.detect(np.zeros((64, 64, 3), np.uint8)) == []


def test_a_card_edited_on_the_hub_is_kept_unless_told_otherwise(server: HubServer, push: Push, tmp_path: Path) -> None:
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
    server: HubServer, push: Push, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        model = make_model(tmp_path / name, network=name.encode(), name=name)
        (model.path / CARD).write_text(model_card(model.config, {}), "utf-8")
        commit = push(model).commit
        card = server.repositories[REPO].commits[commit][CARD].decode()
        assert f'from_pretrained("{REPO}")' in card
        assert f"# {name}" in card


def test_a_branch_and_a_pull_request_leave_main_alone(
    server: HubServer, push: Push, load: Callable[..., ModelFolder], tmp_path: Path
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
    assert load(f"{REPO}@refs/pr/1").read(NETWORK) == b"request"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repo_id": "name"}, "owner/name"),
        ({"repo_id": "a/b@c"}, "owner/name"),
        ({"revision": "x", "create_pr": True}, "main"),
        ({"revision": "a..b"}, "`revision` must be"),
    ],
)
def test_impossible_pushes_are_refused(
    options: dict, message: str, push: Push, tmp_path: Path, server: HubServer
) -> None:
    with pytest.raises(ValueError, match=message):
        push(make_model(tmp_path / "model"), **options)
    assert server.requests == []


@pytest.mark.parametrize("token", [None, "hf_wrong"])
def test_a_push_without_permission_says_so(token: str | None, server: HubServer, push: Push, tmp_path: Path) -> None:
    with pytest.raises(UploadError, match=r"refuses access \(401\).*log in with `hf auth login`") as caught:
        push(make_model(tmp_path / "model"), token=token)
    assert "hf_wrong" not in str(caught.value)
    assert server.repositories == {}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda: disconnect(when="/commit/"), "cannot be reached"),
        (lambda: hang(when="/commit/"), "nothing arrived within 1 s"),
        (lambda: hang(when="/preupload/"), "nothing arrived within 1 s"),
        (lambda: answer(500, when="/commit/"), "error 500"),
        (lambda: answer(403, when="/commit/"), r"refuses access \(403\)"),
    ],
)
def test_an_interrupted_push_leaves_the_repository_as_it_was(
    fault: Callable, message: str, server: HubServer, push: Push, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = push(make_model(tmp_path / "model"))
    server.faults.append(fault())
    newer = make_model(tmp_path / "newer", network=b"newer" * 99)
    started = time.perf_counter()
    monkeypatch.setattr(publish, "UPLOAD_SECONDS", 1.0)
    with pytest.raises(UploadError, match=f"{message}.*as they were"):
        push(newer)
    assert time.perf_counter() - started < 4
    assert server.repositories[REPO].refs["main"] == before.commit
    server.faults.clear()
    monkeypatch.setattr(publish, "UPLOAD_SECONDS", 60.0)
    assert server.repositories[REPO].commits[push(newer).commit][NETWORK] == b"newer" * 99


def test_a_damaged_model_is_not_pushed(push: Push, tmp_path: Path, server: HubServer) -> None:
    model = make_model(tmp_path / "model")
    (model.path / NETWORK).write_bytes(b"other")
    with pytest.raises(ModelFormatError, match="damaged or altered"):
        push(model)
    assert server.requests == []


def test_nothing_is_pushed_offline(
    push: Push, tmp_path: Path, server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UploadError, match="HF_HUB_OFFLINE"):
        push(make_model(tmp_path / "model"))
    assert server.requests == []


def test_a_model_of_the_hub_can_be_pushed_on(
    server: HubServer, push: Push, load: Callable[..., ModelFolder], files: dict[str, bytes]
) -> None:
    server.add(REPO, files)
    pushed = push(load(), "other/copy")
    assert server.repositories["other/copy"].commits[pushed.commit][WEIGHTS] == files[WEIGHTS]


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with two small models and a small detector."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    for name in ("small", "large"):
        make_model(folder / name, name=name, network=name.encode())
    make_detector(folder / "detector")
    monkeypatch.setattr(model_folder, "BUNDLED", folder)
    return folder


def test_everything_in_the_package_is_published_with_its_card(
    server: HubServer, bundled: Path, load: Callable[..., ModelFolder], access: HubAccess
) -> None:
    pushed = list(push_bundled("me", token=server.token, endpoint=server.url))
    assert [model.repo_id for model in pushed] == ["me/asianage-large", "me/asianage-small", "me/asianage-detector"]
    assert set(server.repositories) == {model.repo_id for model in pushed}
    for model, name in zip(pushed, ("large", "small"), strict=False):
        assert load(model.repo_id, revision=model.commit, sha256=model.sha256).read(NETWORK) == name.encode()
    detector = open_detector(f"me/asianage-detector@{pushed[2].commit}", access)
    assert detector.read(DETECTOR_NETWORK) == (bundled / "detector" / DETECTOR_NETWORK).read_bytes()
    card = server.repositories["me/asianage-detector"].commits[pushed[2].commit][CARD].decode()
    assert 'detector="me/asianage-detector"' in card


def test_a_repeated_publication_goes_on_where_the_last_one_failed(server: HubServer, bundled: Path) -> None:
    server.faults.append(answer(500, when="/me/asianage-small/commit/"))
    first = push_bundled("me", token=server.token, endpoint=server.url)
    commit = next(first).commit
    with pytest.raises(UploadError, match="me/asianage-small"):
        next(first)
    server.faults.clear()
    again = list(push_bundled("me", token=server.token, endpoint=server.url))
    assert (again[0].commit, len(again)) == (commit, 3)


def test_nothing_is_published_if_one_model_is_damaged_or_the_namespace_is_none(
    server: HubServer, bundled: Path
) -> None:
    with pytest.raises(ValueError, match="`namespace` must be a user or an organization"):
        next(push_bundled("me/you", token=server.token, endpoint=server.url))
    (bundled / "detector" / DETECTOR_NETWORK).write_bytes(b"other")
    with pytest.raises(ModelFormatError, match="damaged or altered"):
        next(push_bundled("me", token=server.token, endpoint=server.url))
    assert server.requests == []
