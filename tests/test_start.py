import subprocess
import sys

import pytest

from tasks import child
from tasks.pipeline import PROJECT
from tests.test_train import content_of, train


@pytest.fixture(scope="module")
def content(finished_run, tmp_path_factory):
    """What a training leaves in a process of its own."""
    (prepared,) = (finished_run / "data" / "prepare").glob("*")
    return content_of(train(prepared, tmp_path_factory.mktemp("own"))[1])


def test_what_the_user_has_set_for_keras_elsewhere_does_not_shape_a_training(content, prepared, tmp_path, monkeypatch):
    (tmp_path / "keras.json").write_text('{"epsilon": 0.01, "image_data_format": "channels_first"}')
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("KERAS_MAX_STEPS_PER_EPOCH", "1")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert content_of(train(prepared, tmp_path)[1]) == content


def test_a_training_in_a_child_that_was_started_early_has_the_bits_of_one_in_its_own(
    content, prepared, tmp_path, monkeypatch
):
    monkeypatch.setattr(child, "_early", [])
    child.start_early("tasks.start", {"threads": 1}, 1)
    _, early = train(prepared, tmp_path, keep=True)
    assert not child._early
    assert content_of(early) == content


def test_what_keras_can_do_without_is_left_out_and_can_be_had_later():
    begin = "from tasks.start import start_tensorflow; start_tensorflow(1); import sys"
    left_out = "assert not {'sklearn', 'matplotlib', 'scipy.stats'} & sys.modules.keys(), sorted(sys.modules)"
    code = f"{begin}; {left_out}; import sklearn.base, matplotlib.figure"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
