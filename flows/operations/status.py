"""The status: are scheduled runs happening? For a person, and by its exit status for a monitor; without Prefect."""

import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import yaml

from flows.environment import URL
from flows.operations.crashed_runs import unfinished
from flows.operations.processes import find_service
from flows.operations.server_client import deployments, request, seconds_of
from flows.operations.services import HOME, last_seen, server_url
from flows.pruning import size_of
from tasks.pipeline import PROJECT
from tasks.pipeline.champions import champions
from tasks.pipeline.errors import RunError
from tasks.pipeline.reading import printable
from tasks.pipeline.run_records import last_asked, records, recover_crashed_runs
from tasks.settings.settings import Settings

LATE_AFTER = 120  # seconds after which a run that is due should have begun
WORKER_TIMEOUT = 100  # seconds without a heartbeat, of which a worker has one every 30
MIN_FREE = 2 << 30  # bytes: a run makes about a tenth of that
NEXT = "NEXT_SCHEDULED_START_TIME_ASC"
DATABASE = HOME / "prefect.db"
SPECIFICATION = PROJECT / "prefect.yaml"

Row = tuple[str, str]  # what, how it is
Findings = Iterator[Row | str]  # rows, and problems in a sentence each


def status(settings: Settings) -> tuple[list[Row], list[str]]:
    """Return the state of everything in rows, and the problems."""
    found = [*_last_run(settings), *_champion(settings), *_schedules(), *_disk(settings)]
    return [item for item in found if isinstance(item, tuple)], [item for item in found if isinstance(item, str)]


def _last_run(settings: Settings) -> Findings:
    recover_crashed_runs(settings.data_dir)
    if any(records(settings.data_dir, running=True)):
        yield "now", "a run is active"
    last = next(records(settings.data_dir), None)
    if not last:
        yield "last run", "none"
        yield f"no run has ended yet in {settings.data_dir}"
        return
    content, when = last.content, _ago(min(last_asked(last.path), time.time()))
    verdict = f", verdict: keep {content['keep']}" if "keep" in content else ""
    yield "last run", printable(f"{content['state']} {when} ({content.get('recipe', '')}{verdict})")
    if content["state"] in ("failed", "died"):
        why = content.get("message", "").partition("\n")[0] or "its process was killed"
        yield printable(f"the last run {content['state']}: {why}")


def _champion(settings: Settings) -> Findings:
    try:
        for champion in champions(settings.data_dir).champions[-1:]:
            since = f"since {champion.since[:10]}; {champion.reason}"
            yield "champion", printable(f"{champion.network} ({champion.recipe}), {since}")
    except RunError as error:
        yield str(error)


def _schedules() -> Findings:
    """Yield server, worker and every deployment; where nobody has set them up, nothing is wrong."""
    if not (os.environ.get(URL) or find_service("server") or find_service("worker") or DATABASE.exists()):
        yield "server", "none; no runs are scheduled"
        return
    try:
        url = server_url()
        yield "server", url.removesuffix("/api")
        found = deployments(url)
        for deployment in found:
            yield from _deployment(url, deployment)
        expected = {deployment["name"] for deployment in yaml.safe_load(SPECIFICATION.read_text())["deployments"]}
        if missing := expected - {deployment["name"] for deployment in found}:
            yield f"not deployed: {', '.join(sorted(missing))}; run `make deploy`"
        for run in unfinished(url):
            yield f"the server lists {run['name']} as {run['state_name'].lower()}, but its process is gone"
        if found:
            seen = last_seen(url)
            yield "worker", f"last seen {_ago(seen)}" if seen else "none"
            if time.time() - seen > WORKER_TIMEOUT:
                yield "no worker is running, so scheduled runs will not start; start one with `make worker`"
    except RunError as error:
        yield str(error)


def _deployment(url: str, deployment: dict[str, Any]) -> Findings:
    name, now = deployment["name"], time.time()
    due = [seconds_of(run["next_scheduled_start_time"]) for run in _runs(url, deployment, NEXT, "SCHEDULED")]
    ended = _runs(url, deployment, "END_TIME_DESC", "COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    last = next(iter(ended), None)
    how = f"last run {last['state_name']} {_ago(seconds_of(last['end_time']))}" if last else "never run"
    at = f"next {datetime.fromtimestamp(due[0], UTC):%Y-%m-%d %H:%M} UTC, {_ago(due[0])}" if due else "nothing is due"
    yield name, f"{at}; {how}"
    if due and now - due[0] > LATE_AFTER:
        yield f"{name} was due {_ago(due[0])} and has not started: no worker picks up its runs"
    scheduled = not deployment["paused"] and any(schedule["active"] for schedule in deployment["schedules"])
    if scheduled and not due and now - seconds_of(deployment["updated"]) > LATE_AFTER:
        yield f"{name} has a schedule but no upcoming run: it never fires, or the server does not schedule it"
    if last and last["state_type"] in ("FAILED", "CRASHED"):
        yield f"the last run of {name} ({last['name']}) {last['state_name'].lower()}: {last['state']['message']}"


def _runs(url: str, deployment: dict[str, Any], sort: str, *states: str) -> list[dict[str, Any]]:
    """Return the first of a deployment's runs in these states."""
    only = {"deployments": {"id": {"any_": [deployment["id"]]}}, "flow_runs": {"state": {"type": {"any_": states}}}}
    return request(url, "flow_runs/filter", {**only, "sort": sort, "limit": 1})


def _disk(settings: Settings) -> Findings:
    folder = next(path for path in (settings.data_dir, *settings.data_dir.parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    used = size_of(settings.data_dir.resolve())
    yield "disk", f"{free / 1e9:,.1f} GB free; {settings.data_dir} uses {used / 1e6:,.0f} MB"
    if free < MIN_FREE:
        yield f"only {free / 1e9:.1f} GB free in {folder}"


def _ago(moment: float) -> str:
    seconds = time.time() - moment
    units = (("days", 86400), ("h", 3600), ("min", 60))
    unit, length = next((pair for pair in units if abs(seconds) >= 2 * pair[1]), ("s", 1))
    return f"{seconds / length:.0f} {unit} ago" if seconds >= 0 else f"in {-seconds / length:.0f} {unit}"
