"""Apart: a node's function in a child process, so that the memory of what it imports and computes goes with it."""

from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from tasks.artifacts.artifact import Artifact
from tasks.progress import Progress
from tasks.serve import serve


def call_node(job: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Call the function of the node that the job names, with its settings and inputs; return its facts."""
    for module in job["modules"]:
        import_module(module)
    progress(0, 1, "starts", False)  # the code is read: it is compared with that of the key now
    function = getattr(import_module(job["module"]), job["node"]).function
    types = get_type_hints(function)
    settings = {name: TypeAdapter(types[name]).validate_python(value) for name, value in job["settings"].items()}
    inputs = {
        name: Artifact.at(Path(given))
        if isinstance(given, str)
        else {network: Artifact.at(Path(folder)) for network, folder in given.items()}
        for name, given in job["inputs"].items()
    }
    return function(Path(job["output"]), **settings, **inputs)


if __name__ == "__main__":
    serve(call_node)
