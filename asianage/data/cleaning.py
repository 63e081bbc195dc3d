"""Find the pictures that cannot be trained on: missing, unreadable, under two labels, or in more than one split."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from asianage.data.records import DroppedFile, FaceRecord, RecordTable
from asianage.errors import ImageError
from asianage.faces.images import load_image
from asianage.faces.pixels import pixels_sha256
from asianage.progress import shown
from asianage.threads import usable_processors

logger = logging.getLogger(__name__)

MISSING = "missing"
UNREADABLE = "unreadable"
UNLABELED = "without a label"
CONFLICTING = "under different labels"
DUPLICATE = "duplicate"
CROSS_SPLIT = "duplicate of another split"

LARGEST_SHARE = 0.1
"""Share of missing and unreadable pictures above which something else is wrong than some pictures."""

# Of copies in several splits, the one in "test" stays: published test lists keep their faces.
_PRECEDENCE = {"test": 0, "val": 1, "train": 2, "": 3}


def clean(
    table: RecordTable | Sequence[FaceRecord],
    *,
    splits: Collection[str] | None = None,
    largest_share: float = LARGEST_SHARE,
    workers: int | None = None,
    progress: bool = False,
) -> RecordTable:
    """Decode every picture and leave out those that cannot be trusted, each with the reason.

    Left out are pictures without a label, pictures that are missing or cannot be decoded, and all copies of a picture
    that has different ages or genders. Of other copies one stays: that in "test", else that in "val". Copies are
    pictures with equal pixels.

    Args:
        table: What a reader returned; its own list of left-out files is kept.
        splits: Only pictures of these splits are left out, copies from other splits included. With ("train",), figures
            on published lists stay comparable. None leaves out pictures of all splits.
        largest_share: Largest share of missing and unreadable pictures, in [0, 1].
        workers: Threads that decode; None takes one for each usable processor.
        progress: Whether to show progress.

    Returns:
        What is left, in the same order, and the list of what is not.

    Raises:
        FileNotFoundError: Too many pictures are missing: the folder is wrong, or was copied in part.
        ValueError: Too many pictures cannot be decoded.
    """
    table = table if isinstance(table, RecordTable) else RecordTable(list(table), [])
    found = _find(table.records, workers or usable_processors(), progress)
    _require_most(table.records, found, largest_share)
    entries = (
        found.get(index, record) if splits is None or record.split in splits else record
        for index, record in enumerate(table.records)
    )
    cleaned = RecordTable.of([*table.dropped, *entries])
    if cleaned.dropped:
        logger.warning(cleaned.summary())
    return cleaned


def _find(records: Sequence[FaceRecord], workers: int, progress: bool) -> dict[int, DroppedFile]:
    """Return position -> reason to leave the record out."""
    found = _hash_pictures(records, workers, progress)
    reasons: dict[int, DroppedFile] = {}
    copies: dict[str, list[int]] = {}
    for index, (record, (digest, problem)) in enumerate(zip(records, found, strict=True)):
        if problem:
            reasons[index] = DroppedFile(record.path, MISSING if problem == MISSING else UNREADABLE, problem)
        elif record.age_range is None and record.gender is None:
            reasons[index] = DroppedFile(record.path, UNLABELED)
        else:
            copies.setdefault(digest, []).append(index)
    for indices in copies.values():
        if len(indices) > 1:
            reasons.update(_judge(records, indices))
    return reasons


def require_all(records: Sequence[FaceRecord]) -> None:
    """Refuse records of which a picture is missing.

    Raises:
        FileNotFoundError: Pictures do not exist.
    """
    missing = [record.path for record in records if not record.path.is_file()]
    _require_most(records, {index: DroppedFile(path, MISSING) for index, path in enumerate(missing)}, 0.0)


def _require_most(records: Sequence[FaceRecord], found: Mapping[int, DroppedFile], largest_share: float) -> None:
    """Refuse records of which too many pictures cannot be read."""
    lost = [file for file in found.values() if file.reason in (MISSING, UNREADABLE)]
    if len(lost) <= largest_share * len(records):
        return
    missing = [file for file in lost if file.reason == MISSING]
    counts = f"{len(missing):,} of {len(records):,} pictures are missing and {len(lost) - len(missing):,} unreadable"
    names = ", ".join(str(file.path) for file in (missing or lost)[:3])
    message = (
        f"{counts}, for instance {names}. At most {100 * largest_share:g} % are left out. Check the folder that the "
        "table starts from, and that all was copied; remove the rows of pictures that you do not have."
    )
    raise FileNotFoundError(message) if missing else ValueError(message)


def _hash_pictures(records: Sequence[FaceRecord], workers: int, progress: bool) -> list[tuple[str, str]]:
    """Return for each record the hash of its pixels, or "" and the fault of its picture."""
    paths = [record.path for record in records]
    with ThreadPoolExecutor(workers) as pool:
        hashes = pool.map(_hash_picture, paths)
        return list(shown(hashes, progress, description="checking", unit="picture", total=len(paths)))


def _hash_picture(path: Path) -> tuple[str, str]:
    if not path.is_file():
        return "", MISSING
    try:
        image = load_image(path)
    except ImageError as error:
        return "", str(error)
    return pixels_sha256(image), ""


def _judge(records: Sequence[FaceRecord], indices: list[int]) -> dict[int, DroppedFile]:
    """Decide which copies of one picture are left out."""
    same = [records[index] for index in indices]
    ranges = [r.age_range for r in same if r.age_range is not None]
    disagree = max((low for low, _ in ranges), default=0) > min((high for _, high in ranges), default=0)
    if disagree or len({r.gender for r in same} - {None}) > 1:
        labels = "; ".join(f"{r.path}: {_label(r)}" for r in same)
        return {index: DroppedFile(records[index].path, CONFLICTING, labels) for index in indices}
    kept = min(indices, key=lambda index: (_PRECEDENCE[records[index].split], _missing_labels(records[index]), index))
    return {
        index: DroppedFile(
            records[index].path,
            DUPLICATE if records[index].split == records[kept].split else CROSS_SPLIT,
            f"the same picture as {records[kept].path}",
        )
        for index in indices
        if index != kept
    }


def _missing_labels(record: FaceRecord) -> int:
    return (record.age_range is None) + (record.gender is None)


def _label(record: FaceRecord) -> str:
    low, high = record.age_range or (None, None)
    age = "age unknown" if low is None else f"{low:g} years" if low == high else f"{low:g}-{high:g} years"
    return f"{age}, {record.gender or 'gender unknown'}{', ' + record.split if record.split else ''}"
