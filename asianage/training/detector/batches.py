"""Batches of collages for the search, and of patches for the landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asianage.networks.face_landmarks import INPUT_SIDE
from asianage.training.detector.collages import make_collage
from asianage.training.detector.patches import TARGET_VALUES, make_patch
from asianage.training.detector.sources import Source, Sources
from asianage.training.fit.batches import EpochBatches
from asianage.training.recipes.detector import Collages, Patches, Steps


class CollageBatches(EpochBatches):
    """Collages float32 (batch, side, side, 3), RGB in [0, 255], with targets float32 (batch, faces, 16)."""

    def __init__(self, sources: Sources, settings: Collages, steps: Steps, *, seed: int) -> None:
        """Create the batches of one run."""
        super().__init__(steps.steps_per_epoch * steps.batch_size, steps.batch_size, seed=seed)
        self._sources, self._settings = sources, settings

    def make(self, rows: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return as many random collages as there are rows."""
        made = [make_collage(self._sources, self._settings, random) for _ in rows]
        images, faces = zip(*made, strict=True)
        return np.stack(images).astype(np.float32), np.stack(faces)


class PatchBatches(EpochBatches):
    """Patches float32 (batch, 64, 64, 3), RGB in [0, 255], with targets and weights of landmarks and verdicts."""

    def __init__(
        self, faces: Sequence[Source], empty: Sequence[Source], settings: Patches, steps: Steps, *, seed: int
    ) -> None:
        """Create the batches of one run, from faces and from face-free pictures as `make_patch` takes them."""
        super().__init__(steps.steps_per_epoch * steps.batch_size, steps.batch_size, seed=seed)
        self._faces, self._empty, self._settings = faces, empty, settings

    def make(
        self, rows: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return as many random patches as there are rows."""
        patches = np.empty((len(rows), INPUT_SIDE, INPUT_SIDE, 3), dtype=np.float32)
        targets = np.empty((len(rows), TARGET_VALUES), dtype=np.float32)
        for patch, target in zip(patches, targets, strict=True):
            patch[:], target[:] = make_patch(self._faces, self._empty, self._settings, random)
        return (
            patches,
            {"landmarks": targets[:, :10], "face": targets[:, 11:]},
            {"landmarks": targets[:, 10], "face": np.ones(len(rows), dtype=np.float32)},
        )
