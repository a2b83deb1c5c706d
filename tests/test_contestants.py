import pytest

from tasks import boosting
from tasks.contestants import evaluator, trainer
from tasks.fields import CONTESTANTS
from tasks.networks import NETWORKS
from tasks.pipeline.errors import UserError
from tasks.settings import parse_settings


def test_trees_have_nodes_of_their_own_which_are_called_like_the_networks():
    for name in CONTESTANTS:
        nodes = trainer(name), evaluator(name)
        assert [node.label(name) for node in nodes] == [f"train[{name}]", f"evaluate[{name}]"]
        assert [node in (boosting.train, boosting.evaluate) for node in nodes] == [name not in NETWORKS] * 2


def test_what_says_nothing_of_trees_does_not_grow_them_again(data_set, artifact):
    def key(name, **settings):
        return trainer(name).cache_key(parse_settings(settings), name, {"prepare": artifact}).key

    assert key("xgboost") == key("xgboost", epochs=7, batch_size=9, precision="float32", seed=3)
    assert key("logistic") != key("logistic", epochs=7)


def test_trees_are_refused_where_their_library_is_not_installed(monkeypatch):
    monkeypatch.setattr("tasks.settings.TREES_FROM", "nobody-has")
    with pytest.raises(UserError, match=r"nobody-has is not installed; .* pip install '.\[xgboost\]'"):
        parse_settings({"networks": "baseline,xgboost"})
