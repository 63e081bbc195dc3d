"""Files of published weights: where they are kept, and whether they are the ones that are known."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def models_folder(name: str, cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return where Keras keeps models of a kind: in `cache_dir`, or else in ``KERAS_HOME``, or else in ``~/.keras``."""
    return Path(cache_dir or os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models" / name


def read_published(path: str | os.PathLike[str], *, name: str, sha256: str, source: str) -> bytes:
    """Return the content of a file of published weights.

    Args:
        path: The file.
        name: How the published file is called.
        sha256: Of the published file, in hexadecimal.
        source: Where it can be had.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not the published one.
    """
    data = Path(path).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise ValueError(
            f"{path} is not the published {name}: its SHA-256 is {digest} instead of {sha256}. Take it from {source}."
        )
    return data
