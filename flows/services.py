"""What scheduled runs need around them: a Prefect server, the deployments on it, a worker; started, found and ended.

python -m flows.services server|deploy|worker|stop      # as `make` calls it

The server's database and both logs lie in `data/prefect/`. What was started carries a mark in its environment, which
all that it starts inherits; so it is found again, and ended, without a file that could name another process by then.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tasks.artifacts.identity import PROJECT
from tasks.errors import RunError, UserError

HOME = PROJECT / "data" / "prefect"
POOL = "fashion-mnist"
MARK = "FASHION_MNIST_SERVICE"  # "<service> of <project>"
PAGES_URL = "FASHION_MNIST_PAGES_URL"  # where a browser finds reports/, told to the worker and so to its runs
START_WITHIN = 180  # seconds: the first start makes the database
STOP_WITHIN = 20  # seconds for what is told to end, before it is killed
ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
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
    """Have a server on 127.0.0.1, and one for the pages of `reports/` at the next port; return where it is.

    Raises:
        UserError: its port is not a number, or taken.
        RunError: it did not start.
    """
    if running("server"):
        return f"the server already runs: {_ui()}"
    port = _port()
    for wanted in (port, port + 1):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", wanted))
            except OSError as error:
                raise UserError(
                    f"port {wanted} is taken by another program; choose another: make server PORT=…"
                ) from error
    (PROJECT / "reports").mkdir(exist_ok=True)
    pages = ("http.server", "--bind", "127.0.0.1", "--directory", str(PROJECT / "reports"), str(port + 1))
    _start("pages", pages, {})
    settings = {"PREFECT_HOME": str(HOME), "PREFECT_SERVER_API_PORT": str(port), "PREFECT_API_URL": _url(port)}
    process = _start("server", ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)), settings)
    _wait_for(process, "server", lambda: _answers(f"{_url(port)}/health"))
    return f"the server runs: {_ui()}"


def deploy() -> str:
    """Put work pool, deployments and schedules on the server, as `prefect.yaml` has them now.

    Raises:
        RunError: the server does not answer, or Prefect refuses something.
    """
    url = server_url()
    try:
        ask(url, f"work_pools/{POOL}")
    except FileNotFoundError:
        _prefect(url, "work-pool", "create", POOL, "--type", "process")
    _prefect(url, "deploy", "--all")
    found = deployments(url)
    for deployment in found:
        # Prefect's own schema lets any other parameter pass, for the run to fail on.
        schema = deployment["parameter_openapi_schema"]
        schema["propertyNames"] = {"enum": list(schema["properties"])}
        ask(url, f"deployments/{deployment['id']}", {"parameter_openapi_schema": schema}, "PATCH")
    return f"deployed to {url}: " + ", ".join(f"fashion-mnist/{deployment['name']}" for deployment in found)


def start_worker() -> str:
    """Have a worker for the pool; return where its log is.

    Raises:
        RunError: the server does not answer, or the worker did not start.
    """
    log = HOME / "worker.log"
    if running("worker"):
        return f"the worker already runs; its log: {log}"
    url = server_url()
    began = time.time()
    pages = {PAGES_URL: f"http://127.0.0.1:{_port_of_server() + 1}"} if running("pages") else {}
    name = socket.gethostname()
    command = ("prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", name)
    process = _start("worker", command, {"PREFECT_API_URL": url, **pages})
    _wait_for(process, "worker", lambda: _seen(url, name) >= began)
    return f"the worker runs; its log: {log}"


def stop() -> str:
    """End what was started here, the worker with its runs before the server that hears of them."""
    ended = []
    for service in ("worker", "server", "pages"):
        processes = running(service)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in running(service):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)
            deadline = time.monotonic() + STOP_WITHIN
            while running(service) and time.monotonic() < deadline:
                time.sleep(0.1)
        ended += [service] if processes else []
    return f"ended: {', '.join(ended)}" if ended else "nothing runs"


def running(service: str) -> dict[int, dict[str, str]]:
    """Return the processes of a service of this project, and what they have started, each with its environment."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            parts = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            environment = dict(part.split("=", 1) for part in parts if "=" in part)
            if environment.get(MARK) == _mark(service):
                found[int(folder.name)] = environment
    return found


def server_url() -> str:
    """Return the API that `PREFECT_API_URL` names, or that of the server which `make server` started.

    Raises:
        RunError: there is none, or it does not answer.
    """
    url = os.environ.get("PREFECT_API_URL") or (_url(_port_of_server()) if running("server") else "")
    if not url:
        raise RunError("no Prefect server runs here: start one with `make server`, or name one in PREFECT_API_URL")
    if not _answers(f"{url}/health"):
        raise RunError(f"no Prefect server answers at {url}; start one with `make server`")
    return url


def deployments(url: str) -> list[dict[str, Any]]:
    """Return this project's deployments, as the server knows them."""
    return ask(url, "deployments/filter", {"flows": {"name": {"any_": ["fashion-mnist"]}}, "sort": "NAME_ASC"})


def ask(url: str, path: str, content: Any = None, method: str | None = None) -> Any:
    """Return what the server's API answers.

    Raises:
        FileNotFoundError: it knows no such thing.
        RunError: it refuses, or does not answer.
    """
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(  # noqa: S310 (the address is the user's own)
        f"{url}/{path}", data=body, headers={"Content-Type": "application/json"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            told = response.read()
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise FileNotFoundError(path) from error
        raise RunError(
            f"the Prefect server at {url} refuses {path}: {error.read().decode(errors='replace')}"
        ) from error
    except OSError as error:
        raise RunError(f"no Prefect server answers at {url} ({getattr(error, 'reason', error)})") from error
    return json.loads(told) if told else None


def _start(service: str, command: tuple[str, ...], settings: dict[str, str]) -> "subprocess.Popen[bytes]":
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"{service}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=PROJECT,
            env={**ENVIRONMENT, **os.environ, **settings, MARK: _mark(service)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it outlives this terminal
        )


def _wait_for(process: "subprocess.Popen[bytes]", service: str, ready: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not ready():
        if process.poll() is not None or time.monotonic() - began > START_WITHIN:
            raise RunError(f"the {service} did not start; see {HOME / f'{service}.log'}")
        if sys.stderr.isatty():
            print(f"\rthe {service} starts: {time.monotonic() - began:.0f} s", end="", file=sys.stderr, flush=True)
        time.sleep(0.2)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _prefect(url: str, *arguments: str) -> None:
    """Run a command of Prefect's, quietly if it ends well."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    environment = {**ENVIRONMENT, **os.environ, "PREFECT_API_URL": url}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunError(f"`prefect {' '.join(arguments)}` failed:\n{(done.stdout + done.stderr).strip()}")


def _seen(url: str, name: str) -> float:
    """Return when the server has last seen the worker of that name, in seconds since 1970; 0 if never."""
    with contextlib.suppress(FileNotFoundError):  # the worker makes the pool where there is none
        for worker in ask(url, f"work_pools/{POOL}/workers/filter", {}):
            if worker["name"] == name and worker["last_heartbeat_time"]:
                from datetime import datetime

                return datetime.fromisoformat(worker["last_heartbeat_time"]).timestamp()
    return 0.0


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as response:  # noqa: S310 (as in `ask`)
            return response.status == 200
    except OSError:
        return False


def _mark(service: str) -> str:
    return f"{service} of {PROJECT}"


def _port() -> int:
    given = os.environ.get("PORT") or "4200"
    if not given.isdigit() or not 0 < int(given) < 65535:
        raise UserError(f"PORT is {given!r}: give a number from 1 to 65534")
    return int(given)


def _port_of_server() -> int:
    return int(next(iter(running("server").values()))["PREFECT_SERVER_API_PORT"])


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/api"


def _ui() -> str:
    return _url(_port_of_server()).removesuffix("/api")


SERVICES = {"server": start_server, "deploy": deploy, "worker": start_worker, "stop": stop}


def main() -> NoReturn:
    """Do what the arguments name, one after the other, and exit."""
    for name in sys.argv[1:]:
        try:
            print(SERVICES[name]())
        except (RunError, UserError) as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(error.exit_status)
    sys.exit(0)


if __name__ == "__main__":
    main()
