"""Engines: a Dask cluster of machines that share nothing but a bucket, one of whose workers is killed; Ray, once."""

import contextlib
import shutil
import sys
from pathlib import Path

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from flows.operations.server_client import find
from flows.orchestration.task_runners import Engine, localize
from tasks.download import download
from tasks.pipeline.errors import RunError, UserError
from tasks.settings.settings import PROJECT, Settings
from tests.machines import bucket_server
from tests.programs import FIXTURE, SPECIFICATION, background, children_of, free_port, run_main, wait_until

pytestmark = pytest.mark.slow

EPOCHS = 20
IMAGES = ("--dataset", str(SPECIFICATION), "--source", str(FIXTURE))
RUN = ("--networks", "baseline", "--epochs", str(EPOCHS), "--batch-size", "16", *IMAGES)


def machine(folder):
    """Make a folder another machine's: a copy of the project, with a data folder of its own."""
    for part in ("flows", "tasks"):
        shutil.copytree(PROJECT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", folder)
    return folder


def leaves_a_checkpoint(machine, bucket):
    """Tell whether its worker is in the middle of a training from which another machine could go on."""
    said = (machine / "log").read_text()
    if f"epoch 3/{EPOCHS}" not in said or "train[baseline]: done in" in said:
        return False
    return bool(list(bucket.glob("artifacts/checkpoints/*/*.npz")))


def test_a_run_whose_worker_is_killed_ends_on_another_from_the_last_checkpoint(server, tmp_path):
    """To the same bits: see tests/tasks/test_train.py."""
    mine, hub, one, two = machines = [machine(tmp_path / name) for name in ("mine", "hub", "one", "two")]
    bucket = tmp_path / "served" / "bucket"

    def logged():
        return "\n".join((machine / "log").read_text()[-3000:] for machine in machines)

    with contextlib.ExitStack() as stack:
        environment = server.environment | stack.enter_context(bucket_server("localbucket", tmp_path / "served"))

        def start(where, *command):
            ours = {"log": where / "log", "cwd": where, "env": environment | {"PYTHONPATH": str(where)}}
            return stack.enter_context(background(sys.executable, *command, **ours))

        port, here = str(free_port()), ("--host", "127.0.0.1")
        start(hub, "-m", "distributed.cli.dask_scheduler", *here, "--port", port, "--no-dashboard")
        scheduler = f"tcp://127.0.0.1:{port}"
        worker = ("-m", "distributed.cli.dask_worker", *here, "--nthreads", "1", "--no-nanny", scheduler)
        workers = {each: start(each, *worker) for each in (one, two)}
        where = ("--engine", "dask", "--scheduler", scheduler, "--store", "s3://bucket/artifacts")
        run = start(mine, "flows/main.py", *RUN, *where)
        wait_until(lambda: any(leaves_a_checkpoint(each, bucket) for each in workers), 120, logged)
        killed = next(each for each in workers if leaves_a_checkpoint(each, bucket))
        training = children_of(workers[killed].pid)
        workers[killed].kill()
        wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in training), 10)
        assert run.wait(timeout=240) == 0, logged()
    assert (mine / "reports" / "latest.html").is_file()
    assert "goes on after epoch" in ((one if killed is two else two) / "log").read_text()
    assert not (mine / "data" / "train").exists()  # this machine has only what it needs


def test_the_tasks_of_a_ray_cluster_of_this_machine_are_known_to_the_server(server, tmp_path):
    options = ("--networks", "logistic", "--epochs", "1", *IMAGES, "--engine", "ray")
    done = run_main(tmp_path, server, *options)
    assert done.returncode == 0, done.stderr
    assert "train[logistic]: done in" in done.stderr
    (report,) = (tmp_path / "data" / "report").glob("[!.]*")
    tasks = find(server.url, "task_runs", flow_runs={"name": {"like_": report.name[:8]}})
    assert {task["state_type"] for task in tasks} == {"COMPLETED"}
    assert len(tasks) == 7


@pytest.mark.parametrize(("what", "name"), [("code", "tasks/download.py"), ("versions", "numpy")])
def test_a_machine_with_other_code_or_libraries_refuses_the_work_and_names_them(what, name):
    fingerprint = download.fingerprint(Settings(), None)
    theirs = fingerprint | {what: fingerprint[what] | {name: "another"}}
    with pytest.raises(RunError, match=f" has different {what} from this run \\({name}\\); update it, restart"):
        localize((PROJECT, theirs), download, None, Settings(), {})


def test_a_scheduler_that_does_not_answer_is_said_in_a_sentence(server, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    scheduler = f"tcp://127.0.0.1:{free_port()}"

    @flow(persist_result=False)
    def connecting():
        with (
            pytest.raises(RunError, match=f"^dask at {scheduler} does not answer \\("),
            Engine(Settings(engine="dask", scheduler=scheduler)),
        ):
            pass

    with temporary_settings({PREFECT_API_URL: server.url, PREFECT_LOGGING_TO_API_ENABLED: False}):
        connecting()


def test_a_scheduler_needs_a_server_of_its_own(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(UserError, match="--scheduler needs a Prefect server that its machines reach: set PREFECT_"):
        Engine(Settings(engine="dask", scheduler="tcp://192.0.2.1:8786"))
