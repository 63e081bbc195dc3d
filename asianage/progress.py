"""One way to show progress, on standard error: a bar on a terminal, elsewhere a line a minute, with the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")

LINE_SECONDS = 60.0
"""Time between two lines where there is no terminal."""


def shown(
    items: Iterable[Item], progress: bool, *, description: str, unit: str, total: int | None = None
) -> Iterator[Item]:
    """Yield the items, and show how many have been taken and how long the rest will take.

    Args:
        items: Any iterable.
        progress: Whether to show progress; without it this is `iter(items)`.
        description: What is done, in a word or two.
        unit: What an item is, in the singular.
        total: Number of items; None takes the length of `items` if it has one.
    """
    if not progress or sys.stderr is None:
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    if _is_watched():
        from tqdm.auto import tqdm

        yield from tqdm(items, total=total, unit=unit, desc=description)
    else:
        yield from _told(items, description, unit, total)


def say(line: str) -> None:
    """Write a line to standard error, above the bar if there is one."""
    if sys.stderr is None:
        return
    if _is_watched():
        from tqdm.auto import tqdm

        tqdm.write(line, file=sys.stderr)
    else:
        print(line, file=sys.stderr, flush=True)


def _is_watched() -> bool:
    """Tell whether a bar can be drawn: standard error is a terminal, or a notebook shows it."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def _told(items: Iterable[Item], description: str, unit: str, total: int | None) -> Iterator[Item]:
    """Yield the items, and write a line a minute, as fits the log of a server."""
    started = time.monotonic()
    due = started + LINE_SECONDS
    for count, item in enumerate(items):
        now = time.monotonic()
        if now >= due:
            due = now + LINE_SECONDS
            of = "" if total is None else f" of {total:,}"
            rest = "" if not total or not count else f", {_duration((total - count) * (now - started) / count)} left"
            print(f"{description}: {count:,}{of} {_plural(unit)} in {_duration(now - started)}{rest}", file=sys.stderr)
        yield item


def _plural(unit: str) -> str:
    return f"{unit}es" if unit.endswith(("ch", "s", "x")) else f"{unit}s"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
