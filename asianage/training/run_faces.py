"""The faces of a training: selected, split by a protocol, cleaned, and written down for each of its networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asianage.data.cleaning import clean, require_all
from asianage.data.records import FaceRecord, RecordTable
from asianage.data.selection import select_dataset, select_faces
from asianage.data.sources import Source, read_source
from asianage.data.split_file import keep_split
from asianage.data.splits import split_records
from asianage.data.study_split import unseen_by_parts
from asianage.training.recipes.recipe import PlannedRun, TrainingRecipe
from asianage.training.run_folder import LEFT_OUT, PICTURES, PROGRESS, SPLIT, Run


@dataclass(frozen=True, slots=True)
class RunFaces:
    """The faces of a training, split.

    Attributes:
        whole: Those of the network that all networks make together.
        parts: Those of each network, in the order of the runs.
    """

    whole: list[FaceRecord]
    parts: list[list[FaceRecord]]


def prepare_faces(
    planned: Sequence[PlannedRun],
    data: Source,
    run: Run,
    *,
    dataset: str | None = None,
    split: str = "predefined",
    fold: int = 0,
) -> RunFaces:
    """Return the faces of every run, and write ``split.csv`` and ``left_out.csv``.

    The first network of several needs every face that a later one needs. With the study's split every network has a
    split of its own, as in the study, and nothing is cleaned: the numbers of faces are the study's.

    Args:
        planned: The runs.
        data: Labeled faces, as `asianage.data.sources.read_source` takes them.
        run: How the first run, or the whole, is carried out.
        dataset: Only faces of this data set; None takes all.
        split: A protocol of `asianage.data.splits`.
        fold: Which fifth is "test", of the split by identity.

    Raises:
        FileNotFoundError: Pictures do not exist.
        ValueError: The faces cannot be split so, or the folder holds a run on others.
    """
    table = _faces_for(planned[0].recipe, select_dataset(read_source(data, pictures=run.output / PICTURES), dataset))
    if split == "study":
        return _as_in_the_study(planned, table, run)
    records = split_records(table.records, split, fold=fold)
    _keep(records, run, fixed=any(run.output.rglob(PROGRESS)))
    cleaned = clean(RecordTable(records, table.dropped), splits=("train",), progress=run.progress)
    cleaned.write_dropped(run.output / LEFT_OUT)
    parts = [_faces_for(step.recipe, RecordTable(cleaned.records, [])).records for step in planned]
    return RunFaces(cleaned.records, parts)


def study_classes(recipe: TrainingRecipe) -> str:
    """Return what the study's class folders for a network hold, as `asianage.data.study_split` takes it."""
    return "both" if len(recipe.tasks) > 1 else next(iter(recipe.tasks))


def _as_in_the_study(planned: Sequence[PlannedRun], table: RecordTable, run: Run) -> RunFaces:
    require_all(table.records)
    parts = []
    for step in planned:
        faces = _faces_for(step.recipe, RecordTable(table.records, [])).records
        parts.append(split_records(faces, "study", classes=study_classes(step.recipe)))
    whole = parts[0]
    if len(planned) > 1:
        whole = unseen_by_parts(split_records(table.records, "study", classes="both"), parts)
        for step, part in zip(planned, parts, strict=True):
            _keep(part, Run(step.folder), fixed=(step.folder / PROGRESS).is_file())
    _keep(whole, run, fixed=any(run.output.rglob(PROGRESS)))
    RecordTable(whole, table.dropped).write_dropped(run.output / LEFT_OUT)
    return RunFaces(whole, parts)


def _keep(records: Sequence[FaceRecord], run: Run, *, fixed: bool) -> None:
    run.output.mkdir(parents=True, exist_ok=True)
    keep_split(records, run.output / SPLIT, fixed=fixed)


def _faces_for(recipe: TrainingRecipe, table: RecordTable) -> RecordTable:
    """Return the faces that a network learns from or is measured on."""
    return select_faces(table, tasks=recipe.tasks, gender=recipe.faces.gender, ages=recipe.faces.ages)
