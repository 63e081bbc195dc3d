"""One file from an HTTP server, known by its Git hash: resumed where it stopped, checked when it is whole."""

from __future__ import annotations

import errno
import hashlib
import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asianage.errors import DownloadError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60.0
"""How long a server may stay silent."""

ATTEMPTS = 5
"""How often in a row an answer may bring nothing before the download is given up."""

PAUSE_SECONDS = 1.0
"""Pause after the first fruitless attempt; it doubles each time."""

_CHUNK = 1 << 18
_LASTING = frozenset({400, 401, 403, 404, 405, 410, 451})


def git_blob_sha1(path: Path) -> str:
    """Return the hash by which Git knows the content of a file, in hexadecimal."""
    # SHA-1 is what Git publishes; the parts together are compared with an MD5 as well.
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def explain_full_disk(error: OSError, folder: Path) -> None:
    """Raise an error that names the remedy if `error` came from a disk that is full."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        text = "The disk is full. Free some space and call again; the parts that are complete are kept"
        raise OSError(error.errno, text, str(folder)) from error


def content_length(url: str) -> int:
    """Ask how many bytes a file has.

    Raises:
        DownloadError: The server cannot be reached, or does not say.
    """
    patience = _Patience(url)
    while True:
        try:
            with _open(url, method="HEAD") as response:
                length = response.headers.get("Content-Length", "")
            break
        except _RetryableError as error:
            patience.wait(str(error))
    if not length.isdecimal():
        raise DownloadError(f"The server does not say how long {url} is. Check `base_url`: it must serve plain files.")
    return int(length)


def fetch_part(url: str, target: Path, blob_sha1: str, arrived: Callable[[int], None]) -> None:
    """Fetch a file that Git knows as `blob_sha1`. It appears at `target` only when it is whole and right.

    What has arrived of it lies beside it as ``*.partial`` and is continued by the next call.

    Args:
        url: Where it is.
        target: Where it goes.
        blob_sha1: Its Git hash.
        arrived: Called with the size of what is there, in bytes, whenever it has changed.

    Raises:
        DownloadError: The server has nothing for that address, does not answer, or the content is another.
        OSError: The file cannot be written.
    """
    partial = target.with_name(target.name + ".partial")
    patience = _Patience(url)
    damaged = False
    while True:
        before = _size(partial)
        try:
            complete, problem = _continue(url, partial, arrived), "the connection ended early"
        except _RetryableError as error:
            complete, problem = False, str(error)
        if not complete:
            patience.wait(problem, progressed=_size(partial) > before)
            continue
        received = git_blob_sha1(partial)
        if received == blob_sha1:
            partial.replace(target)
            return
        partial.unlink()
        if damaged:
            raise DownloadError(
                f"{url} has the Git hash {received} instead of {blob_sha1}, also when it is fetched again: it is not "
                "what was published. Check the network and `base_url`, then call again; the other parts are kept."
            )
        damaged = True
        logger.warning("%s arrived damaged (Git hash %s); it is fetched again", url, received)


class _Patience:
    """Waits longer after each fruitless attempt, and gives up in the end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._fruitless = 0

    def wait(self, problem: str, *, progressed: bool = False) -> None:
        self._fruitless = 0 if progressed else self._fruitless + 1
        if self._fruitless == ATTEMPTS:
            raise DownloadError(f"{self._url} could not be fetched: {problem}. Call again later to go on from here.")
        logger.info("%s: %s; trying again", self._url, problem)
        time.sleep(PAUSE_SECONDS * 2 ** max(0, self._fruitless - 1))


class _RetryableError(Exception):
    """The server may answer better next time."""


def _continue(url: str, partial: Path, arrived: Callable[[int], None]) -> bool:
    """Fetch what is missing of a file and tell whether it is all there now, as far as the server says."""
    start = _size(partial)
    try:
        response = _open(url, start=start)
    except _RangeError:
        # Nothing lies beyond what is there: it is whole, or it is not this file. Its hash tells.
        return True
    with response:
        if response.status != 206:
            start = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            partial.unlink()
            raise _RetryableError(f"the answer does not start at byte {start}")
        length = response.headers.get("Content-Length")
        size = _save(response, partial, start, arrived)
    return length is None or size == start + int(length)


def _save(response: Any, partial: Path, start: int, arrived: Callable[[int], None]) -> int:
    """Append an answer to a file cut at byte `start`, and return the file's new size."""
    size = start
    try:
        with partial.open("r+b" if start else "wb") as file:
            file.seek(start)
            while chunk := _receive(response):
                file.write(chunk)
                size += len(chunk)
                arrived(size)
    except OSError as error:
        partial.unlink(missing_ok=True)
        explain_full_disk(error, partial.parent)
        raise
    return size


def _receive(response: Any) -> bytes:
    try:
        return response.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _RetryableError(f"the connection broke: {error}") from error


class _RangeError(Exception):
    """The server has no bytes where a download was to go on."""


def _open(url: str, *, method: str = "GET", start: int = 0) -> Any:
    # A compressed answer would have another length and other offsets.
    headers = {"User-Agent": "asianage", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    # `fetch_archive` has checked that the address is one of the web.
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            raise _RangeError from error
        if error.code in _LASTING:
            raise DownloadError(f"The server answers {error.code} {error.reason}: {url}. Check `base_url`.") from error
        raise _RetryableError(f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _RetryableError(str(error)) from error


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
