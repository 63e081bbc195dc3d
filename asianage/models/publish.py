"""Model folders -> the Hugging Face Hub, as one commit."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from asianage.errors import UploadError
from asianage.models import folder as model_folder
from asianage.models import hub
from asianage.models.card import is_generated, model_card
from asianage.models.config import DetectorConfig, ModelConfig
from asianage.models.folder import AnyModel
from asianage.models.hub import HubAccess
from asianage.models.hub_errors import explained
from asianage.models.pretrained import HUB_ID, check_revision

UPLOAD_SECONDS = 900.0
"""Limit of an upload."""

_NAMESPACE = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class PushedModel:
    """A model on the Hub.

    Attributes:
        repo_id: The repository, ``owner/name``.
        commit: Full commit hash.
        sha256: Hash of its config.json.
        url: Address of the commit.
        pull_request: Address of the pull request, None without one.
        kind: "estimator" or "detector".
    """

    repo_id: str
    commit: str
    sha256: str
    url: str
    pull_request: str | None = None
    kind: str = ModelConfig.KIND

    @property
    def line(self) -> str:
        """The line of Python that loads exactly this model."""
        if self.kind == DetectorConfig.KIND:
            return f'AgeGenderEstimator(detector="{self.repo_id}@{self.commit}")'
        return f'AgeGenderEstimator.from_pretrained("{self.repo_id}", revision="{self.commit}", sha256="{self.sha256}")'


def push_model(
    model: AnyModel,
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
        model: The model, of either kind.
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
    from huggingface_hub import CommitOperationAdd

    match = HUB_ID.fullmatch(repo_id)
    if match is None or match["revision"]:
        raise ValueError(f"`repo_id` must have the form 'owner/name'. Received: {repo_id!r}.")
    if create_pr and revision is not None:
        raise ValueError(f"A pull request goes to `main`: leave out `revision`. Received: {revision!r}.")
    branch = check_revision(revision or "main")
    config = (model.path / model_folder.CONFIG).read_bytes()
    files = {**{name: model.read(name) for name in model.config.files}, model_folder.CONFIG: config}
    with tempfile.TemporaryDirectory(prefix="asianage-push-", ignore_cleanup_errors=True) as cache:
        access = HubAccess(token=token, endpoint=endpoint, cache_dir=cache)
        if access.why_offline:
            raise UploadError(f"{repo_id} cannot be uploaded to: {access.why_offline} is set.")
        api = access.api
        try:
            limit = 2 * hub.ANSWER_SECONDS
            if not create_pr:
                hub.watched(lambda: api.create_repo(repo_id, private=private, exist_ok=True), limit)
            if revision is not None:
                hub.watched(lambda: api.create_branch(repo_id, branch=branch, exist_ok=True), limit)
            present = hub.download(repo_id, hub.resolve(repo_id, branch, None, access), [model_folder.CARD], access)
            if overwrite_card or is_generated(model_folder.card_in(present)):
                files[model_folder.CARD] = _card_of(model, repo_id).encode()
            # Not `upload_folder`, which may make several commits of one folder.
            commit = hub.watched(
                lambda: api.create_commit(
                    repo_id,
                    [CommitOperationAdd(name, content) for name, content in sorted(files.items())],
                    commit_message=commit_message or f"Upload the asianage model {model.config.name}",
                    revision=revision,
                    create_pr=create_pr,
                ),
                UPLOAD_SECONDS,
            )
        # The client's errors and those of its HTTP library share no base class.
        except Exception as error:
            reason = explained(error, repo_id, branch, api.endpoint, access.cache)
            raise UploadError(
                f"{reason} The upload to {repo_id} is one commit, which was not made: the files there are as they were."
            ) from error
    digest = hashlib.sha256(config).hexdigest()
    return PushedModel(repo_id, commit.oid, digest, commit.commit_url, commit.pr_url, model.config.KIND)


def push_bundled(
    namespace: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    token: bool | str | None = None,
    endpoint: str | None = None,
    overwrite_card: bool = False,
) -> Iterator[PushedModel]:
    """Upload the models of the package and its face detector, each to ``namespace/asianage-NAME``.

    All of them are checked before the first upload. After an error, a repetition uploads only what is not there yet.

    Args:
        namespace: User or organization of the Hub.
        private: As for `push_model`, and so are the other arguments.
        revision: Branch.
        create_pr: Open pull requests.
        token: Hub access token.
        endpoint: Address of the Hub.
        overwrite_card: Replace cards that were edited on the Hub.

    Yields:
        Each model as soon as it is on the Hub.

    Raises:
        UploadError: An upload failed. Those before it stand.
        ModelFormatError: A file of a model is missing or altered. Nothing was uploaded.
        ValueError: `namespace` cannot be one, or `revision` and `create_pr` are both given.
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise ValueError(f"`namespace` must be a user or an organization of the Hub. Received: {namespace!r}.")
    names = [*model_folder.bundled_names(), model_folder.BUNDLED_DETECTOR]
    models = [model_folder.open_model_folder(model_folder.BUNDLED / name) for name in names]
    for model in models:
        model.verify()
    for name, model in zip(names, models, strict=True):
        yield push_model(
            model,
            f"{namespace}/asianage-{name}",
            private=private,
            revision=revision,
            create_pr=create_pr,
            token=token,
            endpoint=endpoint,
            commit_message=f"Upload the asianage model {name}",
            overwrite_card=overwrite_card,
        )


def _card_of(model: AnyModel, repo_id: str) -> str:
    """Return the card of a model. It names the repository, unless somebody has edited it."""
    card = model_folder.card_in(model.path)
    return model_card(model.config, model.metrics(), repo_id=repo_id) if is_generated(card) else card
