"""The command line as a user meets it: a run, the same again, and being stopped."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import threading
from pathlib import Path

import pytest

from flows.cli import read_options
from flows.operations.processes import command_of
from tasks.data.dataset import FASHION_MNIST
from tasks.download import fetch
from tasks.pipeline.run_records import recover_crashed_runs
from tasks.settings.settings import PROJECT, Settings
from tests import silent
from tests.conftest import (
    ON_THE_FIXTURE,
    ask,
    children_of,
    everything_in,
    leftovers,
    prefect_server,
    run_main,
    start_main,
    trains,
    wait_until,
    workers_of,
)
from tests.faults.together import run_together

pytestmark = pytest.mark.slow

NODES = ["download", "validate", "prepare", "train", "train", "evaluate", "evaluate", "compare", "report"]


def test_a_run_ends_with_verdict_table_and_report(finished_run):
    output = (finished_run / "output").read_text()
    page = finished_run / "reports" / "latest.html"
    assert output.startswith("\nKeep ")
    assert re.search(r"^network +train +validation +test +gap +parameters +seconds$", output, flags=re.MULTILINE)
    assert f"Report: {page}" in output
    assert page.read_text().startswith("<!doctype html>")
    assert leftovers(finished_run / "data") == []


def test_every_node_leaves_an_artifact_with_its_manifest(finished_run):
    manifests = [json.loads(path.read_text()) for path in (finished_run / "data").glob("*/*/manifest.json")]
    assert sorted(manifest["node"] for manifest in manifests) == sorted(NODES)


def test_the_same_run_again_ends_at_once_without_prefect_or_tensorflow(finished_run, server):
    environment = server.environment | {"PYTHONPROFILEIMPORTTIME": "1"}
    again = run_main(finished_run, server._replace(environment=environment), *ON_THE_FIXTURE)
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in again.stderr.splitlines()}
    assert again.returncode == 0
    assert again.stdout == (finished_run / "output").read_text()
    assert "numpy" in imported
    assert imported.isdisjoint({"prefect", "tensorflow", "keras", "great_expectations", "pandas", "matplotlib"})


@pytest.fixture
def copied_run(finished_run, tmp_path):
    """A copy of the finished run's data, to add to and to damage."""
    shutil.copytree(finished_run / "data", tmp_path / "data")
    return tmp_path


def test_an_edit_that_changes_no_byte_of_the_result_stops_at_its_node(copied_run, server):
    project = copied_run / "project"
    for folder in ("flows", "tasks"):
        shutil.copytree(PROJECT / folder, project / folder)
    prepare = project / "tasks" / "prepare.py"
    prepare.write_text(prepare.read_text().replace("cut", "end_of_training"))
    done = run_main(copied_run, server, *ON_THE_FIXTURE, program=(str(project / "flows" / "main.py"),))
    assert done.returncode == 0, done.stderr
    assert "prepare starts: code: tasks/prepare.py changed" in done.stderr
    for label in ("download", "validate", "train[baseline]", "train[dropout]", "evaluate[dropout]", "compare"):
        assert f"{label} kept, verified" in done.stderr


def test_plan_verify_and_prune_answer_and_change_nothing(copied_run):
    before = everything_in(copied_run / "data")
    plan = run_main(copied_run, None, *ON_THE_FIXTURE, "--plan", "--epochs", "2")
    assert re.search(r"^prepare +keep +[0-9a-f]{16} verified$", plan.stdout, flags=re.MULTILINE)
    assert re.search(r"^train\[dropout\] +run +epochs 1 → 2$", plan.stdout, flags=re.MULTILINE)
    verify = run_main(copied_run, None, "--verify")
    assert verify.stdout.startswith("9 of 9 artifacts verified, ")
    prune = run_main(copied_run, None, "--prune")
    assert prune.stdout == "0 to remove, 0 bytes\n"
    assert [done.returncode for done in (plan, verify, prune)] == [0, 0, 0]
    assert everything_in(copied_run / "data") == before
    (history,) = (copied_run / "data").glob("train/dropout-*/history.json")
    history.write_text("[]")
    verify = run_main(copied_run, None, "--verify")
    assert verify.returncode == 1
    assert verify.stdout.startswith(f"train/{history.parent.name}: history.json truncated to 2 of ")


def test_the_smoke_preset_runs_on_the_real_data_with_a_server_of_its_own(tmp_path):
    raw = PROJECT / "data" / "raw" / FASHION_MNIST.name
    fetch(FASHION_MNIST, raw, Settings().source_folder, silent)
    done = run_main(tmp_path, None, "--preset", "smoke", "--source", str(raw))
    assert done.returncode == 0, done.stderr
    (prepared,) = (tmp_path / "data" / "prepare").glob("*/manifest.json")
    assert json.loads(prepared.read_text())["summary"]["images"] == {"train": 1800, "validation": 200, "test": 2000}
    assert done.stdout.startswith("\nKeep ")
    assert "Only 2,000 of the 60,000 training images were used" in done.stdout
    page = (tmp_path / "reports" / "latest.html").read_text(encoding="utf-8")
    assert "Only 2,000 of the 60,000 training images were used" in page
    assert "Does dropout cure the overfitting?" in page
    assert "limit 2000 instead of none" in page


def test_every_setting_is_an_option():
    values = read_options(["--seed", "3", "--networks", "dropout", "--data-dir", "elsewhere"])
    assert values["seed"] == "3"
    assert Path(values["data_dir"]).is_absolute()
    for name in Settings.model_fields:
        assert read_options([f"--{name.replace('_', '-')}", "x"]).keys() == {name}


@pytest.mark.usefixtures("prepared_run")
def test_a_child_killed_once_is_started_again(tmp_path, server):
    with start_main(tmp_path, server, *ON_THE_FIXTURE, "--networks", "dropout") as process:
        os.kill(training_child(process), signal.SIGKILL)
        output, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    assert "its process was killed by SIGKILL (out of memory?)" in errors
    assert output.startswith("\nOnly dropout was trained")
    assert leftovers(tmp_path / "data") == []


def test_at_a_terminal_ctrl_c_leaves_one_line(tmp_path, server):
    screen, terminal = os.openpty()
    shown = []
    options = [*ON_THE_FIXTURE, "--networks", "dropout"]
    with start_main(tmp_path, server, *options, stderr=terminal) as process:
        os.close(terminal)
        reader = threading.Thread(target=read_screen, args=(screen, shown))
        reader.start()
        training_child(process)
        before = len(shown)
        os.kill(process.pid, signal.SIGINT)
        process.wait(60)
        reader.join()
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", b"".join(shown[before:])).decode(errors="replace")
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    assert process.returncode == 130
    assert [line for line in lines if line and not line.startswith(("train[", "evaluate[", "Prefect server"))] == [
        "stopped; what was finished is kept, run the same command to go on"
    ]


def read_screen(screen, shown):
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
        while piece := os.read(screen, 4096):
            shown.append(piece)
    os.close(screen)


def test_ctrl_c_before_anything_runs_ends_it_without_a_traceback(tmp_path):
    with start_main(tmp_path, None) as process:
        wait_until(lambda: "numpy" in Path(f"/proc/{process.pid}/maps").read_text(), 120)
        os.kill(process.pid, signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode in (-signal.SIGINT, 130)
    assert len(errors.splitlines()) <= 1
    assert "Traceback" not in errors


def test_ctrl_c_ends_it_with_its_children_and_one_line(tmp_path):
    with start_main(tmp_path, None, *ON_THE_FIXTURE) as process:
        training_child(process)
        children = [*children_of(process.pid), *workers_of(process.pid)]
        os.kill(process.pid, signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert len(children) >= 2
    wait_until(lambda: not any(map(command_of, children)), 2)
    assert errors.splitlines()[-1] == "stopped; what was finished is kept, run the same command to go on"
    assert not re.search("Traceback|Retry|SIGKILL", errors)
    assert leftovers(tmp_path / "data") == []


@pytest.mark.usefixtures("prepared_run")
def test_ctrl_c_ends_it_though_nobody_reads_its_line(tmp_path, server):
    reader, writer = os.pipe()
    with start_main(tmp_path, server, *ON_THE_FIXTURE, "--networks", "dropout", stderr=writer) as process:
        os.close(writer)
        training_child(process)
        os.close(reader)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(10) == 130
    assert leftovers(tmp_path / "data") == []


@pytest.mark.usefixtures("prepared_run")
def test_a_run_that_was_killed_leaves_no_process_and_goes_on_when_started_again(tmp_path, server):
    options = (*ON_THE_FIXTURE, "--networks", "dropout", "--seed", "11")
    with start_main(tmp_path, server, *options) as process:
        child = training_child(process)
        os.kill(child, signal.SIGSTOP)  # or it may end before the server hears that it began
        wait_until(lambda: server_knows_of_training(tmp_path, server), 60)
        os.kill(child, signal.SIGCONT)
        children = [*children_of(process.pid), *workers_of(process.pid)]
        process.kill()
        process.wait()
        wait_until(lambda: not any(command_of(child) for child in children), 5)
    (killed,) = recover_crashed_runs(tmp_path / "data")
    again = run_main(tmp_path, server, *options)
    assert again.returncode == 0, again.stderr
    assert "prepare kept, verified" in again.stderr
    assert leftovers(tmp_path / "data") == []
    assert recover_crashed_runs(tmp_path / "data") == []
    (run,) = ask(server, "flow_runs", flow_runs={"id": {"any_": [killed.content["flow_run"]]}})
    told = f"its process, pid {process.pid} on {socket.gethostname()}, was killed"
    assert (run["state_type"], run["state"]["message"]) == ("CRASHED", told)
    tasks = ask(server, "task_runs", flow_runs={"id": {"any_": [run["id"]]}})
    assert {task["name"]: task["state_type"] for task in tasks if "train" in task["name"]} == {
        "train[dropout]": "CRASHED"
    }
    assert not {task["state_type"] for task in tasks} & {"RUNNING"}


def test_two_runs_at_the_same_time_make_each_artifact_once(tmp_path, server):
    made, waited = run_together(tmp_path, server, 2)
    assert set(made.values()) == {1}
    assert len(made) == 9
    assert any(re.search(r"waiting for pid \d+ on this host, which makes ", line) for line in waited)


def test_a_server_that_goes_away_gets_one_sentence_and_what_was_finished_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")  # it would ask for a minute and a half
    options = (*ON_THE_FIXTURE, "--networks", "dropout")
    (tmp_path / "home").mkdir()
    with prefect_server(tmp_path / "home") as server:
        process = start_main(tmp_path, server, *options)
        training_child(process)
    with process:
        errors = process.communicate(timeout=400)[1]
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith("error: the run broke off (ConnectError: ")
    again = run_main(tmp_path, None, *options)
    assert again.returncode == 0, again.stderr
    assert "train[dropout] starts" not in again.stderr


def server_knows_of_training(folder, server):
    """Tell whether the run's server has heard that its training runs: tasks tell it in their own time."""
    (record,) = (folder / "data" / "runs").glob("*.json")
    run = {"id": {"any_": [json.loads(record.read_text())["flow_run"]]}}
    running = ask(server, "task_runs", flow_runs=run, task_runs={"state": {"type": {"any_": ["RUNNING"]}}})
    return any("train" in task["name"] for task in running)


def training_child(process):
    """Wait for the run's next worker that has a training's lock, and return its process id."""
    found = []

    def appeared():
        assert process.poll() is None, process.communicate()
        found[:] = [worker for worker in workers_of(process.pid) if trains(worker)]
        return found

    wait_until(appeared, 120)
    return found[0]
