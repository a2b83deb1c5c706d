"""What may lie where a file or a folder of the project is to be."""

import os
import stat


def sparse(path):
    """Put a file there that announces more than any memory holds, and takes no room."""
    with path.open("wb") as file:
        file.truncate(400 << 30)


OTHER_THAN_FILES = {  # each with what puts it at a path
    "a pipe": os.mkfifo,
    "a socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    "a folder": os.mkdir,
    "a link": lambda path: path.symlink_to(__file__),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
}
