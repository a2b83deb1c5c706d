import pytest

from tasks.formatting import count, duration, in_unit, join_words, p_value, percent, points, size


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ([percent(0.9211)], ["92.11%"]),
        (map(points, (-0.0123, -0.00001, 0.0)), ["−1.23", "0.00", "0.00"]),
        (map(p_value, (1.0, 0.051, 2.84e-7)), ["p = 1", "p = 0.051", "p < 0.001"]),
        (map(size, (18_595_200, 503_690, 28_938, 4_972)), ["18.6 M", "0.50 M", "29 k", "4,972"]),
        (map(duration, (9.94, 9.96, 59.6, 492.4, 7512)), ["9.9 s", "10 s", "60 s", "8 min 12 s", "2 h 5 min"]),
        (
            [in_unit(0.0359, "points"), in_unit(0.20973, "nats"), in_unit(24_960_000, "bytes")],
            ["3.59", "0.2097", "24.96"],
        ),
        (map(join_words, (["a"], ["a", "b"], list("abcdef"))), ["a", "a and b", "a, b, c and 3 others"]),
        (map(count, (12_345, None)), ["12,345", "any"]),
    ],
)
def test_numbers_and_names_are_written_as_people_read_them(shown, expected):
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text in shown] == expected
