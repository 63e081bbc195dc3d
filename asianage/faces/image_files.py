"""Names and folders -> the picture files behind them. The only place where folders are walked through."""

from __future__ import annotations

import codecs
import functools
import itertools
import logging
import os
import re
import select
import stat
import sys
import unicodedata
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from asianage.errors import ImageError

logger = logging.getLogger(__name__)

_READ_BY_PILLOW = (
    ".apng .avif .avifs .blp .bmp .bw .cur .dcx .dds .dib .fit .fits .flc .fli .ftc .ftu .gbr .gif .icb .icns .ico .im "
    ".j2c .j2k .jfif .jp2 .jpc .jpe .jpeg .jpf .jpg .jpx .mpo .msp .pbm .pcd .pcx .pfm .pgm .png .pnm .ppm .psd .pxr "
    ".qoi .ras .rgb .rgba .sgi .tga .tif .tiff .vda .vst .webp .xbm .xpm"
)
_READ_BY_PILLOW_HEIF = ".heic .heics .heif .heifs .hif"

IMAGE_SUFFIXES = frozenset(f"{_READ_BY_PILLOW} {_READ_BY_PILLOW_HEIF}".split())
"""Suffixes of the files that count as pictures in a folder."""

SYSTEM_FOLDERS = frozenset(
    {"@eadir", "@tmp", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "__macosx", "lost+found"}
    | {"system volume information"}
)
"""Folders in which disks and systems keep thumbnails and deleted files, in lower case."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/|data:", re.IGNORECASE)
"""Start of a URL or data URL; `pathlib` makes one slash of two. A drive letter has one letter."""

_ENCODINGS = {
    codecs.BOM_UTF8: ("utf-8", "surrogateescape"),
    codecs.BOM_UTF16_LE: ("utf-16-le", "replace"),
    codecs.BOM_UTF16_BE: ("utf-16-be", "replace"),
}
"""Byte order mark of a list -> its encoding, and how what is no text is read."""

_BLOCK = 1 << 20
"""Bytes of a list that are read at once."""

_MOST_KINDS = 8
"""Kinds of files that a summary names, at most."""


@dataclass(slots=True)
class LeftOut:
    """What a walk through a folder leaves out.

    Attributes:
        counts: What was left out -> how often.
        errors: One error for each folder that cannot be read.
    """

    counts: Counter[str] = field(default_factory=Counter)
    errors: list[OSError] = field(default_factory=list)

    def summary(self) -> str:
        """Return the counts in words, the most frequent first; "" if nothing was left out."""
        counts = self.counts.most_common(_MOST_KINDS)
        if rest := self.counts.total() - sum(count for _, count in counts):
            counts.append(("others", rest))
        return ", ".join(f"{what} ({count:,})" for what, count in counts)


def list_images(folder: str | os.PathLike[str], *, left_out: LeftOut | None = None) -> Iterator[Path]:
    """Yield the image files below `folder`, in a fixed order: sorted, and linked folders last.

    Hidden files and folders, folders of thumbnails such as ``@eaDir``, pipes and files with other suffixes are left
    out. A folder that several links lead to is read once.

    Args:
        folder: The folder.
        left_out: Takes what is left out. With None, one line is logged, and a folder that cannot be read is an error.

    Raises:
        NotADirectoryError: There is no such folder.
        PermissionError: A folder below cannot be read; raised at the end, and only without `left_out`.
    """
    root = stored_form(Path(os.path.expanduser(folder)))
    if not root.is_dir():
        raise NotADirectoryError(f"There is no folder {folder}. Check the name.")
    found = LeftOut() if left_out is None else left_out
    for directory, names in walk(root, found):
        for name in names:
            suffix = Path(name).suffix.lower()
            if name.startswith("."):
                found.counts["hidden files"] += 1
            elif suffix in IMAGE_SUFFIXES:
                yield directory / name
            else:
                found.counts[f"{suffix} files" if suffix else "files without a suffix"] += 1
    if left_out is None:
        conclude(root, found)


def walk(root: Path, left_out: LeftOut) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder from `root` on with the sorted names of its files; linked folders come last, each once."""
    real = os.path.realpath(root)
    around = {str(parent) for parent in Path(real).parents}
    begun = {real}
    waiting, links = [(root, real)], deque[Path]()
    while waiting or links:
        folder, real = waiting.pop() if waiting else _followed(links.popleft())
        if folder != root and (real in begun or real in around):
            left_out.counts["links back" if real in around else "links to folders that are read already"] += 1
            continue
        begun.add(real)
        try:
            with os.scandir(folder) as entries:
                kinds = [(entry.name, _kind(entry)) for entry in sorted(entries, key=lambda entry: entry.name)]
        except OSError as error:
            left_out.errors.append(error)
            continue
        yield folder, [name for name, kind in kinds if kind == "file"]
        inner = [(folder / name, os.path.join(real, name)) for name, kind in kinds if kind == "folder"]
        waiting += reversed(inner)
        links += [folder / name for name, kind in kinds if kind == "link"]
        left_out.counts.update(kind for _, kind in kinds if kind not in ("file", "folder", "link"))


def _followed(link: Path) -> tuple[Path, str]:
    return link, os.path.realpath(link)


def _kind(entry: os.DirEntry[str]) -> str:
    """Return "file", "folder", "link" (to a folder), or why the entry is left out."""
    try:
        is_folder = entry.is_dir()
        if not is_folder and not entry.is_file():
            # A link to nothing is a file, so that reading it says what is wrong.
            return "file" if entry.is_symlink() and not os.path.exists(entry.path) else "pipes and devices"
    # A link to itself, for instance.
    except OSError:
        return "file"
    if not is_folder:
        return "file"
    if entry.name.startswith("."):
        return "hidden folders"
    if entry.name.lower() in SYSTEM_FOLDERS:
        return f"folders {entry.name}"
    # Before Python 3.12 the junctions of Windows are taken for folders.
    return "link" if entry.is_symlink() or getattr(entry, "is_junction", bool)() else "folder"


def conclude(root: Path, left_out: LeftOut) -> None:
    """Log what was left out below `root`.

    Raises:
        OSError: A folder cannot be read; it is a `PermissionError` if the permission is missing.
    """
    if left_out.counts:
        logger.warning("%s: left out %s", root, left_out.summary())
    if left_out.errors:
        first, more = left_out.errors[0], len(left_out.errors) - 1
        others = f" The same holds for {more:,} more." if more else ""
        reason = f"The folder cannot be read: {first.strerror}.{others} Change its permissions or move it"
        raise OSError(first.errno, reason, first.filename)


def stored_form(path: Path) -> Path:
    """Return `path` as the disk has it, if that only differs in the form of letters with accents.

    Macs store such a letter and its accent apart (NFD), other systems as one (NFC). The two look the same.
    """
    if str(path).isascii() or os.path.lexists(path):
        return path
    found = Path(path.anchor)
    for part in path.parts[1 if path.anchor else 0 :]:
        forms = (part, unicodedata.normalize("NFC", part), unicodedata.normalize("NFD", part))
        existing = next((found / form for form in forms if os.path.lexists(found / form)), None)
        if existing is None:
            return path
        found = existing
    return found


def address_start(name: str) -> str:
    """Return how a name begins that is an address, such as ``https:``; "" if it is none.

    The rest may hold a password or a token, and does not belong into a message.
    """
    match = _ADDRESS.match(name)
    return match[0].rstrip("/") if match else ""


def names_in_list(file: IO[bytes]) -> Iterator[str]:
    """Yield the names in a list: one a line, or each ended by a null character as `find -print0` writes them.

    A list with a byte order mark is text in UTF-8 or UTF-16, as PowerShell writes it. Otherwise a name is whatever
    bytes the disk has. A list may be larger than the memory.
    """
    blocks = iter(functools.partial(file.read, _BLOCK), b"")
    start = next(blocks, b"")
    mark = next((mark for mark in _ENCODINGS if start.startswith(mark)), b"")
    encoding, errors = _ENCODINGS.get(mark, (sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()))
    rest, ends = "", None
    for text in codecs.iterdecode(itertools.chain([start.removeprefix(mark)], blocks), encoding, errors):
        # A name is much shorter than a block. Other ends of lines that Unicode has may be a part of it.
        ends = ends or re.compile("\0" if "\0" in text else "[\r\n]")
        *names, rest = ends.split(rest + text)
        yield from filter(None, names)
    if rest:
        yield rest


def is_pipe(path: Path) -> bool:
    """Tell whether `path` is a named pipe or what a shell makes of ``<(command)``."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def read_pipe(path: Path, *, patience: float = 10.0) -> bytes:
    """Return what is written into a pipe.

    Raises:
        ImageError: Nobody has begun to write into it after `patience` seconds.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb", buffering=0) as file:
        select.select([descriptor], [], [], patience)
        # None: somebody writes, but has written nothing yet.
        begin = file.read(1)
        if begin == b"":
            raise ImageError(f"Nothing was written into the pipe {path}. Pass a file.")
        os.set_blocking(descriptor, True)
        return (begin or b"") + file.read()


def as_text(name: str) -> str:
    """Return a name that every library takes as text. Bytes that are no text are written as numbers with an ``x``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
