"""One file of a Hugging Face Hub repository -> a verified local path. Cached by huggingface_hub, checked by us."""

from __future__ import annotations

import hashlib
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from asianage.errors import DownloadError

CONNECT_SECONDS = 1.5
"""How long the Hub may take to answer a first request before it counts as out of reach."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a Hub repository whose content is known by its hash."""

    repo_id: str
    filename: str
    sha256: str
    revision: str = "main"


def fetch(file: HubFile) -> Path:
    """Return the local path of `file`: from huggingface_hub's cache, otherwise from the Hub.

    Raises:
        DownloadError: The file cannot be fetched, or its content has another hash.
    """
    path = _cached(file)
    if path is None:
        check_reachable(file)
        path = _download(file)
    received = sha256_of(path)
    if received != file.sha256:
        raise DownloadError(
            f"{path} has the sha256 {received} instead of {file.sha256}. Delete it, then run `asianage download`."
        )
    return path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def check_reachable(file: HubFile) -> None:
    """Ask the Hub for `file` and give up fast: its own client retries for 20 seconds and more.

    Raises:
        DownloadError: Offline mode is on, or no answer came within `CONNECT_SECONDS`.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise DownloadError(f"{file.filename} is not in the cache and HF_HUB_OFFLINE is set.")
    url = f"{constants.ENDPOINT}/{file.repo_id}/resolve/{file.revision}/{file.filename}"
    outcome: list[Exception] = []
    answered = threading.Event()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "asianage"})
            urllib.request.urlopen(request, timeout=CONNECT_SECONDS).close()
        except urllib.error.HTTPError:
            pass  # It answers; what it says is for huggingface_hub to read.
        except (OSError, ValueError) as error:
            outcome.append(error)
        answered.set()

    # Name resolution has no timeout of its own, hence the thread.
    threading.Thread(target=ask, daemon=True).start()
    if not answered.wait(CONNECT_SECONDS):
        raise DownloadError(f"{constants.ENDPOINT} did not answer within {CONNECT_SECONDS} s.")
    if outcome:
        raise DownloadError(f"{constants.ENDPOINT} cannot be reached: {outcome[0]}.") from outcome[0]


def _cached(file: HubFile) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(file.repo_id, file.filename, revision=file.revision)
    return Path(path) if isinstance(path, str) else None


def _download(file: HubFile) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(file.repo_id, file.filename, revision=file.revision))
    # The client raises errors of its HTTP library that share no base class; whatever it is, the file is not there.
    except Exception as error:
        raise DownloadError(f"{file.filename} could not be fetched from {file.repo_id}: {error}") from error
