from flows.models import evaluator, trainer
from tasks.evaluation import xgboost as xgboost_evaluation
from tasks.settings.settings import parse_settings
from tasks.training import xgboost as xgboost_training


def test_trees_have_nodes_of_their_own_which_are_called_like_the_networks():
    nodes = trainer("xgboost"), evaluator("xgboost")
    assert nodes == (xgboost_training.train, xgboost_evaluation.evaluate)
    assert [node.label("xgboost") for node in nodes] == ["train[xgboost]", "evaluate[xgboost]"]


def test_what_says_nothing_of_trees_does_not_grow_them_again(artifact):
    def key(name, **settings):
        return trainer(name).cache_key(parse_settings(settings), name, {"prepare": artifact}).key

    assert key("xgboost") == key("xgboost", epochs=7, batch_size=9, precision="float32", seed=3)
    assert key("logistic") != key("logistic", epochs=7)
