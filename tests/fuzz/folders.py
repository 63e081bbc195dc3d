"""Crafted model folders, as `tests.models.test_folder_fuzz` makes them: a model, or a `ModelFormatError`."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from asianage.errors import ModelFormatError
from asianage.models.folder import BUNDLED, BUNDLED_DETECTOR
from tests.models.test_folder_fuzz import CRAFT, read_folder, tiny_int8_model


def prepare(work: Path, seed: int, count: int) -> Callable[[int], str]:
    """Return the function that tries one folder. Every tenth has crafted weights, which take the longest."""
    model = tiny_int8_model(work / "model")
    sources = {kind: BUNDLED / BUNDLED_DETECTOR if kind == "detector" else model for kind in CRAFT}
    originals = {kind: {file.name: file.read_bytes() for file in source.iterdir()} for kind, source in sources.items()}
    kinds = (
        "network",
        "config",
        "detector",
        "network",
        "config",
        "detector",
        "network",
        "config",
        "network",
        "weights",
    )

    def attempt(number: int) -> str:
        kind = kinds[number % len(kinds)]
        folder = work / kind
        folder.mkdir(exist_ok=True)
        files = dict(originals[kind])
        CRAFT[kind](files, random.Random(f"{seed}-{number}"))
        for name, content in files.items():
            (folder / name).write_bytes(content)
        try:
            read_folder(folder, work / f"{kind}-copy", kind)
            return f"{kind} read"
        except ModelFormatError:
            return f"{kind} ModelFormatError"

    return attempt
