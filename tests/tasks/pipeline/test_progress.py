"""Progress at a terminal: a line a step, with how it ended and why it ran."""

import logging

from tasks.pipeline.progress import Event, TerminalReporter, log_reporter, took


def test_a_step_has_one_line_which_fits_the_terminal_and_a_failure_is_in_full(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    with TerminalReporter() as reporter:
        reporter(Event("ended", "prepare", "cached"))
        reporter(Event("started", "train[dropout]", "epochs 1 → 2"))
        reporter(Event("advanced", "train[dropout]", "epoch 1/2 · validation accuracy 0.9000", 1, 2))
        reporter(Event("ended", "train[dropout]", took(59.7)))
        reporter(Event("started", "compare", "input evaluate[baseline] changed; input evaluate[dropout] changed"))
        reporter(Event("ended", "compare", took(1)))
        reporter(Event("started", "report", "new"))
        reporter(Event("failed", "report", "report: no room\nand more"))
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("✓", "✗"))]
    assert lines == [
        "✓ prepare             cached",
        "✓ train[dropout]      done in 1 min 0 s (epochs 1 → 2)",
        "✓ compare             done in 1.0 s (input evaluate[baselin…",
        "✗ report              no room",
    ]


def test_the_log_has_a_line_for_start_milestone_and_end(caplog):
    reporter = log_reporter(logging.getLogger("run"))
    with caplog.at_level("INFO"):
        reporter(Event("started", "train[dropout]", "new"))
        reporter(Event("advanced", "train[dropout]", "batch 7", 1, 4))
        reporter(Event("advanced", "train[dropout]", "epoch 2/4", 2, 4, milestone=True))
        reporter(Event("ended", "train[dropout]", took(3)))
    said = ("started (new)", "50%, epoch 2/4", "done in 3.0 s")
    assert [record.getMessage() for record in caplog.records] == [f"train[dropout]: {text}" for text in said]
