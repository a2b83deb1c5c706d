"""The rule that decides everywhere which network to keep: in a run, a study, a search.

A difference counts if the 95% interval of the paired difference on the validation images (in a study: of the paired
means) excludes zero. Candidates that no such difference separates from the most accurate one are tied with it, and of
those the one with the fewest parameters wins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tasks.evaluation.models import Estimate
from tasks.formatting import join_words, percent, size
from tasks.training.xgboost import XGBOOST

RULE = (
    "The highest validation accuracy wins. A candidate is tied with it if the 95% interval of their paired difference "
    "includes zero; the smallest of the tied candidates wins."
)


@dataclass(frozen=True)
class Choice:
    """What the rule decides."""

    winner: str
    ranking: list[str]  # the winner first, the others by accuracy
    tied: list[str]  # the most accurate first; empty if it has no equal


def network_called(name: str) -> str:
    """Return a network as a sentence has it: the dropout network, the xgboost model."""
    return f"the {name} {'model' if name == XGBOOST else 'network'}"


def choose(
    accuracy: Mapping[str, float],
    parameters: Mapping[str, int],
    difference: Callable[[str, str], Estimate],
    size_decides: bool = True,
) -> Choice:
    """Apply the rule to candidates' validation accuracies, their sizes, and the difference of any two, first - second.

    XGBoost's trees have no parameters that compare with a network's, so size decides only among candidates of the most
    accurate one's kind. Where the evidence is so little that anything ties, `size_decides` is false.
    """
    order = sorted(accuracy, key=lambda name: (-accuracy[name], parameters[name], name))
    tied = [order[0], *(name for name in order[1:] if not difference(order[0], name).significant)]
    comparable = [name for name in tied if (name == XGBOOST) == (order[0] == XGBOOST)]
    smallest = min(comparable, key=lambda name: (parameters[name], order.index(name)))
    winner = smallest if size_decides else order[0]
    return Choice(winner, [winner, *(name for name in order if name != winner)], tied if len(tied) > 1 else [])


def headline(
    choice: Choice,
    accuracy: Mapping[str, float],
    parameters: Mapping[str, int],
    evidence: str,
    named: Callable[[str], str] = network_called,
    among: str = "",
) -> str:
    """Return what to keep, and of what; `evidence` is what decided, such as "6,000 validation images"."""
    winner, second = choice.ranking[:2]
    if choice.tied:
        apart = f"{evidence} cannot tell {join_words(choice.tied)} apart"
        return f"Tie: {apart}. Keep {named(winner)}{_why(choice, parameters)}."
    other = f"{second} {percent(accuracy[second])}"
    best = "" if len(choice.ranking) == 2 else "next best "
    keep = f"Of {among}, keep" if among else "Keep"
    return f"{keep} {named(winner)}: {percent(accuracy[winner])} on validation, {best}{other}."


def _why(choice: Choice, parameters: Mapping[str, int]) -> str:
    leader, winner = choice.tied[0], choice.winner
    if winner != leader:
        both = size(parameters[winner]), size(parameters[leader])
        of_leader = "" if len(choice.tied) == 2 else f"{leader}’s "
        return f" for its size ({both[0]} against {of_leader}{both[1]} parameters)"
    if XGBOOST in choice.tied:
        return ", the most accurate: sizes of trees and networks do not compare"
    others = [parameters[name] for name in choice.tied if name != winner]
    if min(others) < parameters[winner]:
        return ", the most accurate: there is too little evidence for a smaller one"
    smallest = parameters[winner] < min(others)
    return ", the most accurate and the smallest" if smallest else ", the most accurate; no other is smaller"
