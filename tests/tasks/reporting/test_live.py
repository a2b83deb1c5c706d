import pytest

from tasks.pipeline.progress import Event
from tasks.reporting import live as module
from tasks.reporting.live import LivePage
from tests.programs import wait_until
from tests.tasks.reporting.conftest import EPOCHS


@pytest.fixture
def live(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.05)
    with LivePage(tmp_path, ["download", "train[baseline]", "train[dropout]"]) as live:
        yield live


def page_with(live, *texts):
    """Return the page as soon as all this stands on it."""

    def stands():
        return live.path.exists() and all(text in live.path.read_text() for text in texts)

    wait_until(stands, 20, lambda: live.path.read_text()[-3000:])
    return live.path.read_text()


def test_it_shows_every_node_how_far_it_is_and_the_curves_of_every_training(live):
    page = page_with(live, "</html>")
    assert [page.index(label) for label in live.nodes] == sorted(page.index(label) for label in live.nodes)
    assert page.count(">waiting<") == 3
    assert "<svg" not in page
    live(Event("ended", "download", "reused"))
    live(Event("started", "Prefect server", "new"))
    live(Event("advanced", "train[dropout]", "epoch 1/2 · loss 0.4", 1, 4, True, EPOCHS[:1]))
    live(Event("advanced", "train[baseline]", "epoch 2/2", 2, 2, True, EPOCHS))
    page_with(live, "✓ done", "Prefect server", 'value="0.250"', "epoch 1/2 · loss 0.4")
    page = page_with(live, "baseline: 70 at the last of 2 epochs; dropout: 70 at the last of 1 epochs")
    assert page.count("<svg") == 2


def test_of_a_run_that_failed_it_says_so_and_nothing_is_written_after_that(live):
    live(Event("failed", "train[dropout]", "the loss is nan"))
    page_with(live, 'id="hold"', "the loss is nan")
    live.end("failed")
    page = live.path.read_text()
    assert "The run has failed" in page
    assert "the loss is nan" in page
    assert "location.reload" not in page
    live(Event("advanced", "train[baseline]", "what a dead worker still had to say", 1, 2, True, EPOCHS))
    assert not live.thread.is_alive()
    assert live.path.read_text() == page


def test_of_a_run_that_is_stopped_it_says_so(tmp_path):
    with pytest.raises(KeyboardInterrupt), LivePage(tmp_path, ["download"]):
        raise KeyboardInterrupt
    assert "The run has stopped" in (tmp_path / "live.html").read_text()


def test_a_page_that_cannot_be_written_does_not_fail_the_run(tmp_path, caplog):
    (tmp_path / "reports").write_text("not a folder")
    with LivePage(tmp_path / "reports", ["train[dropout]"]) as live:
        wait_until(lambda: not live.thread.is_alive(), 20)
    assert caplog.text.count("live.html cannot be written: [Errno 20] Not a directory") == 1
