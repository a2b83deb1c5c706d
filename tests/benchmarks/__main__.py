"""Measure what matters, write `benchmarks.json`, and say loudly what has become worse: `make bench [QUICK=1]`.

python -m tests.benchmarks [--quick] [throughput whole reruns …]
"""

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import import_module

from tasks.settings.settings import PROJECT
from tests.benchmarks.figures import machine, table, worse
from tests.benchmarks.throughput import RAW

PARTS = ("throughput", "whole", "reruns", "growth")
COMMITTED = PROJECT / "benchmarks.json"


def main() -> int:
    """Run the parts; return 1 if a ratio is worse than the committed one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="part", default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer pairs, less data; writes nothing")
    given = parser.parse_args()
    before = json.loads(COMMITTED.read_text())["figures"] if COMMITTED.exists() else {}
    if not RAW.is_dir():
        subprocess.run([sys.executable, "flows/main.py", "--preset", "smoke"], cwd=PROJECT, check=True)
    began = time.perf_counter()
    measured = {}
    for part in given.parts:
        for name, figure in import_module(f"tests.benchmarks.{part}").measure(given.quick):
            measured[name] = figure.summary
            print(table({name: figure.summary}).splitlines()[-1], flush=True)
    told = {"machine": machine(), "measured": datetime.now(UTC).isoformat(timespec="minutes"), "figures": measured}
    if not given.quick:
        told["figures"] = before | measured if given.parts != list(PARTS) else measured
        COMMITTED.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    print(f"\n{json.dumps(told['machine'])}\n{time.perf_counter() - began:.0f} s in all\n\n{table(measured)}")
    fallen = [said for name, now in measured.items() if name in before and (said := worse(name, now, before[name]))]
    for said in fallen:
        print(f"WORSE THAN IT WAS: {said}", file=sys.stderr)
    return int(bool(fallen))


if __name__ == "__main__":
    sys.exit(main())
