"""Errors of huggingface_hub's client -> what they mean to the user, and what to do."""

from __future__ import annotations

import errno
from pathlib import Path
from urllib.parse import urlsplit

from asianage.errors import DownloadError


class HubUnreachableError(DownloadError):
    """The Hub gave no usable answer: no network, a timeout, a server error, too many requests. Later may be better."""


_LOG_IN = "log in with `hf auth login` or pass `token=`."
_DENIED = "{place} refuses access ({status}): the token is missing, expired or too weak; " + _LOG_IN
_BAD_LETTERS = (
    "The access token must consist of ASCII letters, digits and underscores. Received one with other characters. Check "
    "HF_TOKEN, `token=` and the file that `hf auth login` has written."
)
_NO_HUB = (
    "{address} does not answer as a Hugging Face Hub does. Check HF_ENDPOINT, the proxy, and whether the network wants "
    "you to log in first."
)

_REFUSALS: dict[str | int | None, str] = {
    "GatedRepoError": "{place} is gated: accept its conditions there, then " + _LOG_IN,
    "RepositoryNotFoundError": "{place} does not exist, or is private. Check the name; for a private repository "
    + _LOG_IN,
    "RevisionNotFoundError": "{place} has no revision {revision!r}. Name a branch, a tag or a full commit hash.",
    "HFValidationError": "{repo_id!r} cannot be a Hub repository: {reason}",
    "UnicodeEncodeError": _BAD_LETTERS,
    "LocalProtocolError": _BAD_LETTERS,
    401: _DENIED,
    403: _DENIED,
    400: "{address} refuses ({status}) for {repo_id}: {reason}",
    "disk": "{reason} Make room, or choose another cache than {cache} with `cache_dir=` or HF_HOME.",
}
"""Class or status of an error that stays -> message."""

_FAILURES: dict[str | int | None, str] = {
    "JSONDecodeError": _NO_HUB,
    "KeyError": _NO_HUB,
    408: "{address} answers with the error {status} for {repo_id}. Try again later.",
    429: "{address} answers: too many requests. Try again {wait}, or " + _LOG_IN,
    "network": "{address} cannot be reached{proxy}, or broke off: {reason} Check the network and try again.",
}
"""Class or status of an error that may be gone later -> message."""

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def explained(error: Exception, repo_id: str, revision: str, address: str, cache: Path) -> DownloadError:
    """Return what an error of huggingface_hub's client means to the user, and what to do."""
    if isinstance(error, DownloadError):
        return error
    if fault := _proxy_fault():
        return DownloadError(fault)
    root = _root_error(error)
    response = getattr(root, "response", None)
    status: int | None = getattr(response, "status_code", None)
    keys = [*(kind.__name__ for kind in type(root).__mro__), status]
    if status is not None:
        keys.append(408 if status >= 500 else 400)
    keys.append("disk" if isinstance(root, OSError) and (root.filename or root.errno in _DISK_ERRORS) else "network")
    key = next(key for key in keys if key in _REFUSALS or key in _FAILURES)
    wait = "" if response is None else response.headers.get("Retry-After")
    text = (_REFUSALS | _FAILURES)[key].format(
        place=f"{address}/{repo_id}",
        address=address,
        repo_id=repo_id,
        revision=revision,
        status=status,
        wait=f"in {wait} s" if wait else "later",
        cache=cache,
        proxy=_proxy(address),
        reason=_first_line(root),
    )
    return DownloadError(text) if key in _REFUSALS else HubUnreachableError(text)


def _proxy_fault() -> str:
    """Return what is wrong with the setting of a proxy, whose value may contain a password; "" if nothing is."""
    from urllib.request import getproxies  # It loads ssl, which makes a start longer.

    for scheme, proxy in getproxies().items():
        if scheme not in ("http", "https", "all") or not proxy:
            continue
        parts = proxy.partition("://")[2] or proxy
        try:
            url = urlsplit(f"//{parts}")
            _ = url.port  # Reading it raises the error.
            fine = url.hostname and not (url.path.strip("/") or url.query or url.fragment)
        except ValueError:
            fine = False
        if not fine or parts.count("@") > 1 or not parts.isprintable() or not parts.isascii() or " " in parts:
            name = f"{scheme}_proxy".upper()
            return (
                f"{name} must be the address of a proxy, such as http://user:password@proxy.example:8080. "
                "The value cannot be read as one. Write special characters of the password percent-encoded: %23 for #, "
                "%40 for @, %2F for /, %3F for ?, %3A for :."
            )
    return ""


def _proxy(address: str) -> str:
    """Return which proxy stands before an address, without its password; "" for none."""
    from urllib.request import getproxies, proxy_bypass

    url = urlsplit(address)
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.hostname or ""):
        return ""
    return f" through the proxy {urlsplit(proxy if '//' in proxy else f'http://{proxy}').netloc.rpartition('@')[2]}"


def _root_error(error: Exception) -> Exception:
    """Return the answer of the Hub behind the "cannot be located" with which the client hides it."""
    causes: list[Exception] = [error]
    while isinstance(causes[-1].__cause__, Exception):
        causes.append(causes[-1].__cause__)
    answers = (cause for cause in causes if getattr(cause, "response", None) is not None)
    hidden = causes[1] if isinstance(error, FileNotFoundError) and len(causes) > 1 else error
    return next(answers, hidden)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in (getattr(error, "server_message", None) or str(error)).splitlines()]
    text = next((line for line in lines if line), type(error).__name__)[:300]
    return text if text.endswith((".", "!")) else f"{text}."
