import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp, ttest_rel

from tasks.evaluation.intervals import (
    difference_of,
    holm,
    mcnemar,
    paired_difference,
    paired_mean_difference,
    proportion,
    required_sample_size,
    t_interval,
)


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (1, 1), (3, 10), (9_207, 10_000), (10_000, 10_000)])
def test_the_wilson_interval_is_scipys(hits, count):
    expected = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert proportion(hits / count, count).interval == pytest.approx((expected.low, expected.high), abs=1e-12)


# The approval of a prime minister in two surveys of the same 1600 people: 150 only in the first, 86 only in the
# second; Agresti, "Categorical Data Analysis", section 10.1.1: difference 0.04, 95 % interval 0.02 to 0.06.
# The exact p-value 3.716e-05 is that of R's exact2x2 for the same table.
def test_mcnemar_gives_the_published_p_value():
    assert mcnemar(150, 86) == pytest.approx(3.716e-05, rel=2e-4)
    assert mcnemar(4, 4) == mcnemar(0, 0) == 1.0


def test_the_paired_interval_is_walds_with_half_counts_added_within_what_is_possible():
    # (20.5 − 10.5) / 102 ± 1.96 · √(31 − 10² / 102) / 102
    found = paired_difference(20, 10, 100)
    assert found.value == 0.1
    assert found.interval == pytest.approx((0.0980392 - 0.1052810, 0.0980392 + 0.1052810), abs=1e-6)
    assert dict(paired_difference(10, 20, 100)) == pytest.approx(dict(-found))
    assert paired_difference(0, 200, 200).low == -1.0


# Newcombe, Statistics in Medicine 17 (1998), 873, table II, example (a) by method 10: 56/70 − 48/80 is 0.2, interval
# 0.0524 to 0.3339.
def test_the_difference_of_two_independent_accuracies_is_newcombes_worked_example():
    first, second = (proportion(hits / count, count) for hits, count in ((56, 70), (48, 80)))
    found = difference_of(first, second)
    assert found.value == pytest.approx(0.2)
    assert found.interval == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_paired_mean_difference_is_scipys():
    first, second = np.random.default_rng(2).normal(loc=[[0.1], [0.0]], size=(2, 5000))
    found = paired_mean_difference(first, second)
    theirs = ttest_rel(first, second).confidence_interval(0.95)
    assert found.value == pytest.approx(float((first - second).mean()))
    assert found.interval == pytest.approx((theirs.low, theirs.high), rel=1e-2)


# Holm's procedure on 0.01, 0.04, 0.03, 0.005, as R's p.adjust gives it: 0.03, 0.06, 0.06, 0.02.
def test_p_values_are_adjusted_by_holms_procedure():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04]


def test_the_interval_of_a_mean_over_trainings_is_scipys_and_equal_values_say_nothing_of_others():
    values = [0.921, 0.925, 0.93, 0.918, 0.929]
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    found = t_interval(np.array(values))
    assert found.value == pytest.approx(np.mean(values))
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert t_interval(np.array([0.005, 0.005, 0.005])).interval == (-np.inf, np.inf)


# Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988): power 0.80 at the two-sided 5 % level for
# one mean of paired differences; the same as G*Power's: d = 0.5 takes 34 pairs, d = 0.8 takes 15, d = 0.2 takes 199.
@pytest.mark.parametrize(("effect", "count"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_the_trainings_to_settle_are_those_of_the_paired_t_test_s_power(effect, count):
    assert required_sample_size(effect * 0.003, 0.003) == count
    assert required_sample_size(-effect * 0.003, 0.003) == count


def test_no_number_settles_what_is_no_difference_or_has_no_known_spread():
    assert required_sample_size(0.0, 0.01) is None
    assert required_sample_size(1e-6, 0.01) is None
    assert required_sample_size(0.01, 0.0) is None
