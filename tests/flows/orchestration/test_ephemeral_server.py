import os
import subprocess
import sys

import pytest

from flows.orchestration.ephemeral_server import DATABASE, MAX_DATABASE, _make_room
from tests.programs import PROJECT

pytestmark = pytest.mark.slow

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
with settings.temporary_settings(one), prefect_api(Path(os.environ["PREFECT_HOME"])):
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


def test_a_database_that_has_grown_large_gives_way_to_a_new_one(tmp_path):
    database = tmp_path / DATABASE
    for file in (database, tmp_path / f"{DATABASE}-wal"):
        file.write_bytes(b"of the old one")
    _make_room(database)
    assert database.exists()
    os.truncate(database, MAX_DATABASE + 1)
    _make_room(database)
    assert list(tmp_path.iterdir()) == []
