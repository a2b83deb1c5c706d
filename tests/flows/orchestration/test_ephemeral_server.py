import os
import subprocess
import sys

import pytest

from flows.orchestration.ephemeral_server import DATABASE, MAX_DATABASE, _database_at
from tests.programs import PROJECT

pytestmark = pytest.mark.slow

HEAD = b"SQLite format 3\0"

A_RUN_THAT_ENDS_WHILE_ITS_SERVER_STILL_WRITES = """
import logging
import os
from pathlib import Path
from prefect import flow, settings, task
from flows.cli import _exit
from flows.orchestration.ephemeral_server import prefect_api

@flow
def many_tasks():
    task(lambda number: number).map(range(40)).wait()

one = {settings.PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE: 1}  # it then writes all the time
with settings.temporary_settings(one), prefect_api(Path(os.environ["PREFECT_HOME"])) as wait:
    wait()
    logging.disable()
    many_tasks()
print("ended")
_exit(0)  # as the command ends: without waiting for threads
"""


def test_a_server_that_is_ended_in_the_middle_of_a_write_says_nothing(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", A_RUN_THAT_ENDS_WHILE_ITS_SERVER_STILL_WRITES],
        cwd=PROJECT,
        env=os.environ | {"PREFECT_HOME": str(tmp_path.parent / "prefect")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.stdout == "ended\n"
    assert run.stderr == ""


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "prefect" / DATABASE
    path.parent.mkdir()
    return path


def large(path):
    path.write_bytes(HEAD)
    os.truncate(path, MAX_DATABASE + 1)


def test_a_database_that_has_grown_large_gives_way_to_a_new_one(database):
    large(database)
    database.with_name(f"{DATABASE}-wal").write_bytes(b"of the old one")
    with _database_at(database):
        assert list(database.parent.glob("[!.]*")) == []


def test_a_database_stays_while_it_is_small_or_another_run_is_at_it(database):
    database.write_bytes(HEAD)
    with _database_at(database):
        large(database)
        with _database_at(database):
            assert database.stat().st_size > MAX_DATABASE
    with _database_at(database):
        assert not database.exists()
