"""What the server that workers are forked from does first: it imports once what they would each import by themselves.

A library that cannot be imported is left out: the worker that needs it meets the fault itself, and reports it.
"""

import atexit
import contextlib
import gc
import os
import shutil
from importlib import import_module
from importlib.metadata import version

from tasks.pipeline.fork_server import HEAVY, LIBRARIES, SOCKET_FOLDER, preloaded

os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a worker has a file of its own for what libraries print
os.dup2(2, 1)
atexit.register(shutil.rmtree, os.environ[SOCKET_FOLDER], ignore_errors=True)  # if its parent was killed
import_module("tasks.pipeline.node")
for library in filter(None, os.environ.get(LIBRARIES, "").split(",")):
    with contextlib.suppress(Exception):
        import_module(HEAVY[library])
        preloaded[library] = version(library)
gc.freeze()  # the collector would touch, and so copy, what workers share
