import pytest

from tasks.formatting import caution, count, in_unit, join_words, p_value, percent, points


def test_shares_are_shown_with_two_decimals_and_a_real_minus():
    assert percent(0.9211) == "92.11\N{NO-BREAK SPACE}%"
    assert points(-0.0123) == "−1.23"
    assert points(0.0) == "0.00"


def test_a_difference_that_rounds_to_nothing_has_no_sign():
    assert [points(share) for share in (-0.00001, 0.0, -0.0002)] == ["0.00", "0.00", "−0.02"]


def test_a_small_p_value_is_a_power_of_ten():
    assert [p_value(p) for p in (1.0, 0.051, 0.001)] == ["1", "0.051", "0.001"]
    assert p_value(2.84e-7).replace("\N{NO-BREAK SPACE}", " ") == "2.8 × 10⁻⁷"
    assert p_value(1e-120).replace("\N{NO-BREAK SPACE}", " ") == "1.0 × 10⁻¹²⁰"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0359, "points", "3.59"),
        (0.20973, "nats", "0.2097"),
        (2_076_554, "", "2,076,554"),
        (24_960_000, "bytes", "24.96"),
    ],
)
def test_a_figure_has_the_digits_that_its_unit_deserves(value, unit, shown):
    assert in_unit(value, unit) == shown


def test_names_are_listed_as_in_a_sentence():
    assert [join_words(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_things_of_any_number_are_called_so():
    assert [count(12_345), count(0), count(None)] == ["12,345", "0", "any"]


def test_all_that_a_reader_must_know_is_told_in_one_paragraph():
    assert caution(None, 60_000) is None
    assert caution(60_000, 60_000) is None
    told = caution(400, 60_000, "tiny")
    assert told.startswith("Only 400 of the 60,000 training images were used: ")
    assert told.endswith(
        "be others. Results of tiny are not reproducible: it draws without a seed, or keeps values that "
        "Keras does not know."
    )
