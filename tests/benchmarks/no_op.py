"""How long it takes to see that there is nothing to do: the median of ten runs, split into its parts.

python -m tests.benchmarks.no_op [options of flows/main.py, for a run that stands]
"""

import statistics
import subprocess
import sys
import time

from tasks.settings import PROJECT

RUNS = 10
PARTS = """
import json, sys, time
began = time.perf_counter()
from flows.command_line import read_options
from flows.main import dag
from flows.plan import standing
from tasks.artifacts.code import code_of
from tasks.settings import parse_settings
imported = time.perf_counter()
settings = parse_settings(read_options(sys.argv[1:]))
dag(lambda node, network=None, **_: code_of(node.function.__module__, node.name, network), settings)
digested = time.perf_counter()
found = standing(settings)
verified = time.perf_counter()
files = [file["bytes"] for artifact in found.values() for file in artifact.manifest["files"].values()]
print(json.dumps([imported - began, digested - imported, verified - digested, len(files), sum(files)]))
"""


def main() -> None:
    """Measure, and print seconds and bytes."""
    options = sys.argv[1:]
    command = [sys.executable, str(PROJECT / "flows" / "main.py"), *options]
    subprocess.run(command, check=True, capture_output=True)  # so that it stands
    whole, parts = [], []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        whole.append(time.perf_counter() - began)
        told = subprocess.run(
            [sys.executable, "-c", PARTS, *options], check=True, capture_output=True, text=True, cwd=PROJECT
        ).stdout
        parts.append([float(part) for part in told.strip("[]\n").split(", ")])
    medians = [statistics.median(column) for column in zip(*parts, strict=True)]
    print(f"no-op run: median of {RUNS} {statistics.median(whole):.3f} s ({min(whole):.3f} to {max(whole):.3f})")
    print("import {:.3f} s, digest of the code {:.3f} s, verify {:.3f} s: {:.0f} files, {:,.0f} bytes".format(*medians))


if __name__ == "__main__":
    main()
