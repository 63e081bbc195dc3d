"""`train_detector`: from labeled photos to the model folder of a face detector."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from asianage.data.photos import Photo, photos_sha256, read_detection_folder, read_photos
from asianage.evaluation.detection import evaluate_detection
from asianage.faces.detection.bundled import BundledDetector
from asianage.faces.detection.yunet import YuNetDetector
from asianage.models.folder import DetectorFolder
from asianage.networks.face_detector import face_detector_network, points_network
from asianage.networks.face_landmarks import face_landmarks_network
from asianage.networks.pretrained import find_pretrained, load_pretrained
from asianage.training.detector.batches import CollageBatches, PatchBatches
from asianage.training.detector.export import export_networks, write_detector
from asianage.training.detector.losses import DetectionLoss
from asianage.training.detector.sources import Source, Sources, encoded, make_sources, single_faces
from asianage.training.detector.targets import face_row
from asianage.training.detector.validation import LandmarkValidation, Search, validate_search
from asianage.training.export.provenance import commit
from asianage.training.fit.devices import scope_of, spread_over, training_devices
from asianage.training.fit.loop import fit
from asianage.training.fit.optimizer import build_optimizer
from asianage.training.recipes.detector import DETECTOR, DetectorRecipe, Steps
from asianage.training.run_folder import INPUTS, RECIPE, held_run_folder, keep_settings

SEARCH, LANDMARKS = "search", "landmarks"
"""Folders of the two trainings in the folder of a run."""

TEACHER_SCORE = 0.3
"""Score from which the teacher's faces are used."""

MOST_CANDIDATES = 24
"""Boxes of a face-free picture that patches are cut around, at most."""

_HUBER = 0.04
"""Error of a landmark where its loss turns from a square into a line, in units of half a patch."""


def train_detector(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    recipe: DetectorRecipe = DETECTOR,
    faces: Sequence[str | os.PathLike[str]] = (),
    epochs: int | None = None,
    name: str | None = None,
    pretrained: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> DetectorFolder:
    """Train a face detector and write its model folder. A run that was stopped goes on where it was.

    YuNet is the teacher: it gives boxes and landmarks where the data have none, and names what is left unlabeled.

    The folder of a run gets the folders ``search`` and ``landmarks`` with ``recipe.json``, ``inputs.json``, checkpoints
    and ``history.csv``, and ``model`` with the figures of the split "test", or of "val" if there is no test split.

    Args:
        data: Folder with the tables of `asianage.data.photos.read_detection_folder`. "train" is learned from, and
            "val" chooses the best epochs.
        output: Folder of the run.
        recipe: The recipe.
        faces: Tables of single faces, with landmarks or without, as `asianage.data.photos.read_photos` takes them.
        epochs: Epochs of each network; None takes those of the recipe.
        name: Name of the detector; None takes that of the recipe.
        pretrained: YuNet's ONNX file; None takes it from the Hub's cache, or fetches it.
        progress: Whether to show progress bars.

    Returns:
        The model folder.

    Raises:
        BlockingIOError: Another process trains in `output`.
        FileExistsError: `output` holds files that are not of a run and would be replaced.
        FileNotFoundError: Tables, pictures or YuNet's file do not exist.
        ValueError: The data lack a split or a kind of pictures, or `output` holds another run.
    """
    output = Path(output)
    if epochs is not None:
        recipe = replace(
            recipe, search=replace(recipe.search, epochs=epochs), landmarks=replace(recipe.landmarks, epochs=epochs)
        )
    photos = read_detection_folder(data)
    for table in faces:
        photos += read_photos(table, is_complete=False)
    splits = {split: [photo for photo in photos if photo.split == split] for split in ("train", "val", "test")}
    _check(splits)
    counts = {split: dict(Counter(photo.dataset for photo in part)) for split, part in splits.items()}
    with held_run_folder(output, [data, pretrained, *faces]):
        for part in (SEARCH, LANDMARKS):
            keep_settings(output / part, RECIPE, recipe.to_dict())
            keep_settings(output / part, INPUTS, {"pictures": counts, "sha256": photos_sha256(photos)})
        yunet = find_pretrained("yunet", pretrained)
        teacher = YuNetDetector(yunet, score_threshold=TEACHER_SCORE).detect
        sources = make_sources(splits["train"], teacher, progress=progress)
        looked_at = [photo for photo in splits["val"] if not photo.is_complete or not photo.faces]
        held_out = make_sources(looked_at, teacher)
        search = train_search(recipe, sources, splits["val"], output / SEARCH, pretrained=yunet, progress=progress)
        cut, empty = single_faces(sources), with_candidates(sources.empty, search)
        validation = LandmarkValidation(held_out.singles, with_candidates(held_out.empty, search))
        landmarks = train_landmarks(recipe, cut, empty, validation, output / LANDMARKS, progress=progress)
        files = export_networks(recipe, search, landmarks, sources, cut, empty)
        settings: dict[str, Any] = {
            "name": recipe.name if name is None else name,
            "score_threshold": recipe.score_threshold,
            "provenance": detector_provenance(recipe, {"detector": search, "landmarks": landmarks}, counts),
        }
        model = write_detector(output / "model", files, **settings)
        measured = "test" if splits["test"] else "val"
        figures = evaluate_detection(BundledDetector(model), splits[measured], progress=progress)
        return write_detector(output / "model", files, **settings, metrics={measured: figures.to_dict()})


def train_search(
    recipe: DetectorRecipe,
    sources: Sources,
    val: Sequence[Photo],
    folder: Path,
    *,
    pretrained: Path | None = None,
    progress: bool = False,
) -> keras.Model:
    """Train the network that finds faces, and return it for pictures of any size.

    Args:
        recipe: The recipe.
        sources: What collages are made from.
        val: Real photos that choose the best epoch.
        folder: Folder of the run.
        pretrained: File of the published weights that the recipe begins with.
        progress: Whether to show a bar.
    """
    side = recipe.collages.image_size
    with spread_over(training_devices()):
        keras.utils.set_random_seed(recipe.seed)
        network = face_detector_network(side, side)
        learner = points_network(network)
    if recipe.pretrained:
        load_pretrained(network, recipe.pretrained, pretrained)
    loss = DetectionLoss(side, box_weight=recipe.box_weight, landmarks_weight=recipe.landmarks_weight)
    _compile(learner, recipe.search, loss=loss)
    found = Search(network)
    best = fit(
        learner,
        CollageBatches(sources, recipe.collages, recipe.search, seed=recipe.seed),
        lambda: validate_search(found, val, recipe.most_extra),
        folder,
        epochs=recipe.search.epochs,
        seed=recipe.seed,
        network=network,
        progress=progress,
    )
    trained = face_detector_network()
    trained.load_weights(best)
    return trained


def train_landmarks(
    recipe: DetectorRecipe,
    faces: Sequence[Source],
    empty: Sequence[Source],
    validate: LandmarkValidation,
    folder: Path,
    *,
    progress: bool = False,
) -> keras.Model:
    """Train the network that finds the landmarks of a face, and return it.

    Args:
        recipe: The recipe.
        faces: Single faces.
        empty: Face-free pictures; rows of targets are boxes that the search took for a face.
        validate: Chooses the best epoch.
        folder: Folder of the run.
        progress: Whether to show a bar.
    """
    with spread_over(training_devices()):
        keras.utils.set_random_seed(recipe.seed)
        learner = face_landmarks_network()
    # 1 / _HUBER^2 makes the error count from 0.5 on where it turns into a line.
    weights = {"landmarks": _HUBER**-2, "face": recipe.face_weight}
    losses = {
        "landmarks": keras.losses.Huber(delta=_HUBER),
        "face": keras.losses.BinaryCrossentropy(from_logits=True),
    }
    _compile(learner, recipe.landmarks, loss=losses, loss_weights=weights)
    best = fit(
        learner,
        PatchBatches(faces, empty, recipe.patches, recipe.landmarks, seed=recipe.seed),
        lambda: validate(learner),
        folder,
        epochs=recipe.landmarks.epochs,
        seed=recipe.seed,
        progress=progress,
    )
    trained = face_landmarks_network()
    trained.load_weights(best)
    return trained


def with_candidates(empty: Sequence[Source], network: keras.Model) -> list[Source]:
    """Return face-free pictures with the boxes that a network took for faces as rows of targets."""
    search = Search(network)
    pictures = [(source.image(), search.detect(source.image())) for source in empty]
    return [
        encoded(image, [face_row(face.box) for face in found[:MOST_CANDIDATES]], single=False)
        for image, found in pictures
    ]


def detector_provenance(
    recipe: DetectorRecipe, networks: Mapping[str, keras.Model], counts: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """Return the provenance of a detector as plain JSON: recipe, sizes of the networks, pictures by data set."""
    return {
        "recipe": recipe.to_dict(),
        "quantization": "int8",
        "parameters": {name: network.count_params() for name, network in networks.items()},
        "pictures": counts,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "commit": commit(),
    }


def _compile(learner: keras.Model, steps: Steps, **losses: Any) -> None:
    with scope_of(learner):
        optimizer = build_optimizer(
            steps.optimizer, learner, epochs=steps.epochs, steps_per_epoch=steps.steps_per_epoch
        )
        learner.compile(optimizer, **losses)


def _check(splits: dict[str, list[Photo]]) -> None:
    """Refuse data without what training needs."""
    for split in ("train", "val"):
        kinds = {
            "photos with boxes": any(photo.is_complete and photo.faces for photo in splits[split]),
            "single faces with landmarks": any(not photo.is_complete and photo.faces for photo in splits[split]),
            "face-free pictures": any(photo.is_complete and not photo.faces for photo in splits[split]),
        }
        missing = [kind for kind, there in kinds.items() if not there]
        if missing:
            raise ValueError(f"The split {split!r} must have {', '.join(kinds)}. It has no {' and no '.join(missing)}.")
