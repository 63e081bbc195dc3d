"""The figures of an evaluation as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from asianage.models.config import GENDERS

MISSING = "-"
"""Stands for a figure that cannot be computed."""

MAX_UNREADABLE_LINES = 50
"""Longest list of unreadable files in the text; ``unreadable.csv`` has them all."""

_SPECIAL = {
    "faces_to_40": ("Faces of up to 40 years", "count"),
    "mae_to_40": ("MAE of up to 40 years", "years"),
    "mae_natural_20_40": ("MAE of 20 to 40 years, weighted to the ages of the full AFAD", "years"),
    "natural_share_covered": ("Share of the full AFAD of 20 to 40 years whose ages occur here", "share"),
    "faces_under_5": ("Faces under 5 years", "count"),
    "mae_under_5": ("MAE under 5 years", "years"),
    "gender_accuracy_under_5": ("Gender accuracy under 5 years", "share"),
    "faces_from_70": ("Faces from 70 years", "count"),
    "mae_from_70": ("MAE from 70 years", "years"),
    "faces_from_15": ("Faces from 15 years", "count"),
    "gender_accuracy_from_15": ("Gender accuracy from 15 years", "share"),
}


def metrics_markdown(metrics: Mapping[str, Any], figures: Sequence[tuple[str, str, str]] = ()) -> str:
    """Return the metrics of `Evaluation.to_dict` as headed tables.

    Args:
        metrics: The figures.
        figures: File name, title and caption of the pictures that lie beside the text.
    """
    datasets: dict[str, Any] = dict(metrics["datasets"])
    if len(datasets) > 1:
        datasets["all"] = metrics["all"]
    overall = {name: node["overall"] for name, node in datasets.items()}
    lines = ["# Evaluation", "", *_introduction(metrics), ""]
    lines += ["## Age", "", *_age_table("data set", overall, metrics["interval_target"]), ""]
    promised = {name: node["coverage_by_promise"] for name, node in datasets.items() if node["coverage_by_promise"]}
    if promised:
        lines += ["## Intervals", "", *_promise_table(promised), ""]
    lines += ["## Gender", "", *_gender_table("data set", overall), ""]
    for name, node in datasets.items():
        if name != "all":
            lines += _dataset_section(name, node, metrics["interval_target"])
    if figures:
        lines += ["## Figures", ""]
    for file, title, caption in figures:
        lines += [f"### {title}", "", f"![{title}]({file})", "", caption, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def unreadable_markdown(rows: Sequence[tuple[str, str]]) -> str:
    """Return the list of unreadable files, given as name and reason; nothing if there are none."""
    if not rows:
        return ""
    lines = ["", "## Unreadable files", "", "They are not part of the figures.", ""]
    lines += [f"- `{name}`: {' '.join(reason.split())}" for name, reason in rows[:MAX_UNREADABLE_LINES]]
    if len(rows) > MAX_UNREADABLE_LINES:
        lines.append(f"- and {len(rows) - MAX_UNREADABLE_LINES} more")
    return "\n".join(lines) + "\n"


def _introduction(metrics: Mapping[str, Any]) -> list[str]:
    overall = metrics["all"]["overall"]
    faces, missed, unreadable = (overall[name] for name in ("faces", "detection_failures", "unreadable"))
    if metrics["detector"] is None:
        found = "Every picture was taken as one face, without a face detector."
    elif not missed:
        found = f"A face was found in every picture, by `{metrics['detector']}`."
    else:
        found = (
            f"Faces were found by `{metrics['detector']}`; in {missed:,} pictures there was none, and the whole "
            "picture was taken as the face."
        )
    if metrics["mirror"]:
        found += " Each face was averaged with its mirror image."
    bootstrap = metrics["bootstrap"]
    return [
        f"{faces:,} pictures were evaluated, {unreadable:,} could not be read. {found}",
        "",
        f"Errors are in years; bias is estimated minus true age. In brackets: {100 * bootstrap['level']:g} % interval "
        f"of {bootstrap['samples']:,} bootstrap samples over faces. CS@k is the share of faces with an error of at "
        "most k years. Macro MAE gives every age the same weight. The page `docs/explanation/metrics.md` of asianage "
        "defines all figures.",
    ]


def _dataset_section(name: str, node: Mapping[str, Any], target: float) -> list[str]:
    lines = [f"## Data set `{name}`", ""]
    special = {key: value for key, value in node["special"].items() if value is not None}
    for key, value in special.items():
        title, kind = _SPECIAL[key]
        lines.append(f"- {title}: {_FORMATS[kind](value)}")
    lines += [""] if special else []
    for key, title in (("by_age_band", "age band"), ("by_gender", "gender"), ("by_group", "group")):
        # A single group is the whole data set again.
        if len(node[key]) > (key == "by_group"):
            lines += [f"### By {title}", "", *_age_table(title, node[key], target), ""]
            lines += [*_gender_table(title, node[key]), ""] if key != "by_gender" else []
    if node["overall"]["faces_with_gender"]:
        lines += ["### Confusion of genders", "", *_confusion_table(node["overall"]["gender_confusion"]), ""]
    return lines


def _age_table(title: str, rows: Mapping[str, Mapping[str, Any]], target: float) -> list[str]:
    header = [title, "faces", "MAE", "RMSE", "bias", "CS@1", "CS@3", "CS@5", "CS@7", "macro MAE"]
    header += [f"in the {100 * target:g} % interval", "interval width", "no face found", "unreadable"]
    return _table(
        header,
        (
            [
                name,
                _count(leaf["faces_with_age"]),
                _error(leaf),
                _years(leaf["rmse"]),
                _signed(leaf["bias"]),
                *(_percent(leaf[f"cs_at_{years}"]) for years in (1, 3, 5, 7)),
                _years(leaf["macro_mae"]),
                _percent(leaf["interval_coverage"]),
                _years(leaf["interval_mean_width"]),
                _count(leaf["detection_failures"]),
                _count(leaf["unreadable"]),
            ]
            for name, leaf in rows.items()
        ),
    )


def _promise_table(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    promises = list(next(iter(rows.values())))
    header = ["data set", *(f"in the {100 * float(promise):g} % interval" for promise in promises)]
    return _table(header, ([name, *(_percent(held[promise]) for promise in promises)] for name, held in rows.items()))


def _gender_table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    header = [title, "faces", "accuracy", "balanced accuracy"]
    header += [f"{figure} {gender}" for figure in ("precision", "recall") for gender in GENDERS]
    by_gender = [(f"gender_{figure}", gender) for figure in ("precision", "recall") for gender in GENDERS]
    return _table(
        [*header, "calibration error"],
        (
            [
                name,
                _count(leaf["faces_with_gender"]),
                _percent(leaf["gender_accuracy"]),
                _percent(leaf["gender_balanced_accuracy"]),
                *(_percent(leaf[figure][gender]) for figure, gender in by_gender),
                _percent(leaf["gender_calibration_error"]),
            ]
            for name, leaf in rows.items()
        ),
    )


def _confusion_table(confusion: Mapping[str, Mapping[str, int]]) -> list[str]:
    header = ["labeled", *(f"predicted {gender}" for gender in GENDERS)]
    return _table(header, ([true, *(_count(confusion[true][gender]) for gender in GENDERS)] for true in GENDERS))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _error(leaf: Mapping[str, Any]) -> str:
    if leaf["mae"] is None:
        return MISSING
    if leaf["faces_with_age"] < 2:
        return _years(leaf["mae"])
    low, high = leaf["mae_interval"]
    return f"{leaf['mae']:.2f} [{low:.2f}, {high:.2f}]"


def _count(value: int) -> str:
    return f"{value:,}"


def _years(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return MISSING if value is None else f"{value:+.2f}"


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.1f} %"


_FORMATS: dict[str, Callable[[Any], str]] = {"count": _count, "years": _years, "share": _percent}
