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


def check_snippet(snippet, run, probabilities, folder):
    Image.fromarray(run.images["test"][run.places["test"][0]]).save(folder / "photo.png")
    done = subprocess.run([sys.executable, "-c", snippet], cwd=folder, capture_output=True, text=True, check=True)
    probability, name = done.stdout.strip().split(" ", 1)
    assert float(probability) == pytest.approx(probabilities.max(), abs=0.01)
    assert name == run.data_set.class_names[probabilities.argmax()]


def test_the_pages_snippet_predicts_a_picture_as_it_stands(report, run, finished_run, tmp_path):
    (snippet,) = re.findall('id="snippet"><code>(.*?)</code></pre>', report.read_text("utf-8"), re.DOTALL)
    (tmp_path / "data").symlink_to(finished_run / "data")
    check_snippet(html.unescape(snippet), run, run.probabilities[run.names[0]]["test"][0], tmp_path)


def test_the_snippet_of_trees_predicts_too(run, tmp_path):
    manifest = {"key": "k", "network": "xgboost", "files": ["model.ubj"], "cache_key": {"settings": {}}}
    use = use_of(manifest, manifest, run.data_set.class_names).in_folder(tmp_path)
    data = xgboost.DMatrix(run.images["test"].reshape(-1, 784) / 255, run.file_labels["test"])
    trees = xgboost.train({"objective": "multi:softprob", "num_class": 10}, data, 2)
    (tmp_path / "train" / "xgboost-k").mkdir(parents=True)
    trees.save_model(use.path)
    check_snippet(use.snippet, run, trees.predict(data)[run.places["test"][0]], tmp_path)


def test_a_network_of_ones_own_has_no_snippet_and_test_time_augmentation_is_named(run):
    one = made_up(run, {"mine": sharp(run, 1)})
    one.manifests["train[mine]"]["cache_key"]["settings"] |= {"own_network": {"sha256": "0"}}
    one.manifests["evaluate[mine]"]["cache_key"]["settings"] |= {"tta": "flip"}
    page = sections_of(one, verdict)
    assert "Its layers may need the file that built it" in page
    assert 'id="snippet"' not in page
    assert "The commands use test-time augmentation (flip)" in page
