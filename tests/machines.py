"""Machines of a cluster, all on this one: copies of the project, Dask workers, a bucket that they share."""

import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import PROJECT, background, free_port, wait_until

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
        wait_until(lambda: _listens(port), 30, log.read_text)
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


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@contextlib.contextmanager
def dask_scheduler(environment: dict[str, str], log: Path) -> Iterator[str]:
    """Have a Dask scheduler while the context lasts; give its address."""
    port = free_port()
    options = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    with background(sys.executable, "-m", "distributed.cli.dask_scheduler", *options, log=log, env=environment):
        yield f"tcp://127.0.0.1:{port}"


class Machine:
    """A copy of the project with a data folder of its own, and a worker of a Dask cluster on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "worker.log"
        for part in ("flows", "tasks"):
            shutil.copytree(PROJECT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(PROJECT / "pyproject.toml", folder)

    def run(
        self, *command: str, environment: dict[str, str], output: Path, core: int | None = None
    ) -> "subprocess.Popen[str]":
        """Start a Python program on it, on one core alone if that is named."""
        pinned = () if core is None else ("taskset", "--cpu-list", str(core))
        with output.open("w") as file:
            return subprocess.Popen(
                [*pinned, sys.executable, *command],
                cwd=self.folder,
                env=environment | {"PYTHONPATH": str(self.folder)},
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def work_for(self, scheduler: str, environment: dict[str, str], core: int | None = None) -> None:
        """Start its worker."""
        options = ("--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", self.folder.name)
        command = ("-m", "distributed.cli.dask_worker", scheduler, *options)
        self.worker = self.run(*command, environment=environment, output=self.log, core=core)

    def stop(self) -> None:
        """End its worker."""
        self.worker.kill()
        self.worker.wait()
