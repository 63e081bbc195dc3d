from __future__ import annotations

from asianage.models.config import ModelConfig
from asianage.models.specialization import specialization, unchecked

BEFORE = {"val_mae_mine": 5.0, "val_gender_mine": 0.9, "val_score": 6.0}
AFTER = {"val_mae_mine": 4.0, "val_gender_mine": 0.95, "val_score": 4.5}
MANY = {"ages": {str(start): 40 for start in range(0, 80, 10)}, "genders": {"female": 160, "male": 160}}


def model(train, val, *, after=AFTER, task="both", **more) -> ModelConfig:
    provenance = {
        "held_out": {"before": BEFORE, "after": after},
        "labels": {"train": train, "val": val},
        "faces": {"train": {"mine": sum(train["ages"].values())}, "val": {"mine": sum(val["ages"].values())}},
    }
    return ModelConfig(
        name="m", architecture="a", image_size=96, network={"task": task}, provenance={**provenance, **more}
    )


def test_a_model_says_what_it_was_fine_tuned_and_checked_on_and_what_came_of_it():
    lines = list(specialization(model(MANY, {"ages": {"20": 12, "30": 3}, "genders": {"female": 15}})))
    assert lines == [
        "Fine-tuned on 320 training faces, 0 to 79 years old, 160 female, 160 male.",
        "Checked on 15 held-out faces, 20 to 39 years old, 15 female.",
        "On the held-out faces, which also chose the epoch: MAE of mine 5.00 before and 4.00 after; gender accuracy of "
        "mine 90.0 % before and 95.0 % after.",
    ]


def test_a_model_that_was_checked_everywhere_warns_of_nothing_else():
    assert list(unchecked(model(MANY, MANY))) == ["Ages and intervals were checked for 0 to 79 years only."]


def test_a_narrow_part_and_a_lone_gender_are_warned_of():
    narrow = {"ages": {"10": 3, "30": 97}, "genders": {"female": 97, "male": 3}}
    lines = " ".join(unchecked(model(narrow, {"ages": {"30": 20, "50": 15, "60": 9}, "genders": {"female": 40}})))
    assert "Nearly all training faces are 30 to 39 years old" in lines
    assert "checked for 30 to 39 and 50 to 59 years only" in lines
    assert "Only 3 of 100 training faces with a gender are male" in lines
    assert "not checked on male faces" in lines


def test_only_what_a_model_learned_is_spoken_of():
    for task, absent in (("gender", "year"), ("age", "male")):
        config = model(MANY, {"ages": {}, "genders": {}}, task=task)
        scores = {
            name: value for name, value in AFTER.items() if task.replace("age", "mae") in name or name == "val_score"
        }
        config.provenance["held_out"].update(before=scores, after={**scores, "val_score": 1.0})
        assert absent not in " ".join([*specialization(config), *unchecked(config)])


def test_a_network_that_was_kept_is_said_to_be():
    lines = list(specialization(model(MANY, MANY, after=BEFORE)))
    assert lines[-1] == (
        "No epoch was better on them than the model before. Its network and its calibration were kept."
    )
    assert list(unchecked(model(MANY, MANY, after=BEFORE))) == []


def test_a_model_that_was_not_fine_tuned_and_a_provenance_of_nonsense_say_nothing():
    assert list(specialization(model(MANY, MANY, held_out=None))) == []
    assert list(unchecked(model(MANY, MANY, held_out=None))) == []
    nonsense = model(MANY, MANY, labels={"train": {"ages": {"x": 1, "10": None}, "genders": []}, "val": 3}, faces=7)
    assert len([*specialization(nonsense), *unchecked(nonsense)]) > 2


def test_age_groups_are_not_taken_for_checked_ages():
    groups = {"ages": {}, "genders": {}, "age_groups": {"0-17": 30, "18-120": 30}}
    config = model(groups, groups)
    assert next(iter(specialization(config))).endswith("60 with an age group (0-17, 18-120).")
    assert next(iter(unchecked(config))).startswith("Ages and intervals were hardly checked")


def test_figures_that_are_no_numbers_are_not_told():
    lines = " ".join(
        specialization(model(MANY, {"ages": {"\u00b2": 3, "20": 5}}, after={**AFTER, "val_mae_mine": "x"}))
    )
    assert "MAE of mine" not in lines
    assert "gender accuracy of mine" in lines
