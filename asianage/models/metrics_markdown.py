"""The figures of metrics.json as Markdown, for the card of a model and for the report of an evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from asianage.models.config import GENDERS
from asianage.models.known_sources import full_name
from asianage.models.markdown import ABSENT, cell_text, is_number, mapping, number, percent, table
from asianage.models.thresholds_markdown import threshold_blocks

MAX_UNREADABLE_LINES = 50
"""Longest list of unreadable files in the text; ``unreadable.csv`` has them all."""

_FEW_FACES = 50
_LARGE_ERROR, _LOW_COVERAGE, _LOW_GENDER_ACCURACY = 6.0, 0.85, 0.9
"""Figures of an age band that a card lists as limits, if the band has enough faces."""

_SUMMARY = {
    "faces": "faces",
    "MAE": "mae",
    "CS@5": "cs_at_5",
    "bias": "bias",
    "gender accuracy": "gender_accuracy",
    "coverage": "interval_coverage",
    "interval width": "interval_mean_width",
}
_AGE = {
    "faces": "faces_with_age",
    "MAE": "mae",
    "RMSE": "rmse",
    "bias": "bias",
    **{f"CS@{years}": f"cs_at_{years}" for years in (1, 3, 5, 7)},
    "macro MAE": "macro_mae",
    "coverage": "interval_coverage",
    "interval width": "interval_mean_width",
    "no face found": "detection_failures",
    "unreadable": "unreadable",
}
_GENDER = {
    "faces": "faces_with_gender",
    "gender accuracy": "gender_accuracy",
    "balanced accuracy": "gender_balanced_accuracy",
    **{f"{figure} {gender}": f"gender_{figure}.{gender}" for figure in ("precision", "recall") for gender in GENDERS},
    "calibration error": "gender_calibration_error",
}
_AGE_GROUP = {
    "faces": "faces_with_age_group",
    "in the right group": "age_group_accuracy",
    "too young": "age_group_too_young",
    "too old": "age_group_too_old",
    "years outside": "years_outside_age_group",
    "mean over groups": "macro_age_group_accuracy",
}
_CROSSED = {title: key for title, key in _SUMMARY.items() if key not in ("cs_at_5", "interval_mean_width")}
_CONFUSION = {f"predicted {gender}": gender for gender in GENDERS}
"""Columns of tables: title -> key in metrics.json, with a dot between levels."""


def card_figures(metrics: Mapping[str, Any]) -> str:
    """Return the section of a card with the figures of every split; `metrics` is the content of metrics.json."""
    measured = {split: mapping(node) for split, node in metrics.items() if mapping(mapping(node).get("datasets"))}
    if not measured:
        return "## Figures\n\nNothing has been measured yet.\n"
    blocks = ["## Figures\n"]
    for split, evaluation in measured.items():
        blocks += [f"Split: **{cell_text(split)}**. {_introduction(evaluation)}\n", _legend(evaluation)]
        blocks += _blocks(evaluation, "###", {"": _SUMMARY})
        blocks += threshold_blocks(evaluation, "###", with_parts=False)
    return "\n".join(blocks)


def metrics_markdown(
    metrics: Mapping[str, Any],
    figures: Sequence[tuple[str, str, str]] = (),
    unreadable: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the report of an evaluation.

    Args:
        metrics: The figures, as `Evaluation.to_dict` returns them.
        figures: File name, title and caption of each picture that lies beside the text.
        unreadable: Name of each unreadable file, and the reason.
    """
    blocks = ["# Evaluation\n", f"{_introduction(metrics)}\n", _legend(metrics)]
    blocks += _blocks(metrics, "##", {"Age": _AGE, "Gender": _GENDER})
    blocks += threshold_blocks(metrics, "##", with_parts=True)
    blocks += ["## Figures\n"] if figures else []
    blocks += [f"### {title}\n\n![{title}]({file})\n\n{caption}\n" for file, title, caption in figures]
    if unreadable:
        lines = [f"- `{name}`: {' '.join(reason.split())}\n" for name, reason in unreadable[:MAX_UNREADABLE_LINES]]
        rest = len(unreadable) - len(lines)
        blocks.append("## Unreadable files\n\nThey are not part of the figures.\n\n" + "".join(lines))
        blocks[-1] += f"- and {rest} more\n" if rest else ""
    return "\n".join(blocks)


def known_failures(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield the age bands with clearly worse figures than elsewhere, of those with enough faces."""
    for _, name, node in measured_parts(metrics):
        for band, leaf in mapping(node.get("by_age_band")).items():
            faces, mae, bias, coverage, accuracy = (
                number(mapping(leaf), key) for key in ("faces", "mae", "bias", "interval_coverage", "gender_accuracy")
            )
            if faces is None or faces < _FEW_FACES:
                continue
            where = f"at {cell_text(band)} years in {cell_text(full_name(name))} ({faces:,.0f} faces)"
            if mae is not None and mae > _LARGE_ERROR:
                yield f"The MAE is {mae:.1f} years {where}, with a bias of {bias or 0.0:+.1f} years."
            if coverage is not None and coverage < _LOW_COVERAGE:
                yield f"The coverage is only {percent(coverage)} {where}."
            if accuracy is not None and accuracy < _LOW_GENDER_ACCURACY:
                yield f"The gender accuracy is {percent(accuracy)} {where}."


def measured_parts(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield split, data set and figures of everything that was measured."""
    for split, evaluation in metrics.items():
        for name, node in mapping(mapping(evaluation).get("datasets")).items():
            yield split, name, mapping(node)


def _introduction(evaluation: Mapping[str, Any]) -> str:
    overall = mapping(mapping(evaluation.get("all")).get("overall"))
    faces, missed, lost = (number(overall, key) or 0 for key in ("faces", "detection_failures", "unreadable"))
    detector = evaluation.get("detector")
    if detector is None:
        found = "Every picture was taken as one face, without a face detector."
    elif not missed:
        found = f"A face was found in every picture, by `{cell_text(detector)}`."
    else:
        found = (
            f"Faces were found by `{cell_text(detector)}`. Pictures without a face: {missed:,.0f}; the whole picture "
            "was taken as the face."
        )
    mirrored = " Each face was averaged with its mirror image." if evaluation.get("mirror") else ""
    return f"Pictures evaluated: {faces:,.0f}, unreadable: {lost:,.0f}. {found}{mirrored}"


def _legend(evaluation: Mapping[str, Any]) -> str:
    target = number(evaluation, "interval_target")
    aim = "" if target is None else f", with a target of {100 * target:g} %"
    return f"""\
MAE is the mean absolute error and bias the mean of estimated minus true age, both in years. CS@k is the share of faces
with an error of at most k years. Macro MAE gives every age the same weight. Coverage is the share of true ages inside
their interval{aim}. Brackets show 95 % intervals: bootstrap over faces for the MAE, Wilson's
formula for gender accuracy and coverage. Compare figures of the same data only. The page
`docs/explanation/metrics.md` of asianage defines them.
"""


def _blocks(evaluation: Mapping[str, Any], level: str, tables: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield headings and tables: all data sets, coverage, and each data set by age band, gender and group.

    Args:
        evaluation: The figures of one split.
        level: Marks of a heading.
        tables: Title -> columns of the tables. A single table without a title makes a short text.
    """
    nodes = {full_name(name): mapping(node) for name, node in mapping(evaluation.get("datasets")).items()}
    together = {full_name("all"): mapping(evaluation.get("all"))} if len(nodes) > 1 and evaluation.get("all") else {}
    overall = {name: node.get("overall") for name, node in (nodes | together).items()}
    for title, columns in tables.items():
        yield from [f"{level} {title}\n"] if title else []
        yield _table("data set", overall, columns)
    grouped = {name: leaf for name, leaf in overall.items() if number(mapping(leaf), "faces_with_age_group")}
    if grouped:
        yield f"{level} Age groups\n"
        yield _table("data set", grouped, _AGE_GROUP)
    coverages = {name: mapping(node.get("coverage_by_promise")) for name, node in (nodes | together).items()}
    targets = list(dict.fromkeys(target for coverage in coverages.values() for target in coverage))
    if targets:
        yield f"{level} Coverage\n"
        yield _table("data set", coverages, {_target_title(target): target for target in targets})
    for name, node in nodes.items():
        yield from _dataset_blocks(name, node, level, tables)


def _dataset_blocks(
    name: str, node: Mapping[str, Any], level: str, tables: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    title_name = cell_text(name)
    special = {key: value for key, value in mapping(node.get("special")).items() if is_number(value)}
    if special:
        yield f"{level} {title_name}, figures of its own\n"
        yield table(("figure", "value"), ((_special_title(key), _value(key, value)) for key, value in special.items()))
    for key, by in (("by_age_band", "age band"), ("by_gender", "gender"), ("by_group", "group")):
        rows = mapping(node.get(key))
        # A part that is alone has the figures of the whole.
        if len(rows) > 1:
            yield f"{level} {title_name} by {by}\n"
            yield from (_table(by, rows, columns) for title, columns in tables.items() if title.lower() != by)
    groups = mapping(node.get("by_age_group"))
    if groups:
        yield f"{level} {title_name} by age group\n"
        columns = {title: key for title, key in _AGE_GROUP.items() if not key.startswith("macro")}
        yield _table("age group", groups, columns | {"gender accuracy": "gender_accuracy"})
    crossed = mapping(node.get("crossed"))
    if len(tables) > 1 and len(crossed) > 1:
        yield f"{level} {title_name} by group, gender and age band\n"
        yield _table("part", crossed, _CROSSED)
    confusion = mapping(mapping(node.get("overall")).get("gender_confusion"))
    if len(tables) > 1 and any(any(mapping(row).values()) for row in confusion.values()):
        yield f"{level} {title_name}, confusion of genders\n"
        yield _table("labeled", confusion, _CONFUSION)


def _table(first: str, rows: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    cells = ((name, *(_cell(mapping(leaf), key) for key in columns.values())) for name, leaf in rows.items())
    return table((first, *columns), cells)


def _cell(leaf: Mapping[str, Any], key: str) -> str:
    """Return a figure, with its interval in brackets if it has one."""
    outer, _, inner = key.partition(".")
    value: Any = leaf[key] if key in leaf else mapping(leaf.get(outer)).get(inner)
    if not is_number(value):
        return ABSENT
    ends = leaf.get(f"{key}_interval")
    if not isinstance(ends, list | tuple) or not all(map(is_number, ends)) or len(set(ends)) != 2:
        return _value(key, value)
    return f"{_value(key, value)} ({'-'.join(_value(key, end).removesuffix(' %') for end in ends)})"


def _value(key: str, value: float) -> str:
    """Return a count, a number of years or a share as text."""
    if isinstance(value, int):
        return f"{value:,}"
    if key == "bias":
        return f"{value:+.2f}"
    years = key.startswith(("mae", "years")) or key.endswith(("mae", "rmse", "width"))
    return f"{value:.2f}" if years else percent(value)


def _target_title(target: str) -> str:
    try:
        return f"{100 * float(target):g} % interval"
    except ValueError:
        return target


def _special_title(key: str) -> str:
    """Return the title of a figure that not every data set has, for instance of ``mae_to_40``."""
    if key == "natural_share_covered":
        return "share of the full data set whose ages occur here"
    weighted = re.sub(
        r"^mae_natural_(\d+)_(\d+)$", r"MAE from \1 to \2, weighted to the ages of the full data set", key
    )
    title = re.sub(r"_to_(\d+)$", r" up to \1", weighted)
    return title.replace("mae", "MAE").replace("_", " ")
