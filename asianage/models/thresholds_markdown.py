"""The age thresholds of metrics.json as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from asianage.models.markdown import ABSENT, cell_text, is_number, mapping, number, percent, table

_COLUMNS = (
    ("minors", "minors", ""),
    ("false positive rate", "false_positives", "false_positive_rate"),
    ("minors up to 5 years younger", "near_minors", ""),
    ("false positive rate", "near_false_positives", "near_false_positive_rate"),
    ("adults", "adults", ""),
    ("challenged", "adults_challenged", "challenge_rate"),
)
"""Columns of the tables: title, key of the count, key of the share."""

_PARTS = {
    "by_dataset": "data set",
    "by_gender": "gender",
    "by_group": "group",
    "by_gender_and_group": "gender and group",
    "by_age_band": "age",
}
"""Kind of part -> what its names are."""

_CROSSING = "by_gender_and_group"

_LEGEND = """\
A person passes if the estimated age reaches the challenge age, and is challenged otherwise. Minors are younger than the
threshold. The false positive rate is the share of minors who pass. Everybody whose face was not found is challenged.
Brackets show 95 % intervals by Wilson's formula.
"""


def threshold_blocks(evaluation: Mapping[str, Any], level: str, *, with_parts: bool) -> Iterator[str]:
    """Yield heading, legend and tables of the age thresholds of an evaluation; nothing if it has none.

    Args:
        evaluation: The figures of one split.
        level: Marks of the heading.
        with_parts: Whether to add, for each challenge age, a table by data set, gender, group and age band.
    """
    nodes = [mapping(node) for node in evaluation.get("thresholds") or ()]
    nodes = [node for node in nodes if any(number(mapping(node.get("overall")), key) for key in ("minors", "adults"))]
    if not nodes:
        return
    yield f"{level} Age thresholds\n"
    yield _LEGEND
    header = ("threshold", "challenge age", *(title for title, *_ in _COLUMNS))
    yield table(header, ((*_ages(node), *_cells(node.get("overall"))) for node in nodes))
    error = number(mapping(evaluation.get("all")), "probability_calibration_error")
    if error is not None:
        yield f"Calibration error of `probability_at_least`, mean over the ages 10 to 30: {percent(error)}.\n"
    for node in nodes if with_parts else ():
        yield from _part_tables(node, f"{level}#")


def _part_tables(node: Mapping[str, Any], level: str) -> Iterator[str]:
    threshold, challenge = _ages(node)
    rows = [
        (f"{what}: {cell_text(name)}", *_cells(leaf))
        for kind, what in _PARTS.items()
        # A part that is alone has the figures of the whole, and a crossing with one group those of the genders.
        if len(mapping(node.get(kind))) > 1 and (kind != _CROSSING or len(mapping(node.get("by_group"))) > 1)
        for name, leaf in mapping(node.get(kind)).items()
    ]
    if rows:
        yield f"{level} Threshold {threshold}, challenge age {challenge}\n"
        yield table(("part", *(title for title, *_ in _COLUMNS)), rows)


def _ages(node: Mapping[str, Any]) -> tuple[str, str]:
    ages = (number(node, "threshold"), number(node, "challenge_age"))
    first, second = (ABSENT if age is None else f"{age:g}" for age in ages)
    return first, second


def _cells(leaf: Any) -> Iterator[str]:
    leaf = mapping(leaf)
    for _, count, share in _COLUMNS:
        counted = number(leaf, count)
        if not share:
            yield ABSENT if counted is None else f"{counted:,}"
        else:
            yield share_text(leaf, count, share)


def share_text(leaf: Mapping[str, Any], count: str, share: str) -> str:
    """Return a share with its count and its interval, for instance ``12: 4.0 % (2.3-6.9 %)``."""
    hits, value = number(leaf, count), number(leaf, share)
    if hits is None or value is None:
        return ABSENT
    ends = leaf.get(f"{share}_interval")
    if not isinstance(ends, list | tuple) or not all(map(is_number, ends)) or len(ends) != 2:
        return f"{hits:,}: {percent(value)}"
    return f"{hits:,}: {percent(value)} ({percent(ends[0]).removesuffix(' %')}-{percent(ends[1])})"
