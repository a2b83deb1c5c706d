"""Artifacts damaged at random: none may be served."""

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from flows.main import dag
from flows.plan import plan
from tasks.settings.settings import Settings


def flip_a_bit(path: Path, choose: random.Random) -> None:
    """Change one bit, and put the times back."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def swap(path: Path, choose: random.Random) -> None:
    """Exchange two files of the artifact."""
    other = choose.choice([file for file in path.parent.iterdir() if file != path])
    content, others = path.read_bytes(), other.read_bytes()
    path.write_bytes(others)
    other.write_bytes(content)


def link(path: Path, choose: random.Random) -> None:
    """Put a link to the same bytes in its place."""
    elsewhere = path.parents[3] / "elsewhere"
    shutil.copy2(path, elsewhere)
    path.unlink()
    path.symlink_to(elsewhere)


def take_anothers(path: Path, choose: random.Random) -> None:
    """Put the manifest of another artifact in this one's place."""
    others = [found for found in path.parents[2].glob("*/*/manifest.json") if found.parent != path.parent]
    shutil.copy2(choose.choice(others), path.parent / "manifest.json")


DAMAGES: dict[str, Callable[[Path, random.Random], object]] = {
    "a bit flipped": flip_a_bit,
    "cut off": lambda path, choose: os.truncate(path, choose.randrange(path.stat().st_size)),
    "lengthened": lambda path, choose: path.write_bytes(path.read_bytes() + choose.randbytes(choose.randint(1, 100))),
    "deleted": lambda path, choose: path.unlink(),
    "a file more": lambda path, choose: path.with_name(f"{choose.randrange(10**6)}.npy").write_bytes(b""),
    "two swapped": swap,
    "a link": link,
    "another's manifest": take_anothers,
}


def damage_again_and_again(settings: Settings, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Damage a random artifact `count` times, and repair it; count what was done, and list what was served anyway."""
    choose, done, served = random.Random(seed), Counter[str](), []
    labels = {label: artifact.key for label, artifact in plan(dag, settings).kept.items()}
    for _ in range(count):
        label, key = choose.choice(list(labels.items()))
        (folder,) = settings.data_dir.glob(f"{label.partition('[')[0]}/*{key}")
        whole = settings.data_dir.parent / "whole"
        shutil.copytree(folder, whole)
        path = choose.choice(sorted(file for file in folder.rglob("*") if file.is_file()))
        damage = choose.choice(list(DAMAGES))
        DAMAGES[damage](path, choose)
        done[damage] += 1
        what = {label: (verb, why) for label, verb, why in plan(dag, settings).steps}[label]
        if what[0] != "run" or what[1] == "new":
            served.append(f"{label} after {damage} of {path.name}: {what}")
        shutil.rmtree(folder)
        whole.rename(folder)
    return done, served
