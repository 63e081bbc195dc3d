"""The figures of metrics.json as the tables of a card, and where they are clearly worse than elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from asianage.models.known_sources import full_name
from asianage.models.markdown import ABSENT, cell_text, is_number, mapping, number, percent, table

_LARGE_ERROR = 6.0
_FEW_FACES = 50

_COLUMNS = ("faces", "MAE", "within 5 years", "bias", "gender right", "interval holds", "its width")


def figures_section(metrics: Mapping[str, Any]) -> str:
    """Return the section with every figure that was measured."""
    parts = ["## Figures\n"]
    splits = [split for split, evaluation in metrics.items() if mapping(mapping(evaluation).get("datasets"))]
    if not splits:
        return "## Figures\n\nNothing has been measured yet.\n"
    parts.append(
        "Measured as a user sees them: whole pipeline, face detection included. MAE: mean absolute error in years; "
        "bias: estimate\nminus truth, in years; within 5 years: share of faces whose error is at most that. In "
        "brackets 95 % intervals, by\nbootstrap over faces for the MAE, by Wilson's formula for gender and interval. "
        "Only figures of the same data compare.\n"
    )
    for split in splits:
        evaluation = mapping(metrics[split])
        target = number(evaluation, "interval_target")
        detector = evaluation.get("detector") or "none, each picture is one face"
        parts.append(
            f"Part: **{cell_text(split)}**. Detector: {cell_text(detector)}."
            + (f" The intervals promise to hold {percent(target)} of the ages." if target is not None else "")
            + "\n"
        )
        nodes = {name: mapping(node) for name, node in mapping(evaluation["datasets"]).items()}
        if len(nodes) > 1 and mapping(evaluation.get("all")):
            nodes["all"] = mapping(evaluation["all"])
        rows = [(full_name(name), mapping(node.get("overall"))) for name, node in nodes.items()]
        parts.append(_figure_table("data", rows))
        parts.extend(_coverages(nodes, target))
        for name, node in nodes.items():
            parts.extend(_breakdowns(full_name(name), node))
    return "\n".join(parts)


def _coverages(nodes: Mapping[str, Mapping[str, Any]], target: float | None) -> Iterator[str]:
    """Yield how many ages the other intervals hold that the model can give, where that was measured."""
    measured = {name: mapping(node.get("coverage_by_promise")) for name, node in nodes.items()}
    promises = list(dict.fromkeys(promise for held in measured.values() for promise in held))
    promises = [promise for promise in promises if promise != f"{target:g}"] if target is not None else promises
    if promises:
        yield "### Ages in intervals of other promises\n"
        header = ("data", *(f"promise {cell_text(promise)}" for promise in promises))
        rows = [(full_name(name), *(percent(number(held, p)) for p in promises)) for name, held in measured.items()]
        yield table(header, rows)


def _breakdowns(name: str, node: Mapping[str, Any]) -> Iterator[str]:
    for key, title in (("by_age_band", "age"), ("by_gender", "gender"), ("by_group", "group")):
        rows = [(label, mapping(leaf)) for label, leaf in mapping(node.get(key)).items()]
        # A part that is alone has the figures of the whole.
        if len(rows) > 1:
            yield f"### {name} by {title}\n"
            yield _figure_table(title, rows)
    special = mapping(node.get("special"))
    figures = [
        ("MAE to 40 years", _years(special, "mae_to_40")),
        ("MAE from 20 to 40 years, weighted by the ages of the full data set", _years(special, "mae_natural_20_40")),
        ("gender right from 15 years", percent(number(special, "gender_accuracy_from_15"))),
        (f"MAE under 5 years{_faces(special, 'faces_under_5')}", _years(special, "mae_under_5")),
        ("gender right under 5 years", percent(number(special, "gender_accuracy_under_5"))),
        (f"MAE from 70 years{_faces(special, 'faces_from_70')}", _years(special, "mae_from_70")),
    ]
    figures = [figure for figure in figures if figure[1] != ABSENT]
    if figures:
        yield f"### {name}, figures of its own\n"
        yield table(("figure", "value"), figures)


def _figure_table(first: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    return table((first, *_COLUMNS), [(label, *_figure_cells(leaf)) for label, leaf in rows])


def _figure_cells(leaf: Mapping[str, Any]) -> Iterator[str]:
    faces = number(leaf, "faces")
    yield ABSENT if faces is None else f"{faces:,.0f}"
    yield _years(leaf, "mae") + _range(leaf, "mae_interval")
    yield percent(number(leaf, "cs_at_5"))
    bias = number(leaf, "bias")
    yield ABSENT if bias is None else f"{bias:+.2f}"
    yield percent(number(leaf, "gender_accuracy")) + _range(leaf, "gender_accuracy_interval", 100.0, 1)
    yield percent(number(leaf, "interval_coverage")) + _range(leaf, "interval_coverage_interval", 100.0, 1)
    width = number(leaf, "interval_mean_width")
    yield ABSENT if width is None else f"{width:.1f}"


def known_failures(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the figures are clearly worse than elsewhere, for age bands with enough faces."""
    for _, name, node in measured_parts(metrics):
        for band, leaf in mapping(node.get("by_age_band")).items():
            faces, mae, coverage = (number(mapping(leaf), key) for key in ("faces", "mae", "interval_coverage"))
            if faces is None or faces < _FEW_FACES:
                continue
            where = f"at {cell_text(band)} years in {full_name(name)} ({faces:,.0f} faces)"
            if mae is not None and mae > _LARGE_ERROR:
                bias = number(mapping(leaf), "bias") or 0.0
                side = "high" if bias > 0 else "low"
                yield f"The age is {mae:.1f} years off on average {where}, and {abs(bias):.1f} too {side} in the mean."
            if coverage is not None and coverage < 0.85:
                yield f"The interval holds only {percent(coverage)} of the ages {where}."
            right = number(mapping(leaf), "gender_accuracy")
            if right is not None and right < 0.9:
                yield f"Gender is right for {percent(right)} {where}."


def measured_parts(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield split, data set and node of all that was measured."""
    for split, evaluation in metrics.items():
        for name, node in mapping(mapping(evaluation).get("datasets")).items():
            yield split, name, mapping(node)


def _years(leaf: Mapping[str, Any], key: str) -> str:
    value = number(leaf, key)
    return ABSENT if value is None else f"{value:.2f}"


def _faces(leaf: Mapping[str, Any], key: str) -> str:
    count = number(leaf, key)
    return "" if count is None else f" ({count:,.0f} faces)"


def _range(leaf: Mapping[str, Any], key: str, factor: float = 1.0, digits: int = 2) -> str:
    """Return the interval of a figure in brackets, after a space; nothing if it is not known."""
    ends = leaf.get(key)
    if not isinstance(ends, Sequence) or len(ends) != 2 or not all(is_number(end) for end in ends):
        return ""
    return f" ({factor * ends[0]:.{digits}f}-{factor * ends[1]:.{digits}f})"
