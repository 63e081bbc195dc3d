"""Small archives in the form of AFAD's: a tar, compressed and split, with the hashes of its parts."""

from __future__ import annotations

import hashlib
import io
import tarfile

import numpy as np
from PIL import Image

from asianage.data.afad_parts import PublishedArchive


def jpeg(seed: int, side: int = 24) -> bytes:
    """Return a JPEG file of noise."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def afad_files(count: int = 12) -> dict[str, bytes]:
    """Return name -> content of a small AFAD, with a file of Windows in it."""
    files = {f"{15 + i % 3}/{111 + i % 2}/{1000 + i}-0.jpg": jpeg(i) for i in range(count)}
    return {**files, "15/111/Thumbs.db": b"not a picture"}


def tar_of(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    """Return a tar archive, compressed as AFAD's; a TarInfo stands for itself."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        for name, content in members.items():
            if isinstance(content, bytes):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                archive.addfile(content)
    return buffer.getvalue()


def split_archive(content: bytes, *, parts: int = 4, pictures: int = 12, name: str = "AFAD-Small"):
    """Return what is published of an archive, and the content of each part by name."""
    size = -(-len(content) // parts)
    pieces = {f"{name}.tar.xza{chr(97 + i)}": content[i * size : (i + 1) * size] for i in range(parts)}
    hashes = tuple((part, hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()) for part, data in pieces.items())
    archive = PublishedArchive(
        name=name,
        base_url="http://127.0.0.1:1/none",
        parts=hashes,
        md5=hashlib.md5(content).hexdigest(),
        pictures=pictures,
    )
    return archive, pieces
