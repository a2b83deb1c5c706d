"""Programs as tests start them, a user's command line and a Prefect server; what runs, and what is left."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from flows.operations.services import listens
from tasks.pipeline.staging import LOCKS
from tasks.settings.settings import PROJECT

FIXTURE = Path(__file__).parent / "fixtures" / "fashion-mnist-600"

SPECIFICATION = FIXTURE / "dataset.json"


class Server(NamedTuple):
    """A Prefect server that runs while the tests do."""

    url: str
    environment: dict[str, str]


def free_port() -> int:
    """Return a port that is free, as the next two are, and that the system gives to nobody who asks for any port."""
    while True:
        port = random.randrange(10_000, 30_000)  # the system's own begin at 32,768, or at 49,152
        with contextlib.suppress(OSError), contextlib.ExitStack() as sockets:
            for each in range(port, port + 3):
                sockets.enter_context(socket.create_server(("127.0.0.1", each)))
            return port


@contextlib.contextmanager
def background(
    *command: str | Path, log: Path = Path(os.devnull), **options: Any
) -> "Iterator[subprocess.Popen[bytes]]":
    """Have a program run while the context lasts, with all that it starts; what it says goes to the log."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def prefect_server(home: Path) -> Iterator[Server]:
    """Have a Prefect server while the context lasts."""
    port = free_port()
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    options = ("--host", "127.0.0.1", "--port", str(port), "--no-ui")
    log = home / "server.log"
    with background(sys.executable, "-m", "prefect", "server", "start", *options, log=log, env=environment):
        wait_until(lambda: listens(port), 180, log.read_text)
        yield Server(environment["PREFECT_API_URL"], environment)


ON_THE_FIXTURE = ("--dataset", str(SPECIFICATION), "--source", str(FIXTURE), "--epochs", "1", "--batch-size", "32")


def start_main(
    folder: Path,
    server: Server | None,
    *options: str,
    stderr: int = subprocess.PIPE,
    program: tuple[str, ...] = ("main.py",),
) -> "subprocess.Popen[str]":
    """Start the command line as a user does, its data and reports in this folder, from another working directory."""
    home = str(folder.parent / "prefect")  # one for all tests: only the first makes the database
    environment = server.environment if server else os.environ | {"PREFECT_HOME": home}
    folders = ["--data-dir", str(folder / "data"), "--reports-dir", str(folder / "reports")]
    return subprocess.Popen(
        [sys.executable, str(PROJECT / "flows" / program[0]), *program[1:], *folders, *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


def run_main(
    folder: Path, server: Server | None, *options: str, **how: tuple[str, ...]
) -> "subprocess.CompletedProcess[str]":
    """Run the command line to its end."""
    with start_main(folder, server, *options, **how) as process:
        output, errors = process.communicate(timeout=400)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def leftovers(folder: Path) -> list[Path]:
    """Return what a run should not have left in its data and reports folders; locks stay."""
    return [path for path in folder.rglob("*") if path.name.startswith(".") and path.name != LOCKS]


def command_of(process: int) -> str:
    """Return a process's command line, empty once it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children_of(process: int) -> list[int]:
    """Return the process's children, as the kernel lists them."""
    children: list[int] = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            children += map(int, (thread / "children").read_text().split())
    return children


FORK_SERVER = "multiprocessing.forkserver"  # in the command line of the server and of the workers that it has forked


def workers_of(process: int) -> list[int]:
    """Return the workers of a run."""
    servers = [child for child in children_of(process) if FORK_SERVER in command_of(child)]
    return [worker for server in servers for worker in children_of(server)]


def trains(process: int) -> bool:
    """Tell whether a worker holds the lock of a training."""
    with contextlib.suppress(OSError):
        return any("/train/.locks/" in str(held.readlink()) for held in Path(f"/proc/{process}/fd").iterdir())
    return False


def wait_until(condition, seconds: float, describe=str) -> None:
    """Return as soon as the condition holds; fail after so many seconds."""
    import time

    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {describe()}"
        time.sleep(0.05)
