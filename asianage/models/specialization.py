"""What a fine-tuned model was trained and checked on, in sentences for its card and for the log of its training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from asianage.models.config import ModelConfig
from asianage.models.markdown import mapping, number

FEW_OF_A_KIND = 10
"""Held-out faces of ten years, or of a gender, from which on a model counts as checked there."""

NARROW_YEARS = 30
"""Years that training faces must cover, or it warns. A tenth of the faces may lie outside."""

_SMALL_SHARE = 0.15
"""Share of a gender among the training faces below which it warns."""


def specialization(config: ModelConfig) -> Iterator[str]:
    """Yield what a model was fine-tuned on, checked on, and what came of it; nothing for other models."""
    held_out = mapping(config.provenance.get("held_out"))
    if not held_out:
        return
    labels = mapping(config.provenance.get("labels"))
    yield f"Fine-tuned on {_described(labels, 'train', config)}."
    yield f"Checked on {_described(labels, 'val', config)}."
    before, after = (mapping(held_out.get(when)) for when in ("before", "after"))
    scores = [
        f"{_title(name)} {_value(name, before[name])} before and {_value(name, after[name])} after"
        for name in before
        if name != "val_score" and number(before, name) is not None and number(after, name) is not None
    ]
    if scores:
        yield f"On the held-out faces, which also chose the epoch: {'; '.join(scores)}."
    if _score(after) >= _score(before):
        yield "No epoch was better on them than the model before. Its network and its calibration were kept."


def unchecked(config: ModelConfig) -> Iterator[str]:
    """Yield for which faces a fine-tuned model must not be trusted, because it saw too few of them."""
    held_out = mapping(config.provenance.get("held_out"))
    if not held_out or _score(mapping(held_out.get("after"))) >= _score(mapping(held_out.get("before"))):
        return
    labels = mapping(config.provenance.get("labels"))
    train, val = (mapping(labels.get(split)) for split in ("train", "val"))
    if "age" in config.tasks:
        yield from _unchecked_ages(train, val)
    if "gender" in config.tasks:
        found = _counts(train.get("genders"))
        counts = {gender: found.get(gender, 0) for gender in config.genders}
        yield from _one_sided(counts)
        checked = _counts(val.get("genders"))
        missing = [gender for gender in config.genders if checked.get(gender, 0) < FEW_OF_A_KIND]
        if missing:
            yield (
                f"The gender was not checked on {' and '.join(missing)} faces: fewer than {FEW_OF_A_KIND} were held "
                "out."
            )


def _unchecked_ages(train: Mapping[str, Any], val: Mapping[str, Any]) -> Iterator[str]:
    ages, groups = _counts(train.get("ages"), years=True), _counts(train.get("age_groups"))
    if not ages and not groups:
        return
    # Groups may be of any ages.
    span = None if groups else _span(ages)
    if span is not None and span[1] - span[0] < NARROW_YEARS:
        yield (
            f"Nearly all training faces are {span[0]} to {span[1] - 1} years old. At other ages the model got worse, "
            "and its intervals are too narrow there. Use it for these ages only, or add faces of others."
        )
    decades = [int(start) for start, faces in _counts(val.get("ages"), years=True).items() if faces >= FEW_OF_A_KIND]
    yield (
        f"Ages and intervals were checked for {_decades(decades)} only."
        if decades
        else f"Ages and intervals were hardly checked: no decade has {FEW_OF_A_KIND} held-out faces."
    )


def _one_sided(counts: Mapping[str, int]) -> Iterator[str]:
    total = sum(counts.values())
    for gender, faces in counts.items():
        if total and faces < _SMALL_SHARE * total:
            yield (
                f"Only {faces} of {total} training faces with a gender are {gender}. More {gender} faces may be "
                "taken for the other gender than before. Add some."
            )


def _described(labels: Mapping[str, Any], split: str, config: ModelConfig) -> str:
    """Return how many faces a split has, of which ages and genders."""
    faces = sum(_counts(mapping(config.provenance.get("faces")).get(split)).values())
    found = mapping(labels.get(split))
    parts = [f"{faces:,} {'training' if split == 'train' else 'held-out'} faces"]
    ages = _counts(found.get("ages"), years=True)
    if ages and "age" in config.tasks:
        parts.append(f"{min(map(int, ages))} to {max(map(int, ages)) + 9} years old")
    groups = _counts(found.get("age_groups"))
    if groups and "age" in config.tasks:
        parts.append(f"{sum(groups.values()):,} with an age group ({', '.join(groups)})")
    genders = _counts(found.get("genders"))
    if genders and "gender" in config.tasks:
        parts.append(", ".join(f"{count:,} {gender}" for gender, count in genders.items()))
    return ", ".join(parts)


def _counts(value: Any, *, years: bool = False) -> dict[str, int]:
    """Return the counts of a JSON object that may hold anything; with `years` those whose names are whole numbers."""
    found = {name: mapping(value)[name] for name in mapping(value) if number(mapping(value), name) is not None}
    return {name: int(count) for name, count in found.items() if (name.isascii() and name.isdecimal()) or not years}


def _span(ages: Mapping[str, int]) -> tuple[int, int] | None:
    """Return the first year of the decades that nine of ten faces lie in, and the year after the last."""
    counts = sorted((int(start), faces) for start, faces in ages.items())
    total = sum(faces for _, faces in counts)
    if not total:
        return None

    def reached(ordered: list[tuple[int, int]]) -> int:
        seen = 0
        for start, faces in ordered:
            seen += faces
            if seen > 0.05 * total:
                return start
        return ordered[-1][0]

    return reached(counts), reached(counts[::-1]) + 10


def _decades(starts: list[int]) -> str:
    """Return decades as ranges of years, neighbors joined."""
    ranges: list[list[int]] = []
    for start in sorted(starts):
        if ranges and ranges[-1][1] == start:
            ranges[-1][1] = start + 10
        else:
            ranges.append([start, start + 10])
    named = [f"{first} to {last - 1}" for first, last in ranges]
    return f"{' and '.join(named)} years"


def _score(scores: Mapping[str, Any]) -> float:
    value = number(scores, "val_score")
    return float("inf") if value is None else float(value)


def _title(name: str) -> str:
    kind, _, dataset = name.removeprefix("val_").partition("_")
    title = {"mae": "MAE", "gender": "gender accuracy"}.get(kind, kind)
    return f"{title} of {dataset}" if dataset else title


def _value(name: str, value: float) -> str:
    return f"{100 * value:.1f} %" if name.startswith("val_gender") else f"{value:.2f}"
