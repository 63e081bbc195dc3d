"""The README.md of a model folder: a model card whose first lines are metadata that the Hugging Face Hub reads."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from asianage.models.config import ModelConfig
from asianage.models.known_sources import KNOWN_DATA, KNOWN_WEIGHTS, full_name
from asianage.models.markdown import ABSENT, cell_text, is_number, mapping, number, table, yaml_text
from asianage.models.metrics_markdown import figures_section, known_failures, measured_parts

CODE_LICENSE = "Apache-2.0"

_SEAL = re.compile(r"\n<!-- Written by asianage; sha256 of the text above: ([0-9a-f]{64}) -->\s*\Z")


def model_card(config: ModelConfig, metrics: Mapping[str, Any], *, repo_id: str | None = None) -> str:
    """Return the text of README.md.

    Args:
        config: The model.
        metrics: Content of metrics.json: split -> what `asianage.training.evaluate` measured; empty before that.
        repo_id: Repository on the Hub where the card will lie, for its example.
    """
    sections = (
        _metadata(config, metrics),
        _introduction(config),
        _usage(config, repo_id),
        figures_section(metrics),
        _training_data(config),
        _licenses(config),
        _intended_use(),
        _limits(config, metrics),
        _details(config),
    )
    return _sealed("\n".join(sections))


def is_generated(text: str) -> bool:
    """Tell whether a card is exactly as `model_card` wrote it, that is, nobody has edited it; or is empty."""
    text = text.replace("\r\n", "\n")
    seal = _SEAL.search(text)
    return not text.strip() or (seal is not None and seal[1] == _digest(text[: seal.start()]))


def _sealed(text: str) -> str:
    text = text.rstrip() + "\n"
    return f"{text}\n<!-- Written by asianage; sha256 of the text above: {_digest(text)} -->\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode("utf-8", "replace")).hexdigest()


def _metadata(config: ModelConfig, metrics: Mapping[str, Any]) -> str:
    lines = [
        "---",
        "library_name: asianage",
        "pipeline_tag: image-classification",
        "license: other",
        f"license_name: {'research-data' if KNOWN_DATA.keys() & set(_datasets(config)) else 'see-model-card'}",
        "license_link: README.md",
        "language:",
        "- en",
        "tags:",
        *(f"- {tag}" for tag in ("asianage", "age-estimation", "gender", "face-analysis", "litert", "keras")),
    ]
    if datasets := _datasets(config):
        lines += ["datasets:", *(f"- {yaml_text(name)}" for name in datasets)]
    lines += ["metrics:", "- mae", "- accuracy"]
    if results := list(_results(metrics)):
        lines += ["model-index:", f"- name: {yaml_text(config.name)}", "  results:", *results]
    return "\n".join([*lines, "---", ""])


def _results(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of ``results`` of a model index, one data set after the other."""
    for split, name, node in measured_parts(metrics):
        leaf = mapping(node.get("overall"))
        figures = [
            ("mae", "MAE of age, years", number(leaf, "mae")),
            ("accuracy", "Accuracy of gender", number(leaf, "gender_accuracy")),
        ]
        figures = [figure for figure in figures if figure[2] is not None]
        if not figures:
            continue
        yield "  - task:"
        yield "      type: image-classification"
        yield "      name: Age and gender of faces"
        yield "    dataset:"
        yield f"      type: {yaml_text(name)}"
        yield f"      name: {yaml_text(full_name(name))}"
        yield f"      split: {yaml_text(split)}"
        yield "    metrics:"
        for kind, title, value in figures:
            yield f"    - type: {kind}"
            yield f"      name: {title}"
            yield f"      value: {value}"


def _introduction(config: ModelConfig) -> str:
    return f"""# {cell_text(config.name)}

Estimates the age (a distribution over {config.min_age} to {config.max_age} years, its mean and an interval) and the
gender of each face in a photo, for Asian faces first. A model of the Python package `asianage`; it runs through LiteRT,
without TensorFlow.
"""


def _usage(config: ModelConfig, repo_id: str | None) -> str:
    name = repo_id or f"path/of/this/folder/{config.name}"
    pin = (
        "\nA model on the Hub can change. `revision=` with a full commit hash keeps it as it is, and needs no network"
        " once it\nis cached; `sha256=` with the hash of config.json, which holds the hashes of all other files, makes"
        " sure of it.\n"
    )
    return f"""## Usage

```bash
pip install asianage
```

```python
from asianage import AgeGenderEstimator

estimator = AgeGenderEstimator.from_pretrained({json.dumps(cell_text(name))})
for face in estimator.predict("photo.jpg"):
    print(face.age, face.age_interval, face.gender, face.gender_probability)
```
{pin if repo_id else ""}
The folder holds a flatbuffer, HDF5 weights and JSON; nothing in it is executed when it is loaded.
"""


def _training_data(config: ModelConfig) -> str:
    counts = {split: mapping(faces) for split, faces in mapping(config.provenance.get("faces")).items()}
    if not _datasets(config):
        return "## Training data\n\nNot recorded.\n"
    rows = []
    for name in _datasets(config):
        known = KNOWN_DATA.get(name)
        faces = [number(counts[split], name) for split in counts]
        rows.append(
            (
                full_name(name),
                *(ABSENT if count is None else f"{count:,.0f}" for count in faces),
                known.terms if known else "ask whoever published the model",
                known.source if known else ABSENT,
            )
        )
    header = ("data", *(f"faces, {split}" for split in counts), "terms of the pictures", "source")
    data = table(header, rows, numbers=False)
    note = (
        "Ages and genders are what the data sets say, and some of it is wrong. The faces are no sample of any "
        "population: figures\nof ages, groups and cameras that are rare among them say little. The pictures are not "
        "part of the model. Hashes of the\nsplits are in config.json."
    )
    return f"## Training data\n\n{data}\n{note}\n{_beginnings(config)}"


def _beginnings(config: ModelConfig) -> str:
    """Say which published weights and which models the weights come from."""
    ancestors = mapping(config.provenance.get("ancestors"))
    recipes = [mapping(mapping(run).get("recipe")) for run in (config.provenance, *ancestors.values())]
    published = {str(recipe["pretrained"]) for recipe in recipes if recipe.get("pretrained")}
    lines = [f"- {KNOWN_WEIGHTS.get(name, cell_text(name))}" for name in sorted(published)]
    for title, keys in (
        ("a model of the recipe", [config.provenance.get("initial")]),
        ("the estimates of a model of the recipe", config.provenance.get("teachers") or []),
    ):
        names = [mapping(mapping(ancestors.get(str(key))).get("recipe")).get("name") for key in keys]
        lines += [f"- {title} `{cell_text(name)}`" for name in names if name]
    return "\nThe weights also come from\n\n" + "\n".join(lines) + "\n" if lines else ""


def _licenses(config: ModelConfig) -> str:
    restricted = [KNOWN_DATA[name].name for name in _datasets(config) if name in KNOWN_DATA]
    weights = (
        f"made from pictures that may be used for research only ({', '.join(restricted)}).\n"
        "  We claim no rights in the weights beyond the license of the code, and can give none that the owners of the\n"
        "  pictures have not given: find out whether your use is covered before you use them for anything but research."
        if restricted
        else "whoever publishes the model says here under which terms. Nothing is granted by silence."
    )
    return f"""## Licenses

- **Code** (`asianage`): {CODE_LICENSE}.
- **Weights** (this model): {weights}
- **Data**: the terms in the table above; the pictures have to be asked for at their sources.
"""


def _intended_use() -> str:
    return """## Intended use

Research on age and gender estimation; statistics over many faces of people who agreed; sorting one's own photos; a
starting point for fine-tuning on faces that one may use.

## Unacceptable use

- Deciding about a person: access, insurance, employment, police, borders. No decision may rest on an estimate.
- Age checks without a human way out: whoever is taken for too young or too old must be able to prove the age otherwise.
- Watching or profiling people without their knowledge and consent.
- Telling anyone's gender identity: the labels say how somebody else labeled a picture.
- Anything that the laws on biometric data at your place forbid.
"""


def _limits(config: ModelConfig, metrics: Mapping[str, Any]) -> str:
    failures = "".join(f"- {line}\n" for line in known_failures(metrics))
    female, male = config.genders
    return f"""## Limits

- An estimate is of apparent age: light, make-up, pose, glasses, masks and filters move it. Use the interval.
{failures}- Gender has two values, `{female}` and `{male}`, as the data sets label it. Faces of small
  children hardly show it.
- Made for Asian faces; errors on other faces have not been measured here.
- Labels of the data sets are partly wrong, and so are the figures, a little.
- Faces that are small, dark or blurred give poor estimates; `face.warnings` says so. Faces in profile, cut off, made up
  or covered by glasses and masks have not been measured; expect poor estimates that do not say so.
"""


def _details(config: ModelConfig) -> str:
    recipe = mapping(config.provenance.get("recipe"))
    rows = [
        ("architecture", config.architecture),
        ("input", f"{config.image_size} x {config.image_size} RGB, aligned by {config.alignment}"),
        ("parameters", config.provenance.get("parameters")),
        ("quantization of model.tflite", config.provenance.get("quantization") or config.provenance.get("precision")),
        ("recipe", recipe.get("name")),
        ("epochs", recipe.get("epochs")),
        ("seed", recipe.get("seed")),
        ("made by asianage", config.asianage_version),
        ("from commit", config.provenance.get("commit")),
    ]
    rows = [row for row in rows if row[1] not in (None, "")]
    kept = [(name, f"{value:,}" if is_number(value) else str(value)) for name, value in rows]
    return f"## Details\n\n{table(('what', 'value'), kept, numbers=False)}"


def _datasets(config: ModelConfig) -> list[str]:
    faces = mapping(config.provenance.get("faces"))
    return sorted({name for counts in faces.values() for name in mapping(counts) if name})
