"""Errors of huggingface_hub's client -> what they mean to the user, and what to do."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from asianage.errors import DownloadError
from asianage.models.hub_access import HubAccess, HubUnreachableError


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
