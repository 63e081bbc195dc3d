"""Records -> aligned crops, cut once by the code of predictions and kept on disk.

The cache is one array file, mapped into memory: the disk bounds its size, not the memory.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asianage.data.records import FaceRecord, records_sha256
from asianage.faces import alignment
from asianage.faces.crops import cut_face_crops, whole_image_crop
from asianage.faces.detection import filter_detections, select_detector
from asianage.faces.detection.selection import detector_fingerprint
from asianage.faces.images import load_image
from asianage.files import put_in_place, require_space, sole_writer
from asianage.progress import shown
from asianage.threads import usable_processors

logger = logging.getLogger(__name__)

CACHE_VERSION = 2

_FILES = frozenset({"crops.json", "crops.npy"})
"""What a folder of crops holds."""


@dataclass(frozen=True, slots=True)
class CropCache:
    """Aligned crops of a list of records.

    Attributes:
        records: The records, one per crop.
        crops: uint8 (len(records), size + 2 * margin, size + 2 * margin, 3), RGB, mapped from disk.
        readable: bool (len(records),): False where the picture could not be read, and the crop is black.
        size: Side of the inner crop, which a network takes at prediction, in pixels.
        margin: Pixels around it, for augmentation.
    """

    records: list[FaceRecord]
    crops: np.ndarray
    readable: np.ndarray
    size: int
    margin: int

    def inner(self, index: int) -> np.ndarray:
        """Return the crop of one record exactly as a prediction would cut it: uint8 (size, size, 3)."""
        return self.crops[index, self.margin : self.margin + self.size, self.margin : self.margin + self.size]

    def inner_crops(self, indices: Iterable[int]) -> np.ndarray:
        """Return the crops of several records, at least one: uint8 (n, size, size, 3)."""
        return np.stack([self.inner(index) for index in indices])

    def positions(self, split: str) -> np.ndarray:
        """Return the positions of a split's readable pictures, int (n,); refuse a split without any."""
        positions = [i for i, record in enumerate(self.records) if record.split == split and self.readable[i]]
        if not positions:
            raise ValueError(f"The data hold no readable picture of the split {split!r}. Fill the column `split`.")
        return np.array(positions)


def cut_crops(
    records: Sequence[FaceRecord],
    folder: str | os.PathLike[str],
    *,
    size: int,
    margin: int,
    detector: str | None = "auto",
    splits: Collection[str] | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> CropCache:
    """Cut the crops of `records` into `folder`, or read them from there if that was done before.

    Args:
        records: What to cut, in the order of the result.
        folder: Folder of the cache; made if missing. It is replaced if it holds crops of other records, of another
            geometry or detector, or of pictures that have changed since.
        size: Side of the crop that the network sees, in pixels.
        margin: Pixels kept around it on each side.
        detector: As `asianage.faces.detection.select_detector`; None takes every picture as one face.
        splits: Only faces of these splits are cut, for instance ("train", "val"); None cuts all.
        workers: Threads that cut; None takes one for each usable processor.
        progress: Whether to show progress.

    Raises:
        BlockingIOError: Another process cuts crops into `folder`.
        FileExistsError: `folder` holds something else.
        OSError: The disk is too full.
        ValueError: There is no record, or no picture could be read.
    """
    folder = Path(folder)
    records = [record for record in records if splits is None or record.split in splits]
    if not records:
        raise ValueError(f"`records` must hold a face to cut. Received: none of the splits {splits}.")
    key = {
        "version": CACHE_VERSION,
        "size": size,
        "margin": margin,
        "detector": detector_fingerprint(detector),
        "template": alignment.TEMPLATE.tolist(),
        "records": records_sha256(records),
    }
    # A damaged cache is cut anew.
    with contextlib.suppress(OSError, ValueError, KeyError):
        stored = json.loads((folder / "crops.json").read_text("utf-8"))
        if stored["key"] == key and _are_unchanged(records, stored["pictures"]):
            return _open(folder, records, stored)
    _require_replaceable(folder)
    partial = folder.with_name(f".{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    with sole_writer(partial):
        _empty(partial)
        stored = _write(records, folder, partial, key, detector, workers or usable_processors(), progress)
    return _open(folder, records, stored)


def _write(
    records: Sequence[FaceRecord],
    folder: Path,
    partial: Path,
    key: Mapping[str, Any],
    detector: str | None,
    workers: int,
    progress: bool,
) -> dict[str, Any]:
    """Cut the crops of `records` in the folder `partial`, and put it in place of `folder`."""
    size, margin = key["size"], key["margin"]
    try:
        side = size + 2 * margin
        # A mapped file that outgrows the disk ends the process.
        require_space(partial, len(records) * side**2 * 3, "A cache of crops")
        pictures = [_state(record.path) for record in records]
        crops = np.lib.format.open_memmap(partial / "crops.npy", "w+", np.uint8, (len(records), side, side, 3))
        failures = _cut_all(records, crops, size, margin, detector, workers, progress)
        crops.flush()
        stored = {"key": key, "pictures": pictures, "failures": failures}
        (partial / "crops.json").write_text(json.dumps(stored), "utf-8")
        put_in_place(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return stored


def _empty(folder: Path) -> None:
    """Remove what a process left that was killed, but not the folder itself, by which others see that it is in use."""
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)


def _state(path: Path) -> list[int] | None:
    """Return size and time of the last change of a file, None if it is not there."""
    try:
        state = path.stat()
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


def _are_unchanged(records: Sequence[FaceRecord], before: Sequence[list[int] | None]) -> bool:
    """Tell whether no picture has changed. A picture that is gone has not: its crop is enough."""
    return all(_state(record.path) in (None, state) for record, state in zip(records, before, strict=True))


def _require_replaceable(folder: Path) -> None:
    """Refuse to replace a folder of other things, which may be a user's pictures."""
    if folder.exists() and (not folder.is_dir() or not {file.name for file in folder.iterdir()} <= _FILES):
        raise FileExistsError(
            f"{folder} holds something else, and would be replaced by crops. Move it, or choose another output folder."
        )


def _cut_all(
    records: Sequence[FaceRecord],
    crops: np.ndarray,
    size: int,
    margin: int,
    detector: str | None,
    workers: int,
    progress: bool,
) -> dict[int, str]:
    """Fill `crops`, and return position -> reason of each picture that cannot be read."""
    finder = select_detector(detector) if detector is not None else None

    def cut(index: int) -> tuple[bool, str]:
        try:
            image = load_image(records[index].path)
        except (OSError, ValueError) as error:
            return False, str(error)
        faces = [] if finder is None else filter_detections(finder.detect(image), max_faces=1)
        # Pictures of a data set show one labeled face each: where none is detected, the whole picture is taken.
        if finder is not None and faces:
            crops[index] = cut_face_crops(image, faces, size, detector=finder.name, margin=margin).crops[0]
        else:
            crops[index] = whole_image_crop(image, size, margin=margin).crops[0]
        return bool(faces), ""

    with ThreadPoolExecutor(workers) as pool:
        cutting = pool.map(cut, range(len(records)))
        outcomes = list(shown(cutting, progress, description="cutting", unit="crop", total=len(records)))
    failures = {index: failure for index, (_, failure) in enumerate(outcomes) if failure}
    for index, failure in failures.items():
        logger.warning("left out %s: %s", records[index].path, failure)
    if len(failures) == len(records):
        raise ValueError(f"None of the {len(records)} pictures could be read. The first: {failures[0]}")
    missed = len(records) - len(failures) - sum(found for found, _ in outcomes)
    if detector is not None and missed:
        logger.warning("no face was found in %d of %d pictures: they were taken as one face", missed, len(records))
    return failures


def _open(folder: Path, records: Sequence[FaceRecord], stored: Mapping[str, Any]) -> CropCache:
    crops = np.load(folder / "crops.npy", mmap_mode="r")
    readable = np.ones(len(records), dtype=bool)
    readable[[int(index) for index in stored["failures"]]] = False
    return CropCache(list(records), crops, readable, stored["key"]["size"], stored["key"]["margin"])
