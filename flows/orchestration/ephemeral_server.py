"""A Prefect API for a run: the configured server, or one of the run's own, which ends with it, however that ends.

Prefect would start one in a process, and leave it behind when the run is killed. Ours is a thread of the run's process.
Its socket is open before it starts, so that no other program can take the port in between.
"""

import contextlib
import contextvars
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from flows.environment import URL
from flows.operations.server_client import require_api
from tasks.pipeline.errors import RunError

KEPT = ("PREFECT_HOME", "PREFECT_LOGGING_")  # of the user's settings, or ours
DATABASE = "runs.db"
MAX_DATABASE = 1 << 26  # bytes; a run of all nodes adds 200,000
END_TIMEOUT = 5  # seconds that a server which is gone may delay the run's end


@contextlib.contextmanager
def prefect_api(folder: Path) -> Iterator[None]:
    """Have a Prefect API while the context lasts; a server of the run's own keeps its database in the folder.

    Raises:
        RunError: the configured server does not answer, or our own did not start.
    """
    url = os.environ.get(URL)
    if not url:
        with _own_server(folder):
            yield
        return
    try:
        require_api(url)
    except RunError as error:
        raise RunError(f"{error}; start one there, or run without it: PREFECT_API_URL= make run") from error
    yield
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    with contextlib.suppress(RunError):  # what waits to be sent is lost otherwise: the process exits without it
        require_api(url)
        APILogHandler().flush()
        logging.getLogger("EventsWorker").setLevel(logging.ERROR)  # that some are left is why it is drained
        EventsWorker.drain_all(timeout=END_TIMEOUT)


@contextlib.contextmanager
def _own_server(folder: Path) -> Iterator[None]:
    for name in [n for n in os.environ if n.startswith("PREFECT_") and not n.startswith(KEPT)]:
        del os.environ[name]  # settings for another server are not meant for this one
    import uvicorn
    from prefect import settings as known
    from prefect.server.api.server import create_app

    folder.mkdir(parents=True, exist_ok=True)
    _make_room(folder / DATABASE)
    listener = socket.create_server(("127.0.0.1", 0))
    its = {
        known.PREFECT_API_URL: f"http://127.0.0.1:{listener.getsockname()[1]}/api",
        known.PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{folder / DATABASE}",
        known.PREFECT_SERVER_ANALYTICS_ENABLED: False,
        **dict.fromkeys((known.PREFECT_SERVER_API_AUTH_STRING, known.PREFECT_API_AUTH_STRING, known.PREFECT_API_KEY)),
    }
    with known.temporary_settings(its):
        # Why it does not start, it would say with a traceback.
        how = uvicorn.Config(create_app(ephemeral=True), log_config=None, log_level="critical", lifespan="on")
        server, within = uvicorn.Server(how), contextvars.copy_context()  # with these settings
        thread = threading.Thread(target=within.run, args=(server.run, [listener]), daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                why = f"its disk is full, or {folder / DATABASE} is damaged; free some space, or delete that file"
                raise RunError(f"the run's own Prefect server did not start: {why}")
            time.sleep(0.05)
        yield


def _make_room(database: Path) -> None:
    """Start a new database where it has grown large."""
    if database.exists() and database.stat().st_size > MAX_DATABASE:
        for file in database.parent.glob(f"{database.name}*"):  # SQLite keeps two more beside it
            file.unlink(missing_ok=True)
