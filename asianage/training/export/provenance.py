"""Which trained models the weights of a new one come from, for its provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from asianage.models.folder import ModelFolder

_KEY_LENGTH = 12


def ancestry(initial: ModelFolder | None, teachers: Sequence[ModelFolder] = ()) -> dict[str, Any]:
    """Return what the provenance of a model says of the models before it.

    Args:
        initial: The model whose weights it begins with.
        teachers: Models that it learns from.

    Returns:
        ``initial`` (None if there is none) and ``teachers`` as keys of ``ancestors``, which holds the provenance of
        every model before it, each once, with keys in place of its own ancestors. A key is the beginning of the
        SHA-256 of what it stands for, so that the same model has the same key everywhere.
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
