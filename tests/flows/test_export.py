"""The whole command, as a user runs it, from another folder."""

import re
import shutil
import signal
import subprocess
import sys

import pytest
from PIL import Image

from tasks.data.idx import read_idx
from tasks.evaluation.predictions import load_probabilities
from tasks.serving.selection import select_model
from tasks.settings.settings import PROJECT
from tests.conftest import prepared_in
from tests.programs import ON_THE_FIXTURE, leftovers, run_main, wait_until

EXPORT = PROJECT / "flows" / "export.py"
OWN = """import keras

@keras.saving.register_keras_serializable("mine")
class Half(keras.layers.Layer):
    def build(self, shape):
        self.dense = keras.layers.Dense(10)
        self.dense.build(shape)
    def call(self, images):
        return keras.ops.softmax(self.dense(images / 2))

def halved():
    return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), Half()])
"""
WITHOUT_PREFECT = """import sys
from flows.export import ExportOptions, run
from flows.model_command import read_options
run(read_options(ExportOptions))
assert not {"prefect", "great_expectations"} & {*sys.modules}
"""


def program(*command, cwd):
    return subprocess.run([sys.executable, *map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)


def exported(run, output, *options, by=(EXPORT,)):
    """Export into that folder; return the folder of the export, and what was printed."""
    done = program(*by, "--data-dir", run / "data", "--output", output.name, *options, cwd=output.parent)
    assert done.returncode == 0, done.stderr
    (folder,) = output.glob("[!.]*")
    return folder, done.stdout


def assert_the_example_predicts_as_evaluated(folder, run, cwd):
    """The export's own example, from another folder, on a real picture."""
    selected = select_model(run / "data", folder.name)
    Image.fromarray(read_idx(selected.download.folder / "t10k-images-idx3-ubyte")[3]).save(cwd / "picture.png")
    expected = load_probabilities(selected.evaluate.folder, "test")[3]
    done = program(folder / "example.py", "picture.png", cwd=cwd)
    name = selected.data_set.class_names[expected.argmax()]
    assert done.stdout == f"picture.png: {name}, {expected.max():.1%}\n", done.stderr


@pytest.fixture(scope="module")
def trees_and_own(server, finished_run, tmp_path_factory):
    """A run of XGBoost and a network with a layer of its own."""
    folder = tmp_path_factory.mktemp("others")
    for known in prepared_in(finished_run):
        shutil.copytree(known, folder / "data" / known.name)
    (folder / "my.py").write_text(OWN)
    options = (*ON_THE_FIXTURE, "--networks", "xgboost", "--network-file", f"{folder / 'my.py'}:halved")
    done = run_main(folder, server, *options)
    assert done.returncode == 0, done.stderr
    return folder


def test_an_export_is_complete_checked_the_same_each_time_and_made_without_prefect(finished_run, tmp_path):
    folder, said = exported(finished_run, tmp_path / "one")
    again, _ = exported(finished_run, tmp_path / "two", by=("-c", WITHOUT_PREFECT))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert files == {path.name: path.read_bytes() for path in again.iterdir()}
    assert {*files} == {"model.keras", "trained.keras", "labels.json", "example.py", "README.md", "SHA256SUMS"}
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=folder, check=True)
    assert files["trained.keras"] == (finished_run / "data" / "train" / folder.name / "model.keras").read_bytes()
    assert re.search(r"model\.keras +accuracy [0-9.]+%, 0 of 200 predictions differ, all probabilities are equal", said)
    assert said.endswith(f"Try it: python one/{folder.name}/example.py picture.png\n")
    assert_the_example_predicts_as_evaluated(folder, finished_run, tmp_path)
    done = program(EXPORT, "--data-dir", finished_run / "data", "--output", "one", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"error: {folder} exists; delete it, or choose another --output\n")


def test_a_format_is_checked_before_it_is_handed_over_and_its_figures_are_on_the_card(finished_run, tmp_path):
    folder, said = exported(finished_run, tmp_path / "out", "--format", "saved_model", "--format", "tflite")
    for file in ("saved_model", "model.tflite"):
        (found,) = re.findall(rf"^  {file} +(accuracy .*)", said, re.MULTILINE)
        assert f"- `{file}`: {found}" in (folder / "README.md").read_text()


def test_an_export_that_is_interrupted_leaves_nothing(finished_run, tmp_path):
    command = (sys.executable, EXPORT, "--data-dir", finished_run / "data", "--output", "out")
    with subprocess.Popen(command, cwd=tmp_path) as process:
        wait_until(lambda: [*tmp_path.glob("out/.staging-*")], 60)
        process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert leftovers(tmp_path) == [*tmp_path.glob("out/[!.]*")] == []


def test_a_network_with_layers_of_its_own_takes_its_file_along(trees_and_own, tmp_path):
    folder, _ = exported(trees_and_own, tmp_path / "out", "--model", "halved")
    assert (folder / "own_network.py").read_text() == OWN
    assert "Import `own_network.py` before you load the model" in (folder / "README.md").read_text()
    assert_the_example_predicts_as_evaluated(folder, trees_and_own, tmp_path)


def test_trees_are_exported_in_xgboosts_own_format(trees_and_own, tmp_path):
    folder, _ = exported(trees_and_own, tmp_path / "out", "--model", "xgboost")
    assert "library_name: xgboost" in (folder / "README.md").read_text()
    given = ("--data-dir", trees_and_own / "data", "--model", "xgboost", "--format", "onnx")
    done = program(EXPORT, *given, "--output", "again", cwd=tmp_path)
    assert re.fullmatch("error: --format onnx needs a network, and xgboost-.* is none: leave it out\n", done.stderr)
    assert_the_example_predicts_as_evaluated(folder, trees_and_own, tmp_path)
