"""The README.md of a model folder: a model card that begins with the metadata of the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asianage.models import card_sources
from asianage.models.config import AnyConfig, DetectorConfig, ModelConfig
from asianage.models.detector_card import detector_sections
from asianage.models.known_sources import full_name
from asianage.models.markdown import cell_text, mapping, number, plain_text
from asianage.models.metrics_markdown import card_figures, known_failures, measured_parts
from asianage.models.specialization import specialization, unchecked

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_TAGS = {"age": "age-estimation", "gender": "gender"}
_METRICS = {"age": "mae", "gender": "accuracy"}
_FIGURES = {"age": "face.age, face.age_interval", "gender": "face.gender, face.gender_probability"}
"""What a card has for each task that a model learned."""

_SEAL = re.compile(r"\n<!-- Written by asianage; sha256 of the text above: ([0-9a-f]{64}) -->\s*\Z")


def model_card(config: AnyConfig, metrics: Mapping[str, Any], *, repo_id: str | None = None) -> str:
    """Return the text of README.md.

    Args:
        config: The model.
        metrics: Content of metrics.json: split -> its figures; empty before anything is measured.
        repo_id: Repository of the card on the Hub, for the example.
    """
    if isinstance(config, DetectorConfig):
        sections = detector_sections(config, metrics, repo_id)
    else:
        sections = _sections(config, metrics, repo_id)
    text = "\n".join(filter(None, sections)).rstrip() + "\n"
    return f"{text}\n<!-- Written by asianage; sha256 of the text above: {_digest(text)} -->\n"


def is_generated(text: str) -> bool:
    """Tell whether a card is empty, or still is exactly what `model_card` returned."""
    text = text.replace("\r\n", "\n")
    seal = _SEAL.search(text)
    return not text.strip() or (seal is not None and seal[1] == _digest(text[: seal.start()]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode("utf-8", "replace")).hexdigest()


def _sections(config: ModelConfig, metrics: Mapping[str, Any], repo_id: str | None) -> tuple[str, ...]:
    return (
        _metadata(config, metrics),
        _introduction(config, repo_id),
        _fine_tuned(config),
        card_figures(metrics),
        card_sources.protocol(config),
        card_sources.training_data(config, _caution(config)),
        card_sources.licenses(config),
        _intended_use(config),
        _limits(config, metrics),
        card_sources.details(
            config,
            ("architecture", config.architecture),
            ("input", f"{config.image_size} x {config.image_size} RGB, aligned by {config.alignment}"),
            ("parameters", config.provenance.get("parameters")),
            (
                "quantization of model.tflite",
                config.provenance.get("quantization") or config.provenance.get("precision"),
            ),
        ),
    )


def _fine_tuned(config: ModelConfig) -> str:
    """Return the section on what a fine-tuned model is for, "" for other models."""
    lines = [*specialization(config), *unchecked(config)]
    listed = "".join(f"- {cell_text(line)}\n" for line in lines)
    return f"## What it was fine-tuned for\n\n{listed}" if lines else ""


def _metadata(config: ModelConfig, metrics: Mapping[str, Any]) -> str:
    results = _results(config, metrics)
    return card_sources.metadata(
        config,
        pipeline_tag="image-classification",
        tags=[tag for task, tag in _TAGS.items() if task in config.tasks] + ["face-analysis"],
        metrics=[metric for task, metric in _METRICS.items() if task in config.tasks],
        model_name=plain_text(config.name) if results else None,
        eval_results=results or None,
    )


def _results(config: ModelConfig, metrics: Mapping[str, Any]) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    figures = (("mae", "mae", "MAE of age, years"), ("gender_accuracy", "accuracy", "Accuracy of gender"))
    return [
        EvalResult(
            task_type="image-classification",
            task_name=f"{' and '.join(sorted(config.tasks)).capitalize()} of faces",
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
    described = (
        f"The age comes as a distribution over\n{config.min_age} to {config.max_age} years, its "
        f"{config.calibration.age_estimate} and an interval. "
        "The model belongs to the Python package\n`asianage` and runs through LiteRT, without TensorFlow."
        if "age" in config.tasks
        else "The model belongs\nto the Python package `asianage` and runs through LiteRT, without TensorFlow."
    )
    figures = ", ".join(text for task, text in _FIGURES.items() if task in config.tasks)
    pin = (
        "\nA model on the Hub can change. `revision=` with a full commit hash pins it; once cached, it loads offline.\n"
        "`sha256=` with the hash of config.json pins the content, because config.json lists the hashes of all files.\n"
    )
    return f"""# {cell_text(config.name)}

Estimates the {" and the ".join(sorted(config.tasks))} of each face in a photo, for Asian faces first. {described}

## Usage

```bash
pip install asianage
```

```python
from asianage import AgeGenderEstimator

estimator = AgeGenderEstimator.from_pretrained({json.dumps(cell_text(name))})
for face in estimator.predict("photo.jpg"):
    print({figures})
```
{pin if repo_id else ""}
The folder holds a flatbuffer, HDF5 weights and JSON. Loading it executes none of them.
"""


_CAUTION = """\
{labels} are the labels of the data sets, and some of them are wrong. The faces are no sample of a population.
Figures for {rare} that are rare among them are weak evidence. The model does not contain the
pictures. config.json has the hashes of the splits.
"""


def _caution(config: ModelConfig) -> str:
    rare = "ages, groups and cameras" if "age" in config.tasks else "groups and cameras"
    return _CAUTION.format(labels=_named(config, "ages", "genders").capitalize(), rare=rare)


def _intended_use(config: ModelConfig) -> str:
    lines = {
        "": "Decisions about a person: access, insurance, employment, police, borders. No decision may rest on an "
        "estimate.",
        "age": "Age checks without human review. A person who is taken for too young or too old needs another way to "
        "prove the age.",
        " ": "Surveillance or profiling of people without their knowledge and consent.",
        "gender": "Statements about anyone's gender identity. The labels only show how somebody else labeled a "
        "picture.",
        "  ": "Anything that local laws on biometric data forbid.",
    }
    uses = "".join(f"- {line}\n" for task, line in lines.items() if not task.strip() or task in config.tasks)
    return f"""## Intended use

Research on {_named(config, "age", "gender")} estimation; statistics over many faces of people who agreed; \
sorting one's own photos; a
starting point for fine-tuning on faces that one may use.

## Unacceptable use

{uses}"""


def _named(config: ModelConfig, age: str, gender: str) -> str:
    """Return the words for what a model learned."""
    return " and ".join(word for task, word in (("age", age), ("gender", gender)) if task in config.tasks)


def _limits(config: ModelConfig, metrics: Mapping[str, Any]) -> str:
    failures = "".join(f"- {line}\n" for line in known_failures(metrics))
    female, male = config.genders
    apparent = (
        "- The estimate is of apparent age. Light, make-up, pose, glasses, masks and filters change it. Use the "
        "interval.\n"
        if "age" in config.tasks
        else "- Light, make-up, pose, glasses, masks and filters change the estimate.\n"
    )
    genders = (
        f"- Gender has two values, `{female}` and `{male}`, as in the labels of the data sets. Faces of\n"
        "  small children hardly show it.\n"
        if "gender" in config.tasks
        else ""
    )
    return f"""## Limits

{apparent}{failures}{genders}- The model is made for Asian faces. Its errors on other faces have not been measured here.
- Some labels of the data sets are wrong, so the figures are slightly off.
- Estimates of small, dark, overexposed, blurred, turned or cut off faces are poorer. `face.warnings` reports these.
- Estimates of faces behind glasses, masks or make-up are poorer too, without a warning.
"""
