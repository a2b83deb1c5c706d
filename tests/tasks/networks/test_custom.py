import hashlib
import json
import re
import sys
from importlib.metadata import version

import pytest

from tasks.networks import custom
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.user_module import UserFunction
from tasks.settings.settings import parse_settings
from tasks.train import train
from tasks.training.tensorflow import begin
from tests.conftest import ON_THE_FIXTURE, run_main

pytestmark = pytest.mark.slow

FILE = """import keras
from keras import layers


@keras.saving.register_keras_serializable("mine")
class Twice(layers.Layer):
    def call(self, images):
        return 2 * images


def tiny():
    middle = [Twice(), layers.Flatten(), layers.Dense(8)]
    return keras.Sequential([keras.Input((28, 28, 1)), *middle, layers.Dense(10, activation="softmax")])


def of_other_images():
    return keras.Sequential([keras.Input((32, 32, 3)), layers.Flatten(), layers.Dense(10, activation="softmax")])


def of_no_images():
    return keras.Sequential([layers.Flatten(), layers.Dense(10, activation="softmax")])


def of_five_classes():
    return keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(5, activation="softmax")])


def of_logits():
    return keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10)])


def of_nothing():
    return None


def broken():
    width = 8
    return layers.Dense(width)(images)


def leaving():
    raise SystemExit(3)


def of_an_integer():
    return 1


def by_name():
    image = keras.Input((28, 28, 1))
    return keras.Model(image, {"kind": layers.Dense(10, activation="softmax")(layers.Flatten()(image))})


def of_two_outputs():
    image = keras.Input((28, 28, 1))
    flat = layers.Flatten()(image)
    return keras.Model(image, [layers.Dense(10, activation="softmax")(flat), layers.Dense(2)(flat)])


def of_two_inputs():
    images = [keras.Input((28, 28, 1)), keras.Input((28, 28, 1))]
    return keras.Model(images, layers.Dense(10, activation="softmax")(layers.Flatten()(layers.Add()(images))))


def of_batches():
    batch = keras.Input((28, 28, 1), batch_size=32)
    return keras.Sequential([batch, layers.Flatten(), layers.Dense(10, activation="softmax")])


def of_another_library():
    import theirs


@keras.saving.register_keras_serializable("mine")
class OnlyInTraining(layers.Layer):
    def call(self, images, training=False):
        if training:
            raise ValueError("\x1b[1mwhat Keras writes in bold\x1b[0m")
        return images


def failing_in_training():
    return around(OnlyInTraining())


@keras.saving.register_keras_serializable("mine")
class Rounding(layers.Layer):
    def call(self, images):
        import tensorflow as tf

        return images * tf.raw_ops.RandomGammaGrad(alpha=1 + tf.abs(images), sample=1 + tf.abs(images))


def without_a_gradient():
    return around(layers.Dense(1, dtype="float32"), Rounding(dtype="float32"))


@keras.saving.register_keras_serializable("mine")
class Forgetful(layers.Layer):
    def __init__(self, **settings):
        import numpy as np
        import tensorflow as tf

        super().__init__(**settings)
        self.scale = tf.Variable(np.random.default_rng().random((28, 28, 1), np.float32))

    def call(self, images):
        return images * self.scale


def forgetful():
    return around(Forgetful(dtype="float32"))


@keras.saving.register_keras_serializable("mine")
class PerImage(layers.Layer):
    def call(self, images):
        self.add_loss(keras.ops.mean(images, axis=(1, 2, 3)))
        return images


def with_a_loss_per_image():
    return around(PerImage())


GENERATOR = keras.random.SeedGenerator(0)


@keras.saving.register_keras_serializable("mine")
class Elsewhere(layers.Layer):
    def call(self, images, training=False):
        return images + keras.random.normal((28, 28, 1), seed=GENERATOR) if training else images


def drawing_elsewhere():
    return around(Elsewhere())


@keras.saving.register_keras_serializable("mine")
class Cell(layers.Layer):
    state_size = 1

    def call(self, row, states):
        drawn = keras.random.normal((keras.ops.shape(row)[0], 1))
        return drawn, [drawn]


def drawing_in_a_loop():
    return around(layers.Reshape((28, 28)), layers.RNN(Cell()))


@keras.saving.register_keras_serializable("mine")
class Stepping(keras.Sequential):
    def train_step(self, data):
        return {}


def with_its_own_step():
    return Stepping([keras.Input((28, 28, 1)), *around().layers])


def of_narrow_weights():
    return around(layers.Dense(4, dtype="bfloat16"))


def of_another_policy():
    keras.config.set_dtype_policy("float64")
    return around()


def of_eager_functions():
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    return around()


def of_other_weights_each_time():
    import os

    model = around()
    model.layers[-1].bias.assign([byte / 255 for byte in os.urandom(10)])
    return model


def registering_inside():
    @keras.saving.register_keras_serializable("mine")
    class Inside(layers.Layer):
        def call(self, images):
            return images

    return around(Inside())


def importing_what_is_no_more():
    from keras.layers.convolutional import Conv2D


def around(*middle):
    last = [layers.Flatten(), layers.Dense(10, activation="softmax", dtype="float32")]
    return keras.Sequential([keras.Input((28, 28, 1)), *middle, *last])


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(10, activation="softmax")

    def call(self, images):
        return self.dense(keras.ops.reshape(images, (-1, 784)))


def of_a_class():
    model = Subclassed()
    model(keras.ops.zeros((1, 28, 28, 1)))
    return model
"""


def build(named, precision="float32"):
    """Build a network as a training does."""
    begin(0, precision)
    try:
        return custom.build(UserFunction.named(named), 0, precision)
    finally:
        begin(0, "float32")
        sys.modules["tensorflow"].config.run_functions_eagerly(False)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my.py"
    path.write_text(FILE)
    return path


def test_a_network_of_ones_own_is_trained_reported_and_kept_like_any_other(tmp_path, file, server):
    noisy = FILE.replace("2 * images", "2 * images + tf.random.normal((28, 28, 1), dtype=images.dtype)")
    file.write_text(noisy.replace("import keras", "import keras\nimport tensorflow as tf", 1))
    options = (*ON_THE_FIXTURE, "--networks", "logistic", "--network-file", f"{file}:tiny")
    done = run_main(tmp_path, server, *options)
    assert done.returncode == 0, done.stderr
    twin = json.loads(next((tmp_path / "reports").glob("*T*.json")).read_text())
    assert set(twin["head"]["networks"]) == {"logistic", "tiny"}
    assert re.search(r"train\[tiny\] .*: not reproducible: it draws without a seed", done.stderr)
    assert "Results of tiny are not reproducible: it draws without a seed" in twin["verdict"]["caution"]
    assert twin["verdict"]["caution"] in done.stdout
    assert [layer["type"] for layer in twin["networks"]["networks"]["tiny"]["layers"]] == [
        *("Twice", "Flatten", "Dense", "Dense"),
    ]
    assert run_main(tmp_path, None, *options).stdout == done.stdout
    content = file.read_text()
    file.write_text(content.replace("Dense(8)", "Dense(9)"))
    planned = run_main(tmp_path, None, *options, "--plan").stdout
    assert "train[tiny]         run   own network changed" in planned
    assert "train[logistic]     keep" in planned
    moved = file.rename(file.with_name("yours.py"))
    moved.write_text(content)
    planned = run_main(tmp_path, None, *options[:-1], f"{moved}:tiny", "--plan").stdout
    assert "train[tiny]         keep" in planned, "the same network in another place"


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("of_other_images", "of_other_images takes 32×32×3; expected is"),
        ("of_no_images", "of_no_images does not say what its model takes: begin it with keras.Input; expected is"),
        ("of_a_class", "of_a_class does not say what its model takes: begin it with keras.Input; expected is"),
        ("of_five_classes", "of_five_classes gives 5; expected is"),
        ("of_logits", "of_logits gives numbers from -"),
        ("of_nothing", "of_nothing returns NoneType; expected is"),
        ("of_an_integer", "of_an_integer returns int; expected is"),
        ("by_name", "by_name gives what it gives by name (kind); expected is"),
        ("of_two_outputs", "of_two_outputs gives 10 and 2; expected is"),
        ("of_two_inputs", "of_two_inputs takes 28×28×1 and 28×28×1; expected is"),
        ("of_batches", "of_batches takes 32 at once of 28×28×1; expected is"),
        (
            "of_another_library",
            f", line 71, in of_another_library: ModuleNotFoundError: No module named 'theirs' (to install it: "
            f"{sys.executable} -m pip install theirs); expected is",
        ),
        ("failing_in_training", ", line 78, in call, in training: ValueError: what Keras writes in bold; expected is"),
        (
            "with_a_loss_per_image",
            ", in training: ValueError: add_loss is given a loss for each image; give it their mean",
        ),
        ("drawing_elsewhere", ", in training: ValueError: draws or keeps values by what the model does not know; make"),
        ("drawing_in_a_loop", ", in training: ValueError: draws or keeps values within a loop, such as in the cell of"),
        ("with_its_own_step", "with_its_own_step has a train_step of its own, which is not used here; expected is"),
        ("of_narrow_weights", "of_narrow_weights has weights in bfloat16, which are float32 here"),
        ("of_another_policy", "of_another_policy changes Keras' dtype policy, which is --precision's to set"),
        ("of_eager_functions", "of_eager_functions has TensorFlow run functions eagerly, which is for debugging"),
        ("of_other_weights_each_time", "of_other_weights_each_time starts from other weights each time: draw them by"),
        (
            "importing_what_is_no_more",
            ", line 196, in importing_what_is_no_more: ModuleNotFoundError: No module named 'keras.layers.conv",
        ),
        ("without_a_gradient", ", in training: LookupError: gradient registry has no entry for: RandomGammaGrad;"),
        ("broken", ", line 38, in broken: NameError: name 'images' is not defined; expected is"),
        ("leaving", ", line 42, in leaving: SystemExit: 3; expected is"),
    ],
)
@pytest.mark.usefixtures("tensorflow")
def test_what_is_no_such_network_is_told_with_file_line_and_what_is_expected(file, function, sentence):
    with pytest.raises(UserError) as told:
        build(f"{file}:{function}")
    assert str(told.value).startswith(f"{file}{'' if sentence.startswith(',') else ': '}{sentence}")
    assert str(told.value).endswith("takes images of 28×28×1 and gives ten probabilities")


@pytest.mark.parametrize(
    ("content", "named", "sentence"),
    [
        (FILE, "my.py", "'my.py': name a file and a function in it, as in my.py:build"),
        (FILE, "my.py:", "'my.py:': name a file and a function in it, as in my.py:build"),
        (FILE, "absent.py:tiny", "absent.py: no such file or directory"),
        ("def tiny():\n    return (", "my.py:tiny", "my.py, line 2: '(' was never closed"),
        ("import other", "my.py:tiny", "my.py: no function is called 'tiny'"),
        (
            "def tiny():\n    import other\n",
            "my.py:tiny",
            "my.py, line 2: imports other, whose changes would not be seen; copy what you need",
        ),
        ("def small():\n    pass", "my.py:tiny", "my.py: no function is called 'tiny'; there are small"),
        (
            "def tiny():\n    from tasks.networks import baseline\n",
            "my.py:tiny",
            "my.py, line 2: imports tasks, whose changes would not be seen; copy what you need",
        ),
        (
            "def baseline():\n    pass",
            "my.py:baseline",
            "there is a network called 'baseline'; give yours another name",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_before_there_is_a_run(file, content, named, sentence, monkeypatch):
    monkeypatch.chdir(file.parent)
    file.write_text(content)
    file.with_name("other.py").write_text("WIDTH = 8")
    with pytest.raises(UserError, match="^network_file") as told:
        parse_settings({"network_file": str(file.parent / named)})
    assert str(told.value).replace(f"{file.parent}/", "").endswith(sentence)


@pytest.mark.usefixtures("tensorflow")
def test_what_could_not_be_loaded_again_is_refused_before_it_is_trained(file):
    file.write_text(FILE.replace("Twice(), ", "layers.Lambda(lambda images: 2 * images), "))
    with pytest.raises(UserError, match=r"my.py: what tiny builds cannot be loaded once it is saved \(.*\); register"):
        build(f"{file}:tiny")


@pytest.mark.usefixtures("tensorflow")
def test_what_the_file_alone_does_not_register_is_refused_before_it_is_trained(file):
    with pytest.raises(UserError, match=r"my.py: what registering_inside builds cannot be loaded once it is saved \("):
        build(f"{file}:registering_inside")


@pytest.mark.usefixtures("tensorflow")
def test_what_would_be_another_model_once_it_is_loaded_is_refused_before_it_is_trained(file):
    with pytest.raises(UserError, match=r"my.py: what forgetful builds gives other probabilities once it is saved and"):
        build(f"{file}:forgetful")


@pytest.mark.usefixtures("tensorflow")
def test_a_layer_that_is_not_made_for_bfloat16_is_told_of_float32(file):
    file.write_text(FILE.replace("return 2 * images", "return images + keras.random.normal((28, 28, 1))"))
    with pytest.raises(UserError, match=r"in call: .* \(--precision float32 does without bfloat16\); expected is"):
        build(f"{file}:tiny", "bfloat16")


@pytest.mark.usefixtures("tensorflow")
def test_a_file_that_changes_while_a_run_lasts_stops_the_training(file):
    own = UserFunction.named(f"{file}:tiny")
    file.write_text(FILE + "\n")
    with pytest.raises(RunError, match=r"my.py has changed since the run began; run again"):
        custom.build(own, 0, "float32")


def test_the_file_is_part_of_its_own_networks_key_alone(file, artifact):
    def settings_of(name):
        settings = parse_settings({"network_file": f"{file}:tiny"})
        return train.cache_key(settings, name, {"prepare": artifact}).settings

    told = {"function": "tiny", "sha256": hashlib.sha256(FILE.encode()).hexdigest()}
    assert settings_of("tiny")["own_network"] == told, "its place is no part of it"
    assert settings_of("baseline")["own_network"] is None


def test_the_versions_of_what_the_file_imports_are_part_of_its_own_networks_key_alone(file, artifact):
    file.write_text(f"import json, pandas\nfrom PIL import Image\nimport absent.part\n{FILE}")
    settings = parse_settings({"network_file": f"{file}:tiny"})
    versions = {name: train.cache_key(settings, name, {"prepare": artifact}).versions for name in ("tiny", "baseline")}
    assert set(versions["tiny"]) - set(versions["baseline"]) == {"pandas", "pillow"}
    assert versions["tiny"]["pandas"] == version("pandas")
