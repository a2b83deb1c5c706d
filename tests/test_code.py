import shutil
import subprocess
import sys
import threading

import pytest
from tasks.pipeline.code import code_of

from tasks.pipeline import PROJECT, code
from tests.edits.rows import FILES, HARMLESS, IN_VAIN, SEEN, UNRESOLVED
from tests.edits.small_project import (
    BOTH,
    DEEPER,
    HELPER,
    LOAD,
    LOADS,
    MAIN,
    NODES,
    NONE,
    PAGE,
    Row,
    apply,
    in_load,
    project_of,
)


def digests_of(folder, nodes, monkeypatch):
    """Return each node's code as a new process finds it."""
    monkeypatch.setattr(code, "PROJECT", folder)
    code.files_at.cache_clear()
    return {name: code_of(*node) for name, node in nodes.items()}


def reruns_after(folder, row, nodes, monkeypatch, kept):
    """Return the nodes whose code an edit changes; digests before it are kept for the next row."""
    for edit in row.before:
        apply(folder, edit)
    if row.before not in kept:
        kept[row.before] = digests_of(folder, nodes, monkeypatch)
    apply(folder, row.edit)
    after = digests_of(folder, nodes, monkeypatch)
    return {name for name in nodes if kept[row.before][name] != after[name]}


@pytest.fixture(scope="module")
def kept():
    return {}


@pytest.fixture(scope="module")
def kept_of_the_real_project():
    return {}


@pytest.fixture(autouse=True)
def _forget_the_project():
    yield
    code.files_at.cache_clear()


@pytest.mark.parametrize("row", HARMLESS, ids=lambda row: row.name)
def test_what_does_not_change_what_a_node_does_reruns_nothing(tmp_path, monkeypatch, kept, row):
    project_of(tmp_path)
    assert reruns_after(tmp_path, row, NODES, monkeypatch, kept) == row.reruns == set()


@pytest.mark.parametrize("row", [*SEEN, *UNRESOLVED, *FILES, *IN_VAIN], ids=lambda row: row.name)
def test_an_edit_reruns_the_nodes_that_reach_it_and_no_others(tmp_path, monkeypatch, kept, row):
    project_of(tmp_path)
    assert reruns_after(tmp_path, row, NODES, monkeypatch, kept) == row.reruns


# The real project

TRAIN, EVALUATE = {"train[baseline]", "train[dropout]"}, {"evaluate[baseline]", "evaluate[dropout]"}
REAL = {
    name: (f"tasks.{name.partition('[')[0]}", name.partition("[")[0], name.partition("[")[2].rstrip("]") or None)
    for name in ("download", "validate", "prepare", *sorted(TRAIN), *sorted(EVALUATE), "compare", "report")
}
NEW_NETWORK = "\n\n@network(fast=1, article=1, smoke=1)\ndef third():\n    return None\n"
# fmt: off
REAL_ROWS = [
    Row("what a data set is", ("tasks/fashion_mnist.py", "for split in (", "for split in sorted("),
        {"download", "validate", "prepare", "report"}),
    Row("the data set's own figures", ("tasks/fashion_mnist.py", "47_040_016", "47_040_017"), {"report"}),
    Row("how images are scaled", ("tasks/prepare.py", "/ 255", "/ 256"), {"prepare"}),
    Row("how images are split", ("tasks/prepare.py", "- round(len(order)", "- int(len(order)"), {"prepare"}),
    Row("how many images are worked on at a time", ("tasks/idx.py", "AT_ONCE = 2_000", "AT_ONCE = 2_001"),
        {"validate", "prepare", "report"}),
    Row("how arrays are saved", ("tasks/prepare.py", "np.ascontiguousarray(array)", "array"), {"prepare", *EVALUATE}),
    Row("one network", ("tasks/networks.py", "width: int = 128) ->", "width: int = 64) ->"), {"train[baseline]"}),
    Row("the other network", ("tasks/networks.py", "rate: float = 0.5", "rate: float = 0.4"), {"train[dropout]"}),
    Row("a network's hint", ("tasks/networks.py", "width: int = 128) -> keras.Model", "width: int = 128) -> object"),
        NONE),
    Row("a new network", ("tasks/networks.py", "\n\n@network(fast=3", f"{NEW_NETWORK}\n\n@network(fast=3"), NONE),
    Row("the learning rate's schedule", ("tasks/train.py", "0.1 + 0.9", "0.2 + 0.8"), TRAIN),
    Row("the length of the warm-up", ("tasks/train.py", "WARM_UP = 0.3", "WARM_UP = 0.4"), TRAIN),
    Row("how a split is loaded", ("tasks/train.py", 'mmap_mode="r"', 'mmap_mode="c"'), TRAIN | EVALUATE),
    Row("how probabilities are measured", ("tasks/metrics.py", "BINS = 15", "BINS = 10"), {*EVALUATE, "compare"}),
    Row("an interval", ("tasks/statistics.py", "hits + squared / 2", "hits + squared / 3"), {*EVALUATE, "compare"}),
    Row("a test", ("tasks/statistics.py", "only_second, 0.5)", "only_second, 0.4)"), {"compare"}),
    Row("what the article claims", ("tasks/claims.py", '"test": 0.9211', '"test": 0.9212'), {"compare", "report"}),
    Row("a drift that is borne", ("tasks/validate.py", "DRIFT = 5.0", "DRIFT = 6.0"), {"validate"}),
    Row("how IDX is read", ("tasks/idx.py", "np.uint8,", "np.int8,"), {"validate", "prepare", "report"}),
    Row("how a header is read", ("tasks/idx.py", "file.read(16)", "file.read(17)"),
        {"download", "validate", "prepare", "report"}),
    Row("how long a mirror is waited for", ("tasks/download.py", "PATIENCE = 20", "PATIENCE = 21"), {"download"}),
    Row("the page's style", ("tasks/report/style.css", "{", "{ color: red;"), {"report"}),
    Row("the page's template", ("tasks/report/page.html.j2", "<", "<!-- --><"), {"report"}),
    Row("how the page is published", ("tasks/report/publish.py", "new.replace(target)", "new.rename(target)"), NONE),
    Row("a figure's ink", ("tasks/report/figures.py", "#123456", "#123457"), {"report"}),
    Row("the store", ("tasks/artifacts/store.py", "import", "import this\nimport"), NONE),
    Row("the settings' defaults", ("tasks/fields.py", "0.1, gt=0, lt=1", "0.2, gt=0, lt=1"), NONE),
    Row("the wiring", (MAIN, "raw = run(download)", "raw = run(download, 1)"), NONE),
    Row("something done when networks are imported", ("tasks/networks.py", "\nNETWORKS", "\nprint()\nNETWORKS"),
        set(REAL)),
]
# fmt: on


@pytest.fixture(scope="module")
def copy_of_the_project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    for package in code.PACKAGES:
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize("row", REAL_ROWS, ids=lambda row: row.name)
def test_an_edit_of_the_real_project_reruns_the_nodes_that_reach_it_and_no_others(
    copy_of_the_project, monkeypatch, kept_of_the_real_project, row
):
    path = copy_of_the_project / row.edit[0]
    source = path.read_text()
    try:
        assert reruns_after(copy_of_the_project, row, REAL, monkeypatch, kept_of_the_real_project) == row.reruns
    finally:
        path.write_text(source)


def test_a_real_network_is_named_in_its_own_training_and_in_no_other():
    trained = code_of("tasks.train", "train", "baseline")
    registered = ("NETWORKS", "Network", "baseline", "network")
    assert {name for name in trained if name.startswith("tasks/networks.py: ")} == {
        f"tasks/networks.py: {name}" for name in ("Any", "Callable", "dataclass", *registered)
    }
    assert "tasks/networks.py: dropout" in code_of("tasks.train", "train")


def test_each_definition_has_a_digest_of_sixteen_digits_sorted_by_name():
    reached = code_of("tasks.prepare", "prepare")
    assert reached["tasks/prepare.py: scale"]
    assert list(reached) == sorted(reached)
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in reached.values())


def test_the_digests_are_the_same_in_every_process_and_nothing_is_imported_for_them():
    program = (
        "import sys; from pathlib import Path; from tasks.pipeline import files; files.ANSWERS = Path('no', 'where');"
        "from tasks.pipeline.code import code_of; print(code_of('tasks.report', 'report'));"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('tasks', 'flows', 'numpy')))"
    )
    printed = {
        subprocess.check_output([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, cwd=PROJECT, text=True)
        for seed in ("1", "2", "3")
    }
    assert printed == {
        f"{code_of('tasks.report', 'report')}\n"
        "['tasks', 'tasks.pipeline', 'tasks.pipeline.code', 'tasks.pipeline.files', 'tasks.pipeline.cache_key', "
        "'tasks.pipeline.project', 'tasks.pipeline.syntax']\n"
    }


def test_many_threads_find_the_same(tmp_path, monkeypatch):
    project_of(tmp_path)
    expected = digests_of(tmp_path, NODES, monkeypatch)
    code.files_at.cache_clear()
    found = []
    threads = [
        threading.Thread(target=lambda: found.append({name: code_of(*node) for name, node in NODES.items()}))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_modules_that_import_each_other_are_read(tmp_path, monkeypatch):
    project_of(tmp_path)
    apply(tmp_path, (DEEPER, "TWO = 2", "import tasks.load\n\nTWO = tasks.load.LIMIT"))
    row = Row("", (LOAD, "LIMIT = 3", "LIMIT = 4"), BOTH)
    assert reruns_after(tmp_path, row, NODES, monkeypatch, {}) == row.reruns


def test_a_package_may_call_a_function_as_its_module(tmp_path, monkeypatch):
    project_of(tmp_path)
    (tmp_path / "tasks/page/paint.py").write_text("def paint():\n    return 1\n")
    apply(tmp_path, (PAGE, "import arrow", "import arrow\nfrom tasks.page.paint import paint"))
    apply(tmp_path, in_load("from tasks.page import paint; print(paint())")[0])
    row = Row("", ("tasks/page/paint.py", "return 1", "return 2"), LOADS)
    assert reruns_after(tmp_path, row, NODES, monkeypatch, {}) == row.reruns


def test_a_name_that_a_module_does_not_bind_is_the_whole_module(tmp_path, monkeypatch):
    project_of(tmp_path)
    monkeypatch.setattr(code, "PROJECT", tmp_path)
    assert "tasks/load.py" in code_of("tasks.load", "made_up")


def test_a_module_that_the_project_lacks_is_refused(tmp_path, monkeypatch):
    project_of(tmp_path)
    monkeypatch.setattr(code, "PROJECT", tmp_path)
    with pytest.raises(LookupError, match="tasks.nowhere is not a module"):
        code_of("tasks.nowhere", "load")


def test_what_runs_is_what_was_there_when_the_process_first_looked(tmp_path, monkeypatch):
    project_of(tmp_path)
    before = digests_of(tmp_path, NODES, monkeypatch)
    apply(tmp_path, (HELPER, "SCALE = 3", "SCALE = 4"))
    assert {name: code_of(*node) for name, node in NODES.items()} == before
