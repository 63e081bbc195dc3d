from __future__ import annotations

import pytest

from asianage.models.markdown import ABSENT, cell_text, is_number, mapping, number, percent, plain_text, table


def test_a_table_aligns_numbers_to_the_right_and_text_to_the_left() -> None:
    assert table(("a", "b"), [("x", "1")]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"
    assert table(("a", "b"), [("x", "y")], numbers=False) == "| a | b |\n| --- | --- |\n| x | y |\n"


@pytest.mark.parametrize("value", [None, "3", True, [1], {}])
def test_only_numbers_are_numbers(value: object) -> None:
    assert not is_number(value)
    assert number({"key": value}, "key") is None
    assert number({"key": 3}, "key") == 3
    assert number({}, "key") is None


def test_only_mappings_are_mappings() -> None:
    assert mapping({"a": 1}) == {"a": 1}
    assert mapping(None) == mapping([1]) == mapping("text") == {}


def test_a_share_is_shown_in_percent() -> None:
    assert percent(0.905) == "90.5 %"
    assert len(ABSENT) == 1


def test_text_breaks_neither_a_cell_nor_the_page() -> None:
    assert cell_text("a|b\n<!-- c") == "a\\|b &lt;!-- c"
    assert plain_text("a\x00\ud800b") == "a  b"
    assert len(plain_text("x" * 1000)) == 500
