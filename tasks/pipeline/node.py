"""A node: a function that makes an artifact, run under the artifact contract.

The function's signature is its declaration. After the folder that it fills come, by keyword: its input artifacts; the
settings that it reads, by their names in `Settings`; `network`, if it is mapped over the networks, and
`network_module`, the module that builds that network; `progress`, to say how far it is; `checkpoints`, which survive
until it is made. It returns its summary; what is `measured` there, such as seconds, is no part of the content.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from tasks.pipeline.artifact import Artifact, Miss
from tasks.pipeline.cache_key import CacheKey, digest_of, label_of, versions_of
from tasks.pipeline.code_key import code_digests, path_of
from tasks.pipeline.errors import RunError, UserError, describe
from tasks.pipeline.miss_reason import why_not_made
from tasks.pipeline.progress import Event, History, Reporter, took
from tasks.pipeline.store import NOT_MADE, Store
from tasks.pipeline.workers import run, run_node, slots, stopping

if TYPE_CHECKING:
    from tasks.settings.settings import Settings

Inputs = Mapping[str, Artifact | Mapping[str, Artifact]]  # a mapped node's artifacts come by network
GIVEN = ("network", "network_module", "progress", "checkpoints")  # what a node may take besides inputs and settings
NETWORKS, CUSTOM = "tasks.networks", "tasks.networks.custom"  # a module for each network, and one for a user's own


@dataclass(frozen=True)
class Variant:
    """One of a study's parts, each with a few settings of its own: `seed 3`, `fold 2`."""

    name: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A step of the DAG."""

    function: Callable[..., dict[str, Any]]
    libraries: tuple[str, ...] = ()  # distributions whose versions shape the numbers
    not_in_key: tuple[str, ...] = ()  # settings that it reads though they do not shape the result
    key_on_provenance: bool = False  # its result says when and where its inputs were made, not only what is in them
    retries: int = 2  # after what can heal by itself
    check: Callable[[Artifact], None] = field(default=lambda _: None)  # raises where the run must not go on
    variant: Variant | None = None  # of a study, whose settings it reads

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
        return _named_in, (self.function.__module__, self.name, self.variant)

    def of(self, variant: Variant) -> Node:
        """Return the same node for a study's variant."""
        return replace(self, variant=variant)

    def __call__(self, folder: Path, **keywords: Any) -> dict[str, Any]:
        """Call the function itself, as a test does."""
        return self.function(folder, **keywords)

    def label(self, network: str | None) -> str:
        """Return the name that people see."""
        return label_of(self.name, network, self.variant.name if self.variant else None)

    def cache_key(self, settings: Settings, network: str | None, inputs: Inputs) -> CacheKey:
        """Return what decides the node's result."""
        read = self._settings(settings, network, inputs)
        keyed = to_jsonable_python({name: value for name, value in read.items() if name not in self.not_in_key})
        return CacheKey(
            node=self.name,
            network=network,
            settings=keyed.pop("recipe", {}) | keyed,
            inputs={
                name: digest_of(artifact.manifest) if self.key_on_provenance else artifact.digest
                for name, artifact in _flatten(inputs).items()
            },
            **self.fingerprint(settings, network),
        )

    def fingerprint(self, settings: Settings, network: str | None) -> dict[str, dict[str, str]]:
        """Return what of this machine decides the result: code and library versions."""
        modules = self.modules(network)
        own = settings.own_network.libraries if CUSTOM in modules and settings.own_network else ()
        return {"code": code_digests(*modules), "versions": versions_of((*self.libraries, *own))}

    def modules(self, network: str | None) -> list[str]:
        """Return where its code begins: in its own module, and in the one that builds the network, if it takes that."""
        of_networks = [f"{NETWORKS}.{network}" if path_of(f"{NETWORKS}.{network}") else CUSTOM]
        return [self.function.__module__, *(of_networks if network and "network_module" in self.parameters else [])]

    def find(self, settings: Settings, network: str | None, inputs: Inputs) -> Artifact | Miss:
        """Return the artifact if it is up to date, and why not if it is not.

        Raises:
            RunError: its check stops the run.
        """
        store, cache_key = store_of(settings), self.cache_key(settings, network, inputs)
        with _named(self.label(network)):
            artifact = store.find(cache_key)
            if isinstance(artifact, Artifact):
                self.check(artifact)
            elif artifact.reason == NOT_MADE:
                return Miss(why_not_made(store, cache_key))
        return artifact

    def run(
        self,
        settings: Settings,
        network: str | None,
        inputs: Inputs,
        reporter: Reporter,
        force_reason: str | None = None,
        run_name: str = "",
    ) -> tuple[Artifact, bool]:
        """Return the artifact and whether it was made now: where it was not up to date, or a rerun is forced, and why.

        Raises:
            RunError: making it failed, or its check stops the run.
        """
        label = self.label(network)
        found = Miss(force_reason) if force_reason else self.find(settings, network, inputs)
        if isinstance(found, Artifact):
            reporter(Event("ended", label, "cached"))
            return found, False
        reporter(Event("started", label, found.reason))
        with _named(label):
            how = {"why": found.reason, "force": bool(force_reason), "run": run_name}
            artifact, made = self._make(settings, network, inputs, reporter, how)
            self.check(artifact)
        reporter(Event("ended", label, took(artifact.manifest["made"]["seconds"]) if made else "done by another run"))
        return artifact, made

    def _make(
        self, settings: Settings, network: str | None, inputs: Inputs, reporter: Reporter, how: dict[str, Any]
    ) -> tuple[Artifact, bool]:
        label, store = self.label(network), store_of(settings)
        cache_key = self.cache_key(settings, network, inputs)
        given = inputs if self.key_on_provenance else map_artifacts(Artifact.content_alone, inputs)
        keywords = {**given, "network": network, "checkpoints": store.checkpoints(cache_key)}
        keywords |= self._settings(settings, network, inputs)
        first = iter(["waiting for another run, which is building it"])

        def progress(done: float, total: float, note: str, milestone: bool, history: History | None = None) -> None:
            reporter(Event("advanced", label, note, done, total, milestone, history))

        def produce(folder: Path, lock: int) -> dict[str, Any]:
            summary = run(run_node, self, cache_key, folder, keywords, lock=lock, progress=progress)
            for name, artifact in _flatten(inputs).items():
                if not artifact.is_up_to_date():
                    raise RunError(f"its input {name} changed while it ran; run again")
            return summary

        def waiting() -> None:
            for note in first:
                progress(0, 0, note, True)
            if stopping.wait(0.1):
                raise RunError("stopped")

        with slots:
            return store.make(cache_key, produce, waiting=waiting, **how)

    def _settings(self, settings: Settings, network: str | None, inputs: Inputs) -> dict[str, Any]:
        own = self.variant.settings if self.variant else {}
        names = [name for name in self.parameters if name not in {*GIVEN, *inputs}]
        known = settings.resolved(network) | own
        read = {name: known[name] if name in known else getattr(settings, name) for name in names}
        if "recipe" in read:
            of_recipe = {field.name for field in fields(read["recipe"])}
            read["recipe"] = replace(read["recipe"], **{name: own[name] for name in own.keys() & of_recipe})
        return read


def _named_in(module: str, name: str, variant: Variant | None) -> Node:
    return replace(getattr(import_by_name(module), name), variant=variant)


def import_by_name(module: str) -> Any:
    """Import a module of a computed name, as nothing does that a key covers."""
    return import_module(module)


def store_of(settings: Settings) -> Store:
    """Return where artifacts are kept: in the data folder, or there and where machines share them."""
    if not settings.store:
        return Store(settings.data_dir)
    from tasks.pipeline.remote_store import RemoteStore

    return RemoteStore(settings.data_dir, settings.store)


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
        raise RunError(f"{label}: {describe(error)}") from error


def map_artifacts(change: Callable[[Artifact], Artifact], inputs: Any) -> Any:
    """Return inputs with every artifact among them changed; what is still to come stays as it is."""
    if isinstance(inputs, dict):
        return {name: map_artifacts(change, given) for name, given in inputs.items()}
    return change(inputs) if isinstance(inputs, Artifact) else inputs


def _flatten(inputs: Inputs) -> dict[str, Artifact]:
    flat: dict[str, Artifact] = {}
    for name, given in inputs.items():
        flat |= {name: given} if isinstance(given, Artifact) else {f"{name}[{n}]": a for n, a in given.items()}
    return flat
