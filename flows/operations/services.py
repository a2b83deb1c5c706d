"""The services that scheduled runs need: a Prefect server, its deployments, the web pages and a worker.

python -m flows.operations.services server|deploy|worker|stop      # as `make` calls it

The server's database and all logs are in `data/prefect/`. A service is found by a variable in its environment, which
its children inherit; so no file can name a process that is another one by now.
"""

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from rich.console import Console

from flows.environment import PREFECT_HOME as HOME
from flows.environment import URL, settle_environment
from flows.operations.crashed_runs import FLOW_RUN_ID_ENV, mark_crashed_runs
from flows.operations.processes import SERVICE_ENV, find_service, kill_service
from flows.operations.server_client import deployments, find, request, require_api, seconds_of
from tasks.pipeline import PROJECT
from tasks.pipeline.errors import RunError, UserError, describe, reason
from tasks.pipeline.staging import write_whole

PORT = HOME / "port"  # the server's last one
POOL = "fashion-mnist"
HOST = socket.gethostname()
PAGES_URL = "FASHION_MNIST_PAGES_URL"  # where a browser finds reports/: in the environment of the pages' server
START_TIMEOUT = 180  # seconds: the first start makes the database
MAX_LOG = 20 << 20  # bytes
ENVIRONMENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",  # else the database grows for ever
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_WORKER_QUERY_SECONDS": "2",  # how late a run may start
    "PREFECT_LOGGING_COLORS": "false",
    "NO_COLOR": "1",
}


def enter_project() -> dict[str, str]:
    """Be the deployments' pull step: a run's code is the clone that its worker's environment belongs to."""
    os.chdir(PROJECT)
    return {"directory": str(PROJECT)}


def start_server() -> str:
    """Start the server on 127.0.0.1, and one for the pages of `reports/` at the next port, unless they run.

    Raises:
        UserError: a port is not a number, or taken.
        RunError: one of them did not start.
    """
    port = _port()
    server, pages = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
    settings = {"PREFECT_SERVER_API_PORT": str(port), URL: f"{server}/api", PAGES_URL: pages}
    running = _api_of("server")
    (PROJECT / "reports").mkdir(exist_ok=True)
    for name, its_port, command in (
        ("server", port, f"prefect server start --host 127.0.0.1 --port {port}"),
        ("pages", port + 1, f"http.server --bind 127.0.0.1 --directory reports {port + 1}"),
    ):
        if not find_service(name):
            try:
                socket.create_server(("127.0.0.1", its_port)).close()
            except OSError as error:
                why = f"port {its_port}: {reason(error).lower()}"
                raise UserError(f"{why}; choose another: make server PORT=…") from error
            _start(name, command, settings, partial(listens, its_port))
            if name == "server":
                write_whole(PORT, str(port).encode())  # cron and the next shell do not know the port that was given
    if running:
        return f"Prefect's server was already running: {running.removesuffix('/api')}"
    return f"Prefect's server is running: {server}"


def deploy() -> str:
    """Put work pool, deployments and schedules on the server, as `prefect.yaml` has them now.

    Raises:
        RunError: the server does not answer, or Prefect refuses something.
    """
    url = server_url()
    with contextlib.suppress(RunError):  # it is there already
        request(url, "work_pools/", {"name": POOL, "type": "process"})
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    environment = {**ENVIRONMENT, **os.environ, URL: url}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunError(f"`prefect deploy --all` failed:\n{(done.stdout + done.stderr).strip()}")
    found = deployments(url)
    for deployment in found:
        # Prefect's own schema accepts any other parameter, and the run then fails.
        schema = deployment["parameter_openapi_schema"]
        schema["propertyNames"] = {"enum": list(schema["properties"])}
        request(url, f"deployments/{deployment['id']}", {"parameter_openapi_schema": schema}, "PATCH")
    return f"Deployed to {url}: {', '.join(deployment['name'] for deployment in found)}"


def start_worker() -> str:
    """Start a worker for the pool, unless one runs; return where its log is, and which runs were found dead.

    Raises:
        RunError: the server does not answer, or the worker did not start.
    """
    log, running = HOME / "worker.log", _api_of("worker")
    if running:
        return "\n".join([*mark_crashed_runs(running), f"The worker was already running for {running}; log: {log}"])
    url = server_url()
    mark_crashed_runs(url, pending=True)
    before = last_seen(url, HOST)
    command = f"prefect worker start --pool {POOL} --type process --name {HOST}"
    _start("worker", command, {URL: url}, lambda: last_seen(url, HOST) > before)
    return f"The worker is running; log: {log}"


def stop() -> str:
    """Stop what was started here: the worker with its runs, which the server records, then the server."""
    url, ended = _api_of("worker") or _api_of("server"), []
    for name in ("worker", "server", "pages"):
        if kill_service(name):
            ended.append(name)
        if name == "worker" and url:
            with contextlib.suppress(RunError):  # the server is away: the next worker reports them
                mark_crashed_runs(url, pending=True, stopped=True)
    return f"Stopped: {', '.join(ended)}" if ended else "Nothing was running."


def server_url() -> str:
    """Return the API that `PREFECT_API_URL` names, or else that of the server or the worker that was started here.

    Raises:
        RunError: there is none, or it does not answer.
    """
    url = os.environ.get(URL) or _api_of("server") or _api_of("worker")
    if not url:
        raise RunError("no Prefect server is running here: start one with `make server`, or set PREFECT_API_URL")
    require_api(url)
    return url


def last_seen(url: str, name: str | None = None) -> float:
    """Return the last heartbeat of the worker of this name, or of any, in seconds since 1970; 0 if there is none."""
    try:
        workers = find(url, f"work_pools/{POOL}/workers")
    except FileNotFoundError:  # there is no pool yet
        return 0.0
    seen = [worker["last_heartbeat_time"] for worker in workers if name in (None, worker["name"])]
    return max(map(seconds_of, filter(None, seen)), default=0.0)


def _api_of(service: str) -> str:
    """Return the API in a running service's environment; a run may outlive its worker for a moment, and is none."""
    found = (its for its in find_service(service).values() if FLOW_RUN_ID_ENV not in its)
    return next(filter(None, (its.get(URL) for its in found)), "")


def listens(port: int) -> bool:
    """Return whether something listens at a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def _start(name: str, command: str, settings: dict[str, str], is_ready: Callable[[], bool]) -> None:
    """Start a Python module as a service, and wait until it is ready."""
    HOME.mkdir(parents=True, exist_ok=True)
    log = HOME / f"{name}.log"
    ours = {**settings, SERVICE_ENV: f"{name} of {PROJECT}", "PYTHONPATH": str(PROJECT)}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command.split()],
            cwd=PROJECT,
            env={**ENVIRONMENT, **os.environ, **ours},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it outlives this terminal
        )
    what = f"Starting the {name}{' (first run: about 10 s)' if name == 'server' else ''}"
    began = time.monotonic()
    with Console(stderr=True).status(what):  # at a terminal
        while not is_ready():
            if process.poll() is not None or time.monotonic() - began > START_TIMEOUT:
                process.kill()  # else the next call would find it and take it for ready
                raise RunError(f"the {name} did not start; see {log}")
            time.sleep(0.1)


def _port() -> int:
    """Return the port that was given, or else the last one."""
    given = os.environ.get("PORT") or (PORT.read_text() if PORT.exists() else "4200")
    if not given.isdigit() or not 0 < int(given) < 65535:
        raise UserError(f"PORT must be a number from 1 to 65534 (got {given})")
    return int(given)


def empty_logs() -> None:
    """Keep logs from filling the disk over the years: services append, so a log can be emptied under them."""
    for log in HOME.glob("*.log"):
        if log.stat().st_size > MAX_LOG:
            os.truncate(log, 0)


COMMANDS = {"server": start_server, "deploy": deploy, "worker": start_worker, "stop": stop}


def main() -> None:
    """Run the command that the argument names."""
    parser = argparse.ArgumentParser(prog="python -m flows.operations.services")
    parser.add_argument("name", choices=COMMANDS)
    name = parser.parse_args().name
    settle_environment()
    try:
        empty_logs()
        print(COMMANDS[name]())
    except (RunError, UserError, OSError) as error:
        print(f"error: {describe(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_status", 1))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
