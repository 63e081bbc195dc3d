"""Files of Hugging Face Hub repositories -> local paths. Cached by huggingface_hub, timed and checked by us.

The client takes a damaged file of the right size, so whoever needs a file compares its hash; see also `hub_access`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asianage.errors import DownloadError
from asianage.models.hub_access import HubAccess, HubUnreachableError, answer_limit, check_connection, watched
from asianage.models.hub_errors import explained

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A full commit hash: what it names never changes, so that a cached copy needs no network."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a Hub repository whose content is known by its hash."""

    repo_id: str
    filename: str
    sha256: str
    revision: str = "main"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def fetch(file: HubFile, access: HubAccess | None = None) -> Path:
    """Return the local path of `file`: from huggingface_hub's cache, otherwise, or if it is damaged, from the Hub.

    Raises:
        DownloadError: The file cannot be fetched, or its content has another hash.
    """
    access = access or HubAccess()
    path = cached_path(file, access)
    if path is None:
        return _fetched(file, access, force=False)
    received = sha256_of(path)
    if received == file.sha256:
        return path
    try:
        return _fetched(file, access, force=True)
    except DownloadError as error:
        raise DownloadError(
            f"{path} has the sha256 {received} instead of {file.sha256}, and cannot be fetched again: {error}"
        ) from error


def _fetched(file: HubFile, access: HubAccess, *, force: bool) -> Path:
    commit = resolve(file.repo_id, file.revision, file.filename, access)
    path = download(file.repo_id, commit, file.filename, access, force=force)
    received = sha256_of(path)
    if received != file.sha256:
        raise DownloadError(
            f"{access.address} gives {file.filename} of {file.repo_id} with the sha256 {received} instead of "
            f"{file.sha256}. Check HF_ENDPOINT and the proxy."
        )
    remember(file.repo_id, file.revision, commit, access)
    return path


def cached_path(file: HubFile, access: HubAccess | None = None) -> Path | None:
    """Return where huggingface_hub's cache holds `file`, unchecked; None if it does not."""
    access = access or HubAccess()
    commit = cached_commit(file.repo_id, file.revision, access)
    if commit is None:
        return None
    path = access.snapshot(file.repo_id, commit) / file.filename
    return path if path.is_file() else None


def cached_commit(repo_id: str, revision: str, access: HubAccess) -> str | None:
    """Return the commit that a revision stood for when it was last fetched, None if it never was."""
    if COMMIT.fullmatch(revision):
        return revision
    try:
        text = (access.repo_cache(repo_id) / "refs" / revision).read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    return text if COMMIT.fullmatch(text) else None


def remember(repo_id: str, revision: str, commit: str, access: HubAccess) -> None:
    """Note in the cache which commit a revision stands for, as huggingface_hub does.

    It is done after the files have arrived, so that what is noted can be loaded without the Hub. A cache that cannot
    be written is left as it is.
    """
    if revision == commit or cached_commit(repo_id, revision, access) == commit:
        return
    target = access.repo_cache(repo_id) / "refs" / revision
    partial = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(commit, "ascii")
        partial.replace(target)
    except OSError:
        partial.unlink(missing_ok=True)


def resolve(repo_id: str, revision: str, filename: str, access: HubAccess, *, max_bytes: int | None = None) -> str:
    """Ask the Hub once which commit `revision` is and whether it has `filename`.

    Args:
        repo_id: The repository, ``owner/name``.
        revision: Branch, tag or commit.
        filename: A file that has to be there.
        access: How the Hub is reached.
        max_bytes: Largest accepted size of the file.

    Returns:
        The full commit hash.

    Raises:
        HubUnreachableError: There is no network, or no answer in time.
        DownloadError: There is no such repository, revision or file, or no permission; or offline mode is on.
    """
    if access.why_offline:
        raise DownloadError(
            f"{filename} of {repo_id} ({revision}) is not in the cache {access.cache}, and {access.why_offline} is set."
        )
    check_connection(access)
    limit = answer_limit(access)

    def ask() -> Any:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        return get_hf_file_metadata(
            hf_hub_url(repo_id, filename, revision=revision, endpoint=access.address),
            token=access.token,
            timeout=limit,
            library_name="asianage",
        )

    try:
        # More than one operation's limit: if the first address is dead (often IPv6), there is time for the next one.
        answer = watched(ask, 1.5 * limit)
    except TimeoutError:
        raise HubUnreachableError(f"{access.address} did not answer within {limit:g} s.") from None
    # The client's errors and those of its HTTP library share no base class.
    except Exception as error:
        if "Timeout" in type(error).__name__:
            raise HubUnreachableError(f"{access.address} did not answer within {limit:g} s.") from error
        raise explained(error, repo_id, revision, filename, access) from error
    if answer.commit_hash is None or not COMMIT.fullmatch(answer.commit_hash):
        raise HubUnreachableError(
            f"{access.address} does not answer as a Hugging Face Hub does (no commit). "
            "Check HF_ENDPOINT, the proxy, and whether the network wants you to log in first."
        )
    if max_bytes is not None and answer.size is not None and answer.size > max_bytes:
        raise DownloadError(f"{filename} of {repo_id} has {answer.size} bytes; {max_bytes} at most are accepted.")
    return answer.commit_hash


def download(repo_id: str, commit: str, filename: str, access: HubAccess, *, force: bool = False) -> Path:
    """Return the path of a file at a full commit hash, fetched if it is not cached yet. It is not verified.

    Args:
        repo_id: The repository, ``owner/name``.
        commit: Full commit hash.
        filename: The file.
        access: How the Hub is reached.
        force: Fetch it although it is cached, and put it in the place of the cached copy.

    Raises:
        HubUnreachableError: There is no network, or the download stalled or broke off.
        DownloadError: The Hub has no such file, or it cannot be written.
    """
    path = access.snapshot(repo_id, commit) / filename
    if path.is_file() and not force:
        return path
    if access.why_offline:
        raise DownloadError(f"{filename} of {repo_id} is not in the cache {access.cache}; {access.why_offline} is set.")

    def get() -> str:
        from huggingface_hub import hf_hub_download

        return hf_hub_download(
            repo_id,
            filename,
            revision=commit,
            cache_dir=access.cache,
            token=access.token,
            endpoint=access.address,
            force_download=force,
            etag_timeout=answer_limit(access),
            library_name="asianage",
        )

    blobs = access.repo_cache(repo_id) / "blobs"
    try:
        with _out_of_the_way(path, force):
            return Path(watched(get, access.stall_seconds, lambda: _size_of_files(blobs)))
    except TimeoutError:
        raise HubUnreachableError(
            f"{filename} of {repo_id}: the download from {access.address} stood still for {access.stall_seconds:g} s. "
            "Check the network and try again."
        ) from None
    # As above; and an interrupted body is an error of the HTTP library that is not an OSError.
    except Exception as error:
        raise explained(error, repo_id, commit, filename, access) from error


@contextlib.contextmanager
def _out_of_the_way(path: Path, force: bool) -> Iterator[None]:
    """Set a cached copy aside that is to be replaced, and put it back if nothing took its place.

    In a cache without links, as on many Windows machines, the client fetches a new copy but leaves the old one where
    it is.
    """
    if not force or not path.is_file() or path.is_symlink():
        yield
        return
    aside = path.with_name(f"{path.name}.{os.getpid()}.replaced")
    path.replace(aside)
    try:
        yield
    finally:
        if path.is_file():
            aside.unlink()
        else:
            aside.replace(path)


def _size_of_files(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return -1
