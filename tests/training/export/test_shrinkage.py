from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.models.ages import AgeAxis
from asianage.training.export.shrinkage import PRIOR_FACES, mass_at, odds, shrunk_masses, shrunk_temperature

AXIS = AgeAxis()
KNOTS = np.linspace(0, 100, 21)


def test_the_temperature_goes_from_the_one_before_to_the_new_one_with_the_number_of_faces():
    assert shrunk_temperature(4.0, 1.0, 0) == 1.0
    assert shrunk_temperature(4.0, 1.0, PRIOR_FACES) == pytest.approx(2.0)
    assert shrunk_temperature(4.0, 1.0, 10_000) == pytest.approx(4.0, rel=0.01)


def test_what_needs_no_other_mass_stays():
    before = list(np.linspace(0.85, 0.95, 21))
    assert shrunk_masses(AXIS, before, KNOTS, np.full(50, 30.0), np.zeros(21)) == pytest.approx(before)
    assert mass_at(AXIS, 0.9, np.array([0.0, 55.0])) == pytest.approx([0.9, 0.9])
    assert mass_at(AXIS, [0.8, 0.9], np.array([25.0])) == pytest.approx([0.825])


def test_intervals_get_narrower_only_where_there_are_faces_and_wider_everywhere():
    faces = np.full(5 * PRIOR_FACES, 30.0)
    narrower = np.array(shrunk_masses(AXIS, 0.9, KNOTS, faces, np.full(21, -1.0)))
    expected = 1 / (1 + np.exp(-(odds(np.array(0.9)) - 5 / 6)))
    assert narrower[KNOTS == 30] == pytest.approx(expected)
    assert narrower[np.abs(KNOTS - 30) > 5] == pytest.approx(0.9)
    wider = np.array(shrunk_masses(AXIS, 0.9, KNOTS, faces, np.full(21, 1.0)))
    assert wider == pytest.approx(1 / (1 + np.exp(-(odds(np.array(0.9)) + 5 / 6))))
