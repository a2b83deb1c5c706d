"""The command line as a user meets it: a run, the same again, and being stopped."""

import contextlib
import json
import os
import re
import shutil
import signal
import threading
from pathlib import Path

import pytest

from flows.cli import run_command
from flows.main import dag
from flows.parser import read_command
from tasks.pipeline.run_records import records
from tasks.settings.settings import Settings
from tests.conftest import everything_in
from tests.programs import (
    ON_THE_FIXTURE,
    children_of,
    command_of,
    leftovers,
    prefect_server,
    run_main,
    start_main,
    trains,
    wait_until,
    workers_of,
)

pytestmark = pytest.mark.slow

NODES = ["download", "validate", "prepare", "train", "train", "evaluate", "evaluate", "compare", "report"]


def test_a_run_ends_with_verdict_table_report_and_an_artifact_of_every_node(finished_run):
    output = (finished_run / "output").read_text()
    page = finished_run / "reports" / "latest.html"
    assert re.match(r"\n(Of these trained models, keep|Tie)", output)
    assert re.fullmatch(r"Done: 9 of 9 steps ran, 0 reused \(.+ s\)\.", output.splitlines()[-1])
    assert re.search(r"^network +train +validation +test +gap +parameters +training$", output, flags=re.MULTILINE)
    winner = json.loads(next((finished_run / "data").glob("report/*/manifest.json")).read_text())["summary"]["winner"]
    assert re.search(rf"^Model:  {finished_run}/data/train/{winner}-[0-9a-f]{{16}}/model\.keras$", output, re.MULTILINE)
    assert f"Report: {page}" in output
    assert page.read_text().startswith("<!doctype html>")
    manifests = [json.loads(path.read_text()) for path in (finished_run / "data").glob("*/*/manifest.json")]
    assert sorted(manifest["node"] for manifest in manifests) == sorted(NODES)
    assert leftovers(finished_run / "data") == []


def test_the_same_run_again_ends_at_once_without_prefect_or_tensorflow(finished_run, server):
    environment = server.environment | {"PYTHONPROFILEIMPORTTIME": "1"}
    again = run_main(finished_run, server._replace(environment=environment), *ON_THE_FIXTURE)
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in again.stderr.splitlines()}
    assert again.returncode == 0
    *before, _ = (finished_run / "output").read_text().splitlines()
    *now, up_to_date = again.stdout.splitlines()
    assert re.fullmatch(r"Up to date: 9 of 9 steps reused \(.+ s\)\.", up_to_date)
    assert now == before
    assert "numpy" in imported
    assert imported.isdisjoint({"prefect", "tensorflow", "keras", "great_expectations", "pandas", "matplotlib"})


def test_plan_verify_and_prune_answer_and_change_nothing(finished_run, tmp_path, capsys):
    data = shutil.copytree(finished_run / "data", tmp_path / "data")

    def answer(*options):
        places = ["--data-dir", str(data), "--reports-dir", str(tmp_path / "reports")]
        status = run_command(dag, *read_command(Settings, [*ON_THE_FIXTURE, *places, *options]))
        return status, capsys.readouterr().out

    before = everything_in(data)
    status, planned = answer("--plan", "--epochs", "2")
    assert status == 0
    assert re.search(r"^prepare +reuse +cached \([0-9a-f]{16}\)$", planned, flags=re.MULTILINE)
    assert re.search(r"^train\[dropout\] +run +epochs 1 → 2$", planned, flags=re.MULTILINE)
    last = planned.splitlines()[-1]
    assert re.fullmatch(r"6 steps to run, 3 reused; about .+ s \(from earlier runs of preset fast\)", last)
    assert answer("--plan")[1].endswith("\nUp to date: 9 of 9 steps reused.\n")
    status, verified = answer("--verify")
    assert (status, verified.partition(",")[0]) == (0, "9 of 9 artifacts verified")
    assert answer("--prune") == (0, "0 to delete, 0.00 MB\n")
    assert everything_in(data) == before
    (history,) = data.glob("train/dropout-*/history.json")
    history.write_text("[]")
    status, verified = answer("--verify")
    assert status == 1
    assert verified.startswith(f"train/{history.parent.name}: history.json altered since it was made")


def test_at_a_terminal_ctrl_c_ends_it_with_its_children_and_one_line(tmp_path):
    screen, terminal = os.openpty()
    shown = []
    with start_main(tmp_path, None, *ON_THE_FIXTURE, "--networks", "dropout", stderr=terminal) as process:
        os.close(terminal)
        reader = threading.Thread(target=read_screen, args=(screen, shown))
        reader.start()
        training_child(process)
        children = [*children_of(process.pid), *workers_of(process.pid)]
        before = len(shown)
        os.kill(process.pid, signal.SIGINT)
        process.wait(60)
        reader.join()
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", b"".join(shown[before:])).decode(errors="replace")
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    assert process.returncode == 130
    assert [line for line in lines if line and not line.startswith(("train[", "evaluate[", "Prefect's server"))] == [
        "stopped. Finished steps are kept; run the same command to continue"
    ]
    assert len(children) >= 2
    wait_until(lambda: not any(map(command_of, children)), 2)
    assert leftovers(tmp_path / "data") == []
    assert next(records(tmp_path / "data")).content["state"] == "stopped"


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


@pytest.mark.usefixtures("prepared_run")
def test_a_killed_worker_is_tried_again_and_a_killed_run_goes_on_to_the_same_bits(finished_run, tmp_path, server):
    options = (*ON_THE_FIXTURE, "--networks", "dropout")
    with start_main(tmp_path, server, *options) as process:
        first = training_child(process)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: not command_of(first), 5)
        training_child(process, killed=first)
        children = [*children_of(process.pid), *workers_of(process.pid)]
        process.kill()
        errors = process.communicate()[1]
        wait_until(lambda: not any(command_of(child) for child in children), 5)
    assert "its process was killed by SIGKILL (out of memory?)" in errors
    again = run_main(tmp_path, server, *options)
    assert again.returncode == 0, again.stderr
    assert "\nOnly dropout was trained" in again.stdout
    assert "prepare: cached" in again.stderr
    models = [list(folder.glob("data/train/dropout-*/model.keras")) for folder in (finished_run, tmp_path)]
    assert len({path.read_bytes() for paths in models for path in paths}) == 1
    assert leftovers(tmp_path / "data") == []


def test_a_server_that_goes_away_gets_one_sentence_and_what_was_finished_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")  # it would ask for a minute and a half
    (tmp_path / "home").mkdir()
    with prefect_server(tmp_path / "home") as server:
        process = start_main(tmp_path, server, *ON_THE_FIXTURE, "--networks", "dropout")
        training_child(process)
    with process:
        errors = process.communicate(timeout=400)[1]
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith("error: the run broke off (ConnectError: ")
    assert list(tmp_path.glob("data/train/dropout-*"))


def training_child(process, killed=0):
    """Wait for the run's next worker that has a training's lock, and return its process id.

    One that was killed keeps its files open until the last of its threads has ended.
    """
    found = []

    def appeared():
        assert process.poll() is None, process.communicate()
        found[:] = [worker for worker in workers_of(process.pid) if worker != killed and trains(worker)]
        return found

    wait_until(appeared, 120)
    return found[0]
