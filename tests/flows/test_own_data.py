"""Data of one's own: another set in four IDX files, through the same gate."""

import gzip
import json

import numpy as np
from sklearn.datasets import load_digits

from flows.main import dag
from flows.parser import read_command
from flows.plan import plan
from tasks.data.idx import IMAGES, LABELS
from tasks.settings.settings import Settings
from tests.fixtures.make_fixtures import idx_bytes
from tests.programs import run_main

QUICKLY = ("--networks", "logistic", "--epochs", "8", "--batch-size", "32")
TRAINING = 1500


def digits():
    """scikit-learn's hand-written digits, 8 × 8 of 17 grey levels, three times as large, in a frame of background."""
    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    large = np.kron(found.images[order], np.ones((3, 3))) * 255 / 16
    return np.pad(large, ((0, 0), (2, 2), (2, 2))).round().astype(np.uint8), found.target[order].astype(np.uint8)


def put(folder, images, labels):
    """Write the set into a folder, and its specification, which knows no digest, beside it; return its options."""
    (folder / "files").mkdir()
    files = {}
    for kind, magic, array in (("images", IMAGES, images), ("labels", LABELS, labels)):
        for split, part in (("train", array[:TRAINING]), ("test", array[TRAINING:])):
            content = idx_bytes(magic, part)
            (folder / "files" / f"{split}-{kind}.gz").write_bytes(gzip.compress(content))
            files[f"{split}_{kind}"] = {"name": f"{split}-{kind}", "bytes": len(content), "sha256": "unknown"}
    specified = {"name": "digits", "class_names": [f"class {number}" for number in range(10)], "files": files}
    counts = {"train": TRAINING, "test": len(labels) - TRAINING}
    (folder / "set.json").write_text(json.dumps({**specified, "counts": counts}))
    return "--dataset", str(folder / "set.json"), "--source", str(folder / "files"), *QUICKLY


def test_another_set_is_checked_trained_on_and_reported_without_what_is_fashion_mnists(tmp_path, server):
    images, labels = digits()
    options = put(tmp_path, images, labels)
    done = run_main(tmp_path, server, *options)
    assert done.returncode == 0, done.stderr
    page = json.loads(max((tmp_path / "reports").glob("*T*.json")).read_text())
    assert (page["head"]["data_set"], page["head"]["class_names"][3]) == ("digits", "class 3")
    assert page["side_by_side"]["rows"]["test_accuracy"]["values"]["logistic"]["value"] > 0.8
    assert page["verdict"]["claims"] == page["side_by_side"]["scale"] == []
    failed = [check for check in page["data"]["expectations"] if not check["success"]]
    assert any("names the files' SHA-256" in check["sentence"] for check in failed if check["severity"] == "warning")

    (tmp_path / "another").mkdir()
    of_the_same_name = put(tmp_path / "another", images.clip(5), labels)
    settings, _ = read_command(Settings, [*of_the_same_name, "--data-dir", str(tmp_path / "data")])
    (label, verb, why), *_ = plan(dag, settings).steps
    assert (label, verb) == ("download", "run")
    assert "data set changed" in why
