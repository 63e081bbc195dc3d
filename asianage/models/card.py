"""The README.md of a model folder: a model card that begins with the metadata of the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asianage.models.config import ModelConfig
from asianage.models.known_sources import KNOWN_DATA, KNOWN_WEIGHTS, KnownData, full_name
from asianage.models.markdown import ABSENT, cell_text, is_number, mapping, number, plain_text, table
from asianage.models.metrics_markdown import card_figures, known_failures, measured_parts

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_SEAL = re.compile(r"\n<!-- Written by asianage; sha256 of the text above: ([0-9a-f]{64}) -->\s*\Z")


def model_card(config: ModelConfig, metrics: Mapping[str, Any], *, repo_id: str | None = None) -> str:
    """Return the text of README.md.

    Args:
        config: The model.
        metrics: Content of metrics.json: split -> its figures; empty before anything is measured.
        repo_id: Repository of the card on the Hub, for the example.
    """
    sections = (
        _metadata(config, metrics),
        _introduction(config, repo_id),
        card_figures(metrics),
        _training_data(config),
        _licenses(config),
        _INTENDED_USE,
        _limits(config, metrics),
        _details(config),
    )
    text = "\n".join(sections).rstrip() + "\n"
    return f"{text}\n<!-- Written by asianage; sha256 of the text above: {_digest(text)} -->\n"


def is_generated(text: str) -> bool:
    """Tell whether a card is empty, or still is exactly what `model_card` returned."""
    text = text.replace("\r\n", "\n")
    seal = _SEAL.search(text)
    return not text.strip() or (seal is not None and seal[1] == _digest(text[: seal.start()]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode("utf-8", "replace")).hexdigest()


def _metadata(config: ModelConfig, metrics: Mapping[str, Any]) -> str:
    from huggingface_hub import ModelCardData

    datasets = _datasets(config)
    results = _results(metrics)
    data = ModelCardData(
        language=["en"],
        library_name="asianage",
        pipeline_tag="image-classification",
        license="other",
        license_name="research-data" if KNOWN_DATA.keys() & set(datasets) else "see-model-card",
        license_link="README.md",
        tags=["asianage", "age-estimation", "gender", "face-analysis", "litert", "keras"],
        datasets=[plain_text(name) for name in datasets] or None,
        metrics=["mae", "accuracy"],
        model_name=plain_text(config.name) if results else None,
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _results(metrics: Mapping[str, Any]) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    figures = (("mae", "mae", "MAE of age, years"), ("gender_accuracy", "accuracy", "Accuracy of gender"))
    return [
        EvalResult(
            task_type="image-classification",
            task_name="Age and gender of faces",
            dataset_type=plain_text(name),
            dataset_name=full_name(name),
            dataset_split=plain_text(split),
            metric_type=kind,
            metric_name=title,
            metric_value=value,
        )
        for split, name, node in measured_parts(metrics)
        for key, kind, title in figures
        if (value := number(mapping(node.get("overall")), key)) is not None
    ]


def _introduction(config: ModelConfig, repo_id: str | None) -> str:
    name = repo_id or f"path/of/this/folder/{config.name}"
    pin = (
        "\nA model on the Hub can change. `revision=` with a full commit hash pins it; once cached, it loads offline.\n"
        "`sha256=` with the hash of config.json pins the content, because config.json lists the hashes of all files.\n"
    )
    return f"""# {cell_text(config.name)}

Estimates the age and the gender of each face in a photo, for Asian faces first. The age comes as a distribution over
{config.min_age} to {config.max_age} years, its mean and an interval. The model belongs to the Python package
`asianage` and runs through LiteRT, without TensorFlow.

## Usage

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
The folder holds a flatbuffer, HDF5 weights and JSON. Loading it executes none of them.
"""


def _training_data(config: ModelConfig) -> str:
    counts = {split: mapping(faces) for split, faces in mapping(config.provenance.get("faces")).items()}
    if not _datasets(config):
        return "## Training data\n\nNot recorded.\n"
    rows = []
    for name in _datasets(config):
        faces = (number(by_dataset, name) for by_dataset in counts.values())
        known = KNOWN_DATA.get(name, KnownData(full_name(name), "ask the publisher of the model", ABSENT))
        cells = (ABSENT if count is None else f"{count:,.0f}" for count in faces)
        rows.append((known.name, *cells, known.terms, known.source))
    header = ("data", *(f"faces, {split}" for split in counts), "terms of the pictures", "source")
    return f"""## Training data

{table(header, rows, numbers=False)}
Ages and genders are the labels of the data sets, and some of them are wrong. The faces are no sample of a population.
Figures for ages, groups and cameras that are rare among them are weak evidence. The model does not contain the
pictures. config.json has the hashes of the splits.
{_beginnings(config)}"""


def _beginnings(config: ModelConfig) -> str:
    """Return a list of the published weights and the models that the weights come from, "" if there are none."""
    ancestors = mapping(config.provenance.get("ancestors"))
    recipes = [mapping(mapping(run).get("recipe")) for run in (config.provenance, *ancestors.values())]
    published = {str(recipe["pretrained"]) for recipe in recipes if recipe.get("pretrained")}
    lines = [f"- {KNOWN_WEIGHTS.get(name, cell_text(name))}" for name in sorted(published)]
    for title, keys in (
        ("initial weights: a model of the recipe", [config.provenance.get("initial")]),
        ("teacher in distillation: a model of the recipe", config.provenance.get("teachers") or []),
    ):
        names = [mapping(mapping(ancestors.get(str(key))).get("recipe")).get("name") for key in keys]
        lines += [f"- {title} `{cell_text(name)}`" for name in names if name]
    return "\nThe weights also come from:\n\n" + "\n".join(lines) + "\n" if lines else ""


def _licenses(config: ModelConfig) -> str:
    restricted = [KNOWN_DATA[name].name for name in _datasets(config) if name in KNOWN_DATA]
    weights = (
        f"trained on pictures for research only: {', '.join(restricted)}.\n"
        "  We claim no rights in the weights beyond the license of the code, and cannot grant rights that the owners\n"
        "  of the pictures have not granted. Before any use but research, find out whether that use is covered."
        if restricted
        else "the publisher of the model states the terms here. Silence grants nothing."
    )
    return f"""## Licenses

- **Code** (`asianage`): Apache-2.0.
- **Weights** (this model): {weights}
- **Data**: the terms in the table above. Request the pictures from their sources.
"""


_INTENDED_USE = """## Intended use

Research on age and gender estimation; statistics over many faces of people who agreed; sorting one's own photos; a
starting point for fine-tuning on faces that one may use.

## Unacceptable use

- Decisions about a person: access, insurance, employment, police, borders. No decision may rest on an estimate.
- Age checks without human review. A person who is taken for too young or too old needs another way to prove the age.
- Surveillance or profiling of people without their knowledge and consent.
- Statements about anyone's gender identity. The labels only show how somebody else labeled a picture.
- Anything that local laws on biometric data forbid.
"""


def _limits(config: ModelConfig, metrics: Mapping[str, Any]) -> str:
    failures = "".join(f"- {line}\n" for line in known_failures(metrics))
    female, male = config.genders
    return f"""## Limits

- The estimate is of apparent age. Light, make-up, pose, glasses, masks and filters change it. Use the interval.
{failures}- Gender has two values, `{female}` and `{male}`, as in the labels of the data sets. Faces of
  small children hardly show it.
- The model is made for Asian faces. Its errors on other faces have not been measured here.
- Some labels of the data sets are wrong, so the figures are slightly off.
- Estimates of small, dark or blurred faces are poor; `face.warnings` reports such faces.
- Faces in profile, cut off, or covered by glasses, masks or make-up have not been measured. Expect poor estimates
  without a warning.
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
        ("version of asianage", config.asianage_version),
        ("commit", config.provenance.get("commit")),
    ]
    kept = [(name, f"{value:,}" if is_number(value) else str(value)) for name, value in rows if value not in (None, "")]
    return f"## Details\n\n{table(('property', 'value'), kept, numbers=False)}"


def _datasets(config: ModelConfig) -> list[str]:
    faces = mapping(config.provenance.get("faces"))
    return sorted({name for counts in faces.values() for name in mapping(counts) if name})
