"""What of the project's code a node's key covers, edit by edit of a copy of the project."""

import shutil
from importlib import import_module

import pytest

from flows.models import evaluator, trainer
from tasks.pipeline import PROJECT
from tasks.pipeline.code_key import code_digests, read_source

ALL = ("baseline", "dropout", "logistic", "residual", "xgboost")
TRAIN, EVALUATE = ({f"{verb}[{name}]" for name in ALL} for verb in ("train", "evaluate"))
TRAIN_NETWORKS, EVALUATE_NETWORKS = TRAIN - {"train[xgboost]"}, EVALUATE - {"evaluate[xgboost]"}
OF_NETWORKS = TRAIN_NETWORKS | EVALUATE_NETWORKS
REPORTS = {"report", "report_study"}
LATE = {"compare", "compare_trainings", "rank_trials", "challenge", *REPORTS}
ALL_NODES = {"download", "validate", "prepare", "fold", *TRAIN, *EVALUATE, *LATE}


def of(network):
    return {f"train[{network}]", f"evaluate[{network}]"}


EDITS = {  # file, old, new (a new file where there is no old), and what reruns; of what takes seconds, only reports
    "a comment": ("tasks/training/loop.py", "# share of a one-cycle", "# part of a one-cycle", set()),
    "a docstring": ("tasks/training/loop.py", '"""The training loop', '"""The loop', set()),
    "white space": ("tasks/data/images.py", "/ 255", "/  255", set()),
    "a syntax error": ("tasks/networks/dropout.py", "EPOCHS =", "EPOCHS = (", of("dropout")),
    "the machinery": ("tasks/pipeline/store.py", 'NEW = "new"', 'NEW = "newer"', set()),
    "the top package's file": ("tasks/__init__.py", "", "x = 1", ALL_NODES),
    "a package's own file": ("tasks/networks/__init__.py", "", "x = 1", OF_NETWORKS),
    "a package in a module's place": ("tasks/networks/dropout/__init__.py", "", "x = 1", of("dropout")),
    "a network": ("tasks/networks/dropout.py", "rate: float = 0.5", "rate: float = 0.4", of("dropout")),
    "data beside a network": ("tasks/networks/extra.json", "", "{}", set()),
    "a new network": ("tasks/networks/third.py", "", "EPOCHS = {}\n", set()),
    "an interval's formula": ("tasks/evaluation/intervals.py", "hits + squared / 2", "hits + squared / 3", EVALUATE),
    "the learning rate's schedule": ("tasks/training/loop.py", "0.1 + 0.9", "0.2 + 0.8", TRAIN_NETWORKS),
    "boosted trees": ("tasks/training/xgboost.py", "ROUNDS = 1_000", "ROUNDS = 999", of("xgboost")),
    "how a split is loaded": ("tasks/data/splits.py", 'mmap_mode="r"', 'mmap_mode="c"', {"prepare", *TRAIN, *EVALUATE}),
    "how images are scaled": ("tasks/data/images.py", "/ 255", "/ 256", {"prepare", "fold", *EVALUATE}),
    "cross-entropy": ("tasks/training/cross_entropy.py", "float32).tiny", "float64).tiny", TRAIN_NETWORKS | EVALUATE),
    "a mirror's address": ("tasks/data/dataset.py", "storage.googleapis.com", "example.com", set()),
    "how IDX is read": ("tasks/data/idx.py", "np.uint8,", "np.int8,", {"validate", "prepare", "fold"}),
    "the page's template": ("tasks/reporting/page.html.j2", "<", "<!-- --><", REPORTS),
    "the page's style": ("tasks/reporting/style.css", "{", "{ color: red;", REPORTS),
    "a new template": ("tasks/reporting/sections/new.j2", "", "<p>", REPORTS),
    "notes beside a template": ("tasks/reporting/notes.txt", "", "notes", set()),
    "a hidden file": ("tasks/reporting/.hidden.css", "", "p {}", set()),
    "the settings' defaults": ("tasks/settings/options.py", "0.1, gt=0, lt=1", "0.2, gt=0, lt=1", set()),
    "the wiring": ("flows/main.py", "raw = run(download)", "raw = run(download, 1)", set()),
}  # fmt: skip


def real_nodes():
    names = {path.stem for path in (PROJECT / "tasks").glob("[!_]*.py")} - {"train", "evaluate"}
    nodes = [(getattr(import_module(f"tasks.{name}"), name), None) for name in names]
    nodes += [(of(name), name) for of in (trainer, evaluator) for name in ALL]
    return {node.label(network): node.modules(network) for node, network in nodes}


def codes(project):
    return {label: code_digests(*modules, project=project) for label, modules in real_nodes().items()}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, and its codes."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("flows", "tasks"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder, codes(folder)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_project_reruns_what_it_concerns_and_retrains_nothing_else(project, name):
    file, old, new, reruns = EDITS[name]
    folder, before = project
    path = folder / file
    content = path.read_text() if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text(content.replace(old, new, 1) if old else (content or "") + new)
    try:
        assert path.read_text() != content
        after = codes(folder)
    finally:
        path.write_text(content) if content is not None else path.unlink()
    changed = {label for label in before if before[label] != after[label]}
    assert changed - LATE == reruns - LATE
    assert changed >= reruns
    assert all(file in {*before[label], *after[label]} for label in changed)


def test_imports_are_found_wherever_they_stand():
    source = """
from tasks import one
class C:
    def method(self):
        try:
            from tasks.two import x
        except ImportError:
            import tasks.three
"""
    assert read_source(source.encode())[1] == {"tasks", "tasks.one", "tasks.two", "tasks.two.x", "tasks.three"}
