"""Names, folders and Hub ids -> local model folders.

A name is read in this order:

1. the name of a bundled model, in upper or lower case,
2. a folder that exists,
3. ``owner/name`` or ``owner/name@revision`` on the Hub. A revision is a branch, a tag or a full commit hash.

A path object, and text that begins with ``.``, ``/`` or ``~``, is a folder and nothing else.
"""

from __future__ import annotations

import os
import re
import warnings
from difflib import get_close_matches
from pathlib import Path

from asianage.errors import DownloadError, ModelFormatError
from asianage.models import folder as model_folder
from asianage.models import hub
from asianage.models.folder import AnyModel, DetectorFolder, ModelFolder, require_detector, require_estimator
from asianage.models.hub import HubAccess
from asianage.models.hub_errors import HubUnreachableError

HUB_ID = re.compile(r"(?P<repo_id>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>.+))?", re.ASCII)
_REVISION = re.compile(r"[\w][\w.+/-]*", re.ASCII)


def open_model(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: bool | str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    endpoint: str | None = None,
    sha256: str | None = None,
    force_download: bool = False,
) -> ModelFolder:
    """Find an estimator by name, folder or Hub id. A model on the Hub is fetched and verified as a whole.

    Args:
        name: What to open; see the order above.
        revision: Branch, tag or full commit hash on the Hub; None takes ``main``.
        token: As in `HubAccess`, like the next three.
        cache_dir: Folder of the cache.
        local_files_only: Use the cache and no network.
        endpoint: Address of the Hub or of a mirror.
        sha256: Hash that config.json must have. It pins the model: config.json lists the hashes of all files.
        force_download: Fetch the files again even if they are cached.

    Raises:
        DownloadError: The Hub has no such model, cannot be reached, or refuses access.
        FileNotFoundError: The name is none of the three.
        ModelFormatError: The model is incomplete, altered, too new or a face detector, or config.json has another
            hash.
        ValueError: A revision is given for a model that is not on the Hub, or it is malformed.
    """
    access = HubAccess(token=token, cache_dir=cache_dir, local_files_only=local_files_only, endpoint=endpoint)
    return require_estimator(open_any_model(name, access, revision=revision, sha256=sha256, force=force_download))


def open_detector(name: str | os.PathLike[str], access: HubAccess | None = None) -> DetectorFolder:
    """Find a face detector by folder or Hub id: like `open_model`, with the same exceptions.

    Args:
        name: What to open; ``detector`` is the bundled one.
        access: How to reach the Hub.
    """
    return require_detector(open_any_model(name, access or HubAccess()))


def open_any_model(
    name: str | os.PathLike[str],
    access: HubAccess,
    *,
    revision: str | None = None,
    sha256: str | None = None,
    force: bool = False,
) -> AnyModel:
    """Find a model of either kind: like `open_model`, with the same exceptions."""
    local = _local_folder(name)
    if isinstance(local, re.Match):
        repo_id, revision = local["repo_id"], _revision(local["revision"], revision)
        try:
            model = _open_hub_model(repo_id, revision, force, access)
        except DownloadError as error:
            if access.repository(repo_id).exists():  # So it is a Hub id.
                raise
            raise type(error)(f"{error} (There is no folder {str(name)!r} here, either.)") from error
    elif revision is not None:
        raise ValueError(
            f"`revision` is for models on the Hub, and {str(name)!r} is the folder {local}. "
            f"Leave it out, or write {str(name)!r} + '@' + revision for the Hub. Received: {revision!r}."
        )
    else:
        model = _open_local_model(local, name)
    if sha256 is not None and model.config_sha256 != sha256.lower():
        raise ModelFormatError(
            f"{model.path / model_folder.CONFIG} must have the sha256 {sha256}. Received: {model.config_sha256}. Open "
            "the revision that the hash belongs to, or leave out `sha256`."
        )
    return model


def save_model(model: AnyModel, target: str | os.PathLike[str], *, overwrite: bool = False) -> AnyModel:
    """Write a whole model to a folder. A folder with the same model is left, and a model without a card gets one.

    Raises:
        FileExistsError: `target` is another model or no model folder and `overwrite` is off.
        ModelFormatError: A file is missing or altered, here or in the same model at `target`.
    """
    files = {name: model.read(name) for name in model.config.files}
    config, present = model.path / model_folder.CONFIG, Path(target, model_folder.CONFIG)
    if not overwrite and present.is_file() and present.read_bytes() == config.read_bytes():
        same = model_folder.open_model_folder(target)
        same.verify()
        return same
    from asianage.models.card import model_card  # A prediction needs no card.

    text = model_folder.card_in(model.path)
    text = text if text.strip() else model_card(model.config, model.metrics())
    return model_folder.write_model_folder(target, model.config, files, card=text, overwrite=overwrite)


def check_revision(revision: str) -> str:
    """Return a revision; raises a `ValueError` if it cannot be a branch, a tag or a commit."""
    if not _REVISION.fullmatch(revision) or ".." in revision or revision.endswith(("/", ".lock")):
        raise ValueError(f"`revision` must be a branch, a tag or a full commit hash. Received: {revision!r}.")
    return revision


def _local_folder(name: str | os.PathLike[str]) -> Path | re.Match[str]:
    """Return the folder of a name, or the parts of a Hub id if it can only be one."""
    if not isinstance(name, str | os.PathLike):
        raise TypeError(f"`name` must be the name of a model or the path of a folder. Received: {type(name).__name__}.")
    if isinstance(name, str) and "://" in name:  # It may hold a password or a token.
        raise FileNotFoundError(
            "A model must be a bundled name, a folder or a Hub id. Received an address. Write 'owner/name' "
            "for a model of the Hub, with `endpoint=` or HF_ENDPOINT for another Hub."
        )
    if isinstance(name, str) and name.lower() in (*model_folder.bundled_names(), model_folder.BUNDLED_DETECTOR):
        return model_folder.BUNDLED / name.lower()
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            return path
        exists = path.exists()
    except (OSError, RuntimeError, ValueError):  # Too long, unknown user, null characters.
        path, exists = Path(str(name)), False
    if exists:
        raise FileNotFoundError(f"A model is a folder, and {path} is a file. Give the folder that it lies in.")
    bundled = ", ".join(model_folder.bundled_names())
    if not isinstance(name, str) or name.startswith((".", "/", "~")) or "\\" in name:
        raise FileNotFoundError(f"There is no model folder {path}. Bundled models: {bundled}.")
    if hub_id := HUB_ID.fullmatch(name):
        return hub_id
    close = get_close_matches(name.lower(), model_folder.bundled_names(), 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise FileNotFoundError(
        f"{name[:200]!r} is not a bundled model ({bundled}), not a folder here, and not a Hub id, "
        f"which has the form 'owner/name' or 'owner/name@revision'.{hint}"
    )


def _open_local_model(folder: Path, name: str | os.PathLike[str]) -> AnyModel:
    try:
        return model_folder.open_model_folder(folder)
    except ModelFormatError as error:
        if (folder / "model" / model_folder.CONFIG).is_file():
            raise ModelFormatError(f"{folder} is the folder of a run. Its model is {folder / 'model'}.") from error
        if isinstance(name, str) and HUB_ID.fullmatch(name):
            raise ModelFormatError(
                f"{error} ({name!r} was read as the folder that is here; write '{name}@main' for the Hub.)"
            ) from error
        raise


def _revision(written: str | None, revision: str | None) -> str:
    """Return the revision from a Hub id or from the argument, ``main`` without one."""
    if written and revision and written != revision:
        raise ValueError(f"Two revisions: {written!r} in the name and `revision={revision!r}`. Give one.")
    return check_revision(written or revision or "main")


def _open_hub_model(repo_id: str, revision: str, force: bool, access: HubAccess) -> AnyModel:
    cached = None if force else _cached_model(repo_id, revision, access)
    if cached is not None and (revision == cached.path.name or access.why_offline):
        return cached
    try:
        commit = hub.resolve(repo_id, revision, model_folder.CONFIG, access)
        if cached is not None and commit == cached.path.name:
            return cached
        model = _fetched_model(repo_id, commit, access, force)
    except HubUnreachableError as error:
        if cached is None:
            raise
        warnings.warn(
            f"{error} The copy of {repo_id} in the cache is used, commit {cached.path.name}; {revision!r} may have "
            "moved on. local_files_only=True or a full commit hash needs no network.",
            UserWarning,
            stacklevel=5,
        )
        return cached
    hub.remember(repo_id, revision, commit, access)
    return model


def _cached_model(repo_id: str, revision: str, access: HubAccess) -> AnyModel | None:
    """Return a model of the cache; None if it is not there, or is incomplete or damaged and can be fetched again."""
    config = hub.find_cached(repo_id, model_folder.CONFIG, revision, access)
    if config is None:
        return None
    try:
        model = model_folder.open_model_folder(config.parent)
        model.verify()
    except ModelFormatError as error:
        if access.why_offline:
            raise ModelFormatError(f"{error} It can be fetched without {access.why_offline}.") from error
        return None
    return model


def _fetched_model(repo_id: str, commit: str, access: HubAccess, force: bool) -> AnyModel:
    """Fetch the files of a commit that are not cached, and verify all of them."""
    try:
        folder = hub.download(repo_id, commit, [model_folder.CONFIG], access, force=force)
        model = model_folder.open_model_folder(folder)
        hub.download(repo_id, commit, [*model.config.files, model_folder.CARD], access, force=force)
        model.verify()
    except ModelFormatError as error:
        if force:
            raise ModelFormatError(f"{error} The files come from {access.api.endpoint}/{repo_id}, {commit}.") from error
        # The cache may hold a damaged file, which the client does not notice.
        return _fetched_model(repo_id, commit, access, force=True)
    return model
