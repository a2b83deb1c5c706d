"""Several runs at once in one data folder: each artifact is made once, and the others wait for it."""

import subprocess
from collections import Counter
from pathlib import Path

from tasks.pipeline.run_records import records
from tests.programs import ON_THE_FIXTURE, Server, leftovers, start_main


def run_together(folder: Path, server: Server, runs: int) -> tuple[Counter[str], list[str]]:
    """Start so many runs at the same time; return how often each node was made, and who was waited for."""
    processes = [start_main(folder, server, *ON_THE_FIXTURE) for _ in range(runs)]
    results = [process.communicate(timeout=400) for process in processes]
    for process, (output, errors) in zip(processes, results, strict=True):
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args, output, errors)
    made = Counter[str]()
    for record in records(folder / "data"):
        made.update(label for label, node in record.content["nodes"].items() if node["how"] == "made")
    waited = [line for _, errors in results for line in errors.splitlines() if "waiting for another run" in line]
    if leftovers(folder):
        raise AssertionError(f"left behind: {leftovers(folder)}")
    return made, waited
