from dataclasses import replace

import pytest

from tasks.pipeline.cache_key import digest_of, versions_of
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


def test_values_are_digested_by_their_canonical_json():
    assert digest_of({"b": [1, 2], "a": None}) == digest_of({"a": None, "b": [1, 2]})
    assert len({digest_of(value) for value in (1, 1.5, "1", None, [1], {"1": 1}, True)}) == 7


def test_versions_are_those_of_the_installed_libraries():
    import numpy as np

    assert versions_of(("numpy",)) == {"numpy": np.__version__}
