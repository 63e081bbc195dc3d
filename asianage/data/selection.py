"""Which faces of a table a recipe is for, with a reason for each that it is not for."""

from __future__ import annotations

from collections.abc import Collection

from asianage.data.records import DroppedFile, FaceRecord, RecordTable


def select_dataset(table: RecordTable, dataset: str | None) -> RecordTable:
    """Return the faces of one data set; all with None.

    Raises:
        ValueError: There are none.
    """
    if dataset is None:
        return table
    records = [record for record in table.records if record.dataset == dataset]
    if not records:
        names = sorted({record.dataset or "(none)" for record in table.records})
        raise ValueError(f"The data hold no face of the data set {dataset!r}. Data sets: {', '.join(names)}.")
    return RecordTable(records, table.dropped)


def select_faces(
    table: RecordTable, *, tasks: Collection[str], gender: str = "", ages: tuple[float, float] | None = None
) -> RecordTable:
    """Return the faces that can be learned from, and add the others to the list of what was left out.

    Args:
        table: Faces.
        tasks: What is learned: "age", "gender" or both. With both a face needs one of the two labels.
        gender: Only faces of this gender; "" takes all.
        ages: First and last age in years, the whole last year included; None takes all, also unknown ones.

    Raises:
        ValueError: No face is left.
    """
    kept, dropped = [], []
    for record in table.records:
        reason = _reason(record, tasks, gender, ages)
        if reason:
            dropped.append(DroppedFile(record.path, reason))
        else:
            kept.append(record)
    selected = RecordTable(kept, [*table.dropped, *dropped])
    if not kept:
        raise ValueError(f"No face is left to learn {' and '.join(sorted(tasks))} from: {selected.summary()}.")
    return selected


def _reason(record: FaceRecord, tasks: Collection[str], gender: str, ages: tuple[float, float] | None) -> str:
    """Return why a face is left out, "" if it is not."""
    if gender and record.gender != gender:
        return "another gender"
    if ages is not None and (record.age is None or not ages[0] <= record.age < ages[1] + 1):
        return "another age"
    missing = [task for task in sorted(tasks) if getattr(record, task) is None]
    return "without a label" if len(missing) == len(tasks) else ""
