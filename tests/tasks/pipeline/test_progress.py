"""Work that is done beside a run."""

import threading

from tasks.pipeline.progress import Background


def test_work_is_done_again_and_again_until_its_end():
    times = [threading.Event() for _ in range(3)]
    left = iter(times)
    worker = Background("worker", lambda: next(left, threading.Event()).set(), 0.01)
    worker.start()
    assert all(time.wait(10) for time in times)
    worker.end()
    assert not worker.thread.is_alive()
