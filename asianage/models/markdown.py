"""Values of JSON files that may be incomplete, as cells of Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ABSENT = "-"
"""Cell of a value that is missing."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """Return a table. All columns but the first are aligned as numbers, or as text."""
    lines = [header, ["---", *("---:" if numbers else "---" for _ in header[1:])], *rows]
    return "".join(f"| {' | '.join(cell_text(cell) for cell in line)} |\n" for line in lines)


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.1f} %"


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a value that is a mapping; an empty mapping for anything else."""
    return value if isinstance(value, Mapping) else {}


def number(leaf: Mapping[str, Any], key: str) -> float | None:
    """Return the value of a key if it is a number."""
    value = leaf.get(key)
    return value if is_number(value) else None


def is_number(value: Any) -> bool:
    """Tell whether a value is a number. True and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def plain_text(value: Any) -> str:
    """Return text without line breaks, control characters and halves of characters."""
    return "".join(character if character.isprintable() else " " for character in str(value)[:500])


def cell_text(value: Any) -> str:
    """Return text that stays in one cell of a table and cannot become markup of its own."""
    return plain_text(value).replace("|", "\\|").replace("<!--", "&lt;!--")
