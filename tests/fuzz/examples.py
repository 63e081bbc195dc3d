"""Examples of a hypothesis strategy, the same for the same seed."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.strategies import SearchStrategy


def examples(strategy: SearchStrategy[Any], count: int, seed: int) -> list[Any]:
    """Return `count` examples; they begin again where the strategy has no more."""
    found: list[Any] = []

    @seeded(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def note(example: Any) -> None:
        found.append(example)

    note()
    return [found[number % len(found)] for number in range(count)]
