"""Data of one's own: another set in four IDX files, through the same gate."""

import gzip
import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from flows.main import dag
from flows.parser import read_command
from flows.plan import plan
from tasks.data.idx import IMAGES, LABELS
from tasks.settings.settings import Settings
from tests.fixtures.make_fixtures import idx_bytes
from tests.programs import run_main

NAMES = {f"{split}_{kind}": f"{split}-{kind}" for split in ("train", "test") for kind in ("images", "labels")}
QUICKLY = ("--networks", "logistic", "--epochs", "8", "--batch-size", "32")


def digits():
    """scikit-learn's hand-written digits, 8 × 8 of 17 grey levels, three times as large, in a frame of background."""
    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    large = np.kron(found.images[order], np.ones((3, 3))) * 255 / 16
    return np.pad(large, ((0, 0), (2, 2), (2, 2))).round().astype(np.uint8), found.target[order].astype(np.uint8)


def put(folder, name, images, labels, training, compressed=False):
    """Write the set into a folder, and its specification, which knows no digest, beside it."""
    (folder / "files").mkdir(exist_ok=True)
    parts = {"train": slice(None, training), "test": slice(training, None)}
    files = {}
    for split, part in parts.items():
        for kind, magic, array in (("images", IMAGES, images[part]), ("labels", LABELS, labels[part])):
            content, file = idx_bytes(magic, array), NAMES[f"{split}_{kind}"]
            written = gzip.compress(content) if compressed else content
            (folder / "files" / f"{file}{'.gz' if compressed else ''}").write_bytes(written)
            files[f"{split}_{kind}"] = {"name": file, "bytes": len(content), "sha256": "unknown"}
    classes = [f"class {number}" for number in range(10)]
    counts = {"train": training, "test": len(labels) - training}
    specification = folder / "set.json"
    specification.write_text(json.dumps({"name": name, "class_names": classes, "counts": counts, "files": files}))
    return "--dataset", str(specification), "--source", str(folder / "files")


@pytest.fixture(scope="module")
def another(tmp_path_factory, server):
    """The folder of a run over the digits, its options, and what it printed."""
    folder = tmp_path_factory.mktemp("digits")
    options = put(folder, "digits", *digits(), 1500, compressed=True)
    done = run_main(folder, server, *options, *QUICKLY)
    assert done.returncode == 0, done.stderr
    return folder, options, done.stdout


def test_another_set_is_checked_trained_on_and_reported_without_what_is_fashion_mnists(another):
    folder, options, printed = another
    page = json.loads(max((folder / "reports").glob("*T*.json")).read_text())
    assert (page["head"]["data_set"], page["head"]["class_names"][3]) == ("digits", "class 3")
    assert page["side_by_side"]["rows"]["test_accuracy"]["values"]["logistic"]["value"] > 0.8
    assert page["verdict"]["claims"] == page["side_by_side"]["scale"] == []
    warnings = [
        of["sentence"] for of in page["data"]["expectations"] if not of["success"] and of["severity"] == "warning"
    ]
    assert any("names the files' SHA-256" in sentence for sentence in warnings)
    again = run_main(folder, None, *options, *QUICKLY).stdout
    assert again.splitlines()[-1].startswith("Up to date: 7 of 7 steps reused (")
    assert again.splitlines()[:-1] == printed.splitlines()[:-1]


def test_another_content_under_the_same_name_is_another_set(another, tmp_path):
    images, labels = digits()
    options = put(tmp_path, "digits", images.clip(5), labels, 1500, compressed=True)
    settings, _ = read_command(Settings, [*options, *QUICKLY, "--data-dir", str(another[0] / "data")])
    (label, verb, why), *_ = plan(dag, settings).steps
    assert (label, verb) == ("download", "run")
    assert "data set changed" in why
