import pytest

from tasks.report import live as module
from tasks.report.live import LivePage

EPOCHS = [
    {
        "epoch": n,
        "accuracy": 0.8,
        "validation_accuracy": 0.7,
        "loss": 0.5,
        "validation_loss": 0.6,
        "learning_rate": 0.001,
    }
    for n in (1, 2)
]


@pytest.fixture
def live(tmp_path):
    with LivePage(tmp_path, ["download", "train[baseline]", "train[dropout]"]) as live:
        yield live


def test_it_stands_from_the_beginning_with_every_node(live):
    page = live.path.read_text()
    assert [page.index(label) for label in live.nodes] == sorted(page.index(label) for label in live.nodes)
    assert page.count(">waits<") == 3


def test_it_shows_how_far_each_node_is(live):
    live.ended("download", "kept, verified")
    live.started("train[dropout]", "epochs 20 → 30")
    assert "epochs 20 → 30" in live.path.read_text()
    live.advanced("train[dropout]", 1.5, 6, "epoch 2/6 · loss 0.4", True)
    page = live.path.read_text()
    assert "✓ done" in page
    assert 'value="0.250"' in page
    assert "epoch 2/6 · loss 0.4" in page


def test_the_curves_of_every_training_are_drawn_as_far_as_they_are(live):
    assert "<svg" not in live.path.read_text()
    live.advanced("train[dropout]", 1, 2, "epoch 1/2", True, EPOCHS[:1])
    live.advanced("train[baseline]", 2, 2, "epoch 2/2", True, EPOCHS)
    page = live.path.read_text()
    assert page.count("<svg") == 3
    assert "baseline: 0.7 at the last of 2 epochs; dropout: 0.7 at the last of 1 epochs" in page


def test_what_is_no_milestone_is_not_written_at_once(live, monkeypatch):
    live.advanced("train[dropout]", 1, 2, "batch 1", False)
    assert "batch 1" not in live.path.read_text()
    monkeypatch.setattr(module, "EVERY", 0.0)
    live.advanced("train[dropout]", 1, 2, "batch 2", False)
    assert "batch 2" in live.path.read_text()


def test_a_run_that_failed_is_told_so_and_the_page_is_not_loaded_again(live):
    live.failed("train[dropout]", "the loss is nan", "")
    assert 'id="hold"' in live.path.read_text()
    live.end("failed")
    page = live.path.read_text()
    assert "The run has failed" in page
    assert "the loss is nan" in page
    assert 'id="hold"' not in page
    assert "<script" not in page


def test_a_run_that_is_stopped_is_told_so(tmp_path):
    with pytest.raises(KeyboardInterrupt), LivePage(tmp_path, ["download"]):
        raise KeyboardInterrupt
    assert "The run has stopped" in (tmp_path / "live.html").read_text()


def test_a_node_that_was_not_announced_is_shown_too(live):
    live.started("Prefect server", "not running")
    assert "Prefect server" in live.path.read_text()


def test_a_folder_that_cannot_be_written_does_not_fail_the_run(tmp_path, caplog):
    (tmp_path / "reports").write_text("not a folder")
    with LivePage(tmp_path / "reports", ["download"]) as live:
        live.ended("download", "kept")
    assert caplog.text.count("live.html cannot be written") == 1
