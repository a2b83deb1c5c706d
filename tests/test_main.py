"""The command line as a user meets it: a run, the same again, mistakes, and being stopped."""

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from flows.command_line import read_options
from tasks.download import fetch
from tasks.fashion_mnist import FASHION_MNIST
from tasks.progress import silent
from tasks.settings import PROJECT, Settings
from tests.conftest import (
    FIXTURE,
    ON_THE_FIXTURE,
    SPECIFICATION,
    ask,
    children_of,
    command_of,
    leftovers,
    run_main,
    start_main,
    wait_until,
)

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


def test_another_seed_reuses_what_the_seed_does_not_touch_and_prefect_shows_it_cached(copied_run, server):
    done = run_main(copied_run, server, *ON_THE_FIXTURE, "--seed", "1", "--networks", "dropout")
    assert done.returncode == 0, done.stderr
    ended = {"state": {"type": {"any_": ["COMPLETED"]}}}
    newest = ask(server, "flow_runs", flow_runs=ended, sort="END_TIME_DESC", limit=1)[0]
    of_newest = {"id": {"any_": [newest["id"]]}}

    def states():
        return {run["name"]: run["state_name"] for run in ask(server, "task_runs", flow_runs=of_newest)}

    wait_until(lambda: set(states().values()) == {"Cached", "Completed"}, 20, states)
    assert states() == {
        "download": "Cached",
        "validate": "Cached",
        "prepare": "Completed",
        "train[dropout]": "Completed",
        "evaluate[dropout]": "Completed",
        "compare": "Completed",
        "report": "Completed",
    }


def test_an_altered_artifact_is_made_again_and_the_damaged_one_kept_aside(copied_run, server):
    (metrics,) = (copied_run / "data" / "evaluate").glob("baseline-*/metrics.json")
    metrics.write_text(metrics.read_text().replace("0", "1", 1))
    done = run_main(copied_run, server, *ON_THE_FIXTURE)
    assert done.returncode == 0
    assert "evaluate[baseline] starts: metrics.json altered since it was made" in done.stderr
    assert "evaluate[baseline] starts: not made before" not in done.stderr
    assert len(list((copied_run / "data" / "damaged").iterdir())) == 1


def test_the_smoke_preset_runs_on_the_real_data_with_a_server_of_its_own(tmp_path):
    raw = PROJECT / "data" / "raw" / FASHION_MNIST.name
    fetch(FASHION_MNIST, raw, Settings().source_folder, silent)
    done = run_main(tmp_path, None, "--preset", "smoke", "--source", str(raw))
    assert done.returncode == 0, done.stderr
    (prepared,) = (tmp_path / "data" / "prepare").glob("*/manifest.json")
    assert json.loads(prepared.read_text())["facts"]["images"] == {"train": 1800, "validation": 200, "test": 2000}
    assert done.stdout.startswith("\nKeep ")
    assert "Only 2,000 of the 60,000 training images were used" in done.stdout
    page = (tmp_path / "reports" / "latest.html").read_text(encoding="utf-8")
    assert "Only 2,000 of the 60,000 training images were used" in page
    assert "The article’s claims" in page
    assert "limit 2000 instead of none" in page


def test_a_source_folder_of_nobody_in_the_environment_gets_one_sentence_and_status_2(tmp_path, server):
    environment = server.environment | {"FASHION_MNIST_DIR": "~nobody-is-called-this/images"}
    done = run_main(tmp_path, server._replace(environment=environment))
    assert done.returncode == 2
    assert done.stderr.startswith("error: FASHION_MNIST_DIR ~nobody-is-called-this/images: could not determine home")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--networks", "baseline,droput"], "no network is called 'droput'; did you mean 'dropout'?"),
        (["--epochs", "0"], "epochs is '0': input should be greater than or equal to 1"),
        (["--limit", "60001"], "limit is 60,001, but fashion-mnist has 60,000 training images"),
        (["--validation-fraction", "0"], "validation_fraction is '0': input should be greater than 0"),
        (["--validation-fraction", "1"], "validation_fraction is '1': input should be less than 1"),
        (["--preset", "quick"], "preset is 'quick': input should be 'fast', 'article' or 'smoke'"),
        (["--dataset", "mnist"], "dataset 'mnist' is neither 'fashion-mnist' nor a readable specification"),
    ],
)
def test_a_setting_that_cannot_be_used_gets_one_sentence_and_status_2(tmp_path, options, sentence):
    done = run_main(tmp_path, None, *options)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {sentence}")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_option_gets_status_2(tmp_path):
    done = run_main(tmp_path, None, "--epoch", "3")
    assert done.returncode == 2
    assert "unrecognized arguments: --epoch 3" in done.stderr


def test_a_python_without_the_project_gets_one_sentence_and_status_2():
    command = [sys.executable, "-I", "-S", PROJECT / "flows/main.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: this Python lacks the project; `make run`")
    assert len(done.stderr.splitlines()) == 1


def test_every_setting_is_an_option():
    values = read_options(["--seed", "3", "--networks", "dropout", "--data-dir", "elsewhere"])
    assert values["seed"] == "3"
    assert values["data_dir"].is_absolute()
    for name in Settings.model_fields:
        assert read_options([f"--{name.replace('_', '-')}", "x"]).keys() == {name}


def test_a_truncated_source_file_gets_one_sentence_and_status_2(tmp_path, server):
    source = tmp_path / "source"
    source.mkdir()
    for file in FIXTURE.glob("*.gz"):
        (source / file.name).write_bytes(file.read_bytes())
    labels = source / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(labels.read_bytes()[:60])
    options = ["--dataset", str(SPECIFICATION), "--source", str(source)]
    done = run_main(tmp_path, server, *options)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"error: download: t10k-labels-idx1-ubyte from {source}: its gzip stream ends early (truncated); "
        "give --source a folder with the four files, whole"
    )
    assert "Traceback" not in done.stderr
    assert leftovers(tmp_path / "data") == []
    assert not list((tmp_path / "data").glob("download/*"))


def test_no_reachable_source_names_each_one_tried_and_what_to_do(tmp_path, server):
    done = run_main(tmp_path, server, "--dataset", str(SPECIFICATION))
    assert done.returncode == 1
    raw = tmp_path / "data" / "raw" / "fashion-mnist-600"
    assert f"Tried:\n  {raw}: not there" in done.stderr
    assert f"Put the four files (.gz or not) into {raw}, or name their folder with --source" in done.stderr


def test_a_server_that_does_not_answer_gets_one_sentence_and_status_1(tmp_path, server):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
        environment = server.environment | {"PREFECT_API_URL": url}
        done = run_main(tmp_path, server._replace(environment=environment), *ON_THE_FIXTURE)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: no Prefect server answers at {url} (PREFECT_API_URL)")
    assert len(done.stderr.splitlines()) == 1


def test_a_full_disk_gets_one_sentence_and_leaves_no_half_artifact(tmp_path, server):
    disk = tmp_path / "data"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=1m none "$1" && shift && exec "$@"'
    folders = ["--data-dir", str(disk), "--reports-dir", str(tmp_path / "reports")]
    main = [sys.executable, str(PROJECT / "flows" / "main.py"), *folders, *ON_THE_FIXTURE]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(disk), *main],
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert os.strerror(errno.ENOSPC).lower() in last
    assert last.endswith("free some space or choose another --data-dir")
    assert done.stdout == ""


def test_a_child_killed_once_is_started_again(tmp_path, server):
    with start_main(tmp_path, server, *ON_THE_FIXTURE, "--networks", "dropout") as process:
        os.kill(training_child(process), signal.SIGKILL)
        output, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    assert "its process was killed by SIGKILL (out of memory?)" in errors
    assert output.startswith("\nOnly dropout was trained")
    assert leftovers(tmp_path / "data") == []


def test_a_child_killed_each_time_fails_the_run_with_one_sentence(tmp_path, server):
    with start_main(tmp_path, server, *ON_THE_FIXTURE, "--networks", "dropout") as process:
        killed = set()
        for _ in range(3):
            child = training_child(process, besides=killed)
            os.kill(child, signal.SIGKILL)
            killed.add(child)
        errors = process.communicate(timeout=400)[1]
    assert process.returncode == 1
    assert errors.splitlines()[-1] == "error: train[dropout]: its process was killed by SIGKILL (out of memory?)"
    assert leftovers(tmp_path / "data") == []


def test_ctrl_c_ends_it_within_two_seconds_with_its_children_and_one_line(tmp_path):
    with start_main(tmp_path, None, *ON_THE_FIXTURE) as process:
        training_child(process)
        children = children_of(process.pid)
        began = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
        seconds = time.monotonic() - began
    assert process.returncode == 130
    assert seconds < 2
    assert len(children) >= 2
    assert [command_of(child) for child in children if command_of(child)] == []
    assert errors.splitlines()[-1] == "stopped; what was finished is kept, run the same command to go on"
    assert "Traceback" not in errors
    assert leftovers(tmp_path / "data") == []


def test_a_run_that_was_killed_leaves_no_process_and_goes_on_when_started_again(tmp_path):
    with start_main(tmp_path, None, *ON_THE_FIXTURE, "--networks", "dropout") as process:
        training_child(process)
        children = children_of(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda: not any(command_of(child) for child in children), 5)
    again = run_main(tmp_path, None, *ON_THE_FIXTURE, "--networks", "dropout")
    assert again.returncode == 0, again.stderr
    assert "prepare kept, verified" in again.stderr
    assert leftovers(tmp_path / "data") == []


def training_child(process, besides=()):
    """Wait for the run's next training child and return its process id."""
    found = []

    def appeared():
        assert process.poll() is None, process.communicate()
        found[:] = [c for c in children_of(process.pid) if "tasks.train" in command_of(c) and c not in besides]
        return found

    wait_until(appeared, 120)
    return found[0]
