"""The files of which `code_of` tells what a node runs, and its answers about them, kept until any of them changes.

To read through all code takes longer than to verify all artifacts. So the answers are kept beside Python's own compiled
code, with the digest of every file's content: other content, another Python or a damaged file, and they are worked out
again.
"""

import contextlib
import json
import os
import sys
from functools import cache, cached_property
from hashlib import sha256
from itertools import filterfalse
from pathlib import Path

from tasks.artifacts import STARTED
from tasks.artifacts.identity import digest_of

PACKAGES = ("tasks", "flows")
ANSWERS = Path("tasks", "__pycache__", "code.json")

Answer = dict[str, str]


class Files:
    """The files at the project's top and in its packages, as they were when they were read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tops = {path.stem for path in root.iterdir()}
        self.other_packages = {path.parent.name for path in root.glob("*/__init__.py")} - set(PACKAGES)
        inside = [path for package in PACKAGES for path in sorted((root / package).rglob("*"))]
        paths = [path.relative_to(root) for path in (*root.iterdir(), *inside) if path.is_file()]
        self.contents: dict[Path, bytes] = {}
        self.edited = set[Path]()  # since this process began: it may have imported what was there before
        for path in filterfalse(_is_hidden, paths):
            with contextlib.suppress(OSError):  # just removed, or not to be read, by whatever code names it either
                self.contents[path] = (root / path).read_bytes()
                self.edited |= {path} if (root / path).stat().st_ctime > STARTED else set()

    @cached_property
    def digest(self) -> str:
        """The digest of all that an answer is worked out from."""
        files = {path.as_posix(): sha256(content).hexdigest() for path, content in self.contents.items()}
        return digest_of([sys.version, sorted(self.tops), sorted(self.other_packages), files])

    @cached_property
    def answers(self) -> dict[str, Answer]:
        """What is known already, by question."""
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            kept = json.loads((self.root / ANSWERS).read_bytes())
            if kept["files"] == self.digest and kept["digest"] == digest_of(kept["answers"]):
                return kept["answers"]
        return {}

    def keep(self, question: str, answer: Answer) -> None:
        """Remember an answer, for other processes too where Python keeps its compiled code."""
        self.answers[question] = answer
        kept = {"files": self.digest, "digest": digest_of(self.answers), "answers": self.answers}
        part = self.root / ANSWERS.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):  # not ours to write, a full disk: then it is worked out each time
            part.write_text(json.dumps(kept))
            part.replace(self.root / ANSWERS)


@cache
def files_at(root: Path) -> Files:
    """Return the files of a project as they are at the first call."""
    return Files(root)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "#")) or part.endswith("~") or part == "__pycache__" for part in path.parts)
