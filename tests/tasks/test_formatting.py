import pytest

from tasks.formatting import caution, count, duration, in_unit, join_words, p_value, percent, points, size


def test_shares_are_shown_with_two_decimals_and_a_real_minus():
    assert percent(0.9211) == "92.11%"
    assert [points(share) for share in (-0.0123, -0.00001, 0.0, -0.0002)] == ["−1.23", "0.00", "0.00", "−0.02"]


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_p_value_has_two_digits_and_a_small_one_a_bound():
    shown = ["p = 1", "p = 0.051", "p = 0.001", "p < 0.001"]
    assert [plain(p_value(p)) for p in (1.0, 0.051, 0.001, 2.84e-7)] == shown


def test_large_numbers_are_rounded():
    numbers = (18_595_200, 2_076_554, 503_690, 28_938, 4_972, 7)
    assert [plain(size(number)) for number in numbers] == ["18.6 M", "2.1 M", "0.50 M", "29 k", "4,972", "7"]


def test_a_time_is_given_in_the_units_that_people_use():
    times = (0.04, 9.94, 9.96, 59.4, 59.6, 492.4, 7512)
    shown = ["0.0 s", "9.9 s", "10 s", "59 s", "60 s", "8 min 12 s", "2 h 5 min"]
    assert [plain(duration(seconds)) for seconds in times] == shown


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0359, "points", "3.59"),
        (0.20973, "nats", "0.2097"),
        (2_076_554, "", "2.1\N{NO-BREAK SPACE}M"),
        (492.4, "s", "8\N{NO-BREAK SPACE}min\N{NO-BREAK SPACE}12\N{NO-BREAK SPACE}s"),
        (24_960_000, "bytes", "24.96"),
    ],
)
def test_a_figure_has_the_digits_that_its_unit_deserves(value, unit, shown):
    assert in_unit(value, unit) == shown


def test_names_are_listed_as_in_a_sentence():
    names = ([], ["a"], ["a", "b"], ["a", "b", "c"], list("abcdef"))
    assert [join_words(of) for of in names] == ["", "a", "a and b", "a, b and c", "a, b, c and 3 others"]


def test_things_of_any_number_are_called_so():
    assert [count(12_345), count(0), count(None)] == ["12,345", "0", "any"]


def test_all_that_a_reader_must_know_is_told_in_one_paragraph():
    assert caution(None, 60_000) is None
    assert caution(60_000, 60_000) is None
    told = caution(400, 60_000, "tiny")
    assert told == (
        "This run used only 400 of the 60,000 training images; with all of them, accuracies and ranking could change. "
        "Results of tiny are not reproducible: it uses randomness without a seed, or state that Keras does not track."
    )
