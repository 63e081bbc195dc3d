"""The parts that the cards of all models share: metadata, training data, origin of the weights, licenses, details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from asianage.models.config import AnyConfig
from asianage.models.known_sources import KNOWN_WEIGHTS, KnownData, full_name, known_data
from asianage.models.markdown import ABSENT, cell_text, is_number, mapping, number, plain_text, table

COUNTED = ("faces", "pictures")
"""Keys of a provenance with the number of faces, or of pictures, by split and data set."""

UNNAMED = "faces without the name of a data set"


def trained_on(config: AnyConfig) -> list[str]:
    """Return the data sets that a model and the models before it were trained on, in the order of their names."""
    return sorted({name for run in _runs(config.provenance) for name in _datasets(run) if name})


_DEEPEST = 20
"""Models before a model of which a card tells, at most."""


def _runs(provenance: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield the provenance of a model, of the models before it and of those that it consists of."""
    yield provenance
    if depth == _DEEPEST:
        return
    for key in ("ancestors", "parts"):
        for run in mapping(provenance.get(key)).values():
            yield from _runs(mapping(run), depth + 1)


def _datasets(run: Mapping[str, Any]) -> set[str]:
    """Return the names of the data sets of one training; "" stands for faces that have none."""
    counts = (counts for unit in COUNTED for counts in mapping(run.get(unit)).values())
    return {name for by_dataset in counts for name in mapping(by_dataset)}


def restricted(config: AnyConfig) -> list[str]:
    """Return the full names of data sets whose pictures only research may use."""
    known = (known_data(name) for name in trained_on(config))
    return list(dict.fromkeys(data.name for data in known if data is not None and not data.is_free))


def metadata(config: AnyConfig, *, pipeline_tag: str, tags: Sequence[str], **figures: Any) -> str:
    """Return the metadata of the Hub, with which a card begins.

    Args:
        config: The model.
        pipeline_tag: The task, as the Hub names it.
        tags: Tags beside those of every model of this package.
        **figures: Other arguments of `huggingface_hub.ModelCardData`.
    """
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        language=["en"],
        library_name="asianage",
        pipeline_tag=pipeline_tag,
        license="other",
        license_name="research-data" if restricted(config) else "see-model-card",
        license_link="README.md",
        tags=["asianage", *tags, "litert", "keras"],
        datasets=[plain_text(name) for name in trained_on(config)] or None,
        **figures,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def training_data(config: AnyConfig, caution: str) -> str:
    """Return the section on the training data.

    Args:
        config: The model.
        caution: What a reader must know of these data.
    """
    own = sorted(_datasets(config.provenance))
    before = [name for name in trained_on(config) if name not in own]
    if not own and not before:
        return "## Training data\n\nNot recorded.\n"
    unit = next((unit for unit in COUNTED if mapping(config.provenance.get(unit))), COUNTED[0])
    counts = {split: faces for split, faces in mapping(config.provenance.get(unit)).items() if mapping(faces)}
    rows = []
    for name in [*own, *before]:
        numbers = (number(by_dataset, name) for by_dataset in counts.values())
        known = known_data(name) or KnownData("", "ask the publisher of the model", ABSENT)
        shown = full_name(name) or UNNAMED
        cells = (ABSENT if count is None else f"{count:,.0f}" for count in numbers)
        title = shown if name in own else f"{shown}, of the models before"
        rows.append((title, *cells, known.terms, known.source))
    header = ("data", *(f"{unit}, {split}" for split in counts), "terms of the pictures", "source")
    data = table(header, rows, numbers=False)
    return f"## Training data\n\n{data}\n{caution}{_beginnings(config)}"


def _beginnings(config: AnyConfig) -> str:
    """Return a list of the published weights and the models that the weights come from, "" if there are none."""
    ancestors = mapping(config.provenance.get("ancestors"))
    teachers = config.provenance.get("teachers")
    recipes = [mapping(mapping(run).get("recipe")) for run in (config.provenance, *ancestors.values())]
    published = {str(recipe["pretrained"]) for recipe in recipes if recipe.get("pretrained")}
    lines = [f"- {KNOWN_WEIGHTS.get(name, cell_text(name))}" for name in sorted(published)]
    for title, keys in (
        ("initial weights: a model of the recipe", [config.provenance.get("initial")]),
        ("teacher in distillation: a model of the recipe", teachers if isinstance(teachers, list | tuple) else []),
    ):
        names = [mapping(mapping(ancestors.get(str(key))).get("recipe")).get("name") for key in keys]
        lines += [f"- {title} `{cell_text(name)}`" for name in names if name]
    return "\nThe weights also come from:\n\n" + "\n".join(lines) + "\n" if lines else ""


_FLATTERED = "People can be on both sides, and the measured faces also chose the best epoch: **the figures flatter**."

_PROTOCOLS = {
    "study": "The first 20 % of each class folder by name were measured, as in the notebooks of the study. "
    + _FLATTERED,
    "random": f"A random fifth of the pictures was measured. {_FLATTERED}",
    "identity": "Nobody is in two splits, and the measured faces chose nothing.",
}


def protocol(config: AnyConfig) -> str:
    """Return the section on how the faces were split, and what the study published; "" where nothing is known."""
    known = mapping(config.provenance.get("protocol"))
    split = str(known.get("split"))
    lines = [_PROTOCOLS[split]] if split in _PROTOCOLS else []
    if known.get("published"):
        lines.append(
            f"The study that this recipe reproduces published {cell_text(known['published'])}, measured on "
            f"{cell_text(known.get('published_on'))}. That figure flatters: its split is the one by class folders, and "
            "the best epoch was chosen on the same faces."
        )
    return "## How it was measured\n\n" + "".join(f"- {line}\n" for line in lines) if lines else ""


def licenses(config: AnyConfig) -> str:
    """Return the section on licenses."""
    names = restricted(config)
    weights = (
        f"trained on pictures for research only: {', '.join(names)}.\n"
        "  We claim no rights in the weights beyond the license of the code, and cannot grant rights that the owners\n"
        "  of the pictures have not granted. Before any use but research, find out whether that use is covered."
        if names
        else "the publisher of the model states the terms here. Silence grants nothing."
    )
    return f"""## Licenses

- **Code** (`asianage`): Apache-2.0.
- **Weights** (this model): {weights}
- **Data**: the terms in the table above. Request the pictures from their sources.
"""


def details(config: AnyConfig, *first: tuple[str, Any]) -> str:
    """Return the section with properties: those in `first`, then those of every model."""
    recipe = mapping(config.provenance.get("recipe"))
    rows = [
        *first,
        ("recipe", recipe.get("name")),
        ("epochs", recipe.get("epochs")),
        ("seed", recipe.get("seed")),
        ("version of asianage", config.asianage_version),
        ("commit", config.provenance.get("commit")),
    ]
    kept = [(name, f"{value:,}" if is_number(value) else str(value)) for name, value in rows if value not in (None, "")]
    return f"## Details\n\n{table(('property', 'value'), kept, numbers=False)}"
