"""The two networks of a detector -> a model folder: int8, for one picture at a time, the search for any size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import asianage
from asianage.models.card import model_card
from asianage.models.config import DetectorConfig
from asianage.models.folder import (
    DETECTOR_NETWORK,
    DETECTOR_WEIGHTS,
    LANDMARKS_NETWORK,
    LANDMARKS_WEIGHTS,
    METRICS,
    DetectorFolder,
    write_model_folder,
)
from asianage.training.detector.collages import make_collage
from asianage.training.detector.patches import make_patch
from asianage.training.detector.sources import Source, Sources
from asianage.training.export.litert import fold_scaling, to_tflite, to_weights
from asianage.training.recipes.detector import DetectorRecipe

COLLAGE_SAMPLES, PATCH_SAMPLES = 200, 300
"""Random pictures that set the ranges of int8."""


def export_networks(
    recipe: DetectorRecipe,
    search: keras.Model,
    landmarks: keras.Model,
    sources: Sources,
    faces: Sequence[Source],
    empty: Sequence[Source],
) -> dict[str, bytes]:
    """Return the files of a detector by name: two networks in int8, and their weights.

    Args:
        recipe: The recipe.
        search: A network of `face_detector_network` for any size.
        landmarks: A network of `face_landmarks_network`.
        sources: What collages are made from.
        faces: Faces that patches are made from.
        empty: Face-free pictures that patches are made from.
    """
    random = np.random.default_rng(recipe.seed)
    collages = [make_collage(sources, recipe.collages, random)[0] for _ in range(COLLAGE_SAMPLES)]
    patches = [make_patch(faces, empty, recipe.patches, random)[0] for _ in range(PATCH_SAMPLES)]
    return {
        DETECTOR_NETWORK: to_tflite(for_one_picture(search), quantization="int8", samples=np.stack(collages)),
        LANDMARKS_NETWORK: to_tflite(for_one_picture(landmarks), quantization="int8", samples=np.stack(patches)),
        DETECTOR_WEIGHTS: to_weights(search),
        LANDMARKS_WEIGHTS: to_weights(landmarks),
    }


def for_one_picture(network: keras.Model) -> keras.Model:
    """Return a network that takes a batch of one; its scaling lies in its first convolution."""
    picture = keras.Input(batch_shape=(1, *network.input_shape[1:]), name="image")
    return keras.Model(picture, fold_scaling(network)(picture), name=network.name)


def write_detector(
    target: Path,
    files: Mapping[str, bytes],
    *,
    name: str,
    score_threshold: float,
    provenance: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
) -> DetectorFolder:
    """Write the model folder of a detector; one that is there is replaced.

    Args:
        target: The folder.
        files: The files of `export_networks`.
        name: Name of the detector.
        score_threshold: Score from which a face counts.
        provenance: What the weights come from.
        metrics: Split -> figures of `evaluate_detection`; None if nothing is measured yet.
    """
    config = DetectorConfig(
        name=name, score_threshold=score_threshold, provenance=provenance, asianage_version=asianage.__version__
    )
    if metrics:
        files = {**files, METRICS: (json.dumps(metrics, indent=1) + "\n").encode()}
    return write_model_folder(target, config, files, card=model_card(config, metrics or {}), overwrite=True)
