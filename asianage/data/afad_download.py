"""Download AFAD, the Asian Face Age Dataset, and unpack it: all of it or nothing."""

from __future__ import annotations

import errno
import hashlib
import http.client
import io
import json
import logging
import lzma
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from asianage.data.afad_parts import ARCHIVES, PublishedArchive
from asianage.data.folders import is_picture, list_files
from asianage.errors import DownloadError
from asianage.files import replacing, require_space, sole_writer
from asianage.progress import shown

logger = logging.getLogger(__name__)

MARKER = "asianage-download.json"
"""File in an unpacked data set that records what it was unpacked from."""

UNPACKED_RATIO = 1.4
"""Disk space of the unpacked files over that of the archive: JPEG files hardly shrink, and each fills whole blocks."""

TIMEOUT_SECONDS = 60.0
"""How long a server may stay silent."""

ATTEMPTS = 5
"""How often a part is fetched before the download is given up."""

PAUSE_SECONDS = 1.0
"""Pause after the first failed attempt; it doubles each time."""

_CHUNK = 1 << 18
_LASTING = frozenset({400, 401, 403, 404, 405, 410, 451})


def download_afad(
    root: str | os.PathLike[str], variant: str = "full", *, base_url: str | None = None, progress: bool = False
) -> Path:
    """Download and unpack AFAD, or continue a download that was stopped. It may be used for academic research only.

    Every part is compared with its published Git hash, and the joined parts with the published MD5, before anything
    is unpacked. Parts that are complete are kept until the data set is in place. Its folder appears when it is
    complete.

    Args:
        root: Folder to unpack into, for instance ``data``; made if missing.
        variant: "full" (165,501 pictures, ages 15 to 72) or "lite" (59,344 pictures, ages 18 to 39).
        base_url: Address of a mirror of the parts; None takes the authors' own.
        progress: Whether to show progress.

    Returns:
        The folder of the data set, for `asianage.data.afad.read_afad`.

    Raises:
        BlockingIOError: Another process downloads it into `root`.
        ValueError: There is no such variant, or `base_url` is not an address of the web.
        DownloadError: A part cannot be fetched, or is not what was published.
        FileExistsError: The data set's folder is there, but incomplete.
        OSError: The disk has not enough space.
    """
    if variant not in ARCHIVES:
        raise ValueError(f"`variant` must be {' or '.join(ARCHIVES)}. Received: {variant!r}.")
    archive = ARCHIVES[variant]
    base_url = (archive.base_url if base_url is None else base_url).rstrip("/")
    if not base_url.startswith(("https://", "http://")):
        raise ValueError(f"`base_url` must start with https:// or http://. Received: {base_url!r}.")
    target, parts = Path(root, archive.name), Path(root, f".{archive.name}.parts")
    if target.exists():
        _require_complete(target, archive)
    else:
        parts.mkdir(parents=True, exist_ok=True)
        try:
            with sole_writer(parts):
                files = _fetch_parts(archive, parts, base_url, progress)
                _check_md5(archive, files)
                _unpack(archive, files, target, progress)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                text = "The disk is full. Free some space and call again; the parts that are complete are kept"
                raise OSError(error.errno, text, str(parts.parent)) from error
            raise
    shutil.rmtree(parts, ignore_errors=True)
    return target


def _fetch_parts(archive: PublishedArchive, folder: Path, base_url: str, progress: bool) -> list[Path]:
    files = []
    for name, blob_sha1 in shown(archive.parts, progress, description=archive.name, unit="part"):
        file = folder / name
        if file.is_file() and _git_blob_sha1(file) != blob_sha1:
            logger.warning("%s was altered on disk; it is fetched again", file)
            file.unlink()
        if not file.is_file():
            _fetch_part(f"{base_url}/{name}", file, blob_sha1)
        files.append(file)
        if len(files) == 1:
            # The parts are of one size; only the last is smaller.
            missing = sum(not (folder / name).is_file() for name, _ in archive.parts)
            needed = file.stat().st_size * (missing + len(archive.parts) * UNPACKED_RATIO)
            require_space(folder, needed, f"{archive.name}, downloaded and unpacked,")
    return files


def _fetch_part(url: str, target: Path, blob_sha1: str) -> None:
    """Fetch a file with a known Git hash. It appears at `target` only when it is whole and right."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with replacing(target) as temporary:
                _receive(url, temporary)
                received = _git_blob_sha1(temporary)
                if received != blob_sha1:
                    raise _TransferError(f"what arrived has the Git hash {received} instead of {blob_sha1}")
            return
        except _TransferError as error:
            if attempt == ATTEMPTS:
                raise DownloadError(
                    f"{url} could not be fetched: {error}. Check the network and `base_url`, then call again; the "
                    "parts that are complete are kept."
                ) from error
            logger.warning("%s: %s; it is fetched again", url, error)
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))


class _TransferError(Exception):
    """A failure that another attempt may mend."""


def _receive(url: str, target: Path) -> None:
    # `download_afad` has checked that the address is one of the web.
    request = urllib.request.Request(url, headers={"User-Agent": "asianage"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response, target.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(response, file, _CHUNK)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _LASTING:
            raise DownloadError(f"The server answers {error.code} {error.reason}: {url}. Check `base_url`.") from error
        raise _TransferError(f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _TransferError(f"the connection broke: {error}") from error


def _git_blob_sha1(file: Path) -> str:
    """Return the hash by which Git knows the content of a file, in hexadecimal."""
    digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    for chunk in _chunks([file]):
        digest.update(chunk)
    return digest.hexdigest()


def _check_md5(archive: PublishedArchive, files: Sequence[Path]) -> None:
    # MD5 is what the authors publish.
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in _chunks(files):
        digest.update(chunk)
    if digest.hexdigest() != archive.md5:
        raise DownloadError(
            f"The joined parts of {archive.name} have the MD5 {digest.hexdigest()} instead of {archive.md5}, though "
            f"each has its published hash. Remove them and call again: {files[0].parent}"
        )


def _unpack(archive: PublishedArchive, files: Sequence[Path], target: Path, progress: bool) -> None:
    staging = target.with_name(f".{archive.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir()
        _extract(files, staging, progress, archive.pictures)
        inner = list(staging.iterdir())
        folder = inner[0] if len(inner) == 1 and inner[0].is_dir() and not inner[0].name.isdecimal() else staging
        pictures = _count_pictures(folder)
        if pictures != archive.pictures:
            logger.warning("%s holds %d pictures; %d were expected", archive.name, pictures, archive.pictures)
        (folder / MARKER).write_text(json.dumps({"md5": archive.md5, "pictures": pictures}) + "\n", "utf-8")
        folder.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _extract(files: Sequence[Path], folder: Path, progress: bool, pictures: int) -> None:
    """Extract the files and folders of a compressed tar archive, none of them outside `folder`."""
    # Older releases of Python 3.11 lack the filter; the checks in `_check_member` do not rely on it.
    safety: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    try:
        with tarfile.open(fileobj=_Joined(files), mode="r|*") as tar:
            members = iter(tar.next, None)
            for member in shown(members, progress, description="unpacking", unit="file", total=pictures):
                _check_member(member)
                tar.extract(member, folder, set_attrs=False, **safety)
                # tarfile remembers every member, which is of no use here and grows with the archive.
                tar.members.clear()  # type: ignore[attr-defined]
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise DownloadError(f"The archive cannot be unpacked safely: {error}.") from error


def _check_member(member: tarfile.TarInfo) -> None:
    name = member.name
    if not (member.isfile() or member.isdir()):
        raise DownloadError(f"The archive must hold files and folders only. Received: {name!r}, which is neither.")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or set(name) & set("\\:\0"):
        raise DownloadError(f"The archive must not lead out of its folder. Received the name {name!r}.")


def _require_complete(target: Path, archive: PublishedArchive) -> None:
    marker = target / MARKER
    expected = json.loads(marker.read_text("utf-8"))["pictures"] if marker.is_file() else archive.pictures
    found = _count_pictures(target)
    if found != expected:
        raise FileExistsError(
            f"{target} is there and holds {found:,} pictures instead of {expected:,}. Remove or rename it to unpack "
            "the data set anew; to use it as it is, read it."
        )


def _count_pictures(folder: Path) -> int:
    return sum(is_picture(path) for path in list_files(folder))


def _chunks(files: Sequence[Path]) -> Iterator[bytes]:
    for file in files:
        with file.open("rb") as content:
            while chunk := content.read(_CHUNK):
                yield chunk


class _Joined(io.RawIOBase):
    """The parts as one stream, so that no joined copy has to lie on the disk."""

    def __init__(self, files: Sequence[Path]) -> None:
        super().__init__()
        self._chunks = _chunks(files)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
