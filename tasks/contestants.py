"""Contestants: which nodes train and evaluate what is to be compared."""

from tasks import boosting
from tasks.evaluate import evaluate
from tasks.networks import TREES
from tasks.node import Node
from tasks.train import train


def trainer(name: str) -> Node:
    """Return the node that trains it."""
    return boosting.train if name == TREES else train


def evaluator(name: str) -> Node:
    """Return the node that evaluates it."""
    return boosting.evaluate if name == TREES else evaluate
