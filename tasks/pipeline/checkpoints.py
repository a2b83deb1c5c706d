"""Where a node keeps what a later try goes on from: files in a folder, each whole or not at all."""

from dataclasses import dataclass
from pathlib import Path

from tasks.pipeline.staging import remove, replace_file


@dataclass(frozen=True)
class Checkpoints:
    """A place for files, for one making of one artifact: a folder of this machine."""

    folder: Path

    def names(self) -> list[str]:
        """Return the files there, the last by name first."""
        return sorted((path.name for path in self.folder.glob("[!.]*.npz")), reverse=True)

    def read(self, name: str) -> bytes:
        """Return what is in a file."""
        return (self.folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Put a file there, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_file(self.folder / name, content)

    def remove(self, name: str) -> None:
        """Remove a file."""
        remove(self.folder / name)

    def clear(self) -> None:
        """Remove all of it: the artifact is made."""
        remove(self.folder)
