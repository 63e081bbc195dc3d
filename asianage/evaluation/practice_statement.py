"""A draft of the practice statement that ISO/IEC 27566-1 asks of whoever offers age checks, filled from an evaluation.

The package can only know what was measured. What the provider decides stands in square brackets.
"""

from __future__ import annotations

import asianage
from asianage.evaluation.result import Evaluation
from asianage.evaluation.thresholds import NEAR
from asianage.models.markdown import mapping
from asianage.models.thresholds_markdown import share_text, threshold_blocks

_TEMPLATE = """\
# Age assurance practice statement: draft

This draft follows the five kinds of characteristics of ISO/IEC 27566-1: functional, performance, privacy, security and
acceptability. asianage filled in what was measured. **[Square brackets]** mark what the provider has to state. The
draft is no declaration of conformity. Copy this file before you fill it in: the next report with thresholds replaces
it.

## Provider and purpose

- Provider and contact: **[name, address, contact]**
- Age-related eligibility requirement: **[law or policy, and the age that it names]**
- Relying parties, and what they receive: **[who; for instance "18 or older: yes or no"]**

## Functional characteristics

- Age assurance method: age estimation from one photo of a face.
- Software: asianage {version}, model `{model}`, face detector `{detector}`.
- Rule: a person passes if the estimated age reaches the challenge age. Everybody else, and everybody whose face was not
  found, is challenged.
- Challenge age in use: **[one of the table below]**
- What a challenged person can do: **[another age assurance method]**
- Who is turned away without an estimate: **[warnings of the software that count as no result, for instance `turned`]**

## Performance characteristics

Measured by `asianage evaluate` on {faces} photos: {datasets}. The age is known of {known} of them.
These photos are not those of the service: the figures there differ.

{tables}
{near}

- Mean absolute error: {mae} years. Bias: {bias} years.
- Conditions of the photos of the service, and how they differ from the photos above: **[camera, light, ages, groups]**
- Own measurement on photos of the service: **[date, number of people, figures]**

## Privacy characteristics

- asianage computes on the machine where it runs. It stores no photo and sends none.
- What the provider stores, for how long, and why: **[photos, estimates, logs]**
- Legal basis, and information of the people: **[statement]**

## Security characteristics

- asianage does not detect photos of photos, screens, masks, make-up or altered images.
- Measures against presentation and injection attacks: **[statement]**
- Updates, and who is told of faults: **[statement]**

## Acceptability characteristics

- Differences between genders and groups: see the tables by part in `report.md`. **[What follows from them]**
- People whose age the software estimates badly, and what they are offered: **[statement]**
- Complaints, and correction by a person: **[statement]**

## Review

- Date of this statement, and of the next review: **[dates]**
"""


def practice_statement(evaluation: Evaluation) -> str:
    """Return the draft as Markdown."""
    metrics = evaluation.to_dict()
    overall = mapping(metrics["all"]["overall"])
    mae, bias = overall["mae"], overall["bias"]
    counts = ", ".join(f"{name} ({node['overall']['faces']:,})" for name, node in metrics["datasets"].items())
    return _TEMPLATE.format(
        version=asianage.__version__,
        model=evaluation.model or "[name]",
        detector=evaluation.detector or "none: each photo is one face",
        faces=f"{overall['faces']:,}",
        datasets=counts,
        known=f"{overall['faces_with_age']:,}",
        tables="\n".join(threshold_blocks(metrics, "###", with_parts=False)),
        near=_near_minors(metrics),
        mae="-" if mae is None else f"{mae:.2f}",
        bias="-" if bias is None else f"{bias:+.2f}",
    )


def _near_minors(metrics: dict) -> str:
    """Return one sentence for each challenge age about the minors who are hardest to tell from adults."""
    sentences = []
    for node in metrics["thresholds"]:
        leaf, threshold = node["overall"], node["threshold"]
        if leaf["near_minors"]:
            share = share_text(leaf, "near_false_positives", "near_false_positive_rate")
            sentences.append(
                f"- Challenge age {node['challenge_age']}: of {leaf['near_minors']:,} people of {threshold - NEAR} to "
                f"{threshold - 1} years, {share.replace(': ', ' passed, ', 1)}."
            )
    return "\n".join(sentences) or "- No minors close to a threshold were measured."
