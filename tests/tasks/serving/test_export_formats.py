from dataclasses import replace

import numpy as np
import pytest

from tasks.pipeline.errors import RunError, UserError
from tasks.serving.export_formats import FORMATS, answers_of, check, check_installed, write
from tasks.serving.raw_model import in_float32, raw_model


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_raw_pixels_and_answers_as_kerass_own(name, trained, test_images, tmp_path):
    write(name, trained, "flip", tmp_path)
    expected = raw_model(in_float32(trained) if FORMATS[name].float32 else trained, "flip").predict(
        test_images, verbose=0
    )
    assert np.abs(answers_of(name, tmp_path, test_images) - expected).max() < 1e-5


def test_what_keras_cannot_write_and_what_does_not_run_is_a_sentence(trained, test_images, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="^Keras cannot write dropout as saved_model: [^\n]+$"):
        write("saved_model", trained, "none", tmp_path / "file")
    with pytest.raises(RunError, match=r"^model\.onnx does not run: [^\n]+$"):
        answers_of("onnx", tmp_path, test_images)


def test_a_check_says_how_answers_differ_and_refuses_more_than_is_tolerated():
    labels, expected = np.arange(10), np.eye(10)
    answers = np.array([[0.5, 0.75, *[0] * 8], *expected[1:]])
    assert str(check("model.onnx", expected, expected, labels)).endswith("differ, all probabilities are equal")
    assert str(check("model.onnx", answers, expected, labels, tolerated=1)) == (
        "accuracy 90.00%, 1 of 10 predictions differ, probabilities differ by 0.75 at most"
    )
    with pytest.raises(RunError, match=r"^model\.onnx is not handed over: .* for 1 of the 10 test images"):
        check("model.onnx", answers, expected, labels)


def test_a_format_whose_libraries_are_not_installed_is_refused(monkeypatch):
    check_installed(FORMATS)
    monkeypatch.setitem(FORMATS, "onnx", replace(FORMATS["onnx"], needs=("nobody-has",)))
    with pytest.raises(UserError, match="^nobody-has is not installed; install it with `make extras`$"):
        check_installed(["onnx"])
