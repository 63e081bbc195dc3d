"""Export a network in eight bits, compare it with the float one, and keep the float one where the two differ."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from asianage.data.crop_cache import CropCache
from asianage.data.records import FaceRecord
from asianage.errors import ModelFormatError
from asianage.models.ages import AgeAxis, expected_age, softmax
from asianage.models.folder import NETWORK
from asianage.models.litert import LiteRTNetwork
from asianage.networks.heads import OUTPUTS
from asianage.training.export.litert import to_tflite

logger = logging.getLogger(__name__)

CALIBRATION_FACES = 400
"""Training crops that set the ranges of int8."""

COMPARED_FACES = 512
"""Held-out crops that an export is compared on, at most."""

LIMITS = {"age": 1.0, "gender": 0.05}
"""Mean difference of the age, in years, and of the probability of "male", above which the float network is kept."""

_UNITS = {"age": "years of age", "gender": "in the probability of male"}

_BAND = 10
"""Years of a band whose faces set ranges as often as those of any other."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A network for prediction.

    Attributes:
        content: The flatbuffer.
        quantization: "int8", "float16" or "float32".
        network: What runs it.
        difference: From the float network: ``faces`` that were compared, and the means of ``age``, in years, and of
            ``gender``, in the probability of "male", as far as they are learned; empty for float32.
    """

    content: bytes
    quantization: str
    network: LiteRTNetwork
    difference: dict[str, float]


def export_network(
    network: keras.Model,
    cache: CropCache,
    train: np.ndarray,
    held_out: np.ndarray,
    axis: AgeAxis,
    tasks: Collection[str],
    *,
    quantization: str,
    before: bytes | None = None,
    seed: int = 0,
) -> Exported:
    """Export a network, in float32 where its other form differs on held-out faces or cannot be made.

    Args:
        network: The network, in float32.
        cache: Crops of the size that the network takes.
        train: int (n,): positions of the faces, some of which set the ranges of int8.
        held_out: int (m,): positions of the faces that are compared.
        axis: The age axis.
        tasks: What the network learned.
        quantization: "int8", "float16" or "float32".
        before: int8 flatbuffer of the model that the network began with.
        seed: Chooses the faces that set ranges.
    """

    def exported(form: str) -> Exported:
        samples = cache.inner_crops(calibration_faces(cache.records, train, seed))
        content = to_tflite(network, quantization=form, samples=samples, before=before)
        runnable = LiteRTNetwork(content, source=NETWORK, image_size=cache.size, num_ages=axis.num_ages)
        compared = held_out[np.linspace(0, len(held_out) - 1, min(COMPARED_FACES, len(held_out))).astype(int)]
        difference = {} if form == "float32" else _difference(network, runnable, cache, compared, axis, tasks)
        return Exported(content, form, runnable, difference)

    try:
        chosen = exported(quantization)
        problem = _problem(chosen.difference)
    except (ModelFormatError, ValueError, RuntimeError) as error:
        if quantization == "float32":
            raise
        problem = f"it cannot be made: {error}"
    if not problem:
        return chosen
    logger.warning(
        "the network in %s is not kept, because %s. model.tflite holds it in float32, which is larger and slower, and "
        "as accurate as what was trained. More epochs or more kinds of faces may help",
        quantization,
        problem,
    )
    return exported("float32")


def calibration_faces(records: Sequence[FaceRecord], train: np.ndarray, seed: int) -> np.ndarray:
    """Choose the training faces that set ranges: each gender and each ten years alike, as far as there are faces.

    Args:
        records: Faces.
        train: int (n,): positions of the training faces among them.
        seed: Chooses among faces of the same kind.

    Returns:
        int (at most `CALIBRATION_FACES`,), sorted.
    """
    kinds: dict[tuple[str | None, int | None], list[int]] = {}
    for position in np.random.default_rng(seed).permutation(train):
        record = records[position]
        band = None if record.age is None else int(record.age // _BAND)
        kinds.setdefault((record.gender, band), []).append(int(position))
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*kinds.values()))
    chosen = itertools.islice((position for position in rounds if position is not None), CALIBRATION_FACES)
    return np.sort(np.fromiter(chosen, dtype=int))


def _difference(
    network: keras.Model,
    exported: LiteRTNetwork,
    cache: CropCache,
    compared: np.ndarray,
    axis: AgeAxis,
    tasks: Collection[str],
) -> dict[str, float]:
    """Return how far an exported network is from the float one."""
    crops = cache.inner_crops(compared)
    logits = _float_logits(network, crops), exported(crops)
    ages = [expected_age(axis, softmax(age_logits)) for age_logits, _ in logits]
    males = [1.0 / (1.0 + np.exp(-gender_logits.astype(np.float64))) for _, gender_logits in logits]
    figures = {"age": ages, "gender": males}
    found = {task: round(float(np.abs(np.subtract(*figures[task])).mean()), 4) for task in sorted(tasks)}
    logger.info(
        "the exported network differs from the trained one on %d held-out faces by %s",
        len(compared),
        " and ".join(f"{value:.3g} {_UNITS[task]}" for task, value in found.items()),
    )
    return {"faces": len(compared), **found}


def _float_logits(network: keras.Model, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return age logits float32 (n, num_ages) and gender logits float32 (n,) of the trained network."""
    parts = [network.predict_on_batch(part.astype(np.float32)) for part in np.split(crops, range(64, len(crops), 64))]
    ages, genders = (np.concatenate([part[name] for part in parts]) for name in OUTPUTS)
    return ages, genders[:, 0]


def _problem(difference: Mapping[str, float]) -> str:
    """Return what of a difference is too large, "" if nothing is."""
    return " and ".join(
        f"it differs from the trained one on held-out faces by {difference[task]:.3g} {_UNITS[task]}, and {limit:g} "
        "is the limit"
        for task, limit in LIMITS.items()
        if difference.get(task, 0.0) > limit
    )
