"""How the Hugging Face Hub is reached, and how long it is waited for.

The client of huggingface_hub retries a Hub that is out of reach for 20 seconds and more, and waits minutes for one that
accepts a connection and stays silent. Here every wait ends after a stated time.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from asianage.errors import DownloadError

CONNECT_SECONDS = 1.5
"""How long a first connection to the Hub may take before it counts as out of reach."""

ANSWER_SECONDS = 10.0
"""How long the Hub may take to answer a first question; the variable HF_HUB_ETAG_TIMEOUT takes precedence."""

STALL_SECONDS = 60.0
"""How long a download may go on without one more byte."""

Result = TypeVar("Result")


class HubUnreachableError(DownloadError):
    """The Hub gave no usable answer: no network, a timeout, a server error, too many requests. Later may be better."""


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

    token: bool | str | None = field(default=None, repr=False)
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


def answer_limit(access: HubAccess) -> float:
    """Return how long a first answer of the Hub may take, in seconds."""
    from huggingface_hub import constants

    if access.answer_seconds is not None:
        return access.answer_seconds
    chosen = os.environ.get("HF_HUB_ETAG_TIMEOUT")
    return float(constants.HF_HUB_ETAG_TIMEOUT) if chosen else ANSWER_SECONDS
