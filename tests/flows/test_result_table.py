"""What a run ends with, at a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from flows.result_table import numbers, print_summary
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.run_records import recorded
from tasks.settings.settings import Settings

ROWS = {
    "dropout": {"test_accuracy": 0.9331, "gap": 0.03, "parameters": 503_690, "training_seconds": 492.4},
    "baseline": {"test_accuracy": 0.925, "gap": 0.0297, "parameters": 2_076_554, "training_seconds": 31.2},
    "logistic": {"test_accuracy": 0.94, "gap": 0.01, "parameters": 7_850, "training_seconds": 2.0},
}
USE = {"path": "data/train/m", "snippet": None, "predict": "predict.py", "export": "export.py", "tta": "none"}
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


@pytest.fixture
def printed(tmp_path):
    """Print a summary, in a file or at a terminal, and return it."""

    def printed(artifact, settings, up_to_date=False, **console):
        file = io.StringIO()
        print_summary(artifact, settings, tmp_path / "page.html", 125.0, up_to_date, Console(file=file, **console))
        return file.getvalue()

    return printed


def test_it_says_last_where_page_and_model_are_how_to_use_it_and_what_was_done(settings, tmp_path, printed):
    text = printed(report(tmp_path, "dropout", "baseline", use=USE), settings)
    model = settings.data_dir / "train" / "dropout-0123456789abcdef" / "model.keras"
    lines = text.splitlines()
    assert lines[:2] == ["", SENTENCE]
    done = "Done: 1 of 2 steps ran, 1 reused (2 min 5 s)."
    places = [f"Report: {tmp_path / 'page.html'}", f"Model:  {model}"]
    folder = f"--data-dir {settings.data_dir}"
    assert lines[-5:] == [*places, f"Use:    predict.py {folder}", f"Export: export.py {folder}", done]
    again = printed(report(tmp_path, "dropout", "baseline"), settings, up_to_date=True)
    assert again.endswith("\nUp to date: 2 of 2 steps reused (2 min 5 s).\n")
    unknown = printed(report(tmp_path, "dropout"), Settings(data_dir=tmp_path / "no record"))
    assert "Model:" not in unknown
    assert unknown.endswith("\nDone (2 min 5 s).\n")


def test_at_a_terminal_sentences_are_wrapped_the_winner_bold_and_others_compared_with_it(settings, tmp_path, printed):
    artifact = report(tmp_path, "dropout", "baseline", "logistic")
    text = printed(artifact, settings, force_terminal=True, width=80)
    assert "Keep the \033[1mdropout\033[0m network: 93.33%" in text
    assert text.count("\033[1m") == 3  # there, in its row and in the legend
    plain = text.replace("\033[1m", "").replace("\033[0m", "")
    assert max(map(len, plain.splitlines()[:-3])) <= 80
    assert plain.split() == printed(artifact, settings).split()
    assert [row["vs dropout"] for row in numbers(artifact)] == ["", "−0.81", "0.69"]
    assert "vs dropout" not in printed(report(tmp_path, "dropout", "baseline"), settings)


def test_a_search_and_a_study_say_whose_numbers_they_show(settings, tmp_path, printed):
    of_study = {"study": "seed", "networks": {"dropout": {"validation_accuracy": 0.9, **ROWS["dropout"]}}}
    assert "\nEach network's means over its seeds (gap: " in printed(report(tmp_path, "dropout", **of_study), settings)
    trial = {"validation_accuracy": 0.9, "parameters": 1, "training_seconds": 1.0}
    of_search = {"study": "trial", "winner": "trial 2", "networks": {"trial 2": trial}}
    text = printed(report(tmp_path, "dropout", **of_search), settings)
    assert "\nValidation accuracy of the best trials\ntrial    validation  parameters  training\n" in text
