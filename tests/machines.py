"""A bucket that machines share, on this one."""

import contextlib
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from flows.operations.services import listens
from tests.programs import background, free_port, wait_until

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
