"""The README.md of a model folder: a model card whose first lines are metadata that the Hugging Face Hub reads."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asianage.config import ModelConfig

CODE_LICENSE = "Apache-2.0"

_SEAL = re.compile(r"\n<!-- Written by asianage; sha256 of the text above: ([0-9a-f]{64}) -->\s*\Z")


@dataclass(frozen=True, slots=True)
class _KnownData:
    name: str
    terms: str
    source: str


_KNOWN_DATA = {
    "afad": _KnownData(
        "AFAD (Asian Face Age Dataset)",
        "academic research only",
        "Niu et al., CVPR 2016, <https://afad-dataset.github.io>",
    ),
    "aaf": _KnownData(
        "All-Age-Faces",
        "research only",
        "Cheng et al. 2019, <https://github.com/JingchunCheng/All-Age-Faces-Dataset>",
    ),
    "utkface": _KnownData(
        "UTKFace",
        "non-commercial research only",
        "Zhang, Song and Qi, CVPR 2017, <https://susanqq.github.io/UTKFace>",
    ),
}

_KNOWN_WEIGHTS = {
    "dlib": "dlib's face recognition network `dlib_face_recognition_resnet_model_v1` (Davis King, 2017; public domain, "
    "CC0),\n  trained on about three million pictures of FaceScrub, VGG Face and the web; "
    "<https://github.com/davisking/dlib-models>",
    "vggface": "VGGFace's VGG16 (Parkhi et al., BMVC 2015) as keras-vggface publishes it; non-commercial research only",
}

_LARGE_ERROR = 6.0
_FEW_FACES = 50

_COLUMNS = ("faces", "MAE", "within 5 years", "bias", "gender right", "interval holds", "its width")


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
        _figures(metrics),
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
        f"license_name: {'research-data' if _KNOWN_DATA.keys() & set(_datasets(config)) else 'see-model-card'}",
        "license_link: README.md",
        "language:",
        "- en",
        "tags:",
        *(f"- {tag}" for tag in ("asianage", "age-estimation", "gender", "face-analysis", "litert", "keras")),
    ]
    if datasets := _datasets(config):
        lines += ["datasets:", *(f"- {_yaml(name)}" for name in datasets)]
    lines += ["metrics:", "- mae", "- accuracy"]
    if results := list(_results(metrics)):
        lines += ["model-index:", f"- name: {_yaml(config.name)}", "  results:", *results]
    return "\n".join([*lines, "---", ""])


def _results(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of ``results`` of a model index, one data set after the other."""
    for split, name, node in _measured(metrics):
        leaf = _mapping(node.get("overall"))
        figures = [
            ("mae", "MAE of age, years", _number(leaf, "mae")),
            ("accuracy", "Accuracy of gender", _number(leaf, "gender_accuracy")),
        ]
        figures = [figure for figure in figures if figure[2] is not None]
        if not figures:
            continue
        yield "  - task:"
        yield "      type: image-classification"
        yield "      name: Age and gender of faces"
        yield "    dataset:"
        yield f"      type: {_yaml(name)}"
        yield f"      name: {_yaml(_full_name(name))}"
        yield f"      split: {_yaml(split)}"
        yield "    metrics:"
        for kind, title, value in figures:
            yield f"    - type: {kind}"
            yield f"      name: {title}"
            yield f"      value: {value}"


def _introduction(config: ModelConfig) -> str:
    return f"""# {_text(config.name)}

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

estimator = AgeGenderEstimator.from_pretrained({json.dumps(_text(name))})
for face in estimator.predict("photo.jpg"):
    print(face.age, face.age_interval, face.gender, face.gender_probability)
```
{pin if repo_id else ""}
The folder holds a flatbuffer, HDF5 weights and JSON; nothing in it is executed when it is loaded.
"""


def _figures(metrics: Mapping[str, Any]) -> str:
    parts = ["## Figures\n"]
    splits = [split for split, evaluation in metrics.items() if _mapping(_mapping(evaluation).get("datasets"))]
    if not splits:
        return "## Figures\n\nNothing has been measured yet.\n"
    parts.append(
        "Measured as a user sees them: whole pipeline, face detection included. MAE: mean absolute error in years; "
        "bias: estimate\nminus truth, in years; within 5 years: share of faces whose error is at most that. In "
        "brackets 95 % intervals, by\nbootstrap over faces for the MAE and by Wilson's formula for shares. Only "
        "figures of the same data compare.\n"
    )
    for split in splits:
        evaluation = _mapping(metrics[split])
        target = _number(evaluation, "interval_target")
        detector = evaluation.get("detector")
        parts.append(
            f"Part: **{_text(split)}**. Detector: {_text(detector) if detector else 'none, each picture is one face'}."
            + (f" The intervals promise to hold {_percent(target)} of the ages." if target is not None else "")
            + "\n"
        )
        nodes = {name: _mapping(node) for name, node in _mapping(evaluation["datasets"]).items()}
        if len(nodes) > 1 and _mapping(evaluation.get("all")):
            nodes["all"] = _mapping(evaluation["all"])
        rows = [(_full_name(name), _mapping(node.get("overall"))) for name, node in nodes.items()]
        parts.append(_figure_table("data", rows))
        parts.extend(_coverages(nodes))
        for name, node in nodes.items():
            parts.extend(_breakdowns(_full_name(name), node))
    return "\n".join(parts)


def _coverages(nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield how many ages the intervals hold that the model can give, where that was measured."""
    measured = {name: _mapping(node.get("coverage_by_promise")) for name, node in nodes.items()}
    promises = list(dict.fromkeys(promise for held in measured.values() for promise in held))
    if promises:
        yield "### Intervals of other promises\n"
        header = ("data", *(f"interval of {_text(promise)}" for promise in promises))
        rows = [(_full_name(name), *(_percent(_number(held, p)) for p in promises)) for name, held in measured.items()]
        yield _table(header, rows)


def _breakdowns(name: str, node: Mapping[str, Any]) -> Iterator[str]:
    for key, title in (("by_age_band", "age"), ("by_gender", "gender"), ("by_group", "group")):
        rows = [(label, _mapping(leaf)) for label, leaf in _mapping(node.get(key)).items()]
        if rows:
            yield f"### {name} by {title}\n"
            yield _figure_table(title, rows)
    special = _mapping(node.get("special"))
    figures = [
        ("MAE to 40 years", _years(special, "mae_to_40")),
        ("MAE from 20 to 40 years, weighted by the ages of the full data set", _years(special, "mae_natural_20_40")),
        ("gender right from 15 years", _percent(_number(special, "gender_accuracy_from_15"))),
        (f"MAE under 5 years{_faces(special, 'faces_under_5')}", _years(special, "mae_under_5")),
        ("gender right under 5 years", _percent(_number(special, "gender_accuracy_under_5"))),
        (f"MAE from 70 years{_faces(special, 'faces_from_70')}", _years(special, "mae_from_70")),
    ]
    figures = [figure for figure in figures if figure[1] != _ABSENT]
    if figures:
        yield f"### {name}, figures of its own\n"
        yield _table(("figure", "value"), figures)


_ABSENT = "–"  # noqa: RUF001 - the typographer's dash of an empty cell


def _figure_table(first: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    return _table((first, *_COLUMNS), [(label, *_figure_cells(leaf)) for label, leaf in rows])


def _figure_cells(leaf: Mapping[str, Any]) -> Iterator[str]:
    faces = _number(leaf, "faces")
    yield _ABSENT if faces is None else f"{faces:,.0f}"
    yield _years(leaf, "mae") + _range(leaf, "mae_interval")
    yield _percent(_number(leaf, "cs_at_5"))
    bias = _number(leaf, "bias")
    yield _ABSENT if bias is None else f"{bias:+.2f}"
    yield _percent(_number(leaf, "gender_accuracy")) + _range(leaf, "gender_accuracy_interval", 100.0, 1)
    yield _percent(_number(leaf, "interval_coverage")) + _range(leaf, "interval_coverage_interval", 100.0, 1)
    width = _number(leaf, "interval_mean_width")
    yield _ABSENT if width is None else f"{width:.1f}"


def _training_data(config: ModelConfig) -> str:
    counts = {split: _mapping(faces) for split, faces in _mapping(config.provenance.get("faces")).items()}
    if not _datasets(config):
        return "## Training data\n\nNot recorded.\n"
    rows = []
    for name in _datasets(config):
        known = _KNOWN_DATA.get(name)
        faces = [_number(counts[split], name) for split in counts]
        rows.append(
            (
                _full_name(name),
                *(_ABSENT if count is None else f"{count:,.0f}" for count in faces),
                known.terms if known else "ask whoever published the model",
                known.source if known else _ABSENT,
            )
        )
    header = ("data", *(f"faces, {split}" for split in counts), "terms of the pictures", "source")
    table = _table(header, rows, numbers=False)
    note = (
        "Ages and genders are what the data sets say, and some of it is wrong. The faces are no sample of any "
        "population: figures\nof ages, groups and cameras that are rare among them say little. The pictures are not "
        "part of the model. Hashes of the\nsplits are in config.json."
    )
    return f"## Training data\n\n{table}\n{note}\n{_beginnings(config)}"


def _beginnings(config: ModelConfig) -> str:
    """Say which published weights and which models the weights come from."""
    published = {
        str(_mapping(run.get("recipe")).get("pretrained"))
        for run in _runs(config.provenance)
        if _mapping(run.get("recipe")).get("pretrained")
    }
    lines = [f"- {_KNOWN_WEIGHTS.get(name, _text(name))}" for name in sorted(published)]
    for title, runs in (
        ("a model of the recipe", [config.provenance.get("initial")]),
        ("the estimates of a model of the recipe", config.provenance.get("teachers") or []),
    ):
        names = [_mapping(_mapping(run).get("recipe")).get("name") for run in runs]
        lines += [f"- {title} `{_text(name)}`" for name in names if name]
    return "\nThe weights also come from\n\n" + "\n".join(lines) + "\n" if lines else ""


def _runs(provenance: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield a provenance and those of the models that it began with."""
    if isinstance(provenance, Mapping) and depth < 8:
        yield provenance
        yield from _runs(provenance.get("initial"), depth + 1)


def _licenses(config: ModelConfig) -> str:
    restricted = [_KNOWN_DATA[name].name for name in _datasets(config) if name in _KNOWN_DATA]
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
- Telling anyone's gender identity: the labels say how somebody else labelled a picture.
- Anything that the laws on biometric data at your place forbid.
"""


def _limits(config: ModelConfig, metrics: Mapping[str, Any]) -> str:
    failures = "".join(f"- {line}\n" for line in _known_failures(metrics))
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


def _known_failures(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the figures are clearly worse than elsewhere, for age bands with enough faces."""
    for _, name, node in _measured(metrics):
        for band, leaf in _mapping(node.get("by_age_band")).items():
            faces, mae, coverage = (_number(_mapping(leaf), key) for key in ("faces", "mae", "interval_coverage"))
            if faces is None or faces < _FEW_FACES:
                continue
            where = f"at {_text(band)} years in {_full_name(name)} ({faces:,.0f} faces)"
            if mae is not None and mae > _LARGE_ERROR:
                bias = _number(_mapping(leaf), "bias") or 0.0
                yield f"The age is {mae:.1f} years wrong on average {where}, by {bias:+.1f} in the mean."
            if coverage is not None and coverage < 0.85:
                yield f"The interval holds only {_percent(coverage)} of the ages {where}."
            right = _number(_mapping(leaf), "gender_accuracy")
            if right is not None and right < 0.9:
                yield f"Gender is right for {_percent(right)} {where}."


def _details(config: ModelConfig) -> str:
    recipe = _mapping(config.provenance.get("recipe"))
    rows = [
        ("architecture", config.architecture),
        ("input", f"{config.image_size} x {config.image_size} RGB, aligned by {config.alignment}"),
        ("parameters", config.provenance.get("parameters")),
        ("precision of model.tflite", config.provenance.get("precision")),
        ("recipe", recipe.get("name")),
        ("epochs", recipe.get("epochs")),
        ("seed", recipe.get("seed")),
        ("made by asianage", config.asianage_version),
        ("from commit", config.provenance.get("commit")),
    ]
    rows = [row for row in rows if row[1] not in (None, "")]
    kept = [(name, f"{value:,}" if _is_number(value) else str(value)) for name, value in rows]
    return f"## Details\n\n{_table(('what', 'value'), kept, numbers=False)}"


def _measured(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield split, data set and node of all that was measured."""
    for split, evaluation in metrics.items():
        for name, node in _mapping(_mapping(evaluation).get("datasets")).items():
            yield split, name, _mapping(node)


def _datasets(config: ModelConfig) -> list[str]:
    faces = _mapping(config.provenance.get("faces"))
    return sorted({name for counts in faces.values() for name in _mapping(counts) if name})


def _full_name(name: str) -> str:
    if name == "all":
        return "all together"
    return _KNOWN_DATA[name].name if name in _KNOWN_DATA else _text(name)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    lines = [header, ["---", *("---:" if numbers else "---" for _ in header[1:])], *rows]
    return "".join(f"| {' | '.join(_text(cell) for cell in line)} |\n" for line in lines)


def _years(leaf: Mapping[str, Any], key: str) -> str:
    value = _number(leaf, key)
    return _ABSENT if value is None else f"{value:.2f}"


def _faces(leaf: Mapping[str, Any], key: str) -> str:
    count = _number(leaf, key)
    return "" if count is None else f" ({count:,.0f} faces)"


def _range(leaf: Mapping[str, Any], key: str, factor: float = 1.0, digits: int = 2) -> str:
    """Return the interval of a figure in brackets, after a space; nothing if it is not known."""
    ends = leaf.get(key)
    if not isinstance(ends, Sequence) or len(ends) != 2 or not all(_is_number(end) for end in ends):
        return ""
    return f" ({factor * ends[0]:.{digits}f}-{factor * ends[1]:.{digits}f})"


def _percent(share: float | None) -> str:
    return _ABSENT if share is None else f"{100 * share:.1f} %"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(leaf: Mapping[str, Any], key: str) -> float | None:
    value = leaf.get(key)
    return value if _is_number(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    """Return text that stays in one cell of a table and cannot become markup of its own."""
    text = "".join(character if character.isprintable() else " " for character in str(value)[:500])
    return text.replace("|", "\\|").replace("<!--", "&lt;!--")


def _yaml(text: str) -> str:
    """Quote text for YAML, of which JSON is a part."""
    return json.dumps("".join(character if character.isprintable() else " " for character in text), ensure_ascii=False)
