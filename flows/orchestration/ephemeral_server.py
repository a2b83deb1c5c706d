"""A Prefect API for a run: the configured one, or a server of the run's own, which ends with it, however that ends.

Prefect would start one in a process, and leave it behind when the run is killed. Ours is a thread of the run's process.
It serves a socket that is open before it starts, so that no other program can take the port in between.
"""

import contextlib
import contextvars
import logging
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from flows.environment import URL
from flows.operations.server_client import answers
from tasks.pipeline.errors import RunError
from tasks.pipeline.progress import Event, to_all, watchers
from tasks.pipeline.reading import open_regular
from tasks.pipeline.staging import Locked, lock, no_wait, remove

KEPT = ("PREFECT_HOME", "PREFECT_LOGGING_")  # of the user's settings, or ours
LABEL, DATABASE = "Prefect server", "runs.db"
LARGEST = 1 << 26  # bytes of the database, to which a run of all nodes adds 200,000
START_TIMEOUT = 180  # seconds: the first start makes the database, 20 s on a slow machine
END_TIMEOUT = 5  # seconds that a server which is gone may keep the run's end waiting

_own: list[threading.Thread] = []


def is_ephemeral() -> bool:
    """Tell whether the server goes with the run: then nobody can look at it afterwards."""
    return bool(_own)


@contextlib.contextmanager
def prefect_api(folder: Path) -> Iterator[Callable[[], None]]:
    """Have a Prefect API while the context lasts, a server of our own keeping its database in that folder.

    What it gives waits until the API answers.

    Raises:
        RunError: the configured server does not answer, or (from what waits) our own did not start.
    """
    url = os.environ.get(URL)
    if not url:  # what is set for another server is not meant for this one
        for name in [n for n in os.environ if n.startswith("PREFECT_") and not n.startswith(KEPT)]:
            del os.environ[name]
    from prefect import settings as known

    no_heartbeat = {known.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}  # the run's end would wait for its next second
    if url:
        _insist_on_an_answer(url)
        with known.temporary_settings(no_heartbeat):
            yield lambda: None
            _tell_what_is_left(url)
        return
    to_all(*watchers)(Event("started", LABEL, "no server is configured"))
    listener = socket.create_server(("127.0.0.1", 0))
    own = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
    database = {known.PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{folder / DATABASE}"}
    its = {known.PREFECT_API_URL: own, known.PREFECT_SERVER_ANALYTICS_ENABLED: False}
    its |= dict.fromkeys((known.PREFECT_SERVER_API_AUTH_STRING, known.PREFECT_API_AUTH_STRING, known.PREFECT_API_KEY))
    with known.temporary_settings(its | database | no_heartbeat), _database_at(folder / DATABASE):
        faults: list[str] = []
        within = contextvars.copy_context()  # with these settings
        server = threading.Thread(target=within.run, args=(_serve, listener, faults), name=LABEL, daemon=True)
        try:
            server.start()
        except RuntimeError as error:
            raise RunError(f"the run's own Prefect server did not start ({error}; see `ulimit -u`)") from error
        _own.append(server)
        try:
            yield lambda: _wait_for_health(own, faults)
            _tell_what_is_left(own)
        finally:
            _own.remove(server)
            logging.disable()  # Prefect reports, with a traceback, each write that its end puts off


@contextlib.contextmanager
def _database_at(path: Path) -> Iterator[None]:
    """Have the database for a run: from nothing where it has grown large, or is none, unless another run is at it."""
    with contextlib.suppress(Locked), lock(path, "room", no_wait):
        if not _is_usable(path):
            for file in path.parent.glob(f"{path.name}*"):
                remove(file)
    with lock(path, "a run", shared=True):
        yield


def _is_usable(path: Path) -> bool:
    its = path.parent.glob(f"{path.name}*")  # SQLite keeps two more beside it
    if not all(stat.S_ISREG(file.lstat().st_mode) for file in its):
        return False
    with contextlib.suppress(FileNotFoundError), open_regular(path) as file:
        return file.read(16) == b"SQLite format 3\0" and path.stat().st_size < LARGEST
    return False


def _serve(listener: socket.socket, faults: list[str]) -> None:
    """Serve until the process ends; where it does not start, say why and close the socket."""
    try:
        import uvicorn
        from prefect.server.api.server import create_app

        reports = logging.Handler(logging.ERROR)
        reports.emit = lambda record: faults.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("uvicorn.error").addHandler(reports)
        logging.getLogger("uvicorn.error").propagate = False
        app = create_app(ephemeral=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on")).run(sockets=[listener])
    except BaseException as error:  # uvicorn ends with SystemExit where its application does not start
        faults.append(f"{type(error).__name__}: {error}")
    finally:
        listener.close()


def _wait_for_health(url: str, faults: list[str]) -> None:
    """Ask until it is healthy: the socket listens already, so each question waits for the server by itself."""
    if not answers(f"{url}/health", START_TIMEOUT):
        reasons = [line for fault in faults for line in fault.splitlines() if "Error: " in line]
        raise RunError(f"the run's own Prefect server did not start ({reasons[-1] if reasons else 'no reason given'})")
    to_all(*watchers)(Event("ended", LABEL, f"at {url.removesuffix('/api')} while the run lasts"))


def _tell_what_is_left(url: str) -> None:
    """Send the server, if it is still there, what it has not been told yet: a run that ends leaves at once."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    if not answers(f"{url}/health"):
        return
    logging.getLogger("EventsWorker").setLevel(logging.ERROR)  # that some are left is why it is drained
    APILogHandler().flush()
    EventsWorker.drain_all(timeout=END_TIMEOUT)


def _insist_on_an_answer(url: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    once = {PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_API_REQUEST_TIMEOUT: 10.0}
    try:
        with temporary_settings(once), get_client(sync_client=True) as client:
            if fault := client.api_healthcheck():
                raise fault  # noqa: TRY301
            client.raise_for_api_version_mismatch()
    except Exception as error:  # nobody answers, or something else, or another Prefect
        raise RunError(
            f"no Prefect 3 server answers at {url} (named by PREFECT_API_URL or your Prefect profile; "
            f"{type(error).__name__}): start one there, or run with PREFECT_API_URL= to do without"
        ) from error
