"""Model folders -> the Hugging Face Hub, as one commit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from asianage.errors import DownloadError, ModelFormatError, UploadError
from asianage.models import folder as model_folder
from asianage.models.card import is_generated, model_card
from asianage.models.downloads import sha256_of
from asianage.models.folder import ModelFolder
from asianage.models.hub_access import HubAccess, check_connection, watched
from asianage.models.hub_errors import explained
from asianage.models.pretrained import HUB_ID, check_revision, metrics_of, save_model

if TYPE_CHECKING:
    from huggingface_hub import HfApi

UPLOAD_SECONDS = 900.0
"""How long an upload may take."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class PushedModel:
    """Where a model went.

    Attributes:
        repo_id: The repository, ``owner/name``.
        commit: Full commit hash.
        sha256: Hash of its config.json.
        pull_request: Address of the pull request, None without one.
    """

    repo_id: str
    commit: str
    sha256: str
    pull_request: str | None = None

    @property
    def line(self) -> str:
        """The line of Python that loads exactly this model."""
        return f'AgeGenderEstimator.from_pretrained("{self.repo_id}", revision="{self.commit}", sha256="{self.sha256}")'


def push_model(
    model: ModelFolder,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    commit_message: str | None = None,
    overwrite_card: bool = False,
    access: HubAccess | None = None,
    upload_seconds: float = UPLOAD_SECONDS,
) -> PushedModel:
    """Upload a model as one commit.

    Args:
        model: The model.
        repo_id: Where to, ``owner/name``; made if it is not there.
        private: Whether a new repository is private; None takes the owner's default.
        revision: Branch, made if it is not there; None takes ``main``.
        create_pr: Open a pull request instead, in a repository that is there.
        commit_message: Summary of the commit.
        overwrite_card: Replace a README.md that was edited on the Hub.
        access: How the Hub is reached.
        upload_seconds: How long the upload may take.

    Raises:
        UploadError: The Hub cannot be reached, refuses, or the upload broke off. What was in the repository is as it
            was.
        DownloadError: The model is itself from the Hub and a file of it cannot be fetched.
        ModelFormatError: A file of the model is missing or altered.
        ValueError: `repo_id` is not one, or `revision` and `create_pr` are both given.
    """
    access = access or HubAccess()
    match = HUB_ID.fullmatch(repo_id)
    if match is None or match["revision"]:
        raise ValueError(f"`repo_id` must have the form 'owner/name'. Received: {repo_id!r}.")
    if create_pr and revision is not None:
        raise ValueError(f"A pull request goes to `main`: leave out `revision`. Received: {revision!r}.")
    if revision is not None:
        check_revision(revision)
    if access.why_offline:
        raise UploadError(f"{repo_id} cannot be uploaded to: {access.why_offline} is set.")
    with tempfile.TemporaryDirectory(prefix="asianage-push-", ignore_cleanup_errors=True) as temporary:
        saved = save_model(model, Path(temporary, "model"))
        digest = sha256_of(saved.path / model_folder.CONFIG)

        def upload() -> tuple[str, str | None]:
            kept = _prepare_repository(repo_id, private, revision, create_pr, access, Path(temporary, "cache"))
            keep_card = kept is not None and not overwrite_card and not is_generated(kept)
            _name_in_card(saved, repo_id)
            return _commit(saved, repo_id, revision, create_pr, commit_message, access, keep_card)

        commit, pull_request = _talking(upload, repo_id, revision, access, upload_seconds)
    return PushedModel(repo_id, commit, digest, pull_request)


def _name_in_card(model: ModelFolder, repo_id: str) -> None:
    """Write the name that the model will have on the Hub into its card, if nobody has edited that."""
    card = model.path / model_folder.CARD
    if is_generated(card.read_text("utf-8", errors="replace")):
        card.write_text(model_card(model.config, metrics_of(model), repo_id=repo_id), "utf-8")


def _prepare_repository(
    repo_id: str, private: bool | None, revision: str | None, create_pr: bool, access: HubAccess, cache: Path
) -> str | None:
    """Make repository and branch if they are not there, and return the card that the repository has."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    api = _api(access)
    if not create_pr:
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision not in (None, "main"):
            api.create_branch(repo_id, branch=revision, exist_ok=True)
    try:
        path = hf_hub_download(
            repo_id,
            model_folder.CARD,
            revision=revision,
            cache_dir=cache,
            token=access.token,
            endpoint=access.address,
            library_name="asianage",
        )
    except EntryNotFoundError as error:
        if isinstance(error, LocalEntryNotFoundError):
            raise
        return None
    return Path(path).read_text("utf-8", errors="replace")


def _commit(
    model: ModelFolder,
    repo_id: str,
    revision: str | None,
    create_pr: bool,
    message: str | None,
    access: HubAccess,
    keep_card: bool,
) -> tuple[str, str | None]:
    """Upload the files of a folder as one commit, and return its hash and the address of the pull request."""
    from huggingface_hub import CommitOperationAdd

    # Not `upload_folder`, which may make several commits of one folder.
    operations = [
        CommitOperationAdd(file.name, file)
        for file in sorted(model.path.iterdir())
        if not (keep_card and file.name == model_folder.CARD)
    ]
    message = message or f"Upload the asianage model {model.config.name}"
    result = _api(access).create_commit(
        repo_id, operations, commit_message=message, revision=revision, create_pr=create_pr
    )
    return result.oid, result.pr_url


def _api(access: HubAccess) -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(endpoint=access.address, token=access.token, library_name="asianage")


def _talking(
    call: Callable[[], Result], repo_id: str, revision: str | None, access: HubAccess, seconds: float
) -> Result:
    """Return what an upload returns, and turn whatever goes wrong into an `UploadError`."""
    try:
        check_connection(access)
        return watched(call, seconds)
    except TimeoutError:
        reason: str = f"{access.address} did not take the upload within {seconds:g} s."
        cause: Exception | None = None
    except (ModelFormatError, UploadError):
        raise
    except DownloadError as error:
        reason, cause = str(error), error
    # The client's errors and those of its HTTP library share no base class.
    except Exception as error:
        reason = str(explained(error, repo_id, revision or "main", "The model", access, action="uploaded"))
        cause = error
    raise UploadError(
        f"{reason} The upload to {repo_id} is one commit, which was not made: the files there are as they were."
    ) from cause
