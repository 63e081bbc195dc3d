"""The study's own division of AFAD: the first fifth of every class folder by name, as its notebooks ran it.

The study's text speaks of a random fifth. Its notebooks used Keras's ``flow_from_directory(validation_split=0.2)``,
which takes the first 20 % of each class folder by name, so that the pictures are determined. The consequences are part
of every figure that the study gives:

- The networks for one gender have a folder for each age. Their figures are of a fifth of every age.
- The network for all ages has a folder for each age, with men before women. Its figures are of men alone.
- The network for the gender has a folder for each gender, by age. Its figures are of ages 15 to 21 alone.

No split keeps people apart: 4.7 % of the faces that the network for all ages is measured on show somebody whom it
learned from. The best epoch is chosen on the faces that are measured. Both flatter the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from asianage.data.records import FaceRecord
from asianage.models.config import GENDERS

STUDY_AGES = (15, 40)
"""First and last age of the study, in years."""

STUDY_SHARE = 0.2
"""Share of every class folder that the study measured on."""

STUDY_CLASSES: dict[str, tuple[Callable[[FaceRecord], object], Callable[[FaceRecord], tuple[str, str]]]] = {
    "age": (lambda face: int(face.age or 0), lambda face: (_folder(face), face.path.name)),
    "gender": (lambda face: face.gender, lambda face: (str(int(face.age or 0)), face.path.name)),
    "both": (lambda face: (int(face.age or 0), face.gender), lambda face: ("", face.path.name)),
}
"""What a class folder holds -> the class of a face, and its place in the folder."""


def study_split(records: Iterable[FaceRecord], *, classes: str = "age") -> list[FaceRecord]:
    """Split 80/20 by image as the study's notebooks did: ages 15 to 40, the first fifth of every class folder.

    On the list of the full AFAD this gives the study's own numbers of faces, train and val:

    - ``"age"``, all faces: 131,541 and 32,877, of which none is a woman.
    - ``"age"``, men or women only: 80,608 and 20,137, or 50,948 and 12,725.
    - ``"gender"``: 131,535 and 32,883, of ages 15 to 21.

    Args:
        records: Faces; their order does not matter. For networks of one gender pass the faces of that gender.
        classes: What the class folders of the network were: "age"; "gender", with ages within; or "both", a folder for
            each age and gender, which is the split of the two networks for one gender taken together.

    Returns:
        The faces of those ages in the same order, with `split` "train" or "val".

    Raises:
        ValueError: `classes` is unknown, or a face lacks its age or gender.
    """
    if classes not in STUDY_CLASSES:
        raise ValueError(f"`classes` must be one of {', '.join(STUDY_CLASSES)}. Received: {classes!r}.")
    records = list(records)
    incomplete = [record for record in records if record.age is None or record.gender is None]
    if incomplete:
        raise ValueError(
            f"The study's split needs the age and the gender of every face. Received {len(incomplete):,} without, "
            f"for instance {incomplete[0].path}. Leave them out, or split by identity."
        )
    records = [record for record in records if STUDY_AGES[0] <= (record.age or 0) < STUDY_AGES[1] + 1]
    class_of, place_of = STUDY_CLASSES[classes]
    members: dict[object, list[tuple[str, str, str, int]]] = {}
    for index, record in enumerate(records):
        members.setdefault(class_of(record), []).append((*place_of(record), str(record.path), index))
    measured = {face[-1] for folder in members.values() for face in sorted(folder)[: int(len(folder) * STUDY_SHARE)]}
    return [replace(record, split="val" if index in measured else "train") for index, record in enumerate(records)]


def unseen_by_parts(whole: Iterable[FaceRecord], parts: Iterable[Iterable[FaceRecord]]) -> list[FaceRecord]:
    """Split the faces of a system of several networks: "val" are those that no network learned from.

    Args:
        whole: The faces of the system.
        parts: The faces of each network, split.
    """
    learned = {record.path for part in parts for record in part if record.split == "train"}
    return [replace(record, split="train" if record.path in learned else "val") for record in whole]


def _folder(face: FaceRecord) -> str:
    """Return the place of a face's gender in AFAD's folders of an age: 111, men, comes first."""
    return "111" if face.gender == GENDERS[1] else "112"
