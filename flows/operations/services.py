"""The services that scheduled runs need: a Prefect server, its deployments, the web pages and a worker.

python -m flows.operations.services server|deploy|worker|stop      # as `make` calls it

The server's database and all logs are in `data/prefect/`. A service is found by a variable in its environment, which
its children inherit; so no file can name a process that is another one by now.
"""

import argparse
import contextlib
import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from flows.environment import PREFECT_HOME as HOME
from flows.environment import URL, settle_environment
from flows.operations.crashed_runs import mark_crashed_runs
from flows.operations.processes import SERVICE_ENV, find_service, terminate, wait_until
from flows.operations.server_client import (
    OUR_FLOWS,
    deployments,
    is_reachable,
    list_all,
    request,
    seconds_of,
)
from tasks.pipeline import PROJECT
from tasks.pipeline.errors import RunError, UserError, describe
from tasks.pipeline.staging import write_whole

PORT = HOME / "port"  # the server's last one
POOL = "fashion-mnist"
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


class Service(NamedTuple):
    """A program that runs until it is stopped."""

    command: str  # a Python module and its arguments
    health: Callable[[str], float]  # of its URL: a number that grows when it becomes ready
    port_offset: int = 0  # from the server's port


HOST = socket.gethostname()
SERVICES = {  # in the order in which they are stopped
    "worker": Service(
        f"prefect worker start --pool {POOL} --type process --name {HOST}", lambda url: last_seen(url, HOST)
    ),
    "server": Service(
        "prefect server start --host 127.0.0.1 --port {port}", lambda url: is_reachable(f"{url}/api/health")
    ),
    "pages": Service("http.server --bind 127.0.0.1 --directory {reports} {port}", is_reachable, port_offset=1),
}


def enter_project() -> dict[str, str]:
    """Be the deployments' pull step: a run's code is the clone that its worker's environment belongs to."""
    os.chdir(PROJECT)
    return {"directory": str(PROJECT)}


def start_server() -> str:
    """Start the server on 127.0.0.1, and one for the pages of `reports/` at the next port, unless they run.

    Raises:
        UserError: a port is not a number, or taken, or the server runs at another one.
        RunError: one of them did not start.
    """
    ports = {name: _port() + SERVICES[name].port_offset for name in ("server", "pages")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    current = _api_of("server").removesuffix("/api")
    if current not in ("", urls["server"]):
        raise UserError(f"the server already runs at {current}; to use another port, run `make stop` first")
    missing = [name for name in ports if not find_service(name)]
    for name in missing:
        _check_is_free(ports[name])
    settings = {"PREFECT_SERVER_API_PORT": str(ports["server"]), URL: f"{urls['server']}/api", PAGES_URL: urls["pages"]}
    (PROJECT / "reports").mkdir(exist_ok=True)
    for name in missing:
        _start(name, urls[name], settings)
        if name == "server":  # cron and the next shell do not know the port that was given
            write_whole(PORT, str(ports[name]).encode())
    return f"Prefect's server {'is running' if 'server' in missing else 'was already running'}: {urls['server']}"


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
    flows = {flow["id"]: flow["name"] for flow in list_all(url, "flows", flows=OUR_FLOWS)}
    return f"Deployed to {url}: " + ", ".join(f"{flows[one['flow_id']]}/{one['name']}" for one in found)


def start_worker() -> str:
    """Start a worker for the pool, unless one runs; return where its log is, and which runs were found dead.

    Raises:
        RunError: the server does not answer, or the worker did not start.
    """
    log, url = HOME / "worker.log", server_url()
    if find_service("worker"):
        its = _api_of("worker")
        return "\n".join([*mark_crashed_runs(its), f"The worker was already running for {its}; log: {log}"])
    mark_crashed_runs(url, pending=True)
    _start("worker", url, {URL: url})
    return f"The worker is running; log: {log}"


def stop() -> str:
    """End what was started here: the worker with its runs, which the server is told, then the server."""
    url, ended = _api_of("worker"), []
    for name in SERVICES:
        if terminate(partial(find_service, name), at_once=name == "worker"):  # a run that is killed loses nothing
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
    if not is_reachable(f"{url}/health"):
        raise RunError(f"no Prefect API answers at {url} (the address ends in /api); start a server with `make server`")
    return url


def last_seen(url: str, name: str | None = None) -> float:
    """Return the last heartbeat of the worker of this name, or of any, in seconds since 1970; 0 if there is none."""
    try:
        workers = list_all(url, f"work_pools/{POOL}/workers")
    except FileNotFoundError:  # there is no pool yet
        return 0.0
    seen = [worker["last_heartbeat_time"] for worker in workers if name in (None, worker["name"])]
    return max(map(seconds_of, filter(None, seen)), default=0.0)


def _api_of(service: str) -> str:
    """Return the API in a running service's environment."""
    return next(filter(None, (environment.get(URL) for environment in find_service(service).values())), "")


def _start(name: str, url: str, settings: dict[str, str]) -> None:
    """Start a service and wait until it is ready."""
    service, values = SERVICES[name], {"port": url.rpartition(":")[2], "reports": PROJECT / "reports"}
    before = service.health(url)
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *(word.format(**values) for word in service.command.split())],
            cwd=PROJECT,
            env={
                **ENVIRONMENT,
                **os.environ,
                **settings,
                SERVICE_ENV: f"{name} of {PROJECT}",
                "PYTHONPATH": str(PROJECT),
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it outlives this terminal
        )
    wait_until(
        lambda: process.poll() is not None or service.health(url) > before,
        START_TIMEOUT,
        f"Starting the {name} (first run: about 10 s)" if name == "server" else f"Starting the {name}",
    )
    if process.poll() is not None or service.health(url) <= before:
        process.kill()  # else the next call would find it and take it for ready
        raise RunError(f"the {name} did not start; see {HOME / f'{name}.log'}")


def _check_is_free(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        why = "reserved by the system" if error.errno == errno.EACCES else "in use by another program"
        raise UserError(f"port {port} is {why}; choose another: make server PORT=…") from error


def _port() -> int:
    """Return the port that was given, or else the last one."""
    last = PORT.read_text() if PORT.exists() else ""
    given = os.environ.get("PORT") or last or "4200"
    if not given.isdigit() or not 0 < int(given) < 65535:
        raise UserError(f"PORT must be a number from 1 to 65534 (got {given})")
    return int(given)


def rotate_logs() -> None:
    """Keep logs from filling the disk over the years: services append, so a log can be emptied under them."""
    for log in HOME.glob("*.log"):
        if log.stat().st_size > MAX_LOG:
            with contextlib.suppress(OSError):  # without room for the old content, it goes
                shutil.copy(log, log.with_suffix(".log.old"))
            os.truncate(log, 0)


COMMANDS = {"server": start_server, "deploy": deploy, "worker": start_worker, "stop": stop}


def main() -> None:
    """Run the commands that the arguments name, in this order; exit at the first that fails."""
    parser = argparse.ArgumentParser(prog="python -m flows.operations.services")
    parser.add_argument("names", nargs="+", choices=COMMANDS)
    names = parser.parse_args().names
    settle_environment()
    try:
        rotate_logs()
        for name in names:
            print(COMMANDS[name]())
    except (RunError, UserError, OSError) as error:
        print(f"error: {describe(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_status", 1))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
