"""`run_study`: every row of the study on each protocol, and one table of all."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asianage.data.records import FaceRecord
from asianage.data.selection import select_dataset, select_faces
from asianage.data.sources import Source, read_source
from asianage.data.splits import measured_split
from asianage.data.study_split import STUDY_AGES
from asianage.models.folder import ModelFolder
from asianage.networks.pretrained import find_pretrained
from asianage.training.export.calibration import MIN_FACES
from asianage.training.export.litert import check_quantization
from asianage.training.recipe_names import with_settings
from asianage.training.recipes.recipe import PlannedRun, TrainingRecipe
from asianage.training.run_faces import prepare_faces
from asianage.training.run_folder import CROPS, Run, held_run_folder, keep_run
from asianage.training.study.assemble import assemble_study
from asianage.training.study.baselines import BASELINES, run_baseline
from asianage.training.study.published import protocol_of
from asianage.training.study.recipes import SCALED, STUDY, STUDY_NETWORKS
from asianage.training.study_table import TABLE, ProtocolResults, epochs_in_words, write_study
from asianage.training.train_network import measure, train_network
from asianage.training.trained_row import finished_model, trained_row

logger = logging.getLogger(__name__)


def run_study(
    data: Source,
    output: str | os.PathLike[str],
    *,
    protocols: Sequence[str] = ("study", "identity"),
    epochs: int | None = None,
    seed: int | None = None,
    max_faces: int | None = None,
    vggface_size: int | None = None,
    pretrained: str | os.PathLike[str] | None = None,
    random_vggface: bool = False,
    scaled: bool = False,
    show_faces: bool = False,
    dataset: str | None = None,
    detector: str | None = None,
    quantization: str = "int8",
    progress: bool = False,
) -> Path:
    """Train and measure every row of the study, and write one table. A call that was stopped goes on where it was.

    The rows are the baselines, the networks for gender, age, and age of each gender, VGGFace of each gender, and the
    system of three. The folder gets ``study.md``, ``study.csv``, ``figures``, and a folder for each protocol with a
    folder for each network. A finished network is not trained again, and its crops are deleted.

    Args:
        data: Labeled faces, usually the folder of AFAD.
        output: Folder of the study.
        protocols: How faces are split: "study", "identity", "random", see `asianage.training.train`.
        epochs: Passes over the faces, for every network; None takes the study's.
        seed: Seed of weights and order; None takes that of the recipes.
        max_faces: At most so many faces of the data, chosen at random: for a trial. None takes all.
        vggface_size: Side of VGGFace's crops, in pixels, 100 or more: for a trial. None takes the study's 224.
        pretrained: File of VGGFace's published weights; None looks in its usual place, or fetches it.
        random_vggface: Whether VGGFace begins with random weights. The table says so.
        scaled: Whether pixels are scaled as each network expects them, instead of as in the study.
        show_faces: Whether to draw some faces as well. The license of the data decides who may see them.
        dataset: Only faces of this data set; None takes all.
        detector: Face detector; None takes every picture as one face, as the study did.
        quantization: "int8", "float16" or "float32" of the exported networks.
        progress: Whether to show progress bars.

    Returns:
        The table, ``study.md``.

    Raises:
        FileNotFoundError: Pictures, or the weights of VGGFace, do not exist.
        ValueError: The faces lack labels, or `output` holds another study.
    """
    check_quantization(quantization)
    run = Run(Path(output), detector, quantization, progress)
    networks = [
        _changed(recipe, epochs, seed, vggface_size, random_vggface)
        for recipe in STUDY_NETWORKS[SCALED if scaled else ""]
    ]
    if not random_vggface and pretrained is None:
        find_pretrained("vggface")
    with held_run_folder(run.output, [data, pretrained]):
        keep_run(run, pretrained=pretrained)
        faces = _study_faces(data, dataset, max_faces)
        results = {}
        for protocol in protocols:
            part = replace(run, output=run.output / protocol)
            results[protocol] = _run_protocol(protocol, networks, faces, part, pretrained)
            remarks = _remarks(epochs, max_faces, vggface_size, random_vggface, scaled, protocols)
            write_study(run.output, results, faces, remarks, show_faces=show_faces)
    return run.output / TABLE


def _changed(
    recipe: TrainingRecipe, epochs: int | None, seed: int | None, vggface_size: int | None, random_vggface: bool
) -> TrainingRecipe:
    """Return the recipe of a row with what the caller chooses."""
    recipe = replace(with_settings(recipe, epochs, seed, None, None), name=recipe.name.removesuffix(SCALED))
    if recipe.architecture != "vggface":
        return recipe
    size = recipe.faces.image_size if vggface_size is None else vggface_size
    return replace(
        recipe,
        pretrained="" if random_vggface else recipe.pretrained,
        faces=replace(recipe.faces, image_size=size),
    )


def _study_faces(data: Source, dataset: str | None, max_faces: int | None) -> list[FaceRecord]:
    """Return the faces of the study's ages with both labels, or some of them."""
    table = select_dataset(read_source(data), dataset)
    records = select_faces(table, tasks={"age", "gender"}, ages=STUDY_AGES).records
    records = [replace(record, split="") for record in records if record.gender is not None]
    if max_faces is not None and max_faces < len(records):
        chosen = np.random.default_rng(0).choice(len(records), max_faces, replace=False)
        records = [records[index] for index in np.sort(chosen)]
    return records


def _run_protocol(
    protocol: str,
    networks: Sequence[TrainingRecipe],
    faces: list[FaceRecord],
    run: Run,
    pretrained: str | os.PathLike[str] | None,
) -> ProtocolResults:
    """Train and measure all rows with one protocol."""
    planned = [
        PlannedRun(recipe=recipe, folder=run.output / recipe.name, crops=run.output / recipe.name / CROPS)
        for recipe in networks
    ]
    prepared = prepare_faces(planned, faces, run, split=protocol)
    measured_on = measured_split(protocol)
    results = ProtocolResults(folder=run.output)
    for name in BASELINES:
        results.baselines[name] = run_baseline(name, faces, run.output / name, split=protocol)["metrics"]
    models: dict[str, ModelFolder] = {}
    for step, records in zip(planned, prepared.parts, strict=True):
        name = step.recipe.name
        model = finished_model(step.folder, step.recipe, measured_on)
        if model is None:
            logger.info("%s: %s, %d faces", protocol, name, len(records))
            given = pretrained if step.recipe.pretrained else None
            part = replace(run, output=step.folder)
            model = train_network(
                step.recipe,
                records,
                part,
                name=name,
                crops=step.crops,
                pretrained=given,
                measured_on=measured_on,
                protocol=protocol_of(name, protocol),
            ).model
        shutil.rmtree(step.crops, ignore_errors=True)
        models[name], results.faces[name] = model, records
        results.rows[name] = trained_row(model, step.folder, measured_on)
    run = replace(run, output=run.output / STUDY.name)
    chosen = {stage.part: stage.recipe.name for stage in STUDY.stages}
    whole = prepared.whole
    if protocol == "study":
        steps = [step for name in chosen.values() for step in planned if step.recipe.name == name]
        whole = prepare_faces(steps, faces, run, split=protocol).whole
    _add_system({part: models[name] for part, name in chosen.items()}, whole, run, measured_on, results)
    return results


def _add_system(
    parts: dict[str, ModelFolder], whole: list[FaceRecord], run: Run, measured_on: str, results: ProtocolResults
) -> None:
    """Make one model of the three networks, and measure it on faces that none of them learned from."""
    unseen = sum(record.split == "val" for record in whole)
    if unseen < MIN_FACES:
        results.notes[STUDY.name] = f"only {unseen} faces that no part learned from"
        return
    model = finished_model(run.output, None, measured_on)
    if model is None or _is_older(model, parts):
        model = assemble_study(parts, whole, run, name=STUDY.name)
        model = measure(model, whole, run, measured_on).model
    shutil.rmtree(run.output / CROPS, ignore_errors=True)
    results.rows[STUDY.name] = trained_row(model, run.output, measured_on)


def _is_older(system: ModelFolder, parts: dict[str, ModelFolder]) -> bool:
    """Tell whether a system was made of other parts."""
    made_of = system.config.provenance.get("parts", {})
    return any(made_of.get(part) != dict(model.config.provenance) for part, model in parts.items())


def _remarks(
    epochs: int | None,
    max_faces: int | None,
    vggface_size: int | None,
    random_vggface: bool,
    scaled: bool,
    protocols: Collection[str],
) -> list[str]:
    """Return how the runs differ from the study's."""
    trial = [
        f"{epochs_in_words(epochs)} for every network" if epochs is not None else "",
        f"at most {max_faces:,} faces" if max_faces is not None else "",
        f"VGGFace on {vggface_size} pixels" if vggface_size is not None else "",
    ]
    remarks = [f"A trial with {', '.join(filter(None, trial))}: the figures do not compare."] if any(trial) else []
    if random_vggface:
        remarks.append("VGGFace began with random weights instead of the published ones.")
    if scaled:
        remarks.append("Pixels are scaled as each network expects them. The study's were in [-1/255, 1/255].")
    if "study" in protocols:
        remarks.append(
            "With the study's protocol the whole system is measured on the faces that none of its three networks "
            "learned from: on the full AFAD 7,618, none above 21 years."
        )
    return remarks
