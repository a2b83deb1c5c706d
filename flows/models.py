"""Which nodes train and evaluate what is to be compared."""

from tasks.evaluate import evaluate
from tasks.evaluation import xgboost as xgboost_evaluation
from tasks.pipeline.node import Node
from tasks.train import train
from tasks.training import xgboost as xgboost_training
from tasks.training.xgboost import XGBOOST


def trainer(name: str) -> Node:
    """Return the node that trains it."""
    return xgboost_training.train if name == XGBOOST else train


def evaluator(name: str) -> Node:
    """Return the node that evaluates it."""
    return xgboost_evaluation.evaluate if name == XGBOOST else evaluate
