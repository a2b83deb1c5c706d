import os

import pytest

from tasks.pipeline.reading import printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("größe 3.txt", "größe 3.txt"),
        ("60\N{NO-BREAK SPACE}%", "60\N{NO-BREAK SPACE}%"),
        ("a\ntrain keep", r"a\ntrain keep"),
        ("\x1b[31mred", r"\x1b[31mred"),
        (os.fsdecode(b"\xff.txt"), r"\udcff.txt"),
        ("left\u202eright", r"left\u202eright"),
    ],
)
def test_a_name_is_shown_on_one_line_in_any_encoding(name, shown):
    assert printable(name) == shown
