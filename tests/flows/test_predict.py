"""The command that predicts, as a user runs it."""

import csv
import io
import json
import os
import pty
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from flows.model_command import read_options
from flows.predict import PredictOptions
from tasks.evaluation.predictions import load_probabilities
from tasks.pipeline.errors import UserError
from tasks.serving.selection import select_model
from tasks.settings.settings import PROJECT
from tests.programs import FIXTURE

COMMAND = (sys.executable, str(PROJECT / "flows" / "predict.py"))


def predict(run, *arguments, **how):
    """Run the command on a run's models, from the folder of that run."""
    command = [*COMMAND, "--data-dir", "data", *arguments]
    return subprocess.run(command, cwd=run, capture_output=True, text=True, check=False, **how)


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    canvas = np.full((300, 200, 3), 255, np.uint8)
    canvas[50:250, 60:140] = 90
    Image.fromarray(canvas).save(path)
    return str(path)


def test_it_says_class_probability_and_how_good_that_is_and_what_it_could_not_use(finished_run, photo):
    done = predict(finished_run, "test:88", "nothing.png", photo, "--show")
    assert done.returncode == UserError.exit_status
    assert done.stderr == "error: nothing.png: no such file\n"
    model, *_ = done.stdout.splitlines()
    assert model.startswith(("Model: baseline-", "Model: dropout-"))
    assert "winner of the comparison of " in model
    assert "test:88: " in done.stdout
    assert "made gray, inverted, trimmed to the object, resized to 11 × 28, centered on black" in done.stdout
    assert "%%%%" in done.stdout or "@@@@" in done.stdout or "####" in done.stdout


def test_json_and_csv_say_of_the_test_images_what_the_evaluation_has_measured(finished_run):
    images = str(next(FIXTURE.glob("t10k-images*")))
    as_json = json.loads(predict(finished_run, images, "--json", "nothing.png").stdout)
    table = list(csv.DictReader(io.StringIO(predict(finished_run, "--csv", images).stdout)))
    selected = select_model(finished_run / "data")
    assert as_json["model"]["name"] == selected.name
    assert as_json["refused"] == [{"image": "nothing.png", "error": "nothing.png: no such file"}]
    found = as_json["predictions"]
    given = np.array([[*of["probabilities"].values()] for of in found], np.float32)
    assert (given == load_probabilities(selected.evaluate.folder, "test")).all()
    for of, row in zip(found, table, strict=True):
        assert (row["image"], row["predicted"], row["model"]) == (of["image"], of["predicted"], selected.name)
        assert float(row["probability"]) == of["probability"] == max(of["probabilities"].values())
        alike = of["at_this_confidence"]
        assert of["outliers"] if alike is None else alike["low"] <= of["probability"] <= alike["high"]


def test_at_a_terminal_what_goes_elsewhere_goes_there_and_progress_to_the_terminal(finished_run, tmp_path):
    name = os.fsdecode(b"not utf-8 \xff.png")
    Image.new("L", (28, 28), 90).save(tmp_path / name)
    terminal, its_end = pty.openpty()
    with (tmp_path / "output").open("w") as output:
        command = [*COMMAND, "--data-dir", finished_run / "data", "--json", name]
        subprocess.run(command, cwd=tmp_path, stdout=output, stderr=its_end, check=True)
    assert "loading the model" in os.read(terminal, 100_000).decode()
    assert json.loads((tmp_path / "output").read_text())["predictions"][0]["image"] == name


def test_closed_streams_are_no_crash(finished_run):
    for redirection, status in (("test:0 - <&- 2>&-", 2), ("test:0 >&-", 0)):
        redirected = ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, "--data-dir", "data"]
        done = subprocess.run(redirected, cwd=finished_run, capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "^give an image, e.g. photo.png or test:88; see --help$"),
        (["a.png", "--json", "--csv"], "^give one of --show, --json and --csv$"),
        (["a.png", "--model", "baseline", "--champion"], "^give --model or --champion, not both$"),
        (["a.png", "--modle", "baseline"], "^unknown option --modle. Did you mean --model?"),
        (["--images", "a.png"], "^unknown option --images; see --help$"),
        (["a.png", "--data-dir"], "^--data-dir: expected one argument; see --help$"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_in_one_sentence(arguments, sentence):
    with pytest.raises(UserError, match=sentence):
        read_options(PredictOptions, arguments)


def test_a_wrong_name_is_said_before_tensorflow_is_loaded_and_prefect_never_is(finished_run):
    code = f"""
import sys
from flows.predict import PredictOptions, predict
for name in ("nothing.png", "test:0"):
    status = predict(PredictOptions(images=(name,), data_dir={str(finished_run / "data")!r}, csv=True))
    print(status, sorted({{"prefect", "tensorflow"}} & {{*sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    first, *_, last = done.stdout.splitlines()
    assert (first, last) == ("2 []", "0 ['tensorflow']")
