from dataclasses import replace

import pytest

from tests.conftest import CACHE_KEY


@pytest.mark.parametrize(
    "change",
    [
        {"node": "validate"},
        {"network": "dropout"},
        {"settings": {"seed": 1, "limit": None}},
        {"settings": {"seed": 0}},
        {"inputs": {"download": "d2"}},
        {"code": {"tasks/prepare.py": "c2"}},
        {"versions": {"numpy": "2.2"}},
    ],
    ids=str,
)
def test_the_key_changes_with_each_part_of_the_identity(change):
    assert replace(CACHE_KEY, **change).key != CACHE_KEY.key


def test_the_key_is_the_same_in_every_process_and_release():
    assert CACHE_KEY.key == "fa7f5f39fe177af7"
