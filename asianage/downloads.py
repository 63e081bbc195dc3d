"""Files of Hugging Face Hub repositories -> local paths. Cached by huggingface_hub, timed and checked by us.

The client of huggingface_hub retries a Hub that is out of reach for 20 seconds and more, waits minutes for one that
accepts a connection and stays silent, and takes a damaged file of the right size. Here every wait ends after a stated
time, and what went wrong is said in words that name the remedy.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from asianage.errors import DownloadError

CONNECT_SECONDS = 1.5
"""How long a first connection to the Hub may take before it counts as out of reach."""

ANSWER_SECONDS = 10.0
"""How long the Hub may take to answer a first question; the variable HF_HUB_ETAG_TIMEOUT takes precedence."""

STALL_SECONDS = 60.0
"""How long a download may go on without one more byte."""

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A full commit hash: what it names never changes, so that a cached copy needs no network."""

Result = TypeVar("Result")


class HubUnreachableError(DownloadError):
    """The Hub gave no usable answer: no network, a timeout, a server error, too many requests. Later may be better."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a Hub repository whose content is known by its hash."""

    repo_id: str
    filename: str
    sha256: str
    revision: str = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAccess:
    """How the Hub is reached and how long it is waited for; None means what huggingface_hub is set to.

    Attributes:
        token: Access token, True for the one that is logged in, False for none; None takes the one that is logged in.
        cache_dir: Where files are kept.
        endpoint: Address of the Hub or of a mirror.
        local_files_only: Use what is cached and no network.
        connect_seconds: Limit of the first connection.
        answer_seconds: Limit of the first answer.
        stall_seconds: Limit of a download without progress.
    """

    token: bool | str | None = None
    cache_dir: str | os.PathLike[str] | None = None
    endpoint: str | None = None
    local_files_only: bool = False
    connect_seconds: float = CONNECT_SECONDS
    answer_seconds: float | None = None
    stall_seconds: float = STALL_SECONDS

    @property
    def address(self) -> str:
        """The Hub's address without a slash at its end."""
        from huggingface_hub import constants

        return (self.endpoint or constants.ENDPOINT).rstrip("/")

    @property
    def cache(self) -> Path:
        """The cache folder."""
        from huggingface_hub import constants

        return Path(self.cache_dir or constants.HF_HUB_CACHE).expanduser()

    @property
    def why_offline(self) -> str | None:
        """The setting that forbids to use the network, None if it may be used."""
        from huggingface_hub import constants

        if self.local_files_only:
            return "local_files_only=True"
        return "HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else None

    def repo_cache(self, repo_id: str) -> Path:
        """Return the folder of a repository in the cache."""
        return self.cache / ("models--" + repo_id.replace("/", "--"))

    def snapshot(self, repo_id: str, commit: str) -> Path:
        """Return the folder of a commit in the cache, which need not be there."""
        return self.repo_cache(repo_id) / "snapshots" / commit


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def fetch(file: HubFile, access: HubAccess | None = None) -> Path:
    """Return the local path of `file`: from huggingface_hub's cache, otherwise from the Hub.

    Raises:
        DownloadError: The file cannot be fetched, or its content has another hash.
    """
    access = access or HubAccess()
    path = cached_path(file, access)
    if path is None:
        commit = resolve(file.repo_id, file.revision, file.filename, access)
        path = download(file.repo_id, commit, file.filename, access)
        remember(file.repo_id, file.revision, commit, access)
    received = sha256_of(path)
    if received != file.sha256:
        raise DownloadError(
            f"{path} has the sha256 {received} instead of {file.sha256}. Delete it, then run `asianage download`."
        )
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


def resolve(
    repo_id: str, revision: str, filename: str, access: HubAccess, *, max_bytes: int | None = None
) -> str:
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
    limit = _answer_seconds(access)

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
            etag_timeout=_answer_seconds(access),
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


def explained(
    error: Exception, repo_id: str, revision: str, filename: str, access: HubAccess, *, action: str = "fetched"
) -> DownloadError:
    """Return what an error of huggingface_hub means to the user, and what to do."""
    from huggingface_hub import errors

    place = f"{access.address}/{repo_id}"
    known = _root_error(error)
    response = getattr(known, "response", None)
    status = getattr(response, "status_code", None)
    if isinstance(known, errors.GatedRepoError):
        return DownloadError(
            f"{repo_id} is gated: accept its conditions at {place}, then log in with `hf auth login` or pass `token=`."
        )
    if isinstance(known, errors.RepositoryNotFoundError):
        return DownloadError(
            f"{place} does not exist, or is private. Check the name; for a private repository log in with "
            "`hf auth login` or pass `token=`."
        )
    if isinstance(known, errors.RevisionNotFoundError):
        return DownloadError(f"{place} has no revision {revision!r}. Name a branch, a tag or a full commit hash.")
    if status == 404:
        return DownloadError(f"{place} has no file {filename} at revision {revision}: it is not a model of asianage.")
    if status in (401, 403):
        return DownloadError(
            f"{place} refuses access ({status}): the token is missing, expired, or lacks the permission. "
            "Log in with `hf auth login` or pass `token=`."
        )
    if status == 429:
        wait = response.headers.get("Retry-After")  # type: ignore[union-attr]
        return HubUnreachableError(
            f"{access.address} answers: too many requests. Try again {f'in {wait} s' if wait else 'later'}; "
            "those who log in with `hf auth login` may ask more often."
        )
    if status is not None and status < 500 and status != 408:
        return DownloadError(f"{access.address} refuses ({status}) for {repo_id}: {_first_line(known)}")
    if status is not None:
        return HubUnreachableError(f"{access.address} answers with the error {status} for {repo_id}. Try again later.")
    if isinstance(known, errors.HFValidationError):
        return DownloadError(f"{repo_id!r} cannot be a Hub repository: {known}")
    if isinstance(known, OSError) and known.errno is not None and _is_local(known):
        return DownloadError(_disk_advice(known, filename, access))
    return HubUnreachableError(
        f"{filename} of {repo_id} could not be {action} at {access.address}: "
        f"{type(known).__name__}: {_first_line(known)} Check the network and try again."
    )


def _root_error(error: Exception) -> Exception:
    """Return the answer of the Hub behind "cannot be located", with which the client hides it."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "response", None) is not None and isinstance(cause, Exception):
            return cause
        cause = cause.__cause__
    if isinstance(error, FileNotFoundError) and isinstance(error.__cause__, Exception):
        return error.__cause__
    return error


def _is_local(error: OSError) -> bool:
    return error.filename is not None or error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.EIO,
        errno.EMFILE,
    )


def _disk_advice(error: OSError, filename: str, access: HubAccess) -> str:
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    if where and not Path(where).absolute().is_relative_to(access.cache.absolute()):
        return f"{filename} cannot be fetched: {where}: {error.strerror}."
    what = f"{filename} cannot be written to the cache {access.cache}: {error.strerror}."
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        try:
            free = f" {shutil.disk_usage(access.cache).free / 1e6:.1f} MB are free there."
        except OSError:
            free = ""
        return f"{what}{free} Make room, or choose another folder with `cache_dir=` or HF_HOME."
    return f"{what} Choose a folder that can be written with `cache_dir=` or HF_HOME."


def _first_line(error: Exception) -> str:
    said = getattr(error, "server_message", None) or str(error)
    lines = [line for line in said.splitlines() if line.strip()]
    text = (lines[0] if lines else "").strip()[:300]
    return text if text.endswith((".", "!")) or not text else f"{text}."


def _answer_seconds(access: HubAccess) -> float:
    from huggingface_hub import constants

    if access.answer_seconds is not None:
        return access.answer_seconds
    chosen = os.environ.get("HF_HUB_ETAG_TIMEOUT")
    return float(constants.HF_HUB_ETAG_TIMEOUT) if chosen else ANSWER_SECONDS


def check_connection(access: HubAccess) -> None:
    """Open one connection to the Hub, or to the proxy before it, to find out fast that there is no network.

    Raises:
        HubUnreachableError: No connection came about within `connect_seconds`.
        DownloadError: The address of the Hub is not one.
    """
    url = urllib.parse.urlsplit(access.address)
    if url.hostname is None:
        raise DownloadError(f"The Hub's address must begin with https:// or http://. Received: {access.address!r}.")
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(url.hostname):
        url = urllib.parse.urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    host, port = url.hostname, url.port or {"https": 443, "socks5": 1080}.get(url.scheme, 80)
    what = f"{access.address} cannot be reached" + (f" through the proxy {host}:{port}" if proxy else "")
    try:
        watched(lambda: _connect(host or "", port, access.connect_seconds), access.connect_seconds)
    except TimeoutError:
        raise HubUnreachableError(f"{what}: no connection within {access.connect_seconds:g} s.") from None
    except (OSError, UnicodeError) as error:
        raise HubUnreachableError(f"{what}: {error}. Check the network and try again.") from error


def _connect(host: str, port: int, seconds: float) -> None:
    """Connect to whichever address of a host is first to answer; an address that is dead does not hold up the rest."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    connected = threading.Event()
    failures: list[OSError] = []

    def attempt(family: int, address: Any) -> None:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as connection:
                connection.settimeout(seconds)
                connection.connect(address)
                connected.set()
        except OSError as error:
            failures.append(error)
            if len(failures) == len(addresses):
                connected.set()

    for family, _, _, _, address in addresses:
        threading.Thread(target=attempt, args=(family, address), daemon=True).start()
    connected.wait(seconds)
    if len(failures) == len(addresses):
        raise failures[0]
    if not connected.is_set():
        raise TimeoutError


def watched(call: Callable[[], Result], seconds: float, progress: Callable[[], int] | None = None) -> Result:
    """Return what `call` returns, and stop waiting after `seconds`, or `seconds` without progress.

    A call that hangs is left behind in its thread: neither name resolution nor the client can be interrupted.

    Raises:
        TimeoutError: The call did not return in time.
    """
    results: list[Result] = []
    errors: list[Exception] = []
    finished = threading.Event()

    def run() -> None:
        try:
            results.append(call())
        except Exception as error:  # Whatever it is, it is raised again by the thread that waits.
            errors.append(error)
        finally:
            finished.set()

    threading.Thread(target=run, name="asianage-hub", daemon=True).start()
    seen = progress() if progress else 0
    deadline = time.monotonic() + seconds
    while not finished.wait(min(max(0.0, deadline - time.monotonic()), 1.0)):
        now = progress() if progress else 0
        # Only more than ever before counts: a server that breaks off again and again lets the client start over.
        if now > seen:
            seen, deadline = now, time.monotonic() + seconds
        if time.monotonic() >= deadline:
            raise TimeoutError
    if errors:
        raise errors[0]
    return results[0]


def _size_of_files(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return -1
