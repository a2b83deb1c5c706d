"""Data of one's own: another set in four IDX files, through the same gate; one that is generated, and a real one."""

import gzip
import json
import shutil

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tasks.data.idx import IMAGES, LABELS
from tests.conftest import assert_refused, run_main
from tests.fixtures.make_fixtures import idx_bytes

NAMES = {f"{split}_{kind}": f"{split}-{kind}" for split in ("train", "test") for kind in ("images", "labels")}
QUICKLY = ("--networks", "logistic", "--epochs", "8", "--batch-size", "32")


def digits():
    """scikit-learn's hand-written digits, 8 × 8 of 17 grey levels, three times as large, in a frame of background."""
    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    large = np.kron(found.images[order], np.ones((3, 3))) * 255 / 16
    return np.pad(large, ((0, 0), (2, 2), (2, 2))).round().astype(np.uint8), found.target[order].astype(np.uint8)


def generated():
    """A bright square in noise, at a place of its own for each class."""
    generator = np.random.default_rng(0)
    labels = np.arange(600, dtype=np.uint8) % 10
    images = generator.integers(1, 60, (600, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:2] = 0
        image[4 + 11 * (label // 5) :, 3 + 5 * (label % 5) :][:6, :4] = 255
    return images, labels


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


def page_of(folder):
    return json.loads(max((folder / "reports").glob("*T*.json")).read_text())


SETS = {"digits": (digits, 1500, True), "generated": (generated, 400, False)}


@pytest.fixture(scope="module", params=SETS.values(), ids=SETS)
def another(request, tmp_path_factory, server):
    """A set, the folder of a run over it, its options, and what it printed."""
    make, training, compressed = request.param
    folder = tmp_path_factory.mktemp(make.__name__)
    options = put(folder, make.__name__, *make(), training, compressed)
    done = run_main(folder, server, *options, *QUICKLY)
    assert done.returncode == 0, done.stderr
    return make, folder, options, done.stdout


def test_another_set_is_checked_trained_on_and_reported_without_what_is_fashion_mnists(another):
    make, folder, options, printed = another
    page = page_of(folder)
    assert (page["head"]["data_set"], page["head"]["class_names"][3]) == (make.__name__, "class 3")
    assert page["side_by_side"]["test_accuracy"]["logistic"] > 0.8
    assert page["verdict"]["claims"] == page["side_by_side"]["scale"] == []
    warnings = [
        of["sentence"] for of in page["data"]["expectations"] if not of["success"] and of["severity"] == "warning"
    ]
    assert any("should name the files' SHA-256" in sentence for sentence in warnings)
    assert run_main(folder, None, *options, *QUICKLY).stdout == printed


@pytest.mark.parametrize("another", [SETS["generated"]], ids=["generated"], indirect=True)
def test_another_content_under_the_same_name_is_another_set(another, server, tmp_path):
    _, folder, _, _ = another
    shutil.copytree(folder / "data", tmp_path / "data")
    images, labels = generated()
    options = put(tmp_path, "generated", images.clip(5), labels, 400)
    done = run_main(tmp_path, server, *options, *QUICKLY)
    assert done.returncode == 1
    assert "background must be 0" in done.stderr, "the files are others now, and so is what is found of them"


def test_a_set_smaller_than_the_presets_limit_has_a_plan(tmp_path):
    options = put(tmp_path, "mine", *generated(), 400)
    planned = run_main(tmp_path, None, *options, "--preset", "smoke", "--networks", "logistic", "--plan")
    assert planned.returncode == 0, planned.stderr


def test_the_plan_says_what_is_left_over_of_a_file_and_what_another_is_instead(tmp_path):
    options = (*put(tmp_path, "mine", *generated(), 400, compressed=True), "--networks", "logistic", "--plan")
    images = tmp_path / "files" / "train-images.gz"
    images.write_bytes(images.read_bytes() + b"garbage")
    planned = run_main(tmp_path, None, *options)
    assert planned.returncode == 0
    remark = "dataset: train-images: what follows its gzip data is ignored; it begins with b'garbage'"
    assert planned.stderr.splitlines() == [remark]
    images.write_bytes(idx_bytes(0x0B03, np.zeros((400, 28, 28), ">i2")))
    refused = f"dataset: train-images in {tmp_path / 'files'}: it is IDX of big-endian 16-bit integers (type 0x0B)"
    assert_refused(run_main(tmp_path, None, *options), refused)


def test_what_is_wrong_with_it_stops_the_run_by_the_same_gate(tmp_path, server):
    images, labels = generated()
    images[450] = images[7]
    done = run_main(tmp_path, server, *put(tmp_path, "leaky", images, labels, 400), *QUICKLY)
    assert done.returncode == 1
    assert "test images must not be training images too: 1 of 200 are (index 50)" in done.stderr.replace(" is True", "")
