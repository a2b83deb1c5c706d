"""Machines of a cluster, all on this one: copies of the project, Dask workers, a bucket that they share."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows.operations.services import listens
from tests.programs import PROJECT, background, free_port, wait_until

# A Dask worker; the scheduler's address is to follow.
DASK_WORKER = ("-m", "distributed.cli.dask_worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny")
BIN = Path(sys.executable).parent
SERVERS = {  # with conditional writes, as S3 has them, and without
    "localbucket": ("--host", "127.0.0.1", "--port", "{port}", "{folder}"),
    "rclone": ("serve", "s3", "--addr", "127.0.0.1:{port}", "--auth-key", "key,secret", "{folder}"),
}


@contextlib.contextmanager
def bucket_server(program: str, folder: Path) -> Iterator[dict[str, str]]:
    """Have a server of the buckets in a folder; give the variables by which it is reached."""
    port = free_port()
    (folder / "bucket").mkdir(parents=True)
    options = [option.format(port=port, folder=folder) for option in SERVERS[program]]
    log = folder.with_suffix(".log")
    with background(BIN / program, *options, log=log):
        wait_until(partial(listens, port), 30, log.read_text)
        address = f"http://127.0.0.1:{port}"
        yield {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@contextlib.contextmanager
def bucket_known(program: str, folder: Path) -> Iterator[str]:
    """Have a bucket that this process reaches while the context lasts; give its URL."""
    import s3fs

    with bucket_server(program, folder) as variables, pytest.MonkeyPatch.context() as patch:
        s3fs.S3FileSystem.clear_instance_cache()
        for name, value in variables.items():
            patch.setenv(name, value)
        yield "s3://bucket"


@contextlib.contextmanager
def dask_scheduler(environment: dict[str, str], log: Path) -> Iterator[str]:
    """Have a Dask scheduler while the context lasts; give its address."""
    port = free_port()
    options = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    with background(sys.executable, "-m", "distributed.cli.dask_scheduler", *options, log=log, env=environment):
        yield f"tcp://127.0.0.1:{port}"


def machine(folder: Path) -> Path:
    """Make a folder another machine's: a copy of the project, with a data folder of its own."""
    for part in ("flows", "tasks"):
        shutil.copytree(PROJECT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", folder)
    return folder


def program_on(machine: Path, *command: str, environment: dict[str, str]) -> Any:
    """Have a Python program run there while the context lasts; it says what it does in `log`."""
    ours = environment | {"PYTHONPATH": str(machine)}
    return background(sys.executable, *command, log=machine / "log", cwd=machine, env=ours)
