import os
import subprocess
import sys

from tests.conftest import PROJECT

A_RUN_THAT_ENDS_WHILE_ITS_SERVER_STILL_WRITES = """
import logging
import os
from pathlib import Path
from prefect import flow, settings, task
from flows.ephemeral_server import prefect_api

@flow
def many_tasks():
    task(lambda number: number).map(range(40)).wait()

one = {settings.PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE: 1}  # it then writes all the time
with settings.temporary_settings(one), prefect_api(Path(os.environ["PREFECT_HOME"])) as wait:
    wait()
    logging.disable()
    many_tasks()
print("ended")
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
