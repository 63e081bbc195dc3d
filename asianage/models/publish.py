"""Model folders -> the Hugging Face Hub, as one commit."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asianage.errors import UploadError
from asianage.models import folder as model_folder
from asianage.models import hub
from asianage.models.card import is_generated, model_card
from asianage.models.folder import ModelFolder
from asianage.models.hub import HubAccess
from asianage.models.hub_errors import explained
from asianage.models.pretrained import HUB_ID, check_revision, metrics_of, save_model

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

UPLOAD_SECONDS = 900.0
"""Limit of an upload."""


@dataclass(frozen=True, slots=True)
class PushedModel:
    """A model on the Hub.

    Attributes:
        repo_id: The repository, ``owner/name``.
        commit: Full commit hash.
        sha256: Hash of its config.json.
        url: Address of the commit.
        pull_request: Address of the pull request, None without one.
    """

    repo_id: str
    commit: str
    sha256: str
    url: str
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
    token: bool | str | None = None,
    endpoint: str | None = None,
    commit_message: str | None = None,
    overwrite_card: bool = False,
) -> PushedModel:
    """Upload a model as one commit.

    Args:
        model: The model.
        repo_id: The repository, ``owner/name``. It is created if it does not exist.
        private: Whether a new repository is private; None takes the owner's default.
        revision: Branch, created if it does not exist; None takes ``main``.
        create_pr: Open a pull request instead, in a repository that exists.
        token: Hub access token that may write; None takes the one that is logged in.
        endpoint: Address of the Hub; None takes HF_ENDPOINT.
        commit_message: Summary of the commit.
        overwrite_card: Replace a README.md that was edited on the Hub.

    Raises:
        UploadError: The Hub cannot be reached, refuses, or the upload broke off. The repository is unchanged.
        ModelFormatError: A file of the model is missing or altered.
        ValueError: `repo_id` is not one, or `revision` and `create_pr` are both given.
    """
    access = HubAccess(token=token, endpoint=endpoint)
    match = HUB_ID.fullmatch(repo_id)
    if match is None or match["revision"]:
        raise ValueError(f"`repo_id` must have the form 'owner/name'. Received: {repo_id!r}.")
    if create_pr and revision is not None:
        raise ValueError(f"A pull request goes to `main`: leave out `revision`. Received: {revision!r}.")
    check_revision(revision or "main")
    if access.why_offline:
        raise UploadError(f"{repo_id} cannot be uploaded to: {access.why_offline} is set.")
    with tempfile.TemporaryDirectory(prefix="asianage-push-", ignore_cleanup_errors=True) as temporary:
        saved = save_model(model, Path(temporary, "model"))
        api = access.api

        def prepare() -> str:
            if not create_pr:
                api.create_repo(repo_id, private=private, exist_ok=True)
                if revision not in (None, "main"):
                    api.create_branch(repo_id, branch=revision, exist_ok=True)
            return _card_of(repo_id, revision, access, Path(temporary, "cache"))

        try:
            edited = not is_generated(hub.watched(prepare, 4 * hub.answer_limit()))
            _write_card(saved, repo_id)
            operations = _operations(saved, keep_card=edited and not overwrite_card)
            commit = hub.watched(
                lambda: api.create_commit(
                    repo_id,
                    operations,
                    commit_message=commit_message or f"Upload the asianage model {saved.config.name}",
                    revision=revision,
                    create_pr=create_pr,
                ),
                UPLOAD_SECONDS,
            )
        # The client's errors and those of its HTTP library share no base class.
        except Exception as error:
            reason = explained(error, repo_id, revision or "main", access.address, access.cache)
            raise UploadError(
                f"{reason} The upload to {repo_id} is one commit, which was not made: the files there are as they were."
            ) from error
        digest = hub.sha256_of(saved.path / model_folder.CONFIG)
    return PushedModel(repo_id, commit.oid, digest, commit.commit_url, commit.pr_url)


def _card_of(repo_id: str, revision: str | None, access: HubAccess, cache: Path) -> str:
    """Return the card that the repository has, "" without one."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

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
    except LocalEntryNotFoundError:
        raise
    except EntryNotFoundError:
        return ""
    return Path(path).read_text("utf-8", errors="replace")


def _write_card(model: ModelFolder, repo_id: str) -> None:
    """Write the name of the repository into the card, unless somebody has edited it."""
    card = model.path / model_folder.CARD
    if is_generated(card.read_text("utf-8", errors="replace")):
        card.write_text(model_card(model.config, metrics_of(model), repo_id=repo_id), "utf-8")


def _operations(model: ModelFolder, *, keep_card: bool) -> list[CommitOperationAdd]:
    """Return the upload of each file. Not `upload_folder`, which may make several commits of one folder."""
    from huggingface_hub import CommitOperationAdd

    files = sorted(file for file in model.path.iterdir() if not (keep_card and file.name == model_folder.CARD))
    return [CommitOperationAdd(file.name, file) for file in files]
