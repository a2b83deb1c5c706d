"""What of the project's code a node's key covers, edit by edit, in a small project and in the real one."""

import shutil

import pytest

from flows.models import evaluator, trainer
from tasks.challenge import challenge
from tasks.compare import compare
from tasks.compare_trainings import compare_trainings
from tasks.download import download
from tasks.fold import fold
from tasks.pipeline import PROJECT
from tasks.pipeline.code_key import code_digests
from tasks.prepare import prepare
from tasks.rank_trials import rank_trials
from tasks.report import report
from tasks.report_study import report_study
from tasks.validate import validate

SMALL = {
    "tasks/__init__.py": "",
    "tasks/train.py": '''"""Train."""
import json
from typing import TYPE_CHECKING
from tasks.reporting import splits
from tasks.helper import scale
if TYPE_CHECKING:
    from tasks.hints import Kind
RATE = 0.1
def train(rate=RATE):
    """Train."""
    from tasks.late import late
    return scale(rate)  # comment
''',
    "tasks/helper.py": """import tasks.deeper
class Base:
    width = 8
@staticmethod
def scale(x):
    return x / 255
""",
    "tasks/deeper.py": "SIZES = {'a': 1}\n",
    "tasks/late.py": "late = 'return 1'\n",
    "tasks/hints.py": "class Kind:\n    pass\n",
    "tasks/other.py": "other = 'return 1'\n",
    "tasks/reporting/__init__.py": "",
    "tasks/reporting/splits.py": "SPLITS = ('train',)\n",
    "tasks/reporting/page.j2": "<p>",
    "tasks/reporting/deep/style.css": "p {}",
    "tasks/reporting/notes.txt": "notes",
    "tasks/reporting/.hidden.css": "p {}",
    "tasks/elsewhere/__init__.py": "",
    "tasks/elsewhere/page.j2": "<p>",
    "tasks/pipeline/__init__.py": "",
    "tasks/pipeline/store.py": "KEPT = 2\n",
    "README.md": "read me",
}
EDITS = {  # name: file, old, new (a new file where there is no old)
    "a comment": ("tasks/train.py", "# comment", "# another"),
    "a docstring": ("tasks/train.py", '"""Train."""\n    from', '"""Fit."""\n    from'),
    "white space": ("tasks/helper.py", "return x / 255", "return   (x / 255)"),
    "a file that nothing imports": ("tasks/other.py", "return 1", "return 2"),
    "the machinery": ("tasks/pipeline/store.py", "2", "3"),
    "another package's template": ("tasks/elsewhere/page.j2", "<p>", "<b>"),
    "notes in a package": ("tasks/reporting/notes.txt", "notes", "more"),
    "a hidden file in a package": ("tasks/reporting/.hidden.css", "p {}", "b {}"),
    "a new module": ("tasks/new.py", "", "x = 1"),
    "a constant": ("tasks/train.py", "RATE = 0.1", "RATE = 0.2"),
    "a class body": ("tasks/helper.py", "width = 8", "width = 9"),
    "a decorator": ("tasks/helper.py", "@staticmethod\n", ""),
    "a function of a module that is imported": ("tasks/helper.py", "/ 255", "/ 256"),
    "a module behind that": ("tasks/deeper.py", "'a': 1", "'a': 2"),
    "what is imported if something is true": ("tasks/hints.py", "pass", "x = 1"),
    "what a function imports": ("tasks/late.py", "return 1", "return 2"),
    "a submodule that a package is asked for": ("tasks/reporting/splits.py", "train", "test"),
    "a package's own file": ("tasks/reporting/__init__.py", "", "x = 1"),
    "the top package's file": ("tasks/__init__.py", "", "x = 1"),
    "a template of a package": ("tasks/reporting/page.j2", "<p>", "<b>"),
    "a new template": ("tasks/reporting/new.j2", "", "<p>"),
    "a package in a module's place": ("tasks/helper/__init__.py", "", "def scale(x):\n    return x\n"),
    "a syntax error": ("tasks/late.py", "'return 1'", "("),
}
HARMLESS = list(EDITS)[: list(EDITS).index("a constant")]


@pytest.fixture
def small(tmp_path):
    for name, content in SMALL.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def apply(project, edit):
    file, old, new = edit
    path = project / file
    path.parent.mkdir(parents=True, exist_ok=True)
    content = path.read_text() if path.exists() else ""
    assert old in content
    path.write_text(content.replace(old, new, 1) if old else content + new)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_the_key_if_it_may_change_the_result(small, name):
    before = code_digests("tasks.train", project=small)
    apply(small, EDITS[name])
    assert (code_digests("tasks.train", project=small) == before) == (name in HARMLESS)


def test_a_module_that_is_moved_is_another_file(small):
    before = code_digests("tasks.train", project=small)
    (small / "tasks" / "helper.py").rename(small / "tasks" / "moved.py")
    apply(small, ("tasks/train.py", "tasks.helper", "tasks.moved"))
    after = code_digests("tasks.train", project=small)
    assert before["tasks/helper.py"] == after["tasks/moved.py"]
    assert before != after


# The real project

ALL = ("baseline", "dropout", "logistic", "residual", "xgboost")
TRAIN, EVALUATE = ({f"{verb}[{name}]" for name in ALL} for verb in ("train", "evaluate"))
TRAIN_NETWORKS, EVALUATE_NETWORKS = TRAIN - {"train[xgboost]"}, EVALUATE - {"evaluate[xgboost]"}
OF_NETWORKS = TRAIN_NETWORKS | EVALUATE_NETWORKS
BEFORE = {"download", "validate", "prepare", "fold"}
REPORTS = {"report", "report_study"}
LATE = {"compare", "compare_trainings", "rank_trials", "challenge", *REPORTS}


def of(network):
    return {f"train[{network}]", f"evaluate[{network}]"}


REAL = {  # edit: what reruns of what is trained and evaluated; "..." for what is later, in seconds
    "a network": ("tasks/networks/dropout.py", "rate: float = 0.5", "rate: float = 0.4", of("dropout")),
    "data beside a network": ("tasks/networks/extra.json", "", "{}", set()),
    "a new network": ("tasks/networks/third.py", "", "EPOCHS = {}\n", set()),
    "the article's epochs": ("tasks/networks/baseline.py", '"article": 20', '"article": 21', of("baseline")),
    "an interval's formula": ("tasks/evaluation/intervals.py", "hits + squared / 2", "hits + squared / 3", EVALUATE),
    "how probabilities are measured": ("tasks/evaluation/metrics.py", "BINS = 15", "BINS = 10", EVALUATE),
    "the learning rate's schedule": ("tasks/training/loop.py", "0.1 + 0.9", "0.2 + 0.8", TRAIN_NETWORKS),
    "boosted trees": ("tasks/training/xgboost.py", "ROUNDS = 1_000", "ROUNDS = 999", {"train[xgboost]"}),
    "how a split is loaded": ("tasks/data/splits.py", 'mmap_mode="r"', 'mmap_mode="c"', {"prepare", *TRAIN, *EVALUATE}),
    "how images are scaled": ("tasks/data/images.py", "/ 255", "/ 256", {"prepare", "fold", *EVALUATE}),
    "cross-entropy": ("tasks/training/cross_entropy.py", "float32).tiny", "float64).tiny", TRAIN_NETWORKS | EVALUATE),
    "a mirror's address": ("tasks/data/dataset.py", "storage.googleapis.com", "example.com", set()),
    "how IDX is read": ("tasks/data/idx.py", "np.uint8,", "np.int8,", {*BEFORE, *EVALUATE}),
    "the page's template": ("tasks/reporting/page.html.j2", "<", "<!-- --><", set()),
    "the page's style": ("tasks/reporting/style.css", "{", "{ color: red;", set()),
    "the settings' defaults": ("tasks/settings/options.py", "0.1, gt=0, lt=1", "0.2, gt=0, lt=1", set()),
    "the wiring": ("flows/main.py", "raw = run(download)", "raw = run(download, 1)", set()),
}  # fmt: skip


def real_nodes():
    late = (compare, compare_trainings, rank_trials, challenge, report, report_study)
    nodes = [(node, None) for node in (download, validate, prepare, fold, *late)]
    nodes += [(of(name), name) for of in (trainer, evaluator) for name in ALL]
    return {node.label(network): (node.function.__module__, node._network_module(network)) for node, network in nodes}


def codes(project):
    return {label: code_digests(*filter(None, modules), project=project) for label, modules in real_nodes().items()}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, and its codes."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("flows", "tasks"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder, codes(folder)


@pytest.mark.parametrize("name", REAL)
def test_an_edit_of_the_project_reruns_what_it_concerns_and_retrains_nothing_else(project, name):
    file, old, new, reruns = REAL[name]
    folder, before = project
    path = folder / file
    content = path.read_text() if path.exists() else None
    try:
        apply(folder, (file, old, new))
        after = codes(folder)
    finally:
        path.write_text(content) if content is not None else path.unlink()
    changed = {label for label in before if before[label] != after[label]}
    assert changed - LATE == reruns
    assert all(file in {*before[label], *after[label]} for label in changed)


def test_a_network_reaches_its_own_file_and_no_other_network(project):
    reached = project[1]["train[dropout]"]
    assert "tasks/settings/models.py" not in reached
    assert [name for name in reached if name.startswith("tasks/networks/")] == [
        "tasks/networks/__init__.py",
        "tasks/networks/dropout.py",
    ]
