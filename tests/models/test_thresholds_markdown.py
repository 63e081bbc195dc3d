from __future__ import annotations

from asianage.models.metrics_markdown import card_figures, metrics_markdown
from asianage.models.thresholds_markdown import share_text, threshold_blocks

LEAF = {
    "minors": 1200, "false_positives": 12, "false_positive_rate": 0.01, "false_positive_rate_interval": [0.006, 0.017],
    "near_minors": 0, "near_false_positives": 0, "near_false_positive_rate": None,
    "adults": 4, "adults_challenged": 1, "challenge_rate": 0.25, "challenge_rate_interval": [0.05, 0.7],
}  # fmt: skip
NODE = {
    "threshold": 18,
    "challenge_age": 25,
    "overall": LEAF,
    "by_gender": {"female": LEAF, "male": LEAF},
    "by_group": {"asian": LEAF},
    "by_gender_and_group": {"female, asian": LEAF, "male, asian": LEAF},
}
ROW = "1,200 | 12: 1.0 % (0.6-1.7 %) | 0 | - | 4 | 1: 25.0 % (5.0-70.0 %) |"


def test_every_challenge_age_has_a_row():
    metrics = {"thresholds": [NODE], "all": {"probability_calibration_error": 0.0123}}
    text = "\n".join(threshold_blocks(metrics, "##", with_parts=False))
    assert text.startswith("## Age thresholds\n")
    assert f"| 18 | 25 | {ROW}" in text
    assert "mean over the ages 10 to 30: 1.2 %." in text
    assert "female" not in text


def test_parts_that_are_alone_and_crossings_with_one_group_are_left_out():
    text = "\n".join(threshold_blocks({"thresholds": [NODE]}, "##", with_parts=True))
    assert "### Threshold 18, challenge age 25\n" in text
    assert f"| gender: female | {ROW}" in text
    assert "| group:" not in text
    assert "gender and group:" not in text
    two = NODE | {"by_group": {"asian": LEAF, "white": LEAF}}
    assert "gender and group: male, asian" in "\n".join(threshold_blocks({"thresholds": [two]}, "##", with_parts=True))


def test_figures_that_are_missing_or_broken_make_no_table():
    for thresholds in (None, [], [{"overall": {"minors": 0, "adults": 0}}], ["broken"], [{"overall": None}]):
        assert list(threshold_blocks({"thresholds": thresholds}, "##", with_parts=True)) == []
    assert share_text({"false_positives": 3}, "false_positives", "false_positive_rate") == "-"
    leaf = {"hits": 3, "share": 0.5, "share_interval": "broken"}
    assert share_text(leaf, "hits", "share") == "3: 50.0 %"


def test_cards_and_reports_show_thresholds():
    metrics = {"datasets": {"a": {"overall": {"faces": 1}}}, "thresholds": [NODE]}
    assert "### Age thresholds" in card_figures({"test": metrics})
    assert "### Threshold 18" not in card_figures({"test": metrics})
    assert "### Threshold 18, challenge age 25" in metrics_markdown(metrics)
