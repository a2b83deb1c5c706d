import json
import shutil

import numpy as np
import pytest

from tasks.challenge import decide, judge_challenger
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.champions import champions, promote
from tests.programs import ON_THE_FIXTURE, run_main

pytestmark = pytest.mark.slow

LABELS = np.repeat(np.arange(10), 100)
CLASSES = [f"class {number}" for number in range(10)]
LOGISTIC = ("--networks", "logistic", "--epochs", "40")
CHALLENGED = (*ON_THE_FIXTURE, "--challenge", "yes", *LOGISTIC, "--max-class-drop", "0.5")


def correct(wrong_of_class):
    """Which images are correct, with so many wrong of each class."""
    found = np.ones(1000, bool)
    for label, wrong in wrong_of_class.items():
        found[100 * label : 100 * label + wrong] = False
    return found


@pytest.mark.parametrize(
    ("challenger", "champion", "bounds", "why"),
    [
        ({0: 5, 1: 6}, {0: 20, 1: 5}, (), "is 1.40 points above the champion’s, old (95% CI 0.60 to 2.20)."),
        ({0: 5}, {0: 8}, (), "; that is within noise."),
        (
            {0: 25},
            {0: 5},
            (),
            "is 2.00 points below the champion’s, old (95% CI 1.11 to 2.88); that is significantly lower; "
            "0.10 points are required; ",
        ),
        ({0: 5}, {0: 25}, (0.03, 0.02), "; 3.00 points are required."),
        ({0: 0, 7: 3}, {0: 30}, (), "; recall of class 7 would drop by 3.00 points."),
    ],
)
def test_what_is_clearly_better_and_nowhere_much_worse_becomes_the_champion(challenger, champion, bounds, why):
    both = correct(challenger), correct(champion)
    found = judge_challenger("new", "old", CLASSES, *both, LABELS, *(bounds or (0.001, 0.02)))
    reason = found["reason"].replace("\N{NO-BREAK SPACE}", " ")
    assert found["promoted"] == reason.startswith("new becomes the champion: its validation accuracy is ")
    assert found["promoted"] == (why == "is 1.40 points above the champion’s, old (95% CI 0.60 to 2.20).")
    assert why in reason


def test_a_loss_of_exactly_the_tolerance_is_no_more_than_it():
    champions_correct, correct = np.arange(600) < 510, np.arange(600) < 498
    decision = judge_challenger("new", "old", ["a"], correct, champions_correct, np.zeros(600, int), 0, 0.02)
    assert decision["worst_loss"] == 0.02
    assert "would drop" not in decision["reason"]


def evaluation(tmp_path, training, images="images"):
    inputs = {"prepare": images, "train": training}
    return Artifact(tmp_path / f"dropout-{training}", {"digest": training, "cache_key": {"inputs": inputs}})


@pytest.mark.parametrize(
    ("of_champion", "to_beat", "promoted", "reason"),
    [
        (None, {}, True, "dropout is the first champion: there was none to beat."),
        (
            None,
            {"network": "old", "evaluate": "dropout-b", "command": "C"},
            False,
            "old: its evaluation is gone; rebuild it with C.",
        ),
        (None, {"network": "old", "evaluate": "dropout-a"}, False, "dropout is already the champion."),
        (("b", "others"), {"network": "old", "evaluate": "b"}, False, "old: it was validated on other images."),
        (None, {"rolled_back": ["a"]}, False, "was rolled back, so it does not become the champion again."),
    ],
)
def test_without_a_champion_to_compare_with_the_reason_says_what_follows(
    tmp_path, of_champion, to_beat, promoted, reason
):
    prepare = Artifact(tmp_path, {"digest": "images"})
    in_use = evaluation(tmp_path, *of_champion) if of_champion else None
    found = decide("dropout", evaluation(tmp_path, "a"), prepare, in_use, {"rolled_back": [], **to_beat})
    assert found["promoted"] == promoted
    assert found["reason"].endswith(reason)


def test_a_run_challenges_the_champion_and_a_rollback_puts_it_back(finished_run, server, receiver, tmp_path):
    data = shutil.copytree(finished_run / "data", tmp_path / "data")
    (evaluated,) = (data / "evaluate").glob("baseline-*")
    train = Artifact.at(evaluated).manifest["cache_key"]["inputs"]["train"]
    known = {"network": "baseline", "evaluate": evaluated.name, "train": train, "reason": "first"}
    promote(data, None, **known, recipe="fast", command="python flows/main.py")
    address, got, _ = receiver
    environment = server.environment | {"FASHION_MNIST_WEBHOOK": address}
    done = run_main(tmp_path, server._replace(environment=environment), *CHALLENGED)
    assert done.returncode == 0, done.stderr
    verdict = json.loads(max((tmp_path / "reports").glob("*T*.json")).read_text())["verdict"]
    assert "logistic becomes the champion: its validation accuracy is " in verdict["challenge"]
    assert [of.network for of in champions(data).champions] == ["baseline", "logistic"]
    assert [of["event"] for of in got] == ["champion promoted"]
    rolled = run_main(tmp_path, None, "--rollback")
    assert rolled.stdout.startswith(
        "Champion restored: baseline (fast). It replaces logistic (fast --networks logistic "
    )
    assert [of.network for of in champions(data).champions] == ["baseline"]
    assert run_main(tmp_path, None, "--rollback").returncode == 2
    pruned = run_main(tmp_path, None, "--prune", "1").stdout
    assert evaluated.name not in pruned, "the champion's evaluation is needed, however old"
