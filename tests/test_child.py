import fcntl
import os
import signal
import subprocess
import sys

import pytest
from tasks.child import Heard, Process, cores, run_child

from flows.processes import command_of
from tasks import child as module
from tasks.pipeline.errors import RunError, WorkerCrashed
from tasks.pipeline.progress import silent
from tests.conftest import wait_until


def test_a_child_answers_and_its_progress_is_passed_on():
    heard = []
    result = run_child("tests.a_child", {"do": "answer", "numbers": [1, 2, 3]}, lambda *told: heard.append(told))
    assert result == {"sum": 6}
    assert heard == [(1, 2, "half", True)]


def test_a_job_is_heard_whole_however_long_it_is():
    assert run_child("tests.a_child", {"do": "answer", "numbers": [1] * 1_000_000}, silent) == {"sum": 1_000_000}


def test_once_the_run_is_over_every_process_ends_and_none_is_started():
    done = subprocess.run([sys.executable, "-c", STOPPING], capture_output=True, text=True, timeout=60)
    assert done.stdout == "stopped\n-9\nstopped\n", done.stderr


STOPPING = """
import subprocess, sys
from tasks.child import run_child, stop_children, stoppable
from tasks.pipeline.errors import WorkerCrashed, RunError
from tasks.pipeline.progress import silent

def run(job, progress):
    try:
        run_child("tests.a_child", job, progress)
    except RunError as error:
        print("may heal" if isinstance(error, WorkerCrashed) else error)

with stoppable(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)) as child:
    run({"do": "wait"}, lambda *_: stop_children())
    print(child.wait())
run({"do": "answer", "numbers": []}, silent)
"""


def test_a_child_runs_the_project_s_code_whatever_lies_in_the_current_folder(tmp_path, monkeypatch):
    for name in ("tests", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    assert run_child("tests.a_child", {"do": "answer", "numbers": [1]}, silent) == {"sum": 1}


def test_a_child_says_what_went_wrong():
    with pytest.raises(RunError, match="^the numbers do not add up$") as refused:
        run_child("tests.a_child", {"do": "refuse"}, silent)
    assert not isinstance(refused.value, WorkerCrashed)


def test_a_fault_in_a_child_is_told_with_its_traceback_as_a_note_and_is_not_worth_another_try():
    with pytest.raises(RunError, match="^ZeroDivisionError: a fault in the code") as refused:
        run_child("tests.a_child", {"do": "break"}, silent)
    assert "Traceback" in refused.value.__notes__[0]
    assert "a_child.py" in refused.value.__notes__[0]
    assert not isinstance(refused.value, WorkerCrashed)


def test_a_child_that_cannot_start_is_told_with_its_standard_error_as_a_note():
    with pytest.raises(RunError, match="^its process ended with status 1 and no result") as refused:
        run_child("tests.no_such_child", {}, silent)
    assert "No module named tests.no_such_child" in refused.value.__notes__[0]
    assert not isinstance(refused.value, WorkerCrashed)


def test_a_killed_child_is_told_from_one_that_failed():
    with pytest.raises(WorkerCrashed, match="^its process was killed by SIGKILL"):
        run_child("tests.a_child", {"do": "die"}, silent)


def test_a_child_ends_when_its_parent_is_killed():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    child = int(parent.stdout.readline())
    assert "tests.a_child" in command_of(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not command_of(child), 5)


PARENT = """
from tasks.child import run_child
run_child("tests.a_child", {"do": "wait"}, lambda done, total, note, milestone: print(note))
"""


def test_a_child_that_is_dead_before_it_hears_its_job_has_no_answer_and_breaks_no_pipe():
    child = Process("tests.a_child")
    child.process.kill()
    child.process.wait()
    try:
        assert child.converse({"job": "small"}, None, silent, Heard()) == {}
    finally:
        child.end()


def test_a_child_that_hangs_is_killed_and_worth_another_try(monkeypatch):
    monkeypatch.setattr(module, "SILENCE", 1)
    with pytest.raises(WorkerCrashed, match="^its process said nothing for 1 seconds, and was killed$"):
        run_child("tests.a_child", {"do": "wait"}, silent)


def tell(name="a_child", **options):
    return run_child(f"tests.{name}", {"do": "tell"}, silent, **options)


@pytest.fixture(autouse=True)
def no_child_yet(monkeypatch):
    for name in ("_waiting", "_early"):
        monkeypatch.setattr(module, name, [])
    yield
    for child in [*module._waiting, *module._early]:
        child.end()


def test_a_kept_child_does_the_next_job_of_another_module_and_no_third():
    first, second, third = tell(keep=True), tell("another_child"), tell("another_child")
    assert (first["module"], second["module"], third["module"]) == ("a_child", "another_child", "another_child")
    assert first["pid"] == second["pid"] != third["pid"]


def test_a_job_that_is_to_be_kept_for_the_next_one_gets_a_process_of_its_own():
    first, second = tell(keep=True)["pid"], tell(keep=True)["pid"]
    assert first != second
    assert {tell()["pid"], tell()["pid"]} == {first, second}


def test_a_child_that_was_started_early_does_the_first_job_that_is_given_with_keep():
    module.start_early("tests.a_child", {"do": "answer", "numbers": []}, 1)
    (early,) = module._early
    first, second = tell("another_child", keep=True), tell(keep=True)
    assert (first["pid"], first["module"]) == (early.process.pid, "another_child")
    assert second["pid"] != first["pid"]


def test_what_a_child_that_is_started_early_tells_before_its_job_is_not_told_as_the_jobs():
    module.start_early("tests.a_child", {"do": "answer", "numbers": [7]}, 1)
    heard = []
    job = {"do": "answer", "numbers": [1, 2]}
    assert run_child("tests.a_child", job, lambda *told: heard.append(told), keep=True) == {"sum": 3}
    assert heard == [(1, 2, "half", True)]


def test_what_goes_wrong_in_a_child_that_was_started_early_is_told_with_its_job():
    module.start_early("tests.a_child", {"do": "break"}, 1)
    with pytest.raises(RunError, match="^ZeroDivisionError: a fault in the code"):
        tell(keep=True)


@pytest.mark.parametrize("keep", [True, False])
def test_a_child_that_was_killed_before_its_job_does_not_get_it(keep):
    if keep:
        module.start_early("tests.a_child", {"do": "tell"}, 1)
    else:
        tell(keep=True)
    (child,) = module._early + module._waiting
    child.process.kill()
    child.process.wait()
    assert tell(keep=keep)["pid"] != child.process.pid
    assert child.process not in module._running


@pytest.mark.parametrize("keep", [True, False])
def test_a_child_that_began_with_other_code_than_there_is_now_does_not_get_the_next_job(keep, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "START", tmp_path / "start.py")
    module.START.write_text("threads = 1")
    if keep:
        module.start_early("tests.a_child", {"do": "tell"}, 1)
    else:
        tell(keep=True)
    (child,) = module._early + module._waiting
    module.START.write_text("threads = 2")
    assert tell(keep=keep)["pid"] != child.process.pid
    assert child.process.returncode is not None


def test_no_more_children_are_started_early_than_there_are_cores():
    module.start_early("tests.a_child", {"do": "tell"}, 99)
    assert len(module._early) == cores()


def test_a_kept_child_reads_the_code_of_its_next_job_anew():
    first = run_child("tests.a_child", {"do": "mark"}, silent, keep=True)
    second = run_child("tests.another_child", {"do": "mark"}, silent)
    assert (first["found"], second["found"]) == (False, False)
    assert first["pid"] == second["pid"]


def test_a_kept_child_that_gets_no_job_ends(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 0.1)
    kept = tell(keep=True)["pid"]
    wait_until(lambda: not command_of(kept), 5)
    assert tell()["pid"] != kept


def test_a_child_holds_the_lock_while_it_is_at_its_job_and_no_longer(tmp_path):
    for keep in (True, False):  # a new child, and the same one with its next job
        with (tmp_path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            told = tell(lock=lock.fileno(), keep=keep)
        assert str(tmp_path / "lock") in told["open"]
        with (tmp_path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
