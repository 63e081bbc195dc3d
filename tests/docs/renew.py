"""Renew what the pages show of the bundled models: pictures, printed results, and tables from their metrics.json.

python -m tests.docs.renew

Run it after the models have changed, with matplotlib and scikit-image installed. Text between the marks
``<!-- renewed: NAME -->`` and ``<!-- end -->`` is replaced; everything else stays. A test compares the pages with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asianage.models.folder import BUNDLED, NETWORK, bundled_names
from asianage.models.known_sources import full_name
from asianage.models.markdown import mapping, number, percent, table
from asianage.models.thresholds_markdown import share_text

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
IMAGES = ROOT / "docs" / "images"

_MARKED = re.compile(r"(<!-- renewed: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

_FEW_FACES = 20


def metrics_of(model: str) -> Mapping[str, Any]:
    """Return the figures of a bundled model on the test parts."""
    return json.loads((BUNDLED / model / "metrics.json").read_text("utf-8"))["test"]


def headline() -> str:
    """Return the figures by which models are compared: MAE and gender accuracy."""
    columns = (
        ("aaf", "mae", "gender_accuracy"),
        ("afad", "mae_to_40", "gender_accuracy"),
        ("utkface", "mae", "gender_accuracy_from_15"),
    )
    rows = []
    for model in bundled_names():
        cells = []
        for dataset, *keys in columns:
            node = metrics_of(model)["datasets"][dataset]
            mae, gender = (mapping(node["special"]).get(key, node["overall"].get(key)) for key in keys)
            cells.append(f"{mae:.2f}, {percent(gender)}")
        size = (BUNDLED / model / NETWORK).stat().st_size / 1e6
        rows.append((f"`{model}`", *cells, f"{size:.1f} MB"))
    header = ("model", "All-Age-Faces", "AFAD; age up to 40", "UTKFace, Asian; gender from 15", "size")
    return table(header, rows)


def test_sets() -> str:
    """Return the main figures of every model on every test part."""
    rows = []
    for model, dataset, node in _nodes():
        leaf = node["overall"]
        rows.append(
            (
                full_name(dataset), f"{leaf['faces']:,}", f"`{model}`", _with_interval(leaf, "mae", "{:.2f}"),
                _share(leaf, "cs_at_5"), _share(leaf, "gender_accuracy"),
                f"{_share(leaf, 'interval_coverage')}, {_years(leaf, 'interval_mean_width', '{:.1f}')} years"
                if leaf.get("interval_coverage") is not None else "-",
            )
        )  # fmt: skip
    header = ("test part", "faces", "model", "MAE, years", "within 5 years", "gender accuracy", "90 % interval")
    detectors = sorted({str(metrics_of(model).get("detector")) for model in bundled_names()})
    return f"{table(header, rows)}\nThe faces were found by {' and '.join(f'`{name}`' for name in detectors)}.\n"


def ages() -> str:
    """Return the figures of every age band."""
    rows = []
    for model, dataset, node in _nodes():
        for band, leaf in mapping(node.get("by_age_band")).items():
            if leaf["faces"] >= _FEW_FACES:
                cells = (_years(leaf, "mae", "{:.1f}"), _years(leaf, "bias", "{:+.1f}"))
                shares = (_share(leaf, "gender_accuracy"), _share(leaf, "interval_coverage"))
                rows.append((full_name(dataset), band, f"{leaf['faces']:,}", f"`{model}`", *cells, *shares))
    header = (
        "test part",
        "ages",
        "faces",
        "model",
        "MAE, years",
        "bias, years",
        "gender accuracy",
        "90 % interval covers",
    )
    return table(header, rows)


def thresholds() -> str:
    """Return how the models do as a check of the age of 18."""
    rows = []
    for model in bundled_names():
        for node in metrics_of(model).get("thresholds") or ():
            leaf = node["overall"]
            rows.append(
                (
                    f"`{model}`", str(node["challenge_age"]), f"{leaf['near_minors']:,}",
                    share_text(leaf, "near_false_positives", "near_false_positive_rate"), f"{leaf['adults']:,}",
                    share_text(leaf, "adults_challenged", "challenge_rate"),
                )
            )  # fmt: skip
    if not rows:
        return "The figures of the bundled models do not have this table yet. Measure them with the command above.\n"
    return table(("model", "challenge age", "aged 13 to 17", "who pass", "adults", "who are challenged"), rows)


def special() -> str:
    """Return the figures that only some data sets have."""
    titles = {
        "mae_to_40": "MAE up to 40 years",
        "mae_natural_20_40": "MAE from 20 to 40 years, weighted by AFAD's natural ages",
        "gender_accuracy_from_15": "gender accuracy from 15 years on",
    }
    rows = []
    for model, dataset, node in _nodes():
        for key, title in titles.items():
            value = number(mapping(node.get("special")), key)
            if value is not None:
                text = percent(value) if key.startswith("gender") else f"{value:.2f} years"
                rows.append((full_name(dataset), title, f"`{model}`", text))
    return table(("test part", "figure", "model", "value"), rows)


def printed() -> str:
    """Return what Python prints for the photo of the README."""
    from asianage import AgeGenderEstimator
    from tests.docs.pictures import hopper

    return f"```text\n{AgeGenderEstimator().predict(hopper())!r}\n```\n"


def gallery() -> str:
    """Return the pictures of the gallery with titles and captions; the pictures are written as well."""
    from asianage import AgeGenderEstimator
    from tests.docs.pictures import QUALITY, drawn_pictures

    blocks = []
    for name, title, text, picture in drawn_pictures(AgeGenderEstimator()):
        picture.save(IMAGES / name, quality=QUALITY)
        blocks.append(f"## {title}\n\n![{title}](images/{name})\n\n{text}\n")
    return "\n" + "\n".join(blocks) + "\n"


TEXTS: dict[str, Callable[[], str]] = {
    "ages": ages,
    "gallery": gallery,
    "headline": headline,
    "printed": printed,
    "special": special,
    "test-sets": test_sets,
    "thresholds": thresholds,
}
"""Names in the marks -> what stands between them."""


def renewed(text: str, only: frozenset[str] = frozenset(TEXTS)) -> str:
    """Return the text of a page with the current content of its marks."""
    return _MARKED.sub(lambda found: found[1] + (TEXTS[found[2]]() if found[2] in only else found[3]) + found[4], text)


def _nodes() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield model, data set and figures, by data set first."""
    measured = {model: metrics_of(model)["datasets"] for model in sorted(bundled_names(), reverse=True)}
    for dataset in sorted({name for datasets in measured.values() for name in datasets}):
        for model, datasets in measured.items():
            if dataset in datasets:
                yield model, dataset, datasets[dataset]


def _years(leaf: Mapping[str, Any], key: str, form: str) -> str:
    value = number(leaf, key)
    return "-" if value is None else form.format(value)


def _share(leaf: Mapping[str, Any], key: str) -> str:
    value = number(leaf, key)
    return "-" if value is None else percent(value)


def _with_interval(leaf: Mapping[str, Any], key: str, form: str) -> str:
    low, high = leaf[f"{key}_interval"] or (None, None)
    return "-" if low is None else f"{form.format(leaf[key])} ({form.format(low)}-{form.format(high)})"


def main() -> None:
    """Renew every page."""
    for page in PAGES:
        text = page.read_text("utf-8")
        if (new := renewed(text)) != text:
            page.write_text(new, "utf-8")
            print(f"renewed {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
