"""A data set published as the parts of one tar archive -> its folder, all of it or nothing."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import lzma
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from asianage.data.folders import is_picture, list_files
from asianage.data.part_download import content_length, explain_full_disk, fetch_part, git_blob_sha1
from asianage.errors import DownloadError

logger = logging.getLogger(__name__)

MARKER = "asianage-download.json"
"""File in an unpacked data set that says what it was unpacked from."""

UNPACKED_RATIO = 1.4
"""Disk space of the unpacked files over that of the archive: JPEG files hardly shrink, and each fills whole blocks."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class PublishedArchive:
    """What is known of a published archive.

    Attributes:
        name: Name of the folder that it becomes.
        base_url: Address that its parts lie under.
        parts: Name and Git blob SHA-1 of each part, in order.
        md5: MD5 of the parts put together, in hexadecimal.
        pictures: Number of pictures in it.
    """

    name: str
    base_url: str
    parts: tuple[tuple[str, str], ...]
    md5: str
    pictures: int


def fetch_archive(
    archive: PublishedArchive, root: Path, *, base_url: str | None = None, progress: Progress | None = None
) -> Path:
    """Download, check and unpack an archive below `root`, or go on where an earlier call stopped.

    Until the folder is complete nothing of that name is there. The parts wait in a hidden folder beside it and are
    removed when the data set is in place.

    Args:
        archive: What to fetch.
        root: Folder to unpack into; made if missing.
        base_url: Address of a mirror.
        progress: Called with (stage, done, total), in bytes.

    Returns:
        The folder of the data set.

    Raises:
        DownloadError: A part cannot be fetched, or is not what was published.
        FileExistsError: The data set's folder is there, but incomplete.
        OSError: The disk has not enough space.
    """
    base_url = (archive.base_url if base_url is None else base_url).rstrip("/")
    if not base_url.startswith(("https://", "http://")):
        raise ValueError(f"`base_url` must start with https:// or http://. Received: {base_url!r}.")
    target, parts, staging = root / archive.name, root / f".{archive.name}.parts", root / f".{archive.name}.unpacking"
    if target.exists():
        _require_complete(target, archive)
    else:
        parts.mkdir(parents=True, exist_ok=True)
        files = _fetch_parts(archive, parts, base_url, progress or _ignore)
        _check_md5(archive, files)
        _unpack(archive, files, staging, target, progress or _ignore)
    shutil.rmtree(parts, ignore_errors=True)
    return target


def _fetch_parts(archive: PublishedArchive, folder: Path, base_url: str, progress: Progress) -> list[Path]:
    files = [folder / name for name, _ in archive.parts]
    for file, (_, blob_sha1) in zip(files, archive.parts, strict=True):
        if file.is_file() and git_blob_sha1(file) != blob_sha1:
            logger.warning("%s was altered on disk; it is fetched again", file)
            file.unlink()
    sizes = {file: file.stat().st_size for file in files if file.is_file()}
    missing = [file for file in files if file not in sizes]
    # The parts were split to one size; only the last is smaller.
    usual = content_length(f"{base_url}/{missing[0].name}") if missing else 0
    total = sum(sizes.values()) + usual * len(missing)
    _require_space(folder, total - sum(sizes.values()) + int(total * UNPACKED_RATIO))
    for file, (name, blob_sha1) in zip(files, archive.parts, strict=True):
        if file not in sizes:
            done = sum(sizes.values())

            def arrived(size: int, done: int = done, total: int = total) -> None:
                progress("downloading", min(done + size, total), total)

            fetch_part(f"{base_url}/{name}", file, blob_sha1, arrived)
            sizes[file] = file.stat().st_size
            missing.remove(file)
            total = sum(sizes.values()) + usual * len(missing)
    progress("downloading", total, total)
    return files


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"About {needed / 1e9:.1f} GB are needed to download and unpack, {free / 1e9:.1f} GB are free. Free "
            f"some space or choose another disk: {folder.parent}"
        )


def _check_md5(archive: PublishedArchive, files: list[Path]) -> None:
    # MD5 is what the authors publish.
    digest = hashlib.md5(usedforsecurity=False)
    with _joined(files) as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() != archive.md5:
        raise DownloadError(
            f"The parts of {archive.name} together have the MD5 {digest.hexdigest()} instead of {archive.md5}, though "
            f"each has its published hash. Remove them and call again: {files[0].parent}"
        )


def _unpack(archive: PublishedArchive, files: list[Path], staging: Path, target: Path, progress: Progress) -> None:
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir()
        total = sum(file.stat().st_size for file in files)
        with _joined(files, lambda done: progress("unpacking", done, total)) as content:
            unpack_tar(content, staging)
        progress("unpacking", total, total)
        inner = list(staging.iterdir())
        folder = inner[0] if len(inner) == 1 and inner[0].is_dir() and not inner[0].name.isdecimal() else staging
        pictures = _count_pictures(folder)
        if pictures != archive.pictures:
            logger.warning("%s holds %d pictures; %d were expected", archive.name, pictures, archive.pictures)
        (folder / MARKER).write_text(json.dumps({"md5": archive.md5, "pictures": pictures}) + "\n", "utf-8")
        folder.rename(target)
    except OSError as error:
        explain_full_disk(error, staging.parent)
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def unpack_tar(stream: io.BufferedReader, folder: Path) -> None:
    """Unpack the files and folders of a compressed tar archive, none of them outside `folder`.

    Raises:
        DownloadError: It is not a tar archive, or holds links, devices, or names that lead out of `folder`.
        OSError: A file cannot be written.
    """
    # Older releases of Python 3.11 lack the filter; the checks in `_check_member` do not rely on it.
    safety: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            while (member := archive.next()) is not None:
                _check_member(member)
                archive.extract(member, folder, set_attrs=False, **safety)
                # tarfile remembers every member, which is of no use here and grows with the archive.
                archive.members.clear()  # type: ignore[attr-defined]
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


def _joined(files: list[Path], reached: Callable[[int], None] | None = None) -> io.BufferedReader:
    """Open the parts as one file, so that no joined copy has to lie on the disk."""
    return io.BufferedReader(_Parts(files, reached), 1 << 20)


class _Parts(io.RawIOBase):
    def __init__(self, files: list[Path], reached: Callable[[int], None] | None) -> None:
        super().__init__()
        self._waiting = list(files)
        self._current: io.FileIO | None = None
        self._reached = reached
        self._done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._current is None:
                if not self._waiting:
                    return 0
                self._current = self._waiting.pop(0).open("rb", buffering=0)
            count = self._current.readinto(buffer)
            if count:
                self._done += count
                if self._reached is not None:
                    self._reached(self._done)
                return count
            self._current.close()
            self._current = None

    def close(self) -> None:
        if self._current is not None:
            self._current.close()
            self._current = None
        super().close()


def _ignore(stage: str, done: int, total: int) -> None:
    pass
