"""Divide faces into train, val and test, by names and a seed, never by their order, folder or labels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from asianage.data.records import SPLITS, FaceRecord
from asianage.data.study_split import study_split

FOLDS = 5

RANDOM_SHARE = 0.2
"""Share of the faces that a split by image measures on."""


def identity_split(records: Iterable[FaceRecord], *, fold: int = 0, seed: int = 0) -> list[FaceRecord]:
    """Split 60/20/20 so that nobody is in two splits: the protocol of Paplham and Franc (CVPR 2024) for AFAD.

    Each data set is divided into five parts of equal size. In fold k, part k is "test" and the next one "val", so that
    the five test splits together are the whole data set. A face of an unknown identity counts as a person. Splits that
    the records have are replaced.

    Args:
        records: Faces; their order does not matter.
        fold: 0 to 4.
        seed: Another seed divides otherwise.

    Returns:
        The records in the same order, with `split` filled.

    Raises:
        ValueError: The fold does not exist, or a data set has fewer than five identities.
    """
    if fold not in range(FOLDS):
        raise ValueError(f"`fold` must be in [0, {FOLDS - 1}]. Received: {fold!r}.")
    records = list(records)
    parts = _parts(records, seed)
    names = {fold: "test", (fold + 1) % FOLDS: "val"}
    return [replace(record, split=names.get(part, "train")) for record, part in zip(records, parts, strict=True)]


def random_split(records: Iterable[FaceRecord], *, seed: int = 0) -> list[FaceRecord]:
    """Split 80/20 by image at random, as the study's text describes it.

    One person can be in both splits, which flatters the result; `identity_split` avoids that.

    Args:
        records: Faces; their order does not matter.
        seed: Another seed divides otherwise.

    Returns:
        The records in the same order, with `split` "train" or "val".
    """
    records = list(records)
    names = _names(records)
    order = sorted(range(len(records)), key=lambda index: _rank(names[index], seed))
    measured = set(order[: int(len(records) * RANDOM_SHARE)])
    return [replace(record, split="val" if index in measured else "train") for index, record in enumerate(records)]


def hold_out_split(records: Iterable[FaceRecord], *, seed: int = 0) -> list[FaceRecord]:
    """Split 75/25 into "train" and "val", nobody in both: every fourth face by age goes to "val".

    Somebody with more faces than would fit goes to "train". Arguments and result are those of `identity_split`, for two
    people or more.
    """
    records = list(records)
    names = _names(records)
    persons: dict[tuple[str, str], list[int]] = {}
    for index, record in enumerate(records):
        persons.setdefault((record.dataset, record.identity or names[index]), []).append(index)
    if len(persons) < 2:
        raise ValueError(
            "Faces of two people or more are needed, so that nobody is in both splits. Received: "
            f"{len(records)} faces of one `identity`. Correct that column, or add faces of others."
        )
    # Ages first, so that both parts have all of them; chance decides within an age.
    order = sorted(
        persons.values(),
        key=lambda person: (min((records[i].age_range or (0.0,))[0] for i in person), _rank(names[person[0]], seed)),
    )
    held_out: set[int] = set()
    passed = 0
    for person in order:
        passed += len(person)
        # With one face a person these are the second, the sixth, and so on.
        if 4 * (len(held_out) + len(person)) <= passed + 2:
            held_out.update(person)
    smallest = min(order, key=len)
    held_out = held_out or set(smallest)
    return [replace(record, split="val" if index in held_out else "train") for index, record in enumerate(records)]


def predefined_split(records: Iterable[FaceRecord]) -> list[FaceRecord]:
    """Return the records with the splits that they have, after a check of these.

    Raises:
        ValueError: A face has no split, "train" is empty, or an identity is in more than one split.
    """
    records = list(records)
    unassigned = [record for record in records if record.split not in SPLITS]
    if unassigned:
        raise ValueError(
            f"Every face must have a split ({', '.join(SPLITS)}). Received {len(unassigned):,} without, for instance "
            f"{unassigned[0].path}. Fill the column `split`, or split by identity."
        )
    if not any(record.split == "train" for record in records):
        raise ValueError(f"No face has the split train. Received: {sorted({record.split for record in records})}.")
    shared = shared_identities(records)
    if shared:
        dataset, identity = shared[0]
        raise ValueError(
            f"{len(shared):,} identities are in more than one split, for instance {identity!r} of "
            f"{dataset or 'the data'}. Move all pictures of a person into one split, or split by identity."
        )
    return records


PROTOCOLS: dict[str, Callable[..., list[FaceRecord]]] = {
    "identity": identity_split,
    "random": random_split,
    "study": study_split,
    "predefined": predefined_split,
}
"""Name -> function of the records and its own keyword arguments."""


def measured_split(protocol: str) -> str:
    """Return the split that figures are measured on: "val" for the study's protocols, which have no "test"."""
    return "val" if protocol in ("study", "random") else "test"


def split_records(
    records: Sequence[FaceRecord], protocol: str, *, fold: int = 0, classes: str = "both"
) -> list[FaceRecord]:
    """Split records by the name of a protocol in `PROTOCOLS`; `fold` is for "identity", `classes` for "study".

    Raises:
        ValueError: There is no such protocol, or the records cannot be split by it.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"`split` must be one of {', '.join(PROTOCOLS)}. Received: {protocol!r}.")
    if fold and protocol != "identity":
        raise ValueError(f"`fold` is for the split by identity. Received: fold={fold}, split={protocol!r}.")
    options: dict[str, dict[str, object]] = {"identity": {"fold": fold}, "study": {"classes": classes}}
    return PROTOCOLS[protocol](records, **options.get(protocol, {}))


def shared_identities(records: Iterable[FaceRecord]) -> list[tuple[str, str]]:
    """Return (dataset, identity) of each person in more than one split, sorted."""
    splits: dict[tuple[str, str], set[str]] = {}
    for record in records:
        if record.identity and record.split:
            splits.setdefault((record.dataset, record.identity), set()).add(record.split)
    return sorted(person for person, found in splits.items() if len(found) > 1)


def _parts(records: Sequence[FaceRecord], seed: int) -> list[int]:
    """Return the part of each record's person, 0 to 4. The parts of a data set are of equal size."""
    unknown = [index for index, record in enumerate(records) if not record.identity]
    names = dict(zip(unknown, _names([records[index] for index in unknown]), strict=True))
    people: dict[str, dict[str, list[int]]] = {}
    for index, record in enumerate(records):
        person = f"identity {record.identity}" if record.identity else f"file {names[index]}"
        people.setdefault(record.dataset, {}).setdefault(person, []).append(index)
    parts = [0] * len(records)
    for dataset, members in people.items():
        if len(members) < FOLDS:
            raise ValueError(
                f"At least {FOLDS} identities are needed to split {dataset or 'the data'}. Received: {len(members)}. "
                "Add pictures of other people, or fill the column `split`."
            )
        total, done = sum(map(len, members.values())), 0
        for person in sorted(members, key=lambda person: _rank(f"{dataset} {person}", seed)):
            # The middle of a person's pictures decides, so that parts stay equal where people have many.
            part = int((done + len(members[person]) / 2) * FOLDS / total)
            for index in members[person]:
                parts[index] = part
            done += len(members[person])
    return parts


def _names(records: Sequence[FaceRecord]) -> list[str]:
    """Return file names that are unique within a data set and the same on every machine."""
    paths = [Path(os.path.abspath(record.path)) for record in records]
    folders: dict[str, set[Path]] = {}
    for record, path in zip(records, paths, strict=True):
        folders.setdefault(record.dataset, set()).add(path.parent)
    common = {dataset: Path(os.path.commonpath(parents)) for dataset, parents in folders.items()}
    return [path.relative_to(common[record.dataset]).as_posix() for record, path in zip(records, paths, strict=True)]


def _rank(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode("utf-8", "surrogateescape")).digest()
