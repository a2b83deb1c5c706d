"""Work that is done beside a run."""

import threading

import pytest

from tasks.pipeline.progress import Background


@pytest.mark.parametrize("without_news", [True, False])
def test_work_is_done_again_with_news_or_without_where_that_is_asked_for(without_news):
    times = [threading.Event() for _ in range(4)]
    left = iter(times)
    worker = Background("worker", lambda: next(left).set(), 0.1, without_news)
    worker.start()
    assert times[0].wait(10)
    worker.tell()
    assert times[1].wait(10)
    assert times[2].wait(1) == without_news
    worker.end()
