"""Where the weights of a model come from: recipe, data, code, and the models before it."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import asianage
from asianage.data.crop_cache import CropCache
from asianage.data.records import FaceRecord, records_sha256
from asianage.models.folder import ModelFolder
from asianage.training.recipes.recipe import TrainingRecipe

_KEY_LENGTH = 12


def training_provenance(
    recipe: TrainingRecipe,
    network: keras.Model,
    cache: CropCache,
    splits: Mapping[str, np.ndarray],
    quantization: str,
) -> dict[str, Any]:
    """Return the provenance of a model as plain JSON, apart from its `ancestry`.

    Args:
        recipe: What the network was trained by.
        network: The trained network.
        cache: The crops, whose records are counted by data set.
        splits: Name of a split -> int (n,): its positions in the cache.
        quantization: Of the network for prediction.
    """
    used = {name: [cache.records[i] for i in positions] for name, positions in splits.items()}
    return {
        "recipe": recipe.to_dict(),
        "quantization": quantization,
        "parameters": network.count_params(),
        **counts(used),
        "frozen_parameters": frozen_parameters(network),
        "split_sha256": {name: records_sha256(records, by_name=True) for name, records in used.items()},
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "commit": commit(),
    }


def frozen_parameters(network: keras.Model) -> int:
    """Return how many parameters of a network are not trained. Statistics of normalizations are no parameters."""
    frozen = (weight for weight in network.non_trainable_weights if not weight.name.startswith("moving_"))
    return sum(math.prod(weight.shape) for weight in frozen)


def ancestry(initial: ModelFolder | None, teachers: Sequence[ModelFolder] = ()) -> dict[str, Any]:
    """Return the part of a provenance that names the models before a model.

    Args:
        initial: The model whose weights it begins with.
        teachers: Models that it learns from.

    Returns:
        ``initial`` (None if there is none) and ``teachers`` as keys of ``ancestors``. ``ancestors`` holds the
        provenance of every model before it, each once, with keys in place of its own ancestors. A key is the beginning
        of the SHA-256 of that provenance, so that the same model has the same key everywhere.
    """
    ancestors: dict[str, Any] = {}

    def key(model: ModelFolder) -> str:
        provenance = dict(model.config.provenance)
        ancestors.update(provenance.pop("ancestors", {}))
        digest = hashlib.sha256(json.dumps(provenance, sort_keys=True).encode()).hexdigest()[:_KEY_LENGTH]
        ancestors[digest] = provenance
        return digest

    return {
        "initial": None if initial is None else key(initial),
        "teachers": [key(teacher) for teacher in teachers],
        "ancestors": ancestors,
    }


def counts(faces: Mapping[str, Sequence[FaceRecord]]) -> dict[str, Any]:
    """Return the numbers of faces of each split: ``faces`` by data set, ``labels`` by ten years and by gender."""
    return {
        "faces": {split: dict(Counter(record.dataset for record in records)) for split, records in faces.items()},
        "labels": {split: _labels(records) for split, records in faces.items()},
    }


def _labels(records: Sequence[FaceRecord]) -> dict[str, dict[str, int]]:
    """Return how many faces have an age of each ten years, by the first of them, an age group, and each gender."""
    decades = Counter(int(record.age // 10) * 10 for record in records if record.age is not None)
    groups = Counter(record.age_range for record in records if record.age is None and record.age_range is not None)
    genders = Counter(record.gender for record in records if record.gender is not None)
    return {
        "ages": {str(decade): decades[decade] for decade in sorted(decades)},
        "genders": dict(sorted(genders.items())),
        **({"age_groups": {f"{low:g}-{high:g}": groups[low, high] for low, high in sorted(groups)}} if groups else {}),
    }


def commit() -> str:
    """Return the commit of the checkout that this package runs from, "" outside a checkout."""
    package = Path(asianage.__file__).resolve().parent
    command = ["git", "-C", str(package), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        top, head = done.stdout.splitlines()
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    # The package may be installed inside the repository of its user.
    return head if Path(top).resolve() == package.parent else ""
