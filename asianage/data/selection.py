"""Select the faces of a table that a recipe can learn from, with a reason for each that is left out."""

from __future__ import annotations

from collections.abc import Collection

from asianage.data.records import DroppedFile, FaceRecord, RecordTable


def select_dataset(table: RecordTable, dataset: str | None) -> RecordTable:
    """Return the faces of one data set, all with None; refuse a data set without faces."""
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
        tasks: What is learned: "age", "gender" or both. With both, a face needs one of the two labels.
        gender: Only faces of this gender; "" takes all.
        ages: First and last age in years, the whole last year included; None takes all, also unknown ones.

    Raises:
        ValueError: No face is left.
    """
    reasons = ((record, _reason(record, tasks, gender, ages)) for record in table.records)
    found = RecordTable.of(DroppedFile(record.path, reason) if reason else record for record, reason in reasons)
    selected = RecordTable(found.records, [*table.dropped, *found.dropped])
    if not selected.records:
        raise ValueError(f"No face is left to learn {' and '.join(sorted(tasks))} from: {selected.summary()}.")
    return selected


def _reason(record: FaceRecord, tasks: Collection[str], gender: str, ages: tuple[float, float] | None) -> str:
    """Return why a face is left out, "" if it is not."""
    if gender and record.gender != gender:
        return "another gender"
    known = {"age": record.age_range, "gender": record.gender}
    if ages is not None and (record.age_range is None or not _lies_in(record.age_range, ages)):
        return "another age"
    return "" if any(known[task] is not None for task in tasks) else "without a label"


def _lies_in(part: tuple[float, float], whole: tuple[float, float]) -> bool:
    return whole[0] <= part[0] and part[1] < whole[1] + 1
