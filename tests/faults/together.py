"""Several runs at once in one data folder: each artifact is made once, and the others wait for it."""

from collections import Counter
from pathlib import Path

from tasks.pipeline.run_records import records
from tests.programs import ON_THE_FIXTURE, Server, leftovers, start_main


def run_together(folder: Path, server: Server, runs: int) -> bool:
    """Start so many runs at the same time, and print how often each node was made; return whether that was once."""
    folder.mkdir()
    processes = [start_main(folder, server, *ON_THE_FIXTURE) for _ in range(runs)]
    errors = [process.communicate(timeout=400)[1] for process in processes]
    ended = [process.returncode for process in processes]
    made = Counter[str]()
    for record in records(folder / "data"):
        made.update(label for label, node in record.content["nodes"].items() if node["how"] == "made")
    waits = sum("waiting for another run" in line for text in errors for line in text.splitlines())
    left = leftovers(folder)
    print(f"{runs} runs at once: {dict(made)}; {waits} waits; ended with {ended}; left behind: {left}", flush=True)
    return sum(made.values()) == 9 and not any(ended) and not left
