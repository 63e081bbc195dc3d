"""The README.md of a face detector's model folder: what `asianage.models.card.model_card` writes for this kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from asianage.models import card_sources
from asianage.models.config import DetectorConfig
from asianage.models.markdown import cell_text, mapping, number, percent, table


def detector_sections(config: DetectorConfig, metrics: Mapping[str, Any], repo_id: str | None) -> tuple[str, ...]:
    """Return the sections of a card; the arguments are those of `model_card`."""
    return (
        card_sources.metadata(config, pipeline_tag="object-detection", tags=["face-detection", "face-landmarks"]),
        _introduction(config, repo_id),
        _figures(metrics),
        card_sources.training_data(config, _CAUTION),
        card_sources.licenses(config),
        _INTENDED_USE,
        _LIMITS,
        card_sources.details(
            config,
            ("networks", ", ".join(config.networks.values())),
            ("smallest score of a face", config.score_threshold),
            ("quantization of both networks", config.provenance.get("quantization")),
            ("trained on", config.provenance.get("hardware")),
        ),
    )


def _introduction(config: DetectorConfig, repo_id: str | None) -> str:
    name = json.dumps(cell_text(repo_id or f"path/of/this/folder/{config.name}"))
    pin = (
        "\nA model on the Hub can change. `owner/name@revision` with a full commit hash pins it; once cached, it loads "
        "offline.\n"
    )
    return f"""# {cell_text(config.name)}

Finds the faces in a photo, at any angle, with a box, five landmarks and a score. Two networks work together: one
searches the whole photo, the other looks at each face alone. It finds the landmarks in the face's own order and tells
whether there is a face. The detector belongs to the Python package `asianage` and runs through LiteRT, without
TensorFlow and OpenCV.

## Usage

```bash
pip install asianage
```

```python
from asianage import AgeGenderEstimator

estimator = AgeGenderEstimator(detector={name})
for face in estimator.detect("photo.jpg"):
    print(face.box, face.score, face.roll)
```
{pin if repo_id else ""}
The folder holds flatbuffers, HDF5 weights and JSON. Loading it executes none of them.
"""


def _figures(metrics: Mapping[str, Any]) -> str:
    blocks = [
        f"Split: **{cell_text(split)}**.\n\n{table(('figure', 'value', 'measured on'), rows)}"
        for split, figures in metrics.items()
        if (rows := list(_rows(mapping(figures))))
    ]
    if not blocks:
        return "## Figures\n\nNothing has been measured yet.\n"
    return "\n".join(["## Figures\n", *blocks, _LEGEND])


def _rows(figures: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield title, value and number of photos or faces of what was measured."""
    photos, faces, singles, empty = (
        f"{number(figures, key) or 0:,.0f} {unit}"
        for key, unit in (
            ("photos", "photos"),
            ("faces", "faces"),
            ("landmark_faces", "faces"),
            ("face_free", "pictures"),
        )
    )
    if (recall := number(figures, "recall")) is not None:
        yield "faces found", percent(recall), faces
    for group, share in sorted(mapping(figures.get("recall_by_group")).items()):
        yield f"faces found, {cell_text(group)}", percent(share), ""
    if (extra := number(figures, "extra_per_100")) is not None:
        yield "boxes without a labeled face, per 100 photos", f"{extra:.1f}", photos
    if number(figures, "face_free"):
        yield "boxes on face-free pictures", f"{number(figures, 'face_free_boxes') or 0:,.0f}", empty
    if (error := number(figures, "landmark_error")) is not None:
        yield "error of the landmarks, share of the eye distance", f"{error:.3f}", singles


_LEGEND = """\
Faces count from 16 pixels on, by the shorter side of their box. A box finds a face if their intersection is at least
0.4 of their union. Boxes of unlabeled faces count as boxes without a face unless somebody has marked them. The
landmarks are measured on faces scaled to 80 pixels: the mean distance of five points.
"""

_CAUTION = """\
Boxes differ from annotator to annotator, and some faces have no label. The photos are no sample of a population. The
model does not contain the pictures.
"""

_INTENDED_USE = """## Intended use

The first step of age and gender estimation: boxes and landmarks of faces in photos of people who agreed.

## Unacceptable use

- Surveillance of people, or tracking them, without their knowledge and consent.
- Decisions about a person, and proof that nobody is in a photo.
- Anything that local laws on biometric data forbid.
"""

_LIMITS = """## Limits

- Faces below 16 pixels, in profile, behind a mask, in the dark or cut off by the border are missed more often.
- A drawn face, a statue or an animal may be taken for a face.
- The landmarks of faces in profile are less exact: one eye cannot be seen.
- Photos with masks and portraits were most of the data. Expect other figures on other photos.
"""
