"""Selection: which trained model is meant, and the comparison that it comes from; every byte verified before use."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tasks.data.dataset import DataSet
from tasks.evaluation.budgets import unequal_training
from tasks.evaluation.metrics import Metrics
from tasks.formatting import caution, join_words, suggest
from tasks.pipeline import PROJECT
from tasks.pipeline.artifact import Artifact, verify
from tasks.pipeline.cache_key import label_of
from tasks.pipeline.champions import FILE, Champion, champions
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.reading import sha256_of
from tasks.pipeline.run_records import Record, records
from tasks.pipeline.store import Store
from tasks.pipeline.user_module import UserFunction

TRAINING = r"(\w[\w.-]*)-[0-9a-f]{16}"  # the folder of a training
NETWORK_FILE = "--network-file"


@dataclass(frozen=True)
class SelectedModel:
    """A trained network, and the comparison that measured it."""

    data_dir: Path
    network: str
    compare: Artifact
    train: Artifact
    evaluate: Artifact
    command: str  # of the run that compared; empty if that is no longer on record
    champion: Champion | None  # if it is the one in use

    @property
    def name(self) -> str:
        """The network and the key of its training, such as dropout-46e8fc89dd296f5c."""
        return self.train.folder.name

    @property
    def is_winner(self) -> bool:
        """Whether its comparison keeps it."""
        return self.compare.summary["winner"] == self.network

    @property
    def tta(self) -> str:
        """The test-time augmentation with which it was evaluated."""
        return self.evaluate.manifest["cache_key"]["settings"].get("tta", "none")

    @cached_property
    def metrics(self) -> dict[str, Metrics]:
        """What was measured of it, by split."""
        return {split: Metrics(**of) for split, of in self.evaluate.json("metrics.json").items()}

    @property
    def images(self) -> dict[str, int]:
        """How many images each split has."""
        return _verified(self._prepare, files=False).summary["images"]

    @property
    def cautions(self) -> list[str]:
        """What may undercut its comparison, as far as the trainings of the other networks are still there."""
        inputs, images = self.compare.manifest["cache_key"]["inputs"], self.images
        digests = {label[6:-1]: digest for label, digest in inputs.items() if label.startswith("train[")}
        folders = {name: Store(self.data_dir).folder_of("train", digest) for name, digest in digests.items()}
        found = {name: verify(folder, "train") for name, folder in folders.items() if folder}
        trained = {name: of for name, of in found.items() if isinstance(of, Artifact)}
        random = join_words([name for name, of in trained.items() if not of.summary.get("repeatable", True)])
        used, available = images["train"] + images["validation"], self.data_set.counts["train"]
        tied = join_words(self.compare.json("comparison.json")["tied"])
        cautions = [
            f"A tie: the validation images do not separate {tied}." if tied else None,
            self.compare.summary["warning"],
            unequal_training({name: of.json("history.json") for name, of in trained.items()}),
            caution(used, available, random, subject="The comparison"),
        ]
        return [*filter(None, cautions)]

    @cached_property
    def prepare(self) -> Artifact:
        """The splits that it was trained, chosen and tested on."""
        return _verified(self._prepare)

    @cached_property
    def download(self) -> Artifact:
        """The files of its data set."""
        prepare = _verified(self._prepare, files=False)  # tells of which files; its images are not read
        return _verified(_folder_of(self.data_dir, "download", prepare.manifest["cache_key"]["inputs"]["download"]))

    @property
    def _prepare(self) -> Path:
        return _folder_of(self.data_dir, "prepare", self.compare.manifest["cache_key"]["inputs"]["prepare"])

    @cached_property
    def data_set(self) -> DataSet:
        """The specification of its data set."""
        return DataSet(**self.download.manifest["cache_key"]["settings"]["data_set"])

    @property
    def own_network(self) -> UserFunction | None:
        """The user's function that built it; none of a built-in network.

        Raises:
            RunError: which file that was is no longer on record, or it is no longer what it was.
        """
        known = self.train.manifest["cache_key"]["settings"].get("own_network")
        if not known:
            return None
        words = shlex.split(self.command)
        if NETWORK_FILE not in words:
            raise RunError(
                f"which file built {self.name} is not on record in {self.data_dir}; run its comparison again"
            )
        path = PROJECT / words[words.index(NETWORK_FILE) + 1].rpartition(":")[0]
        if not path.is_file():
            raise RunError(f"{self.name} needs {path}, which built it, and that is not there; restore it")
        if sha256_of(path) != known["sha256"]:
            raise RunError(f"{path} has changed since {self.name} was trained; restore it, or compare again")
        return UserFunction(path=path, **known)


def select_model(data_dir: Path, model: str | None = None, *, champion: bool = False) -> SelectedModel:
    """Return the champion or, if there is none, the winner of the newest comparison; or the model that is named.

    `model` is a network of the newest comparison, or the folder of a training, such as dropout-46e8fc89dd296f5c.

    Raises:
        UserError: there is no comparison yet, no champion, or no such model.
        RunError: something of it is damaged, or no longer there.
    """
    known = list(records(data_dir))
    in_use = next(reversed(champions(data_dir).champions), None)
    if champion and not in_use:
        raise UserError(f"--champion: there is none in {data_dir}; a run with --challenge yes makes one")
    model = model and re.sub(r"(.*/)?([^/]+-[0-9a-f]{16})(/model\.\w+)?/?", r"\2", model)  # a path names it as well
    if model and (training := re.fullmatch(TRAINING, model)):
        compare, network = _comparison_of(data_dir, "train", model), training[1]
    elif in_use and not model:
        compare, network = _comparison_of(data_dir, "evaluate", in_use.evaluate), in_use.network
    else:
        compare = _newest_comparison(data_dir, known)
        network = model or compare.summary["winner"]
    compared = compare.json("comparison.json")["ranking"]
    if network not in compared and model:
        raise UserError(f"--model: {network} is not in the newest comparison{suggest(network, compared)}")
    if network not in compared:
        raise RunError(f"{data_dir / FILE} names {network}, but the evaluation of another; repair it or move it away")
    return _selected(data_dir, compare, network, known, in_use)


def _newest_comparison(data_dir: Path, known: list[Record]) -> Artifact:
    completed = (record.keys for record in known if record.content["state"] == "completed")
    newest = next((keys["compare"] for keys in completed if "compare" in keys), None)
    if not newest:
        raise UserError(f"no comparison is on record in {data_dir}; python flows/main.py makes one")
    return _verified(data_dir / "compare" / newest)


def _comparison_of(data_dir: Path, node: str, folder: str) -> Artifact:
    """Return the newest comparison that used this training or evaluation."""
    if not (data_dir / node / folder).is_dir() and node == "train":
        raise UserError(f"--model: there is no {folder} in {data_dir / node}")
    used = _verified(data_dir / node / folder)
    found = [(manifest["made"]["at"], folder) for folder, manifest in Store(data_dir).made_of(used.manifest, "compare")]
    if not found:
        raise RunError(f"no comparison of {folder} is in {data_dir}; python flows/main.py makes one of its recipe")
    return _verified(max(found)[1])


def _selected(
    data_dir: Path, compare: Artifact, network: str, known: list[Record], in_use: Champion | None
) -> SelectedModel:
    inputs = compare.manifest["cache_key"]["inputs"]
    train, evaluate = (
        _verified(_folder_of(data_dir, node, inputs[label_of(node, network)])) for node in ("train", "evaluate")
    )
    champion = in_use if in_use and in_use.train == train.digest else None
    commands = [record.content["command"] for record in known if record.keys.get("compare") == compare.key]
    command = next(iter([*commands, champion.command if champion else ""]))
    return SelectedModel(data_dir, network, compare, train, evaluate, command, champion)


def _folder_of(data_dir: Path, node: str, digest: str) -> Path:
    """Return the folder of the artifact of that content.

    Raises:
        RunError: there is none.
    """
    found = Store(data_dir).folder_of(node, digest)
    if not found:
        raise RunError(f"the artifact of {node} that this model needs is not in {data_dir}; run its comparison again")
    return found


def _verified(folder: Path, *, files: bool = True) -> Artifact:
    found = verify(folder, folder.parent.name, files=files)
    if isinstance(found, Artifact):
        return found
    if not folder.exists():
        raise RunError(f"{folder.name} is not in {folder.parent}, where this model needs it; run its comparison again")
    raise RunError(f"{folder} is damaged ({found.reason}); python flows/main.py makes it anew")
