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

SHA256 = "c0170b1c2e9973a992afcc6c450d164fa2f043fae910213aa15b5b3780a028da"
"""Hash of the list as text, before its compression."""


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """One line of the list.

    Attributes:
        dataset: "afad", "aaf", "utkface", "utkface_other", "utkface_more" or "fairface".
        file: Name in the published data set: ``AGE/111/NAME.jpg`` for AFAD, ``train/1.jpg`` for FairFace.
        split: "train", "val" or "test".
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
