"""The drawings of `asianage predict --draw`: photos with boxes and labels, which are told from photos by a mark."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from asianage.faces.image_files import IMAGE_SUFFIXES
from asianage.faces.images import MAX_PIXELS
from asianage.files import fitting, write_bytes
from asianage.prediction.face_prediction import FacePrediction

MARK = b"asianage drawing "
"""Begin of the comment in the header of a drawing. What follows stands for the photo."""

LONGEST_NAME = 255
"""Bytes of a file's name."""

Source = TypeVar("Source")


class DrawingFolder:
    """A folder of drawings. A drawing replaces the earlier one of the same photo, and nothing else."""

    def __init__(self, folder: Path) -> None:
        """Create the folder.

        Raises:
            NotADirectoryError: There is a file of that name.
            ValueError: It is the name of a picture, and no such folder exists.
        """
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"--draw needs the name of a folder. Received the file {folder}.")
        if folder.suffix.lower() in IMAGE_SUFFIXES and not folder.exists():
            raise ValueError(
                f"--draw needs the name of a folder. Received the name of a picture, {folder}. "
                "Write for instance: --draw drawings"
            )
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._numbers: dict[str, int] = {}

    def save(self, name: str, source: Any, faces: Sequence[FacePrediction], *, max_pixels: int = MAX_PIXELS) -> None:
        """Write a photo with boxes and labels as JPEG, under its own name or with a number after it."""
        from asianage.prediction.drawing import draw_faces

        mark = MARK + hashlib.sha256(os.fsencode(os.path.abspath(name))).hexdigest()[:32].encode()
        path = self._path(Path(name).stem, mark)
        encoded = io.BytesIO()
        draw_faces(source, faces, max_pixels=max_pixels).save(encoded, "JPEG", quality=92, comment=mark)
        write_bytes(path, encoded.getvalue())

    def _path(self, stem: str, mark: bytes) -> Path:
        """Return the first free path, or that of the earlier drawing of the same photo."""
        while True:
            number = self._numbers[stem] = self._numbers.get(stem, 0) + 1
            ending = ".jpg" if number == 1 else f"-{number}.jpg"
            path = self._folder / (fitting(stem, LONGEST_NAME - len(ending)) + ending)
            if not os.path.lexists(path) or mark in _head(path):
                return path


def without_drawings(
    images: Sequence[tuple[str, Source]], paths: Iterable[str], folder: Path | None
) -> tuple[list[tuple[str, Source]], int]:
    """Leave out the drawings of earlier runs.

    Args:
        images: Name and source of each image.
        paths: What the user has named. Drawings that are named stay.
        folder: Folder that is drawn into. No drawing in it stays.

    Returns:
        The other images, and how many were left out.
    """
    named = {str(Path(path)) for path in paths}
    own = None if folder is None else folder.resolve()

    def stays(name: str, source: Source) -> bool:
        if not isinstance(source, Path) or MARK not in _head(source):
            return True
        return name in named and own != source.resolve().parent

    photos = [image for image in images if stays(*image)]
    return photos, len(images) - len(photos)


def _head(path: Path) -> bytes:
    try:
        if path.suffix.lower() != ".jpg" or not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(512)
    except OSError:
        return b""
