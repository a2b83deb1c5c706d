import hashlib
import json
import re
from importlib.metadata import version

import pytest

from tasks.networks import custom
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.user_module import UserFunction
from tasks.settings.settings import parse_settings
from tasks.train import train
from tasks.training.tensorflow import begin
from tests.programs import ON_THE_FIXTURE, run_main

pytestmark = pytest.mark.slow

FILE = """import keras, os
import numpy as np
import tensorflow as tf
from keras import layers

mine = keras.saving.register_keras_serializable("mine")


def around(*middle, image=(28, 28, 1), kind=keras.Sequential, activation="softmax"):
    last = [layers.Flatten(), layers.Dense(10, activation=activation, dtype="float32")]
    return kind([keras.Input(image), *middle, *last])


@mine
class Twice(layers.Layer):
    def call(self, images):
        return 2 * images


def tiny():
    return around(Twice(), layers.Flatten(), layers.Dense(8))


def of_other_images():
    return around(image=(32, 32, 3))


def of_logits():
    return around(activation=None)


def of_saved_weights(name="pretrained.npy"):
    np.load(os.path.join(os.path.dirname(__file__), name))
    return around()


def of_weights_in_hdf5():
    around().save_weights(os.path.join(os.path.dirname(__file__), "new.weights.h5"))
    around().load_weights(os.path.join(os.path.dirname(__file__), "new.weights.h5"))  # it has made these itself
    around().load_weights(os.path.join(os.path.dirname(__file__), "pretrained.weights.h5"))
    return around()


def broken():
    return around(width)


@mine
class Stepping(keras.Sequential):
    def train_step(self, data):
        return {}


def with_its_own_step():
    return around(kind=Stepping)


def of_other_weights_each_time():
    model = around()
    model.layers[-1].bias.assign([byte / 255 for byte in os.urandom(10)])
    return model


def with_a_lambda():
    return around(layers.Lambda(lambda images: 2 * images))


@mine
class Forgetful(layers.Layer):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.scale = tf.Variable(np.random.default_rng().random((28, 28, 1), np.float32))

    def call(self, images):
        return images * self.scale


def forgetful():
    return around(Forgetful(dtype="float32"))
"""
LINE = FILE.partition("width")[0].count("\n") + 1  # of what is broken


def build(named, precision="float32"):
    """Build a network as a training does."""
    begin(0, precision)
    try:
        return custom.build(UserFunction.named(named), 0, precision)
    finally:
        begin(0, "float32")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my.py"
    path.write_text(FILE)
    return path


def test_a_network_of_ones_own_is_trained_and_reported_like_any_other(tmp_path, file, server):
    file.write_text(
        FILE.replace("return 2 * images", "return tf.random.normal((28, 28, 1), dtype=images.dtype) + images")
    )
    options = (*ON_THE_FIXTURE, "--networks", "logistic", "--network-file", f"{file}:tiny")
    done = run_main(tmp_path, server, *options)
    assert done.returncode == 0, done.stderr
    data = json.loads(next((tmp_path / "reports").glob("*T*.json")).read_text())
    assert set(data["head"]["networks"]) == {"logistic", "tiny"}
    assert re.search(r"train\[tiny\]: .*not reproducible: it draws without a seed", done.stderr)
    assert "Results of tiny are not reproducible: it uses randomness without a seed" in data["verdict"]["caution"]
    assert data["verdict"]["caution"] in done.stdout
    layers = [layer["type"] for layer in data["networks"]["networks"]["tiny"]["layers"]]
    assert layers == ["Twice", "Flatten", "Dense", "Flatten", "Dense"]


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("of_other_images", "of_other_images takes (None, 32, 32, 3) and gives (None, 10); begin"),
        ("of_logits", "of_logits gives numbers from -"),
        ("broken", f", line {LINE}, in broken: NameError: name 'width' is not defined; expected is"),
        ("with_its_own_step", "with_its_own_step has a train_step of its own, which is not used here; expected is"),
        ("of_other_weights_each_time", "of_other_weights_each_time starts from other weights each time: draw them by"),
        ("with_a_lambda", "with_a_lambda builds what cannot be loaded once it is saved ("),
        ("forgetful", "forgetful builds what gives other probabilities once it is saved and loaded; register layers"),
    ],
)
@pytest.mark.usefixtures("tensorflow")
def test_what_is_no_such_network_is_refused_with_file_line_and_what_is_expected(file, function, sentence):
    with pytest.raises(UserError) as refused:
        build(f"{file}:{function}")
    assert str(refused.value).startswith(f"{file}{'' if sentence.startswith(',') else ': '}{sentence}")
    assert str(refused.value).endswith(("takes images of 28×28×1 and gives ten probabilities", "and use no Lambda"))


@pytest.mark.parametrize(
    ("function", "read"), [("of_saved_weights", "pretrained.npy"), ("of_weights_in_hdf5", "pretrained.weights.h5")]
)
@pytest.mark.usefixtures("tensorflow")
def test_a_file_that_reads_another_is_refused(file, function, read):
    file.with_name(read).write_bytes(b"0")
    with pytest.raises(UserError, match=f"reads {file.with_name(read)}, whose changes would go unnoticed; put its"):
        build(f"{file}:{function}")


@pytest.mark.parametrize(
    ("content", "named", "sentence"),
    [
        (FILE, "my.py:", "--network-file must be a file and a function, e.g. my.py:build (got my.py:)"),
        (FILE, "absent.py:tiny", "absent.py: no such file or directory"),
        ("def tiny():\n    return (", "my.py:tiny", "my.py: '(' was never closed (my.py, line 2)"),
        ("def small():\n    pass", "my.py:tiny", "my.py has no function tiny; it has small"),
        (
            "def tiny():\n    import other\n",
            "my.py:tiny",
            "my.py, line 2: imports other, whose changes would go unnoticed; copy what you need",
        ),
        ("def baseline():\n    pass", "my.py:baseline", "built-in network; give yours another name"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_before_there_is_a_run(file, content, named, sentence):
    file.write_text(content)
    file.with_name("other.py").write_text("WIDTH = 8")
    with pytest.raises(UserError, match="^--network-file") as refused:
        parse_settings({"network_file": str(file.parent / named)})
    assert str(refused.value).replace(f"{file.parent}/", "").endswith(sentence)


@pytest.mark.usefixtures("tensorflow")
def test_a_file_that_changes_while_a_run_lasts_stops_the_training(file):
    own = UserFunction.named(f"{file}:tiny")
    file.write_text(FILE + "\n")
    with pytest.raises(RunError, match=r"my.py has changed since the run began; run again"):
        custom.build(own, 0, "float32")


def test_the_file_and_the_versions_of_what_it_imports_are_part_of_its_own_networks_key_alone(file, artifact):
    file.write_text(content := f"import json, pandas\nfrom PIL import Image\nimport absent.part\n{FILE}")
    settings = parse_settings({"network_file": f"{file}:tiny"})
    tiny, baseline = (train.cache_key(settings, name, {"prepare": artifact}) for name in ("tiny", "baseline"))
    described = {"function": "tiny", "sha256": hashlib.sha256(content.encode()).hexdigest()}
    assert tiny.settings["own_network"] == described, "its place is no part of it"
    assert baseline.settings["own_network"] is None
    assert set(tiny.versions) - set(baseline.versions) == {"pandas", "pillow"}
    assert tiny.versions["pandas"] == version("pandas")
