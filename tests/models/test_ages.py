from __future__ import annotations

import itertools

import numpy as np
import pytest

from asianage.models.ages import (
    AgeAxis,
    age_interval,
    central_interval,
    cumulative_at,
    estimated_age,
    expected_age,
    median_age,
    probability_at_least,
    softmax,
    target_distribution,
)

AXIS = AgeAxis(0, 100)
SHORT = AgeAxis(20, 23)


def random_distributions(axis: AgeAxis, count: int = 50, seed: int = 0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 4, (count, axis.num_ages))
    return softmax(logits)


def single_ages(axis: AgeAxis) -> np.ndarray:
    return np.eye(axis.num_ages, dtype=np.float32)


# --- the axis ----------------------------------------------------------------------------------------------------


def test_the_axis_includes_both_ends():
    assert SHORT.num_ages == 4
    assert SHORT.ages.dtype == np.float32
    np.testing.assert_array_equal(SHORT.ages, [20, 21, 22, 23])


@pytest.mark.parametrize(("low", "high"), [(20, 20), (30, 20), (-1, 20)])
def test_an_axis_without_two_ages_is_refused(low, high):
    with pytest.raises(ValueError, match=f"min_age={low}, max_age={high}"):
        AgeAxis(low, high)


# --- from an age to a distribution -------------------------------------------------------------------------------


def test_a_target_is_the_normal_distribution_on_whole_years():
    # Densities of sigma 1 at distances 1, 0, 1, 2, in units of the middle one.
    weights = np.array([np.exp(-0.5), 1.0, np.exp(-0.5), np.exp(-2.0)])
    target = target_distribution(SHORT, np.array([21.0]), sigma=1.0)
    np.testing.assert_allclose(target, [weights / weights.sum()], rtol=1e-6)
    assert target.dtype == np.float32


def test_a_target_between_two_ages_is_shared_evenly():
    target = target_distribution(SHORT, np.array([21.5]), sigma=1.0)[0]
    assert target[1] == target[2] > target[0] == target[3]


def test_the_spread_of_a_target_grows_until_eighteen():
    def spread(age: float) -> float:
        target = target_distribution(AXIS, np.array([age]), sigma=2.0)[0].astype(float)
        return float(np.sqrt(target @ (AXIS.ages - target @ AXIS.ages) ** 2))

    assert spread(8.0) == pytest.approx(1.0, abs=0.01)
    assert spread(18.0) == pytest.approx(2.0, abs=0.01)
    assert spread(50.0) == pytest.approx(2.0, abs=0.01)
    assert spread(2.0) < spread(4.0) < spread(8.0) < spread(13.0) < spread(18.0)


@pytest.mark.parametrize("sigma", [0.01, 0.3, 1.0, 2.0, 5.0, 50.0])
def test_targets_sum_to_one_and_are_finite(sigma):
    ages = np.linspace(-3.0, 110.0, 400)
    target = target_distribution(AXIS, ages, sigma)
    assert target.shape == (400, 101)
    assert np.isfinite(target).all()
    assert (target >= 0).all()
    np.testing.assert_allclose(target.sum(axis=1), 1.0, atol=1e-5)


def test_a_small_sigma_leaves_the_nearest_age():
    target = target_distribution(AXIS, np.array([20.4, 0.4, 99.6]), sigma=0.01)
    np.testing.assert_allclose(target, single_ages(AXIS)[[20, 0, 100]], atol=1e-6)


def test_ages_beyond_the_axis_count_as_its_ends():
    beyond = target_distribution(SHORT, np.array([-5.0, 19.0, 24.0, 300.0]), sigma=1.0)
    ends = target_distribution(SHORT, np.array([20.0, 20.0, 23.0, 23.0]), sigma=1.0)
    np.testing.assert_array_equal(beyond, ends)


@pytest.mark.parametrize(("age", "sigma"), [(np.nan, 2.0), (np.inf, 2.0), (20.0, 0.0), (20.0, -1.0), (20.0, np.nan)])
def test_impossible_ages_and_sigmas_are_refused(age, sigma):
    with pytest.raises(ValueError, match="Received"):
        target_distribution(AXIS, np.array([20.0, age]), sigma)


def test_every_age_survives_the_round_trip():
    ages = AXIS.ages.astype(float)
    decoded = expected_age(AXIS, target_distribution(AXIS, ages, sigma=2.0))
    # Within three spreads of an end the distribution is cut off and the expectation moves inwards.
    inner = (ages >= 2) & (ages <= 94)
    np.testing.assert_allclose(decoded[inner], ages[inner], atol=0.01)
    assert np.abs(decoded - ages).max() < 1.7
    assert (np.diff(decoded) > 0).all()


def test_fractions_of_years_survive_the_round_trip():
    ages = np.arange(10.0, 90.0, 0.25)
    np.testing.assert_allclose(expected_age(AXIS, target_distribution(AXIS, ages, sigma=2.0)), ages, atol=0.01)


# --- from logits to a distribution -------------------------------------------------------------------------------


def test_softmax_by_hand():
    logits = np.log(np.array([[1.0, 2.0, 5.0]]))
    np.testing.assert_allclose(softmax(logits), [[0.125, 0.25, 0.625]], rtol=1e-6)
    np.testing.assert_allclose(softmax(logits, temperature=0.5), [[1 / 30, 4 / 30, 25 / 30]], rtol=1e-6)


def test_softmax_does_not_overflow_and_does_not_care_about_a_shift():
    logits = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4]])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        result = softmax(logits)
    np.testing.assert_allclose(result, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]], atol=1e-7)
    logits = np.random.default_rng(0).normal(size=(5, 101))
    np.testing.assert_allclose(softmax(logits), softmax(logits + 50.0), rtol=1e-4)


def test_softmax_of_nothing_is_nothing():
    assert softmax(np.empty((0, 101), np.float32)).shape == (0, 101)


# --- from a distribution to figures ------------------------------------------------------------------------------


def test_the_expected_age_by_hand():
    distribution = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 1.0]])
    decoded = expected_age(SHORT, distribution)
    np.testing.assert_allclose(decoded, [22.0, 23.0], rtol=1e-6)
    assert decoded.dtype == np.float32


def test_the_probability_at_least_by_hand():
    distribution = np.array([[0.1, 0.2, 0.3, 0.4]])
    for age, expected in [(-5, 1.0), (20, 1.0), (21, 0.9), (22, 0.7), (23, 0.4), (24, 0.0), (500, 0.0)]:
        assert probability_at_least(SHORT, distribution, age)[0] == pytest.approx(expected, abs=1e-6)
    # Three quarters of the year in which the person is 21 lie at 21.25 or more.
    assert probability_at_least(SHORT, distribution, 21.25)[0] == pytest.approx(0.75 * 0.2 + 0.7, abs=1e-6)


def test_the_probability_at_least_never_grows_with_the_age():
    distribution = random_distributions(AXIS)
    values = np.stack([probability_at_least(AXIS, distribution, age) for age in np.arange(-2.0, 104.0, 0.125)])
    assert (np.diff(values, axis=0) <= 1e-6).all()
    assert ((values >= 0.0) & (values <= 1.0)).all()
    np.testing.assert_allclose(values[0], 1.0, atol=1e-5)
    np.testing.assert_array_equal(values[-1], 0.0)


def test_the_cumulative_at_a_whole_age_includes_half_of_its_year():
    distribution = random_distributions(AXIS, count=AXIS.num_ages)
    ages = AXIS.ages.astype(float)
    totals = np.cumsum(distribution.astype(float), axis=1)
    totals /= totals[:, -1:]
    expected = np.array([row[k] - (row[k] - (row[k - 1] if k else 0.0)) / 2 for k, row in enumerate(totals)])
    np.testing.assert_allclose(cumulative_at(AXIS, distribution, ages), expected, atol=1e-9)


def test_the_cumulative_by_hand():
    distribution = np.array([[0.1, 0.2, 0.3, 0.4]] * 6)
    result = cumulative_at(SHORT, distribution, np.array([0.0, 19.5, 20.0, 21.5, 23.0, 99.0]))
    np.testing.assert_allclose(result, [0.0, 0.0, 0.05, 0.3, 0.8, 1.0], atol=1e-9)


def test_an_interval_by_hand():
    # The middle half of an even distribution over [19.5, 23.5].
    even = np.full((1, 4), 0.25)
    np.testing.assert_allclose(central_interval(SHORT, even, 0.5), [[20.5, 22.5]], rtol=1e-6)
    # Its ends stay on the axis, though the last year reaches half a year further.
    np.testing.assert_allclose(central_interval(SHORT, even, 0.98), [[20.0, 23.0]], rtol=1e-6)


def test_the_interval_of_an_estimate_includes_the_estimate():
    # Nearly certain to be 20, and yet 23 often enough to draw the mean out of the middle half.
    skewed = np.array([[0.85, 0.0, 0.0, 0.15], [0.25, 0.25, 0.25, 0.25]])
    middle, stretched = central_interval(SHORT, skewed, 0.2), age_interval(SHORT, skewed, 0.2)
    assert middle[0, 1] < expected_age(SHORT, skewed)[0]
    np.testing.assert_allclose(stretched, [[middle[0, 0], 20.45], middle[1]], rtol=1e-6)


def test_an_interval_covers_its_mass():
    distribution = target_distribution(AXIS, np.array([30.0, 47.5, 60.0]), sigma=3.0)
    for mass in (0.5, 0.8, 0.9, 0.95):
        low, high = central_interval(AXIS, distribution, mass).T
        inside = cumulative_at(AXIS, distribution, high) - cumulative_at(AXIS, distribution, low)
        np.testing.assert_allclose(inside, mass, atol=1e-5)


def test_the_interval_of_a_normal_distribution_is_the_known_one():
    distribution = target_distribution(AXIS, np.array([50.0]), sigma=4.0)
    # 1.645 spreads hold 90 %; the width of a year adds a twelfth to the variance.
    half = 1.6449 * np.sqrt(16 + 1 / 12)
    np.testing.assert_allclose(central_interval(AXIS, distribution, 0.9), [[50 - half, 50 + half]], atol=0.05)


def test_intervals_of_more_mass_hold_those_of_less():
    distribution = random_distributions(AXIS, count=200, seed=3)
    intervals = [central_interval(AXIS, distribution, mass) for mass in np.linspace(0.02, 0.999, 40)]
    for inner, outer in itertools.pairwise(intervals):
        assert (outer[:, 0] <= inner[:, 0]).all()
        assert (outer[:, 1] >= inner[:, 1]).all()
    assert (intervals[0][:, 0] <= intervals[0][:, 1]).all()
    assert intervals[-1].min() >= 0.0
    assert intervals[-1].max() <= 100.0


def test_ages_with_a_mass_of_their_own_are_held_against_it():
    distribution = random_distributions(AXIS, count=10, seed=5)
    masses = [0.5, 0.9, 0.99, 0.7]
    low, high = central_interval(AXIS, distribution, masses).T
    fine = np.linspace(0, 100, 4001)
    allowed = np.interp(fine, [0, 100 / 3, 200 / 3, 100], masses)
    for row in range(10):
        position = cumulative_at(AXIS, np.repeat(distribution[row : row + 1], len(fine), axis=0), fine)
        held = fine[np.abs(2 * position - 1) <= allowed]
        np.testing.assert_allclose([low[row], high[row]], [held.min(), held.max()], atol=0.1)
    same = central_interval(AXIS, distribution, [0.9, 0.9])
    np.testing.assert_allclose(same, central_interval(AXIS, distribution, 0.9), atol=1e-5)


@pytest.mark.parametrize("axis", [SHORT, AXIS])
def test_a_distribution_on_a_single_age_is_decoded_to_it(axis):
    distribution = single_ages(axis)
    ages = axis.ages.astype(float)
    np.testing.assert_array_equal(expected_age(axis, distribution), axis.ages)
    np.testing.assert_allclose(cumulative_at(axis, distribution, ages), 0.5)
    interval = central_interval(axis, distribution, 0.9)
    np.testing.assert_allclose(interval[1:-1], np.stack([ages - 0.45, ages + 0.45], axis=1)[1:-1], atol=1e-5)
    np.testing.assert_allclose(interval[0], [axis.min_age, axis.min_age + 0.45], atol=1e-5)
    np.testing.assert_allclose(interval[-1], [axis.max_age - 0.45, axis.max_age], atol=1e-5)
    for row, age in enumerate(ages):
        assert probability_at_least(axis, distribution[row : row + 1], age)[0] == 1.0
        assert probability_at_least(axis, distribution[row : row + 1], age + 1)[0] == 0.0


def test_no_faces_give_no_figures():
    nothing = np.empty((0, 101), np.float32)
    assert expected_age(AXIS, nothing).shape == (0,)
    assert central_interval(AXIS, nothing, 0.9).shape == (0, 2)
    assert probability_at_least(AXIS, nothing, 18).shape == (0,)
    assert cumulative_at(AXIS, nothing, np.empty(0)).shape == (0,)
    assert target_distribution(AXIS, np.empty(0), 2.0).shape == (0, 101)


def test_the_median_by_hand():
    distribution = np.array([[0.5, 0.2, 0.2, 0.1], [0.1, 0.1, 0.4, 0.4], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    found = median_age(AgeAxis(10, 13), distribution)
    np.testing.assert_allclose(found, [10.5, 12.25, 10.0, 13.0], atol=1e-6)
    assert found.dtype == np.float32


def test_the_median_of_an_even_distribution_is_its_mean():
    distribution = target_distribution(AXIS, np.array([20.0, 33.3, 50.0]), 3.0)
    np.testing.assert_allclose(median_age(AXIS, distribution), expected_age(AXIS, distribution), atol=0.01)


def test_the_median_lies_in_every_central_interval():
    random = np.random.default_rng(3)
    distribution = random.dirichlet(np.full(101, 0.05), 200)
    median = median_age(AXIS, distribution)
    low, high = age_interval(AXIS, distribution, 0.01, "median").T
    assert ((low <= median) & (median <= high)).all()


def test_an_estimate_is_the_mean_or_the_median():
    distribution = np.array([[0.6, 0.0, 0.0, 0.4]])
    assert estimated_age(AgeAxis(10, 13), distribution, "mean") == pytest.approx([11.2])
    assert estimated_age(AgeAxis(10, 13), distribution, "median") == pytest.approx([10.3333], abs=1e-3)
