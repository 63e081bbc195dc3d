"""The list of the pictures that the bundled models were trained, chosen and measured on: names and splits."""

from __future__ import annotations

import csv
import hashlib
import io
import lzma
from dataclasses import dataclass
from pathlib import Path

SPLIT_LIST = Path(__file__).with_name("split_list.csv.xz")
"""CSV file with the columns dataset, file and split."""

SHA256 = "c3fff0200e547042564126d84aa105e07044dc2b2f18cc66731e6a15018c5a63"
"""Hash of the list as text, before its compression."""

LEFT_OUT = "left out"
"""In place of a split: a picture whose label contradicts what it shows, which no training takes."""


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """One line of the list.

    Attributes:
        dataset: "afad", "aaf", "utkface", "utkface_other", "utkface_more" or "fairface".
        file: Name in the published data set: ``AGE/111/NAME.jpg`` for AFAD, ``train/1.jpg`` for FairFace.
        split: "train", "val", "test" or `LEFT_OUT`.
    """

    dataset: str
    file: str
    split: str


def read_split_list(path: Path = SPLIT_LIST, sha256: str = SHA256) -> list[ListedPicture]:
    """Read the list of the training of the bundled models.

    Args:
        path: The compressed list.
        sha256: Hash that its text must have.

    Raises:
        ValueError: The list is damaged or altered.
    """
    try:
        text = lzma.decompress(path.read_bytes())
    except lzma.LZMAError as error:
        raise ValueError(f"{path} is damaged: {error}. Install asianage again.") from error
    if (found := hashlib.sha256(text).hexdigest()) != sha256:
        raise ValueError(f"{path} must have the SHA-256 {sha256}. Received: {found}. Install asianage again.")
    return [ListedPicture(**row) for row in csv.DictReader(io.StringIO(text.decode()))]
