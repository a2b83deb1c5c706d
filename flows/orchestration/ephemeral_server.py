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
from collections.abc import Iterator
from pathlib import Path

from flows.environment import URL
from flows.operations.server_client import is_reachable, require_api
from tasks.pipeline.errors import RunError

KEPT = ("PREFECT_HOME", "PREFECT_LOGGING_")  # of the user's settings, or ours
DATABASE = "runs.db"
MAX_DATABASE = 1 << 26  # bytes; a run of all nodes adds 200,000
START_TIMEOUT = 180  # seconds: the first start makes the database, 20 s on a slow machine
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
    if is_reachable(f"{url}/health"):
        _flush()


@contextlib.contextmanager
def _own_server(folder: Path) -> Iterator[None]:
    for name in [n for n in os.environ if n.startswith("PREFECT_") and not n.startswith(KEPT)]:
        del os.environ[name]  # settings for another server are not meant for this one
    from prefect import settings as known

    folder.mkdir(parents=True, exist_ok=True)
    _make_room(folder / DATABASE)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
    its = {
        known.PREFECT_API_URL: url,
        known.PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{folder / DATABASE}",
        known.PREFECT_SERVER_ANALYTICS_ENABLED: False,
        **dict.fromkeys((known.PREFECT_SERVER_API_AUTH_STRING, known.PREFECT_API_AUTH_STRING, known.PREFECT_API_KEY)),
    }
    errors: list[str] = []
    with known.temporary_settings(its):
        within = contextvars.copy_context()  # with these settings
        threading.Thread(target=within.run, args=(_serve, listener, errors), daemon=True).start()
        # The socket listens already, so one request waits for the server by itself.
        if not is_reachable(f"{url}/health", START_TIMEOUT):
            reasons = [line for error in errors for line in error.splitlines() if "Error: " in line]
            reason = reasons[-1] if reasons else f"no answer in {START_TIMEOUT} s; if this machine is busy, run again"
            raise RunError(f"the run's own Prefect server, with its data in {folder}, did not start ({reason})")
        try:
            yield
        finally:
            logging.disable()  # Prefect reports, with a traceback, each write that its end puts off


def _make_room(database: Path) -> None:
    """Start a new database where it has grown large."""
    if database.exists() and database.stat().st_size > MAX_DATABASE:
        for file in database.parent.glob(f"{database.name}*"):  # SQLite keeps two more beside it
            file.unlink(missing_ok=True)


def _serve(listener: socket.socket, errors: list[str]) -> None:
    """Serve until the process ends; if that does not start, add why to the errors and close the socket."""
    try:
        import uvicorn
        from prefect.server.api.server import create_app

        reports = logging.Handler(logging.ERROR)
        reports.emit = lambda record: errors.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("uvicorn.error").addHandler(reports)
        logging.getLogger("uvicorn.error").propagate = False
        app = create_app(ephemeral=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on")).run(sockets=[listener])
    except BaseException as error:  # uvicorn ends with SystemExit if its application does not start
        errors.append(f"{type(error).__name__}: {error}")
    finally:
        listener.close()


def _flush() -> None:
    """Send a server that is kept the events and logs that wait: the process exits without them."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    logging.getLogger("EventsWorker").setLevel(logging.ERROR)  # that some are left is why it is drained
    APILogHandler().flush()
    EventsWorker.drain_all(timeout=END_TIMEOUT)
