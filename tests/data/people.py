"""Records of several people, with several pictures each."""

from __future__ import annotations

from pathlib import Path

from asianage.data.records import FaceRecord


def people(count=100, root="data", dataset="mine", pictures=lambda person: 1 + person % 4) -> list[FaceRecord]:
    return [
        FaceRecord(Path(root, f"{person}-{k}.jpg"), 15.0 + person % 30, gender, dataset, "", str(person))
        for person in range(count)
        for gender in [("female", "male")[person % 2]]
        for k in range(pictures(person))
    ]
