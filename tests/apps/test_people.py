from __future__ import annotations

import numpy as np
import pytest

from asianage.apps.people import PersonAverage
from asianage.models.config import Calibration
from tests.apps.faces import face

CALIBRATION = Calibration(interval_mass={"0.9": 0.9})


def test_one_picture_is_its_own_average():
    only = face(age=30.0, male=0.8)
    average = PersonAverage(CALIBRATION).add(only)
    np.testing.assert_allclose(average.age_distribution, only.age_distribution, atol=1e-4)
    assert average.age == pytest.approx(only.age, abs=0.01)
    assert (average.gender, average.gender_probability) == ("male", pytest.approx(0.8))
    # The central 90 % of a normal distribution with a standard deviation of 4 years.
    assert average.age_interval == pytest.approx((30 - 1.645 * 4, 30 + 1.645 * 4), abs=0.15)


def test_pictures_of_equal_quality_count_the_same():
    person = PersonAverage(CALIBRATION)
    person.add(face(age=30.0, male=0.9))
    average = person.add(face(age=40.0, male=0.3))
    assert person.pictures == 2
    assert average.age == pytest.approx(35.0, abs=0.05)
    # The logarithms of two normal distributions of one width have the mean of a third.
    np.testing.assert_allclose(average.age_distribution, face(age=35.0).age_distribution, atol=0.002)
    assert average.age_distribution.sum() == pytest.approx(1.0, abs=1e-5)
    assert (average.gender, average.gender_probability) == ("male", pytest.approx(0.6))


def test_the_gender_is_that_of_the_mean_probability():
    person = PersonAverage(CALIBRATION)
    person.add(face(male=0.6))
    average = person.add(face(male=0.1))
    assert (average.gender, average.gender_probability) == ("female", pytest.approx(0.65))


def test_equal_pictures_do_not_narrow_the_interval():
    person = PersonAverage(CALIBRATION)
    first = person.add(face(age=30.0))
    for _ in range(50):
        last = person.add(face(age=30.0))
    assert last.age_interval == pytest.approx(first.age_interval, abs=1e-3)


def test_large_faces_count_more_and_those_with_a_warning_less():
    def age_with(**options) -> float:
        person = PersonAverage(CALIBRATION)
        person.add(face(age=30.0, box=(0.0, 0.0, 50.0, 60.0)))
        return person.add(face(age=40.0, **options)).age

    assert age_with(box=(0.0, 0.0, 150.0, 200.0)) == pytest.approx(37.5, abs=0.05)
    assert age_with(box=(0.0, 0.0, 50.0, 60.0), warnings=("blurred",)) == pytest.approx(30 + 10 / 11, abs=0.05)


def test_a_year_that_one_picture_excludes_is_not_lost_for_good():
    person = PersonAverage(CALIBRATION)
    person.add(face(age=20.0, spread=0.5))
    for _ in range(30):
        last = person.add(face(age=30.0, spread=4.0))
    assert last.age == pytest.approx(30.0, abs=1.0)
    assert np.isfinite(last.age_distribution).all()


def test_box_and_warnings_are_those_of_the_newest_picture():
    person = PersonAverage(CALIBRATION)
    person.add(face())
    average = person.add(face(box=(1.0, 2.0, 3.0, 4.0), warnings=("dark",)))
    assert average.box == (1.0, 2.0, 3.0, 4.0)
    assert average.warnings == ("dark",)


def test_a_model_of_one_task_is_averaged_in_what_it_learned():
    person = PersonAverage(CALIBRATION)
    genders = [face(male=male).replace(age=None, age_interval=None, age_distribution=None) for male in (0.9, 0.5)]
    assert [person.add(seen).male_probability for seen in genders] == pytest.approx([0.9, 0.7])
    ages = [face(age=age).replace(gender=None, gender_probability=None) for age in (30.0, 40.0)]
    person = PersonAverage(CALIBRATION)
    assert [person.add(seen).age for seen in ages] == pytest.approx([30.0, 35.0], abs=0.05)


def test_what_a_model_did_not_learn_stays_none():
    person = PersonAverage(CALIBRATION)
    without_age = {"age": None, "age_interval": None, "age_distribution": None}
    for _ in range(2):
        average = person.add(face(male=0.7).replace(**without_age))
    assert average.age is None
    assert average.gender_probability == pytest.approx(0.7)
    person = PersonAverage(CALIBRATION)
    average = person.add(face(age=30.0).replace(gender=None, gender_probability=None))
    assert average.gender is None
    assert average.age == pytest.approx(30.0, abs=0.01)


def test_warnings_widen_the_interval_of_a_person_as_they_do_in_a_photo():
    person = PersonAverage(Calibration(interval_mass={"0.9": 0.9}, interval_stretch={"blurred": 2.0}))
    low, high = person.add(face(age=30.0, warnings=("blurred",))).age_interval
    narrow = PersonAverage(CALIBRATION).add(face(age=30.0)).age_interval
    assert (30.0 - low, high - 30.0) == pytest.approx((2 * (30.0 - narrow[0]), 2 * (narrow[1] - 30.0)), abs=0.01)
    # A picture without a warning counts ten times as much.
    low, high = person.add(face(age=30.0)).age_interval
    assert high - low == pytest.approx((12 / 11) * (narrow[1] - narrow[0]), abs=0.05)
