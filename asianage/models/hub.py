"""Files of Hugging Face Hub repositories -> local paths, through huggingface_hub's client and its cache.

The client has no time limit for some requests, accepts a damaged file of the right size, and answers a refusal from the
cache. This module limits every wait, compares hashes, and explains each failure.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from asianage.errors import DownloadError
from asianage.files import write_text
from asianage.models.hub_errors import explained

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ANSWER_SECONDS = float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or 5.0)
"""Limit of each step of a request."""

STALL_SECONDS = 120.0
"""Limit of a download without one more byte on the disk. The client writes up to 10 MB at once."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a Hub repository whose content is known by its hash."""

    repo_id: str
    filename: str
    sha256: str
    revision: str = "main"


YUNET = HubFile(
    repo_id="opencv/face_detection_yunet",
    filename="face_detection_yunet_2023mar.onnx",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
)
"""The face detector YuNet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAccess:
    """How the Hub is reached. None takes the setting of huggingface_hub.

    Attributes:
        token: Access token; True for the one that is logged in, False for none.
        cache_dir: Folder of the cache.
        endpoint: Address of the Hub or of a mirror.
        local_files_only: Use the cache and no network.
    """

    token: bool | str | None = field(default=None, repr=False)
    cache_dir: str | os.PathLike[str] | None = None
    endpoint: str | None = None
    local_files_only: bool = False

    def __post_init__(self) -> None:
        """Make `cache_dir` independent of later changes of the working directory."""
        if self.cache_dir is not None:
            path = os.path.expanduser(self.cache_dir)
            object.__setattr__(self, "cache_dir", path if str(path).startswith("~") else os.path.abspath(path))

    @property
    def api(self) -> HfApi:
        """The client. Its `endpoint` is the Hub's address without a slash at its end."""
        from huggingface_hub import HfApi, constants

        address = (self.endpoint or constants.ENDPOINT).rstrip("/")
        return HfApi(endpoint=address, token=self.token, library_name="asianage")

    @property
    def cache(self) -> Path:
        """The cache folder; raises a `DownloadError` for a user without a home folder."""
        from huggingface_hub import constants

        folder = Path(self.cache_dir or constants.HF_HUB_CACHE)
        if folder.parts[:1] and folder.parts[0].startswith("~"):
            raise DownloadError(
                f"The cache folder must not begin with ~, because this user has no home folder. Received: {folder}. "
                "Set the environment variable HF_HOME to a folder, or pass `cache_dir` in Python."
            )
        return folder

    @property
    def why_offline(self) -> str | None:
        """The setting that forbids to use the network, None if it may be used."""
        from huggingface_hub import constants

        if self.local_files_only:
            return "local_files_only=True"
        return "HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else None

    def repository(self, repo_id: str) -> Path:
        """Return the folder of a repository in the cache, which need not exist."""
        return self.cache / f"models--{repo_id.replace('/', '--')}"


def fetch(file: HubFile, access: HubAccess | None = None) -> Path:
    """Return the local path of `file`: from the cache, or from the Hub if it is not cached or is damaged there.

    Raises:
        DownloadError: The file cannot be fetched, or its content has another hash.
    """
    access = access or HubAccess()
    cached = cached_path(file, access)
    damage = "" if cached is None else _difference(file, cached)
    if cached is not None and not damage:
        return cached
    try:
        commit = resolve(file.repo_id, file.revision, file.filename, access)
        path = download(file.repo_id, commit, [file.filename], access, force=bool(damage)) / file.filename
    except DownloadError as error:
        if damage:
            raise DownloadError(f"{damage} It cannot be fetched again: {error}") from error
        raise
    if damage := _difference(file, path):
        raise DownloadError(f"{damage} It comes from {access.api.endpoint}. Check HF_ENDPOINT and the proxy.")
    remember(file.repo_id, file.revision, commit, access)
    return path


def _difference(file: HubFile, path: Path) -> str:
    received = sha256_of(path)
    return "" if received == file.sha256 else f"{path} must have the sha256 {file.sha256}. Received: {received}."


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def cached_path(file: HubFile, access: HubAccess | None = None) -> Path | None:
    """Return the path of `file` in the cache, unchecked; None if it is not cached."""
    return find_cached(file.repo_id, file.filename, file.revision, access or HubAccess())


def find_cached(repo_id: str, filename: str, revision: str, access: HubAccess) -> Path | None:
    """Return the path of a file in the cache, at the commit of its revision when that was last fetched."""
    from huggingface_hub import try_to_load_from_cache

    try:
        path = try_to_load_from_cache(repo_id, filename, cache_dir=access.cache, revision=revision)
    except OSError:  # No home folder, or no permission to look there.
        return None
    return Path(path) if isinstance(path, str) else None


def remember(repo_id: str, revision: str, commit: str, access: HubAccess) -> None:
    """Note the commit of a revision in the cache, where huggingface_hub notes it too.

    Call it after the files have arrived: what is noted can then be loaded offline. A cache that cannot be written is
    left as it is.
    """
    target = access.repository(repo_id) / "refs" / revision
    with contextlib.suppress(OSError):
        if revision != commit and not (target.is_file() and target.read_text("ascii") == commit):
            target.parent.mkdir(parents=True, exist_ok=True)
            write_text(target, commit)


def resolve(repo_id: str, revision: str, filename: str | None, access: HubAccess) -> str:
    """Return the commit of a revision, which must have a file unless that is None, with one request.

    Raises:
        HubUnreachableError: There is no network, or no answer in time.
        DownloadError: There is no such repository, revision or file, no permission, or offline mode is on.
    """
    if access.why_offline:
        raise DownloadError(
            f"{filename} of {repo_id}, {revision}, is not in the cache {access.cache}, and {access.why_offline} is set."
        )
    api = access.api
    try:
        # If the first address is dead (often IPv6), there is time for the next one.
        limit = 1.5 * ANSWER_SECONDS
        info = watched(lambda: api.model_info(repo_id, revision=revision, timeout=ANSWER_SECONDS), limit)
        commit, names = str(info.sha), [item.rfilename for item in info.siblings or []]
    # The client's errors and those of its HTTP library share no base class.
    except Exception as error:
        raise explained(error, repo_id, revision, api.endpoint, access.cache) from error
    if filename is not None and filename not in names:
        raise DownloadError(f"{api.endpoint}/{repo_id} has no file {filename} at revision {revision}.")
    return commit


def download(repo_id: str, commit: str, names: Collection[str], access: HubAccess, *, force: bool = False) -> Path:
    """Fetch files of a commit that are not cached, or with `force` all of them, and return its folder in the cache.

    Files that the commit does not have are skipped. The content of the others is not verified.

    Raises:
        HubUnreachableError: There is no network, or the download stalled or broke off.
        DownloadError: The Hub refuses, or the cache cannot be written.
    """
    from huggingface_hub import snapshot_download

    repository, address = access.repository(repo_id), access.api.endpoint

    def get() -> str:
        for path in (repository / "snapshots" / commit / name for name in names if force):
            # In a cache without links, as on many Windows machines, the client leaves the old copy in place.
            if path.is_file() and not path.is_symlink():
                path.unlink()
        return snapshot_download(
            repo_id,
            revision=commit,
            allow_patterns=list(names),
            cache_dir=access.cache,
            token=access.token,
            endpoint=address,
            force_download=force,
            etag_timeout=ANSWER_SECONDS,
            library_name="asianage",
        )

    try:
        return Path(watched(get, STALL_SECONDS, lambda: _size_of_files(repository / "blobs")))
    # As above; an interrupted body is an error of the HTTP library that is not an OSError.
    except Exception as error:
        raise explained(error, repo_id, commit, address, access.cache) from error


def watched(call: Callable[[], Result], seconds: float, progress: Callable[[], int] = lambda: 0) -> Result:
    """Return what `call` returns, and stop waiting after `seconds` without progress.

    A call that hangs is left behind in its thread: neither name resolution nor the client can be interrupted.

    Raises:
        TimeoutError: The call did not return in time.
    """
    future: concurrent.futures.Future[Result] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(call())
        except Exception as error:
            future.set_exception(error)

    try:
        threading.Thread(target=run, name="asianage-hub", daemon=True).start()
    except RuntimeError:  # No thread can be started, for instance while the interpreter shuts down.
        run()
    seen, deadline = progress(), time.monotonic() + seconds
    while not concurrent.futures.wait([future], min(max(0.0, deadline - time.monotonic()), 1.0)).done:
        # Only more than ever before counts: a server that breaks off again and again lets the client start over.
        if (now := progress()) > seen:
            seen, deadline = now, time.monotonic() + seconds
        if time.monotonic() >= deadline:
            raise TimeoutError(f"nothing arrived within {seconds:g} s.")
    return future.result()


def _size_of_files(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return -1
