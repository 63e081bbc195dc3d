from __future__ import annotations

from asianage.data.special_figures import AgeRange, SpecialFigures


def test_a_data_set_without_a_declaration_has_no_special_figures():
    assert SpecialFigures().age_ranges == ()
    assert SpecialFigures().natural_counts == {}


def test_an_age_range_covers_all_ages_by_default():
    everybody = AgeRange(name="all", figures=("mae",))
    assert (everybody.first, everybody.end) == (0, float("inf"))
