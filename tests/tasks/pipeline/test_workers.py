"""Workers: what becomes of a function's result, its errors and its process, whatever happens to them."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys

import pytest

from tasks.pipeline import workers
from tasks.pipeline.errors import RunError, UserError, WorkerCrashed
from tasks.pipeline.workers import run
from tests import silent
from tests import worker_functions as functions
from tests.programs import PROJECT, children_of, command_of, wait_until

pytestmark = pytest.mark.slow

BEGIN = """
import os, sys
from tasks.pipeline import workers
from tasks.pipeline.errors import RunError, WorkerCrashed
from tasks.pipeline.fork_server import start_server
from tasks.pipeline.workers import run
from tests import silent
from tests import worker_functions as functions

def say(*told):
    print(*told, flush=True)
"""
NODE = """
from tasks.pipeline.node import node
from tasks.reporting.html import BESIDE

@node()
def edit(output):
    (BESIDE / "style.css").write_text("b {}")
    return {}
"""
EDIT = """
from tasks.reporting.made_up import edit
from tasks.settings.settings import Settings

edit.run(Settings(data_dir="kept"), None, {}, print)
"""


def script(code, **options):
    """Run a script of its own, whose fork server is its own."""
    options = {"cwd": PROJECT, "capture_output": True, "text": True, "timeout": 60} | options
    return subprocess.run([sys.executable, "-c", BEGIN + code], **options)


@pytest.mark.parametrize(
    ("how", "kind", "message", "note"),
    [
        (UserError("the user's numbers do not add up"), UserError, "^the user's numbers do not add up$", None),
        (OSError(28, "No space left on device", "/some/file"), OSError, "No space left on device: '/some/file'", None),
        ("unpicklable", RunError, "^Unpicklable: of a library$", "worker_functions.py"),
        ("exit", RunError, "^its process exited with status 3 and no result$", "last words"),
        (signal.SIGKILL, WorkerCrashed, r"^its process was killed by SIGKILL \(out of memory\?\)$", "last words"),
    ],
)
def test_how_a_function_fails_is_told(how, kind, message, note):
    with pytest.raises(kind, match=f"(?m){message}") as failed:
        run(functions.fail, how, progress=silent)
    assert type(failed.value) is kind
    assert note in "".join(getattr(failed.value, "__notes__", [])) if note else not hasattr(failed.value, "__notes__")


def test_a_worker_that_is_silent_for_too_long_is_killed(monkeypatch):
    monkeypatch.setattr(workers, "TIMEOUT", 1)
    with pytest.raises(WorkerCrashed, match="^its process did not report for 1 seconds and was killed"):
        run(functions.wait, progress=silent)


def test_the_server_forks_from_one_thread_and_has_imported_what_it_was_told_and_can(tmp_path):
    (tmp_path / "optuna.py").write_text("raise RuntimeError('broken')")
    told = script(
        'libraries = ["great-expectations", "matplotlib", "numpy", "optuna", "tensorflow"]\n'
        'start_server(libraries, {"PYTHONPATH": os.environ["BROKEN"]})\n'
        "told = run(functions.tell, progress=silent)\n"
        'say(told["server_threads"], *told["imported"])',
        env=os.environ | {"BROKEN": f"{tmp_path}:{PROJECT}"},
    )
    assert told.stdout == "1 tensorflow great_expectations matplotlib\n", told.stderr


def test_a_daemon_s_worker_as_dask_has_it_runs_the_project_s_code_whatever_lies_in_the_current_folder(tmp_path):
    for name in ("tasks", "tests", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit(3)")
    for name in ("numpy.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit(3)")
    code = f"""
import multiprocessing
os.chdir({str(tmp_path)!r})
def work():
    say(run(functions.add, [1], progress=silent))
process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
process.start()
process.join()
"""
    told = script(code)
    assert told.stdout == "{'sum': 1}\n", told.stderr


def test_once_the_run_is_over_every_worker_ends_and_none_is_started(tmp_path):
    code = """
def attempt(function, *arguments, progress=silent):
    try:
        run(function, *arguments, progress=progress)
    except RunError as error:
        say("may heal" if isinstance(error, WorkerCrashed) else error)

attempt(functions.wait, progress=lambda pid, child, *_: (say(pid, child), workers.stop_workers()))
attempt(functions.add, [1])
"""
    told = script(code, env=os.environ | {"TMPDIR": str(tmp_path)})
    pids, *lines = told.stdout.splitlines()
    assert lines == ["stopped", "stopped"], told.stderr
    assert not any(command_of(int(pid)) for pid in pids.split())
    wait_until(lambda: not list(tmp_path.iterdir()), 10)


def test_workers_what_they_have_started_and_the_server_end_when_their_parent_is_killed(tmp_path):
    code = "run(functions.wait, progress=lambda pid, child, *_: say(pid, child))"
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", BEGIN + code], cwd=PROJECT, stdout=subprocess.PIPE, text=True, env=environment
    )
    processes = [*map(int, parent.stdout.readline().split()), *children_of(parent.pid)]
    assert len(processes) == 4  # worker, its child, the server, multiprocessing's resource tracker
    parent.kill()
    parent.communicate()
    wait_until(lambda: not any(command_of(process) for process in processes), 10)
    assert not list(tmp_path.iterdir())


def test_what_a_worker_has_started_ends_with_it_though_the_worker_alone_was_killed():
    processes = []

    def kill(pid, child, *_):
        processes.extend([pid, child])
        os.kill(pid, signal.SIGKILL)

    with pytest.raises(WorkerCrashed, match="was killed by SIGKILL"):
        run(functions.wait, progress=kill)
    wait_until(lambda: not any(map(command_of, processes)), 5)


def test_the_death_of_the_server_is_a_crash_and_the_next_try_has_a_new_one():
    code = """
def kill_server(pid, child, *_):
    server = int(open(f"/proc/{pid}/stat").read().split()[3])
    os.kill(server, 9)
    while open(f"/proc/{server}/stat").read().split()[2] != "Z":
        pass

for function, progress in ((functions.wait, kill_server), (functions.tell, silent)):
    try:
        say("threads:", run(function, progress=progress)["server_threads"])
    except WorkerCrashed as error:
        say(error)
"""
    assert script(code).stdout == "the server that forks the workers died\nthreads: 1\n"


def test_ctrl_c_reaches_neither_the_server_nor_a_worker():
    code = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
start_server(["matplotlib"], {})
os.killpg(0, signal.SIGINT)
say(run(functions.add, [1], progress=lambda *_: os.killpg(0, signal.SIGINT)))
"""
    told = script(code, start_new_session=True)
    assert (told.stdout, told.stderr) == ("{'sum': 1}\n", "")


def test_a_worker_holds_its_parent_s_lock_while_it_works_and_no_longer(tmp_path):
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = run(functions.tell, lock=lock.fileno(), progress=silent)
    assert str(tmp_path / "lock") in told["open"]
    assert told["main"] is None, "the parent's script was imported again"
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_style_that_is_edited_while_a_node_runs_makes_no_artifact(tmp_path):
    shutil.copytree(PROJECT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tasks/reporting/made_up.py").write_text(NODE)
    done = subprocess.run([sys.executable, "-c", EDIT], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    message = "RunError: edit: the code has changed since the run began (tasks/reporting/style.css); run again"
    assert message in done.stderr
    assert list((tmp_path / "kept").glob("*/[!.]*")) == []
