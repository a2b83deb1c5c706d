import contextlib
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from flows.orchestration.task_runners import is_loopback
from tests.conftest import FIXTURE, SPECIFICATION, ask, children_of, free_port, run_main, wait_until
from tests.machines import Machine, bucket_server, dask_scheduler

pytestmark = pytest.mark.slow

EPOCHS = 20
IMAGES = ("--dataset", str(SPECIFICATION), "--source", str(FIXTURE))
RUN = ("--networks", "baseline", "--epochs", str(EPOCHS), "--batch-size", "16", *IMAGES)


def leaves_a_checkpoint(machine, bucket):
    """Tell whether its worker is in the middle of a training from which another machine could go on."""
    said = machine.log.read_text()
    if f"epoch 3/{EPOCHS}" not in said or "train[baseline] made in" in said:
        return False
    return not bucket or bool(list(bucket.glob("artifacts/checkpoints/*/*.npz")))


@pytest.fixture(scope="module")
def undisturbed(server, tmp_path_factory, finished_run):
    """The digest of the training, run on this machine by itself."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(finished_run / "data", folder / "data")
    done = run_main(folder, server, *RUN)
    assert done.returncode == 0, done.stderr
    return digests(folder / "data")


def digests(data):
    manifests = [json.loads(path.read_bytes()) for path in data.glob("train/*/manifest.json")]
    ours = [manifest for manifest in manifests if manifest["cache_key"]["settings"]["epochs"] == EPOCHS]
    return {manifest["key"]: manifest["files"]["model.keras"]["sha256"] for manifest in ours}


@pytest.fixture
def cluster(server, tmp_path):
    """A scheduler, two machines that are to work for it, and one that is to ask; what is begun here ends with it."""
    machines = [Machine(tmp_path / name) for name in ("one", "two", "mine")]
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(dask_scheduler(server.environment, tmp_path / "scheduler.log"))

        def begin(environment):
            for machine in machines[:2]:
                machine.work_for(scheduler, environment)
                stack.callback(machine.stop)
            return scheduler, machines

        yield begin, stack


@pytest.mark.parametrize("shared", ["disk", "bucket"])
def test_a_run_whose_worker_is_killed_ends_with_the_same_bits(shared, cluster, server, undisturbed, tmp_path):
    begin, stack = cluster
    environment = dict(server.environment)
    bucket = tmp_path / "served" / "bucket" if shared == "bucket" else None
    if bucket:
        environment |= stack.enter_context(bucket_server("localbucket", tmp_path / "served"))
        where = ("--store", "s3://bucket/artifacts")
    else:
        where = ("--data-dir", str(tmp_path / "data"))
    scheduler, (one, two, mine) = begin(environment)
    command = ("flows/main.py", *RUN, "--engine", "dask", "--scheduler", scheduler, *where)
    run = mine.run(*command, environment=environment, output=mine.log)
    stack.callback(run.kill)

    def told():
        return "\n".join(path.read_text()[-3000:] for path in (mine.log, one.log, two.log))

    leaving = []
    wait_until(lambda: leaving.extend(m for m in (one, two) if leaves_a_checkpoint(m, bucket)) or leaving, 120, told)
    killed, other = (one, two) if leaving[0] is one else (two, one)
    training = children_of(killed.worker.pid)
    os.kill(killed.worker.pid, signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in training), 10)
    assert run.wait(timeout=240) == 0, told()
    assert (mine.folder / "reports" / "latest.html").is_file()
    assert "goes on after epoch" in other.log.read_text()
    if shared == "disk":
        assert digests(tmp_path / "data") == undisturbed
    else:
        assert digests(other.folder / "data") == undisturbed
        assert not (mine.folder / "data" / "train").exists()  # this machine has only what it needs


def test_the_tasks_of_a_ray_cluster_of_this_machine_are_known_to_the_server(server, tmp_path):
    options = ("--networks", "logistic", "--epochs", "1", *IMAGES, "--engine", "ray")
    done = run_main(tmp_path, server, *options)
    assert done.returncode == 0, done.stderr
    assert "of 7 nodes" in done.stderr
    (record,) = (tmp_path / "data" / "runs").glob("*.json")
    run = json.loads(record.read_bytes())["flow_run"]
    tasks = ask(server, "task_runs", flow_runs={"id": {"any_": [run]}})
    assert {task["state_type"] for task in tasks} == {"COMPLETED"}
    assert len(tasks) == 7


def test_a_worker_with_other_code_refuses_the_work_and_says_so(cluster, server, tmp_path):
    begin, _ = cluster
    for name in ("one", "two"):
        place = tmp_path / name / "tasks" / "download.py"
        place.write_text(place.read_text().replace("TIMEOUT = 20", "PATIENCE = 21"))
    scheduler, (_, _, mine) = begin(server.environment)
    command = ("flows/main.py", *IMAGES, "--engine", "dask", "--scheduler", scheduler)
    run = mine.run(*command, environment=server.environment, output=mine.log)
    assert run.wait(timeout=120) == 1
    assert "has other code than the run (tasks/download.py)" in mine.log.read_text().splitlines()[-1]
    assert not list((tmp_path / "one" / "data").glob("download/*"))


def test_a_scheduler_that_does_not_answer_is_said_in_a_sentence(server, tmp_path, monkeypatch):
    scheduler = f"tcp://127.0.0.1:{free_port()}"
    done = run_main(tmp_path, server, *IMAGES, "--engine", "dask", "--scheduler", scheduler)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: dask at {scheduler} does not answer (")
    assert "Traceback" not in done.stderr


def test_workers_elsewhere_need_a_server_that_they_reach(server, tmp_path):
    done = run_main(tmp_path, server, *IMAGES, "--engine", "dask", "--scheduler", "tcp://192.0.2.1:8786")
    assert done.returncode == 2
    assert "do not reach the Prefect server at http://127.0.0.1" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("tcp://127.0.0.1:8786", True),
        ("http://localhost:4200/api", True),
        ("[::1]:6379", True),
        ("host:6379", False),
        ("tcp://10.0.0.1:1", False),
    ],
)
def test_what_only_this_machine_reaches_is_told_from_the_address(address, here):
    assert is_loopback(address) == here
