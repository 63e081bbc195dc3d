"""One way to show progress: a bar with the time left, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")


def shown(
    items: Iterable[Item], progress: bool, *, description: str, unit: str, total: int | None = None
) -> Iterator[Item]:
    """Yield the items, and show how many have been taken.

    Args:
        items: Any iterable.
        progress: Whether to show a bar; without it this is `iter(items)`.
        description: What is done, in a word or two, before the bar.
        unit: What an item is, in the singular.
        total: Number of items; None takes the length of `items` if it has one.
    """
    if not progress or sys.stderr is None:
        yield from items
        return
    from tqdm.auto import tqdm

    if total is None and isinstance(items, Sized):
        total = len(items)
    yield from tqdm(items, total=total, unit=unit, desc=description)
