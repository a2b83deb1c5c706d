"""The pipeline's machinery: what an artifact is, what its key is made of, how a node runs and how its result is kept.

An artifact is a folder `data/<node>/[<network>-]<key>/` of files plus `manifest.json`. It appears whole or not at all,
never changes, and proves itself on every hit.
"""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
