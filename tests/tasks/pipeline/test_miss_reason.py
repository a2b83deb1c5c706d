from dataclasses import asdict, replace

import pytest

from tasks.pipeline.miss_reason import differences, why_not_made
from tests.conftest import CACHE_KEY, produce


def changed(**parts):
    return replace(CACHE_KEY, **parts)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"settings": {"seed": 3, "limit": None}}, ["seed 0 → 3"]),
        ({"settings": {"seed": 0}}, ["limit removed"]),
        ({"settings": {"seed": 0, "limit": None, "epochs": 3}}, ["epochs added"]),
        ({"versions": {"numpy": "2.2"}}, ["numpy 2.1 → 2.2"]),
        ({"code": {"tasks/prepare.py": "c2"}}, ["code: tasks/prepare.py changed"]),
        ({"settings": {"seed": 3, "limit": None}, "inputs": {}}, ["seed 0 → 3", "input download removed"]),
    ],
    ids=str,
)
def test_each_difference_is_told_in_words(parts, told):
    assert differences(asdict(CACHE_KEY), asdict(changed(**parts))) == told


def test_the_most_similar_artifact_is_what_it_is_held_against(store):
    store.make(changed(settings={"seed": 1, "limit": 7}, versions={"numpy": "2.2"}), produce)
    store.make(changed(settings={"seed": 1, "limit": None}), produce)
    assert why_not_made(store, CACHE_KEY) == "seed 1 → 0"


def test_another_networks_artifact_and_a_damaged_manifest_explain_nothing(store):
    made, _ = store.make(changed(node="train", network="baseline"), produce)
    assert why_not_made(store, changed(node="train", network="dropout")) == "new"
    (made.folder / "manifest.json").write_text("{")
    assert why_not_made(store, changed(node="train", network="baseline", code={})) == "new"


def test_many_differences_are_counted(store, artifact):
    other = changed(settings={"seed": 1, "limit": 2}, versions={"numpy": "3"}, code={}, inputs={})
    assert why_not_made(store, other) == "limit none → 2; seed 0 → 1; numpy 2.1 → 3; and 2 more"
