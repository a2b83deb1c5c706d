"""A node: a function that makes an artifact, run under the artifact contract.

The function's signature is its declaration. After the folder that it fills come, by keyword: its input artifacts; the
settings that it reads, by their names in `Settings`; `network`, if it is mapped over the networks; `progress`, to tell
how far it is; `child`, to run a module as a child process; `checkpoints`, a folder that survives until it is made.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.artifacts.artifact import Artifact, Miss
from tasks.artifacts.code import code_of, edited_of
from tasks.artifacts.identity import Identity, digest_of, label_of, versions_of
from tasks.artifacts.reasons import why_not_made
from tasks.artifacts.store import NOT_MADE, Store
from tasks.child import run_child, stopping
from tasks.errors import RunError, UserError, sentence_of
from tasks.progress import Reporter
from tasks.settings import Settings

Inputs = Mapping[str, Artifact | Mapping[str, Artifact]]  # a mapped node's artifacts come by network
GIVEN = ("progress", "child", "checkpoints")  # what a node may take besides inputs and settings


@dataclass(frozen=True)
class Member:
    """One of a study's parts, each with a few settings of its own: `seed 3`, `fold 2`."""

    name: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A step of the DAG."""

    function: Callable[..., dict[str, Any]]
    libraries: tuple[str, ...] = ()  # distributions whose versions shape the numbers
    unkeyed: tuple[str, ...] = ()  # settings that it reads though they do not shape the result
    by_provenance: bool = False  # its result tells when and where its inputs were made, not only what is in them
    retries: int = 0  # after what can heal by itself
    apart: bool = False  # in a child process, with which the memory goes that it needs
    check: Callable[[Artifact], None] = field(default=lambda _: None)  # raises where the run must not go on
    member: Member | None = None  # of a study, whose settings it reads

    @property
    def name(self) -> str:
        """The verb."""
        return self.function.__name__

    @cached_property
    def parameters(self) -> list[str]:
        """What the function takes by keyword."""
        return [p.name for p in inspect.signature(self.function).parameters.values() if p.kind == p.KEYWORD_ONLY]

    def __reduce__(self) -> tuple[Any, ...]:
        """Be sent to another process by name: a node is what its module calls so."""
        return _named_in, (self.function.__module__, self.name, self.member)

    def of(self, member: Member) -> Node:
        """Return the same node for a study's member."""
        return replace(self, member=member)

    def __call__(self, folder: Path, **keywords: Any) -> dict[str, Any]:
        """Call the function itself, as a test does."""
        return self.function(folder, **keywords)

    def label(self, network: str | None) -> str:
        """Return the name that people see."""
        return label_of(self.name, network, self.member.name if self.member else None)

    def identity(self, settings: Settings, network: str | None, inputs: Inputs, again: bool = False) -> Identity:
        """Return what decides the node's result; `again` reads the code anew."""
        read = self._settings(settings, network, inputs)
        keyed = {name: value for name, value in read.items() if name not in self.unkeyed}
        return Identity(
            node=self.name,
            network=network,
            settings={name: _plain(value) for name, value in keyed.items()},
            inputs={name: self._input_digest(artifact) for name, artifact in _flat(inputs).items()},
            **self.made_by(network, again),
        )

    def made_by(self, network: str | None, again: bool = False) -> dict[str, dict[str, str]]:
        """Return what of this machine decides the result: code and library versions; `again` reads them anew."""
        return {
            "code": code_of(self.function.__module__, self.name, network, again=again),
            "versions": versions_of(self.libraries, again),
        }

    def find(self, settings: Settings, network: str | None, inputs: Inputs) -> Artifact | Miss:
        """Return the artifact if it stands, and why not if it does not.

        Raises:
            RunError: its check stops the run.
        """
        store, identity = store_of(settings), self.identity(settings, network, inputs)
        with _named(self.label(network)):
            artifact = store.find(identity)
            if isinstance(artifact, Artifact):
                self.check(artifact)
            elif artifact.reason == NOT_MADE:
                return Miss(why_not_made(store, identity))
        return artifact

    def run(
        self,
        settings: Settings,
        network: str | None,
        inputs: Inputs,
        reporter: Reporter,
        afresh: str | None = None,
        run: str = "",
    ) -> tuple[Artifact, bool]:
        """Return the artifact and whether it was made now: where it did not stand, or was asked for afresh, and why.

        `run` is what the run is called that makes it.

        Raises:
            RunError: making it failed, or its check stops the run.
        """
        label = self.label(network)
        found = Miss(afresh) if afresh else self.find(settings, network, inputs)
        if isinstance(found, Artifact):
            reporter.ended(label, f"kept, verified ({found.key})")
            return found, False
        reporter.started(label, found.reason)
        with _named(label):
            artifact, made = self._make(settings, network, inputs, reporter, found.reason, bool(afresh), run)
            self.check(artifact)
        seconds = artifact.manifest["made"]["seconds"]
        reporter.ended(label, f"made in {seconds:.1f} s" if made else f"made by another run, verified ({artifact.key})")
        return artifact, made

    def _make(
        self,
        settings: Settings,
        network: str | None,
        inputs: Inputs,
        reporter: Reporter,
        why: str,
        fresh: bool,
        run: str,
    ) -> tuple[Artifact, bool]:
        label, store = self.label(network), store_of(settings)
        identity = self.identity(settings, network, inputs, again=self.apart)
        if not self.apart and (edited := edited_of(identity.code)):  # what runs here may be what was there before
            raise RunError(f"the code has changed since the run began ({edited[0]}); run again")
        own = self._settings(settings, network, inputs)
        keywords = {**inputs, **own, "network": network}

        def progress(*told: Any) -> None:
            reporter.advanced(label, *told)

        def progress_of_the_child(done: float, *told: Any) -> None:
            if not begun.is_set():  # it may still read code and load libraries
                self._insist_on_the_code(identity)
            if done:
                begun.set()
            progress(done, *told)

        def produce(folder: Path, lock: int) -> dict[str, Any]:
            keywords["progress"] = progress
            keywords["checkpoints"] = store.checkpoints(identity)
            keywords["child"] = partial(run_child, progress=progress_of_the_child, lock=lock, queued=queued.append)
            if self.apart:
                facts = keywords["child"]("tasks.apart", self._job(folder, identity, own, inputs))
            else:
                facts = self.function(folder, **{name: keywords[name] for name in self.parameters})
            for name, artifact in _flat(inputs).items():
                if not artifact.stands():
                    raise RunError(f"its input {name} has changed while it ran; run again")
            return facts

        def waiting(holder: str) -> None:
            if holder not in told:
                told.add(holder)
                reporter.advanced(label, 0, 0, f"waiting for {holder}", True)
            if stopping.wait(0.1):
                raise RunError("stopped")

        told: set[str] = set()
        begun = threading.Event()
        queued: list[float] = []
        return store.make(identity, produce, why=why, run=run, fresh=fresh, waiting=waiting, queued=queued)

    def _job(self, folder: Path, identity: Identity, own: dict[str, Any], inputs: Inputs) -> dict[str, Any]:
        """Return what the child needs to know that calls the function."""
        return {
            "module": self.function.__module__,
            "node": self.name,
            "modules": sorted({_module_of(name) for name in identity.code if ".py:" in name}),
            "output": str(folder),
            "settings": {name: _plain(value) for name, value in own.items()},
            "inputs": {
                name: str(given.folder) if isinstance(given, Artifact) else {n: str(a.folder) for n, a in given.items()}
                for name, given in inputs.items()
            },
        }

    def _insist_on_the_code(self, identity: Identity) -> None:
        """Raise RunError if this machine does not hold the code and the libraries any more that the key was made of."""
        now = self.made_by(identity.network, again=True)
        changed = now["code"].items() ^ identity.code.items() or now["versions"].items() ^ identity.versions.items()
        if changed:
            raise RunError(f"the code has changed since the run began ({min(changed)[0]}); run again")

    def _input_digest(self, artifact: Artifact) -> str:
        return digest_of(artifact.manifest) if self.by_provenance else artifact.digest

    def _settings(self, settings: Settings, network: str | None, inputs: Inputs) -> dict[str, Any]:
        resolved = settings.resolved(network)
        others = {"network", *GIVEN, *inputs}
        own = self.member.settings if self.member else {}
        read = [name for name in self.parameters if name not in others]
        return {name: own[name] if name in own else getattr(resolved, name) for name in read}


def _named_in(module: str, name: str, member: Member | None) -> Node:
    return replace(getattr(import_module(module), name), member=member)


def store_of(settings: Settings) -> Store:
    """Return where artifacts are kept: in the data folder, or there and where machines share them."""
    if not settings.store:
        return Store(settings.data_dir)
    from tasks.artifacts.shared import SharedStore

    return SharedStore(settings.data_dir, settings.store)


def node(**options: Any) -> Callable[[Callable[..., dict[str, Any]]], Node]:
    """Make a node of a function; the options are `Node`'s fields."""
    return lambda function: Node(function, **options)


@contextlib.contextmanager
def _named(label: str) -> Iterator[None]:
    """Put the node's label before what goes wrong."""
    try:
        yield
    except (RunError, UserError) as error:
        error.args = (f"{label}: {error}",)
        raise
    except OSError as error:
        raise RunError(f"{label}: {sentence_of(error)}") from error


def _module_of(definition: str) -> str:
    """Return the module of a definition as `code_of` names it, such as `tasks/report/__init__.py: report`."""
    return definition.partition(".py:")[0].removesuffix("/__init__").replace("/", ".")


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _flat(inputs: Inputs) -> dict[str, Artifact]:
    flat: dict[str, Artifact] = {}
    for name, given in inputs.items():
        flat |= {name: given} if isinstance(given, Artifact) else {f"{name}[{n}]": a for n, a in given.items()}
    return flat
