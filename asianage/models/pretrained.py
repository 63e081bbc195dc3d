"""Names, folders and Hub ids -> local model folders.

A name is read in this order:

1. the name of a bundled model,
2. a folder that is there,
3. ``owner/name`` or ``owner/name@revision`` on the Hub. A revision is a branch, a tag or a full commit hash.

A path object, and text that begins with ``.``, ``/`` or ``~``, is a folder and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from asianage.errors import DownloadError, ModelFormatError
from asianage.models import folder as model_folder
from asianage.models.card import model_card
from asianage.models.downloads import cached_commit, download, remember, resolve, sha256_of
from asianage.models.folder import ModelFolder
from asianage.models.hub_access import HubAccess, HubUnreachableError

HUB_ID = re.compile(r"(?P<repo_id>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>.+))?", re.ASCII)
_REVISION = re.compile(r"[\w][\w.+/-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubModelFolder(ModelFolder):
    """A commit of a Hub repository in the cache. A file that is not there yet is fetched when it is asked for.

    Attributes:
        repo_id: The repository, ``owner/name``.
        commit: Full commit hash.
        access: How the Hub is reached.
    """

    repo_id: str
    commit: str
    access: HubAccess

    def file(self, name: str) -> Path:
        """Return the path of a file of the model, fetched if need be, after checking its hash.

        Raises:
            DownloadError: The file cannot be fetched.
            ModelFormatError: The file is not listed, or altered.
        """
        if name in self.config.files:
            download(self.repo_id, self.commit, name, self.access)
        try:
            # Not super(): a dataclass with slots is another class than the one that the compiler saw.
            return ModelFolder.file(self, name)
        except ModelFormatError as error:
            raise ModelFormatError(f"{error} {_remedy(self.repo_id, self.commit)}") from error


def open_model(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    sha256: str | None = None,
    force_download: bool = False,
    access: HubAccess | None = None,
    files: Iterable[str] = (model_folder.NETWORK,),
) -> ModelFolder:
    """Find a model by name, folder or Hub id, and check the files that are needed.

    Args:
        name: What to open; see the order above.
        revision: Branch, tag or commit on the Hub; None takes ``main``.
        sha256: Hash that config.json must have. It pins the model: config.json holds the hashes of all other files.
        force_download: Fetch the files again although they are cached.
        access: How the Hub is reached.
        files: Files that will be needed.

    Raises:
        DownloadError: The Hub has no such model, cannot be reached, or refuses access.
        FileNotFoundError: The name is none of the three.
        ModelFormatError: The model is incomplete, altered or too new, or config.json has another hash.
        ValueError: A revision is given for what is not on the Hub, or it is malformed.
    """
    access = access or HubAccess()
    files = tuple(files)
    local = _local_folder(name)
    if local is None:
        repo_id, revision = _split_hub_id(str(name), revision)
        try:
            return _open_hub_model(repo_id, revision, sha256, force_download, access, files)
        except DownloadError as error:
            if access.repo_cache(repo_id).exists():  # So it is a Hub id.
                raise
            raise type(error)(f"{error} (And there is no folder {str(name)!r} here.)") from error
    if revision is not None:
        raise ValueError(
            f"`revision` is for models on the Hub, and {str(name)!r} is the folder {local}. "
            f"Leave it out, or write {str(name)!r} + '@' + revision for the Hub. Received: {revision!r}."
        )
    try:
        model = model_folder.open_model_folder(local)
        _check_pin(model, sha256, "Fetch or copy the model again, or leave out `sha256`.")
        for file in files:
            model.file(file)
    except ModelFormatError as error:
        if isinstance(name, str) and HUB_ID.fullmatch(name):
            raise ModelFormatError(
                f"{error} ({name!r} was read as the folder that is here; write '{name}@main' for the Hub.)"
            ) from error
        raise
    return model


def complete(model: ModelFolder) -> ModelFolder:
    """Fetch what is missing of a model from the Hub, its card included; other models are returned as they are.

    Raises:
        DownloadError: A file cannot be fetched.
        ModelFormatError: A file is altered.
    """
    if isinstance(model, HubModelFolder):
        for name in model.config.files:
            model.file(name)
        try:
            download(model.repo_id, model.commit, model_folder.CARD, model.access)
        except HubUnreachableError:
            raise
        except DownloadError:
            pass  # A model without a card; a new one is made when it is saved or pushed.
    return model


def save_model(model: ModelFolder, target: str | os.PathLike[str], *, overwrite: bool = False) -> ModelFolder:
    """Write a whole model to a folder.

    Raises:
        DownloadError: The model is from the Hub and a file of it cannot be fetched.
        FileExistsError: `target` holds something else.
        ModelFormatError: A file is missing or altered.
    """
    saved = model_folder.copy_model_folder(complete(model), target, overwrite=overwrite)
    card = saved.path / model_folder.CARD
    if not card.is_file() or not card.read_text("utf-8", errors="replace").strip():
        card.write_text(model_card(saved.config, metrics_of(saved)), "utf-8")
    return saved


def _local_folder(name: str | os.PathLike[str]) -> Path | None:
    """Return the folder that a name stands for; None if it can only be a Hub id."""
    if isinstance(name, str) and name in model_folder.bundled_names():
        return model_folder.BUNDLED / name
    if not isinstance(name, str | os.PathLike):
        raise TypeError(f"`name` must be the name of a model or the path of a folder. Received: {type(name).__name__}.")
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            return path
        exists = path.exists()
    except (OSError, RuntimeError, ValueError):  # Too long, unknown user, null characters.
        path, exists = Path(str(name)), False
    if exists:
        raise FileNotFoundError(f"A model is a folder, and {path} is a file. Give the folder that it lies in.")
    bundled = ", ".join(model_folder.bundled_names()) or "none"
    if not isinstance(name, str) or name.startswith((".", "/", "~")) or "\\" in name:
        raise FileNotFoundError(f"There is no model folder {path}. Bundled models: {bundled}.")
    if HUB_ID.fullmatch(name):
        return None
    close = get_close_matches(name, model_folder.bundled_names(), 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise FileNotFoundError(
        f"{name[:200]!r} is not a bundled model ({bundled}), not a folder here, and not a Hub id, "
        f"which has the form 'owner/name' or 'owner/name@revision'.{hint}"
    )


def _split_hub_id(name: str, revision: str | None) -> tuple[str, str]:
    match = HUB_ID.fullmatch(name)
    if match is None:  # `_local_folder` lets nothing else through.
        raise ValueError(f"{name!r} is not a Hub id.")
    written = match["revision"]
    if written and revision and written != revision:
        raise ValueError(f"Two revisions: {written!r} in the name and `revision={revision!r}`. Give one.")
    revision = written or revision or "main"
    check_revision(revision)
    return match["repo_id"], revision


def check_revision(revision: str) -> None:
    """Refuse what cannot be a branch, a tag or a commit; raises a `ValueError`."""
    if not _REVISION.fullmatch(revision) or ".." in revision or revision.endswith(("/", ".lock")):
        raise ValueError(f"`revision` must be a branch, a tag or a full commit hash. Received: {revision!r}.")


def _open_hub_model(
    repo_id: str, revision: str, sha256: str | None, force: bool, access: HubAccess, files: tuple[str, ...]
) -> ModelFolder:
    known = cached_commit(repo_id, revision, access)
    cached = known is not None and all(
        (access.snapshot(repo_id, known) / name).is_file() for name in (model_folder.CONFIG, *files)
    )
    if known is not None and not force and (access.why_offline or (cached and revision == known)):
        return _open_commit(repo_id, known, sha256, access, files)
    try:
        commit = resolve(repo_id, revision, model_folder.CONFIG, access, max_bytes=model_folder.MAX_CONFIG_BYTES)
        model = _open_commit(repo_id, commit, sha256, access, files, force=force)
    except HubUnreachableError as error:
        if known is None or not cached or force:
            raise
        warnings.warn(
            f"{error} The copy of {repo_id} in the cache is used, commit {known}; {revision!r} may have moved on. "
            "With local_files_only=True or a full commit hash the Hub is not asked.",
            UserWarning,
            stacklevel=4,
        )
        return _open_commit(repo_id, known, sha256, access, files)
    remember(repo_id, revision, commit, access)
    return model


def _open_commit(
    repo_id: str,
    commit: str,
    sha256: str | None,
    access: HubAccess,
    files: tuple[str, ...],
    *,
    force: bool = False,
) -> ModelFolder:
    """Fetch config.json and `files` of a commit as far as they are not cached, and check them."""
    path = download(repo_id, commit, model_folder.CONFIG, access, force=force)
    try:
        opened = model_folder.open_model_folder(path.parent)
        _check_pin(opened, sha256, "It may also be that the pin belongs to another revision.")
    except ModelFormatError as error:
        raise ModelFormatError(f"{error} {_remedy(repo_id, commit)}") from error
    model = HubModelFolder(opened.path, opened.config, repo_id, commit, access)
    if force:
        present = (name for name in opened.config.files if (opened.path / name).exists())
        for name in dict.fromkeys((*(name for name in files if name in opened.config.files), *present)):
            download(repo_id, commit, name, access, force=True)
    for name in files:
        model.file(name)
    return model


def _check_pin(model: ModelFolder, sha256: str | None, advice: str) -> None:
    if sha256 is None:
        return
    received = sha256_of(model.path / model_folder.CONFIG)
    if received != sha256.lower():
        raise ModelFormatError(
            f"{model.path / model_folder.CONFIG} has the sha256 {received}; {sha256} is required. {advice}"
        )


def _remedy(repo_id: str, commit: str) -> str:
    return (
        "Nothing was removed. To fetch it again: "
        f'AgeGenderEstimator.from_pretrained("{repo_id}", revision="{commit}", force_download=True)'
    )


def metrics_of(model: ModelFolder) -> dict:
    """Return what metrics.json of a model says, `{}` without one."""
    if model_folder.METRICS not in model.config.files:
        return {}
    path = model.file(model_folder.METRICS)
    try:
        metrics = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"{path} is not valid JSON: {error}.") from error
    return metrics if isinstance(metrics, dict) else {}
