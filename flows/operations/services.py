"""What scheduled runs need around them: a Prefect server, the deployments on it, a worker; started, found and ended.

python -m flows.operations.services server|deploy|worker|stop      # as `make` calls it

The server's database and all logs lie in `data/prefect/`. What was started carries a mark in its environment, which
all that it starts inherits; so it is found again, and ended, without a file that could name another process by then.
"""

import argparse
import contextlib
import errno
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from flows.environment import PREFECT_HOME as HOME
from flows.environment import settle_environment
from flows.operations.crashed_runs import CARRIED, end_run, mark_the_dead
from flows.operations.processes import MARK, command_of, end, mark_of, running, wait
from flows.operations.server_client import answers, ask, deployments, same_server, seconds_of
from tasks.pipeline import PROJECT
from tasks.pipeline.errors import RunError, UserError, describe

PORT = HOME / "port"  # the server's last one
POOL = "fashion-mnist"
PAGES_URL = "FASHION_MNIST_PAGES_URL"  # where a browser finds reports/: in the environment of who serves it
START_WITHIN = 180  # seconds: the first start makes the database
LOG_BYTES = 20 << 20  # of each log: what is over that becomes the old one
CANCEL_WITHIN = 30  # seconds for runs that are to be cancelled
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
    """Have a server on 127.0.0.1, and one for the pages of `reports/` at the next port; return where it is.

    Raises:
        UserError: its port is not a number, or taken.
        RunError: it did not start.
    """
    port, at = _port(), _api_of("server").removesuffix("/api")
    ui, pages = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
    if at not in ("", ui):
        raise UserError(f"the server already runs, at {at}; `make stop` it to have it at another port")
    ports = {"server": port, "pages": port + 1}
    missing = [service for service in ports if not running(service)]
    for service in missing:
        _insist_on_a_free(ports[service])
    if "server" in missing:
        command = f"prefect server start --host 127.0.0.1 --port {port}".split()
        its = {"PREFECT_SERVER_API_PORT": str(port), "PREFECT_API_URL": f"{ui}/api"}
        _start("server", command, its, lambda: answers(f"{ui}/api/health"))
        part = PORT.with_suffix(".part")
        part.write_text(str(port))  # cron and the next shell know nothing of the one that was given
        part.replace(PORT)
    if "pages" in missing:
        reports = PROJECT / "reports"
        reports.mkdir(exist_ok=True)
        command = ["http.server", "--bind", "127.0.0.1", "--directory", str(reports), str(port + 1)]
        _start("pages", command, {PAGES_URL: pages}, lambda: answers(pages))
    return f"the server {'' if 'server' in missing else 'already '}runs: {ui}"


def deploy() -> str:
    """Put work pool, deployments and schedules on the server, as `prefect.yaml` has them now.

    Raises:
        RunError: the server does not answer, or Prefect refuses something.
    """
    url = server_url()
    if not _has_pool(url):
        try:
            _prefect(url, "work-pool", "create", POOL, "--type", "process")
        except RunError:
            if not _has_pool(url):  # else a worker that waits for it has made it in this moment
                raise
    _prefect(url, "deploy", "--all")
    names = []
    for deployment in deployments(url):
        # Prefect's own schema lets any other parameter pass, for the run to fail on.
        schema = deployment["parameter_openapi_schema"]
        schema["propertyNames"] = {"enum": list(schema["properties"])}
        ask(url, f"deployments/{deployment['id']}", {"parameter_openapi_schema": schema}, "PATCH")
        flow = ask(url, f"flows/{deployment['flow_id']}")
        names.append(f"{flow['name']}/{deployment['name']}")
    return f"deployed to {url}: {', '.join(names)}"


def start_worker() -> str:
    """Have a worker for the pool; return where its log is, and which runs have died that it has not told of.

    Raises:
        RunError: the server does not answer, or the worker did not start.
    """
    log, url = HOME / "worker.log", server_url()
    for environment in _worker().values():
        if same_server(environment.get("PREFECT_API_URL"), url):
            return "\n".join([*mark_the_dead(url), f"the worker already runs; its log: {log}"])
        end(_worker)  # it asks a server that is elsewhere by now
    mark_the_dead(url, worker_starts=True)
    name = socket.gethostname()
    before = last_seen(url, name)
    command = f"prefect worker start --pool {POOL} --type process --name {name}".split()
    _start("worker", command, {"PREFECT_API_URL": url}, lambda: last_seen(url, name) > before)
    return f"the worker runs; its log: {log}"


def stop() -> str:
    """End what was started here: the runs, then their worker, then the server that hears of it all."""
    cancelled = _cancel_runs() if _worker() else {}
    if cancelled:
        wait(CANCEL_WITHIN, lambda: running("worker").keys() <= _worker().keys())
    ended = ["worker"] if end(partial(running, "worker")) else []
    with contextlib.suppress(RunError):  # the server is away: the next worker tells it
        for run, url in cancelled.items():
            end_run(url, run, "Cancelled", "make stop")  # unless the worker still has: that takes it some seconds
    ended += [service for service in ("server", "pages") if end(partial(running, service))]
    return f"ended: {', '.join(ended)}" if ended else "nothing runs"


def _cancel_runs() -> dict[str, str]:
    """Have the worker's runs cancelled, as a person does in Prefect's UI; return which, each with its server."""
    cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling", "message": "make stop"}}
    carried = {its[CARRIED]: its["PREFECT_API_URL"] for its in running("worker").values() if CARRIED in its}
    cancelled = {}
    for run, url in carried.items():
        with contextlib.suppress(RunError, FileNotFoundError):  # the server is away: they end with their worker
            ask(url, f"flow_runs/{run}/set_state", cancelling)
            cancelled[run] = url
    return cancelled


def _worker() -> dict[int, dict[str, str]]:
    """Return the worker's process, if there is one, with its environment: what it has started carries its mark too."""
    return {process: its for process, its in running("worker").items() if "worker start" in command_of(process)}


def _api_of(service: str) -> str:
    """Return the API that a service which runs was started with."""
    return next(filter(None, (its.get("PREFECT_API_URL") for its in running(service).values())), "")


def server_url() -> str:
    """Return the API that `PREFECT_API_URL` names, or that of the server or worker which was started here.

    Raises:
        RunError: there is none, or it does not answer.
    """
    url = os.environ.get("PREFECT_API_URL") or _api_of("server") or _api_of("worker")
    if not url:
        raise RunError("no Prefect server runs here: start one with `make server`, or name one in PREFECT_API_URL")
    if not answers(f"{url}/health"):
        raise RunError(f"no Prefect server's API answers at {url} (it ends in /api); start one with `make server`")
    return url


def _start(service: str, command: list[str], settings: dict[str, str], is_ready: Callable[[], bool]) -> None:
    """Start a service, and wait until it is ready."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"{service}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=PROJECT,
            env={**ENVIRONMENT, **os.environ, **settings, MARK: mark_of(service), "PYTHONPATH": str(PROJECT)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it outlives this terminal
        )
    began = time.monotonic()
    while not is_ready():
        if process.poll() is not None or time.monotonic() - began > START_WITHIN:
            process.kill()  # else it would be taken for one that runs
            raise RunError(f"the {service} did not start; see {HOME / f'{service}.log'}")
        if sys.stderr.isatty():
            print(f"\rthe {service} starts: {time.monotonic() - began:.0f} s", end="", file=sys.stderr, flush=True)
        time.sleep(0.2)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _bound_logs() -> None:
    """Keep logs from filling the disk over the years: their services append, so that they may be emptied under them."""
    for log in HOME.glob("*.log"):
        if log.stat().st_size > LOG_BYTES:
            with contextlib.suppress(OSError):  # where there is no room for the old one, it goes
                shutil.copy(log, log.with_suffix(".log.old"))
            os.truncate(log, 0)


def _insist_on_a_free(port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            why = "not ours to take" if error.errno == errno.EACCES else "taken by another program"
            raise UserError(f"port {port} is {why}; choose another: make server PORT=…") from error


def _prefect(url: str, *arguments: str) -> None:
    """Run a command of Prefect's, quietly if it ends well."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    environment = {**ENVIRONMENT, **os.environ, "PREFECT_API_URL": url}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunError(f"`prefect {' '.join(arguments)}` failed:\n{(done.stdout + done.stderr).strip()}")


def _has_pool(url: str) -> bool:
    return bool(ask(url, "work_pools/filter", {"work_pools": {"name": {"any_": [POOL]}}}))


def last_seen(url: str, name: str | None = None) -> float:
    """Return when the server has last seen a worker, of a name if one is given, in seconds since 1970; 0 if never."""
    workers = ask(url, f"work_pools/{POOL}/workers/filter", {}) if _has_pool(url) else []  # a worker makes the pool
    seen = [worker["last_heartbeat_time"] for worker in workers if name in (None, worker["name"])]
    return max(map(seconds_of, filter(None, seen)), default=0.0)


def _port() -> int:
    """Return the port that is asked for, or else the last one."""
    last = PORT.read_text() if PORT.exists() else ""
    given = os.environ.get("PORT") or last or "4200"
    if not given.isdigit() or not 0 < int(given) < 65535:
        raise UserError(f"PORT is {given!r}: give a number from 1 to 65534")
    return int(given)


SERVICES = {"server": start_server, "deploy": deploy, "worker": start_worker, "stop": stop}


def main() -> None:
    """Do what the arguments name, one after the other; exit where that fails."""
    parser = argparse.ArgumentParser(prog="python -m flows.operations.services")
    parser.add_argument("names", nargs="+", choices=SERVICES)
    names = parser.parse_args().names
    settle_environment()
    try:
        _bound_logs()
        for name in names:
            print(SERVICES[name]())
    except (RunError, UserError, OSError) as error:
        print(f"error: {describe(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_status", 1))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
