"""A copy of the project with a server, deployments and a worker of its own, as `docs/deployments.md` has it."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.operations.processes import find_service
from flows.operations.server_client import deployments, find, request
from tests.programs import PROJECT, command_of, free_port, wait_until

COPIED = ("Makefile", "flows", "prefect.yaml", "pyproject.toml", "requirements.lock", "setup.sh", "tasks")


class Deployed:
    """The copy, and what its server knows."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.data = project / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        another = ("PREFECT_", "FASHION_MNIST_", "MAKE", "MFLAGS")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(another)}
        # The packages are the project's own, whose editable install would bring its code, not the copy's.
        ours = {"PORT": str(self.port), "PYTHONPATH": str(project)}
        # A schedule that is changed is looked at within seconds, not within a minute.
        self.environment = clean | ours | {"PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2"}

    def command(self, line: str, **more: str) -> str:
        """Run a command of that page in the copy, and return what it prints."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.project,
            env=self.environment | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def processes(self, service: str) -> dict[int, str]:
        """Return the processes of a service of the copy, and all they have started, with their command lines."""
        return {process: command_of(process) for process in find_service(service, self.project)}

    def deployment(self, name: str) -> dict[str, Any]:
        """Return what the server knows of a deployment."""
        return next(found for found in deployments(self.url) if found["name"] == name)

    def schedule(self, name: str, seconds: int, settings: dict[str, Any] | None = None) -> None:
        """Give a deployment this schedule and these settings instead of its own, from now on; none for 0 seconds."""
        wanted = {"schedule": {"interval": seconds}, "active": True, "parameters": {"settings": settings}}
        schedules = [wanted] if seconds else []
        request(self.url, f"deployments/{self.deployment(name)['id']}", {"schedules": schedules}, "PATCH")

    def unschedule(self, name: str) -> None:
        """Take a deployment's schedules away with the runs that are due, and wait until none is under way."""
        self.schedule(name, 0)
        for run in self.runs(name, "SCHEDULED"):
            request(self.url, f"flow_runs/{run['id']}", method="DELETE")
        wait_until(lambda: not self.runs(name, "PENDING", "RUNNING", "CANCELLING"), 300, lambda: str(self.runs(name)))

    def start(self, name: str, settings: dict[str, Any], **more: Any) -> str:
        """Have a run of a deployment begin now; return its id."""
        content = {"parameters": {"settings": settings, **more}, "state": {"type": "SCHEDULED"}}
        return request(self.url, f"deployments/{self.deployment(name)['id']}/create_flow_run", content)["id"]

    def run(self, identifier: str) -> dict[str, Any]:
        """Return what the server knows of a run."""
        return request(self.url, f"flow_runs/{identifier}")

    def runs(self, name: str, *types: str) -> list[dict[str, Any]]:
        """Return a deployment's runs that have these states, the first to begin first."""
        states = {"any_": types} if types else {"not_any_": ["SCHEDULED"]}
        filters = {"deployments": {"name": {"any_": [name]}}, "flow_runs": {"state": {"type": states}}}
        return find(self.url, "flow_runs", **filters, sort="EXPECTED_START_TIME_ASC")

    def tasks(self, run: str) -> dict[str, str]:
        """Return the states of a run's tasks, by name."""
        tasks = find(self.url, "task_runs", flow_runs={"id": {"any_": [run]}})
        return {task["name"]: task["state_name"] for task in tasks}

    def ended(self, run: str, within: float = 180) -> dict[str, Any]:
        """Wait for a run's end and return what the server knows then."""
        final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        wait_until(lambda: self.run(run)["state_type"] in final, within, lambda: str(self.run(run)["state"]))
        return self.run(run)


@contextlib.contextmanager
def deployed(folder: Path) -> Iterator[Deployed]:
    """Have the copy while the context lasts; nothing of it runs afterwards."""
    project = folder / "project"
    project.mkdir()
    for name in COPIED:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PROJECT / name, project / name)
            os.utime(project / name, (0, 0))  # older than what was installed: nothing is to be installed again
    (project / ".venv").symlink_to(Path(sys.prefix))
    copy = Deployed(project)
    try:
        yield copy
    finally:
        copy.command("make stop")
        for service in ("worker", "server", "pages"):
            assert copy.processes(service) == {}, "left running"
