"""Values of JSON files that may be incomplete, as cells of Markdown tables and as YAML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ABSENT = "–"  # noqa: RUF001 - the typographer's dash of an empty cell


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """Return a table whose columns but the first are aligned as numbers, or as text."""
    lines = [header, ["---", *("---:" if numbers else "---" for _ in header[1:])], *rows]
    return "".join(f"| {' | '.join(cell_text(cell) for cell in line)} |\n" for line in lines)


def percent(share: float | None) -> str:
    """Return a share in percent, or that it is absent."""
    return ABSENT if share is None else f"{100 * share:.1f} %"


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a value that is a mapping; of anything else an empty one."""
    return value if isinstance(value, Mapping) else {}


def number(leaf: Mapping[str, Any], key: str) -> float | None:
    """Return the value of a key if it is a number."""
    value = leaf.get(key)
    return value if is_number(value) else None


def is_number(value: Any) -> bool:
    """Tell whether a value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def cell_text(value: Any) -> str:
    """Return text that stays in one cell of a table and cannot become markup of its own."""
    text = "".join(character if character.isprintable() else " " for character in str(value)[:500])
    return text.replace("|", "\\|").replace("<!--", "&lt;!--")


def yaml_text(text: str) -> str:
    """Quote text for YAML, of which JSON is a part."""
    return json.dumps("".join(character if character.isprintable() else " " for character in text), ensure_ascii=False)
