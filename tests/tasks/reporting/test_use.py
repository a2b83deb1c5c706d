"""How to use the winner, as the page says it."""

import html
import re
import subprocess
import sys

import pytest
import xgboost
from PIL import Image

from tasks.reporting.sections import verdict
from tasks.reporting.use import use_of
from tests.tasks.reporting.conftest import made_up, sections_of, sharp


def printed_by(snippet, run, folder):
    """Run a snippet in a folder where the first test image is called as it says; return its probability and class."""
    Image.fromarray(run.images["test"][run.places["test"][0]]).save(folder / "photo.png")
    done = subprocess.run([sys.executable, "-c", snippet], cwd=folder, capture_output=True, text=True, check=True)
    probability, name = done.stdout.rstrip("\n").split(" ", 1)
    return pytest.approx(float(probability), abs=0.01), name


def test_the_pages_snippet_predicts_a_picture_as_it_stands(report, run, finished_run, tmp_path):
    (snippet,) = re.findall('id="snippet"><code>(.*?)</code></pre>', report.read_text("utf-8"), re.DOTALL)
    (tmp_path / "data").symlink_to(finished_run / "data")
    first = run.probabilities[run.names[0]]["test"][0]
    expected = first.max(), run.data_set.class_names[first.argmax()]
    assert printed_by(html.unescape(snippet), run, tmp_path) == expected


def test_the_snippet_of_trees_predicts_too(run, tmp_path):
    manifest = {"key": "k", "network": "xgboost", "files": ["model.ubj"], "cache_key": {"settings": {}}}
    use = use_of(manifest, manifest, run.data_set.class_names).in_folder(tmp_path)
    images, labels = (of["test"] for of in (run.images, run.file_labels))
    data = xgboost.DMatrix(images.reshape(len(images), -1) / 255, labels)
    trees = xgboost.train({"objective": "multi:softprob", "num_class": 10}, data, 2)
    (tmp_path / "train" / "xgboost-k").mkdir(parents=True)
    trees.save_model(use.path)
    first = trees.predict(data)[run.places["test"][0]]
    assert printed_by(use.snippet, run, tmp_path) == (first.max(), run.data_set.class_names[first.argmax()])
    assert use.predict == f"python flows/predict.py --model xgboost-k photo.png --data-dir {tmp_path}"


def test_a_network_of_ones_own_has_no_snippet_and_test_time_augmentation_is_said(run):
    one = made_up(run, {"mine": sharp(run, 1)})
    for label, setting in (("train[mine]", {"own_network": {"sha256": "0"}}), ("evaluate[mine]", {"tta": "flip"})):
        one.manifests[label]["cache_key"]["settings"] |= setting
    text = sections_of(one, verdict)
    assert "Its layers may need the file that built it" in text
    assert 'id="snippet"' not in text
    assert "The commands use test-time augmentation (flip)" in text
