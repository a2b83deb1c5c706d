"""A Prefect API for a run: the configured one, or a server of the run's own that ends with it, however it ends.

Prefect would start such a server itself, but leaves it behind when the run is killed. Ours listens on a port that the
system picks, is handed the open socket (so that no other program can take the port in between), and ends when its
standard input closes.
"""

import contextlib
import http.client
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from flows.server_api import answers
from tasks.pipeline import PROJECT
from tasks.pipeline.errors import RunError
from tasks.pipeline.progress import watchers

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

LABEL = "Prefect server"
PATIENCE = 180  # seconds: the first start makes the database, 20 s on a slow machine
IMPATIENCE = 5  # seconds that a server which is gone may keep the run's end waiting

_own: list["subprocess.Popen[bytes]"] = []


def is_temporary() -> bool:
    """Tell whether the server goes with the run: then nobody can look at it afterwards."""
    return bool(_own)


@contextlib.contextmanager
def prefect_api() -> Iterator[Callable[[], None]]:
    """Have a Prefect API while the context lasts; what it gives waits until the API answers.

    Raises:
        RunError: the configured server does not answer, or (from what waits) our own did not start.
    """
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    no_heartbeat = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}  # the run's end would wait for its next second
    if url := PREFECT_API_URL.value():
        _insist_on_an_answer(url)
        with temporary_settings(no_heartbeat):
            yield lambda: None
            _tell_what_is_left(url)
        return
    for watcher in watchers:
        watcher.started(LABEL, "no server is configured")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server, own = _started(listener), f"http://127.0.0.1:{port}/api"
    _own.append(server)
    try:
        with temporary_settings({PREFECT_API_URL: own, **no_heartbeat}):
            yield lambda: _wait_for_health(port, server)
            _tell_what_is_left(own)
    finally:
        _own.remove(server)
        server.terminate()
        try:
            server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()


def _started(listener: socket.socket) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "flows.temporary_server", str(listener.fileno())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=[listener.fileno()],
        start_new_session=True,
        env={
            **os.environ,
            "PYTHONPATH": str(PROJECT),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT__SERVER_EPHEMERAL": "1",
        },
    )


def _tell_what_is_left(url: str) -> None:
    """Send the server, if it is still there, what it has not been told yet: a run that ends leaves at once."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    if not answers(f"{url}/health"):
        return
    logging.getLogger("EventsWorker").setLevel(logging.ERROR)  # that some are left is why it is drained
    APILogHandler().flush()
    EventsWorker.drain_all(timeout=IMPATIENCE)


def _insist_on_an_answer(url: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_API_REQUEST_TIMEOUT: 10.0}),
        get_client(sync_client=True) as client,
    ):
        fault = client.api_healthcheck() or _other_program(client)
    if fault:
        raise RunError(
            f"no Prefect 3 server answers at {url} (PREFECT_API_URL; {type(fault).__name__}): "
            "start one there, or unset it to run without one"
        ) from fault


def _other_program(client: "SyncPrefectClient") -> Exception | None:
    """Return what shows that something else answers, or another Prefect."""
    try:
        client.raise_for_api_version_mismatch()
    except Exception as error:
        return error
    return None


def _wait_for_health(port: int, server: subprocess.Popen[bytes]) -> None:
    """Ask until it is healthy: the socket listens already, so each question waits for the server by itself."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/api/health")
        healthy = connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        healthy = False
    finally:
        connection.close()
    if not healthy:
        raise RunError(f"the temporary Prefect server did not start (status {server.poll()}); its error is above")
    for watcher in watchers:
        watcher.ended(LABEL, f"at http://127.0.0.1:{port} while the run lasts")


def _serve(descriptor: int) -> None:
    import uvicorn
    from prefect.server.api.server import create_app

    class Server(uvicorn.Server):
        def handle_exit(self, *signal: Any) -> None:
            logging.disable()  # Prefect tells, with a traceback, each write that its end puts off
            super().handle_exit(*signal)

    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    listener = socket.socket(fileno=descriptor)
    Server(uvicorn.Config(create_app, factory=True, log_level="error", lifespan="on")).run(sockets=[listener])


def _end_with_the_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
