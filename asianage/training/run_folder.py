"""How a run is carried out, and what lies in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    """How a training is carried out: everything that is no choice of the recipe.

    Attributes:
        output: Folder of the run.
        detector: Face detector, as in `AgeGenderEstimator`; None takes every picture as one face.
        quantization: "int8", "float16" or "float32" of the exported network.
        progress: Whether to show progress bars.
    """

    output: Path
    detector: str | None = "auto"
    quantization: str = "int8"
    progress: bool = False
