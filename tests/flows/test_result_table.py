"""What a run ends with, at a terminal and elsewhere."""

import pytest

from flows.result_table import numbers, summary, verdict
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.run_records import recorded
from tasks.settings.settings import Settings

ROWS = {
    "dropout": {"test_accuracy": 0.9331, "gap": 0.03, "parameters": 503_690, "training_seconds": 492.4},
    "baseline": {"test_accuracy": 0.925, "gap": 0.0297, "parameters": 2_076_554, "training_seconds": 31.2},
    "logistic": {"test_accuracy": 0.94, "gap": 0.01, "parameters": 7_850, "training_seconds": 2.0},
}
SENTENCE = "Keep the dropout network: 93.33% on validation, next best baseline-like networks with 92.52%, and so on."


def report(tmp_path, *names, **others):
    rows = {name: ROWS[name] for name in names}
    found = {"winner": names[0], "verdict": [SENTENCE], "warning": None, "caution": None, "networks": rows}
    return Artifact(tmp_path, {"summary": found | others})


@pytest.fixture
def settings(tmp_path):
    """Settings of a run that is recorded, and whose winner's model is kept."""
    settings = Settings(data_dir=tmp_path / "data")
    with recorded(settings.data_dir, command=settings.command, recipe=settings.run_name) as record:
        record.node("prepare", "k0", True, {"why": "new", "seconds": 1.0})
        record.node("train[dropout]", "0123456789abcdef", False, {"why": "new", "seconds": 3.0})
        record.end("completed")
    model = settings.data_dir / "train" / "dropout-0123456789abcdef" / "model.keras"
    model.parent.mkdir(parents=True)
    model.touch()
    return settings


@pytest.mark.parametrize(
    ("up_to_date", "line"),
    [(False, "Done: 1 of 2 steps ran, 1 reused (2 min 5 s)."), (True, "Up to date: 2 of 2 steps reused (2 min 5 s).")],
)
def test_it_says_last_where_page_and_model_are_and_what_was_done(settings, tmp_path, up_to_date, line):
    page = tmp_path / "latest.html"
    text = summary(report(tmp_path, "dropout", "baseline"), settings, page, 125.0, up_to_date, None)
    lines = text.splitlines()
    assert lines[:2] == ["", SENTENCE]
    model = settings.data_dir / "train" / "dropout-0123456789abcdef" / "model.keras"
    assert lines[-3:] == [f"Report: {page}", f"Model:  {model}", line]
    assert "\N{NO-BREAK SPACE}" not in text


def test_without_a_record_it_says_how_long_it_took_and_names_no_model(tmp_path):
    text = summary(report(tmp_path, "dropout"), Settings(data_dir=tmp_path), tmp_path / "a.html", 3.0, False, None)
    assert text.endswith("\nDone (3.0 s).")
    assert "Model:" not in text


def test_at_a_terminal_sentences_are_wrapped_and_the_winner_is_bold(settings, tmp_path, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    given = report(tmp_path, "dropout", "baseline", "logistic"), settings, tmp_path / "latest.html", 1.0, False, 80
    text = summary(*given)
    assert "Keep the \033[1mdropout\033[0m network: 93.33%" in text
    assert text.count("\033[1m") == 2  # there, and in its row
    plain = text.replace("\033[1m", "").replace("\033[0m", "")
    assert max(map(len, plain.splitlines()[:-3])) <= 80
    monkeypatch.setenv("NO_COLOR", "1")
    assert summary(*given) == plain


def test_of_three_networks_the_table_says_how_each_compares_with_the_winner(tmp_path):
    rows = numbers(report(tmp_path, "dropout", "baseline", "logistic"))
    assert [row["vs dropout"] for row in rows] == ["", "−0.81", "0.69"]
    assert "vs dropout" not in numbers(report(tmp_path, "dropout", "baseline"))[0]
    assert (rows[0]["parameters"], rows[0]["training"]) == ("0.50 M", "8 min 12 s")


def test_a_search_and_a_study_say_whose_numbers_they_show(settings, tmp_path):
    of_study = {"study": "seed", "networks": {"dropout": {"validation_accuracy": 0.9, **ROWS["dropout"]}}}
    page = tmp_path / "latest.html"
    text = summary(report(tmp_path, "dropout", **of_study), settings, page, 1.0, False, None)
    assert "\nEach network's means over its seeds (gap: " in text
    trial = {"validation_accuracy": 0.9, "parameters": 1, "training_seconds": 1.0}
    of_search = {"study": "trial", "winner": "trial 2", "networks": {"trial 2": trial}}
    text = summary(report(tmp_path, "dropout", **of_search), settings, page, 1.0, False, None)
    assert "\nValidation accuracy of the best trials\ntrial    validation  parameters  training\n" in text


def test_what_undercuts_a_verdict_comes_after_it_and_a_warning_is_called_so(tmp_path):
    given = report(tmp_path, "dropout", warning="The test set contradicts this choice.", caution="Few images.")
    assert verdict(given) == [SENTENCE, "Warning: The test set contradicts this choice.", "Few images."]
