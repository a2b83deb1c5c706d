import json
import re

import numpy as np
import pytest

from tasks.data.dataset import Expectations
from tasks.data.idx import read_idx
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError
from tasks.validate import check_images, stop_if_critical, summarize, validate


@pytest.fixture(scope="module")
def real(data_set, downloaded):
    return {role: read_idx(downloaded.folder / file.name) for role, file in data_set.files.items()}


@pytest.fixture(scope="module")
def passed(real, data_set):
    """The results on the real images."""
    return check_images(real, data_set, identical=True)


@pytest.fixture
def arrays(real):
    """The real images and labels, to be damaged."""
    return {role: array.copy() for role, array in real.items()}


SPLITS = ("train", "test")


def label_eleven(arrays):
    for split in SPLITS:
        arrays[f"{split}_labels"][[5, 9, 17]] = 11


def missing_label(arrays):
    for split in SPLITS:
        arrays[f"{split}_labels"] = arrays[f"{split}_labels"].astype(np.float64)
        arrays[f"{split}_labels"][5] = np.nan


def black_image(arrays):
    for split in SPLITS:
        arrays[f"{split}_images"][3] = 0


def repeated_image(arrays):
    for split in SPLITS:
        arrays[f"{split}_images"][7] = arrays[f"{split}_images"][2]


def leaked_image(arrays):
    arrays["test_images"][4] = arrays["train_images"][40]


def dark(arrays):
    for split in SPLITS:
        arrays[f"{split}_images"] //= 2


def grey_background(arrays):
    for split in SPLITS:
        np.maximum(arrays[f"{split}_images"], 1, out=arrays[f"{split}_images"])


def missing_class(arrays):
    for split in SPLITS:
        labels = arrays[f"{split}_labels"]
        labels[labels == 6] = 0


def imbalance(arrays):
    for split in SPLITS:
        labels = arrays[f"{split}_labels"]
        labels[np.flatnonzero(labels == 6)[::2]] = 0


def brighter_test(arrays):
    arrays["test_images"] = np.minimum(arrays["test_images"].astype(int) + 20, 255).astype(np.uint8)


def even_test(arrays):
    arrays["test_images"] = (arrays["test_images"] * 0.8 + 255 * 0.05).astype(np.uint8)


def cropped_rows(arrays):
    for split in SPLITS:
        arrays[f"{split}_images"] = arrays[f"{split}_images"][:, 1:]


def cropped_columns(arrays):
    for split in SPLITS:
        arrays[f"{split}_images"] = arrays[f"{split}_images"][:, :, 1:]


def fewer(arrays):
    for role in arrays:
        arrays[role] = arrays[role][:-3]


def of_floats(arrays):
    for split in SPLITS:
        arrays[f"{split}_images"] = arrays[f"{split}_images"].astype(np.float32)


def nothing(arrays):
    """Leave the arrays as they are."""


# Each damage with the sentences that must then fail, and how they begin to say what was found.
DAMAGES = [
    (nothing, {"the files must be fashion-mnist-600's, byte for byte": "found False"}),
    (
        fewer,
        {"train must have 400 images": "found 397", "test must have 200 images": "found 197"},
    ),
    (
        label_eleven,
        {
            "train labels must be 0–9": "3 of 400 are not (index 5 is 11, index 9 is 11, index 17 is 11)",
            "test labels must be 0–9": "3 of 200 are not (index 5 is 11, ",
        },
    ),
    (missing_label, {"train labels must be there": "1 of 400", "test labels must be there": "1 of 200"}),
    (black_image, {"train images must not be blank": "1 of 400", "test images must not be blank": "1 of 200"}),
    (
        repeated_image,
        {"train images should not repeat": "1 of 400", "test images should not repeat": "1 of 200"},
    ),
    (leaked_image, {"test images must not be training images too": "1 of 200 are (index 4)"}),
    (
        dark,
        {
            "train pixels must reach 250": "",
            "test pixels must reach 250": "",
        },
    ),
    (grey_background, {"train background must be 0": "", "test background must be 0": ""}),
    (missing_class, {"train must show every class": "", "test must show every class": ""}),
    (imbalance, {"train classes should be balanced": "found 3.0", "test classes should be balanced": "found 3.0"}),
    (brighter_test, {"train and test should be equally bright, within 5 grey levels": "found 1"}),
    (even_test, {"train and test should vary equally, within 5 grey levels": "found 1"}),
    (cropped_rows, {"train images must be 28 high": "400 of 400", "test images must be 28 high": "200 of 200"}),
    (cropped_columns, {"train images must be 28 wide": "400 of 400", "test images must be 28 wide": "200 of 200"}),
    (of_floats, {"train pixels must be uint8": "found float32", "test pixels must be uint8": "found float32"}),
]


def test_the_real_images_pass_every_expectation(passed):
    assert [result["failure"] for result in passed if not result["success"]] == []
    assert len(passed) == 28


@pytest.mark.parametrize(("damage", "failures"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])
def test_a_damage_fails_its_expectation(arrays, data_set, damage, failures):
    damage(arrays)
    results = {result["sentence"]: result for result in check_images(arrays, data_set, identical=damage != nothing)}
    for sentence, found in failures.items():
        assert not results[sentence]["success"]
        assert results[sentence]["failure"].startswith(f"{sentence}: {found}")
        assert "found None" not in results[sentence]["failure"]


def test_every_expectation_is_shown_able_to_fail(passed):
    shown = {sentence for _, failures in DAMAGES for sentence in failures}
    assert shown == {result["sentence"] for result in passed}


def test_labels_out_of_range_are_named_up_to_the_third(arrays, data_set):
    arrays["train_labels"][[5, 6, 7, 8]] = 11
    failed = [r for r in check_images(arrays, data_set, identical=True) if r["sentence"] == "train labels must be 0–9"]
    assert failed[0]["failure"] == (
        "train labels must be 0–9: 4 of 400 are not (index 5 is 11, index 6 is 11, index 7 is 11, …)"
    )
    assert failed[0]["offending"] == 4
    assert failed[0]["offenders"] == [{"index": index, "value": 11} for index in (5, 6, 7)]


def test_one_image_with_a_grey_background_is_found_among_the_others(arrays, data_set):
    arrays["train_images"][3] = np.maximum(arrays["train_images"][3], 1)
    failed = {r["sentence"] for r in check_images(arrays, data_set, identical=True) if not r["success"]}
    assert failed == {"train background must be 0"}


def test_what_a_specification_expects_otherwise_is_no_fault_of_its_images(arrays, data_set):
    arrays |= {f"{split}_images": arrays[f"{split}_images"] // 2 + 40 for split in SPLITS}
    arrays["test_images"][4] = arrays["train_images"][5]
    expectations = Expectations(background=40, brightest=167, shared=True)
    otherwise = data_set.model_copy(update={"expectations": expectations})
    found = {
        (r["severity"], r["sentence"]) for r in check_images(arrays, otherwise, identical=True) if not r["success"]
    }
    assert found == {("warning", "test images should not be training images too")}
    within = expectations.model_copy(update={"background": 39, "brightest": 168})
    stricter = data_set.model_copy(update={"expectations": within})
    found = {r["sentence"] for r in check_images(arrays, stricter, identical=True) if not r["success"]}
    assert {"train background must be at most 39", "test pixels must reach 168"} <= found


def test_what_was_observed_is_told_of_what_passed_too(passed):
    observed = {result["sentence"]: result["observed"] for result in passed}
    assert None not in observed.values()
    assert observed["train must have 400 images"] == 400
    assert observed["train labels must be 0–9"] == "0 of 400 are not"
    assert observed["train must show every class"] == "0 missing"
    assert observed["test images must not be training images too"] == "0 of 200 are"
    assert 0 < observed["train and test should be equally bright, within 5 grey levels"] < 5


def test_repeated_images_are_a_warning_and_leaked_ones_are_critical(passed):
    severity = {result["sentence"]: result["severity"] for result in passed}
    assert severity["train images should not repeat"] == "warning"
    assert severity["test images must not be training images too"] == "critical"


def test_a_must_is_critical_and_a_should_is_a_warning(passed):
    for result in passed:
        word = {"critical": "must", "warning": "should"}[result["severity"]]
        assert re.search(rf"\b{word}\b", result["sentence"])


def test_the_results_can_be_written_as_json(passed):
    assert json.loads(json.dumps(passed, allow_nan=False)) == passed


@pytest.mark.parametrize("split", SPLITS)
def test_images_without_a_label_each_stop_the_run(arrays, data_set, split):
    arrays[f"{split}_labels"] = arrays[f"{split}_labels"][:-1]
    count = len(arrays[f"{split}_images"])
    with pytest.raises(RunError, match=f"{split} has {count} images but {count - 1} labels; each image needs one"):
        check_images(arrays, data_set, identical=True)


def test_images_and_labels_that_are_exchanged_stop_the_run(arrays, data_set):
    arrays["test_images"], arrays["test_labels"] = arrays["test_labels"], arrays["test_images"]
    with pytest.raises(RunError, match="^test has labels where its images belong, or the reverse$"):
        check_images(arrays, data_set, identical=True)


def test_the_summary_has_a_row_an_image_and_marks_only_the_second_of_two_equal_ones():
    images = np.array([[[0, 4]], [[8, 8]], [[0, 4]]], np.uint8)
    frame = summarize(images, np.array([2, 1, 0], np.uint8), "train")
    assert frame["index"].tolist() == [0, 1, 2]
    assert frame["label"].tolist() == [2, 1, 0]
    assert (frame["height"].tolist(), frame["width"].tolist()) == ([1] * 3, [2] * 3)
    assert frame["minimum"].tolist() == [0, 8, 0]
    assert frame["maximum"].tolist() == [4, 8, 4]
    assert frame["mean"].tolist() == [2.0, 8.0, 2.0]
    assert frame["duplicate"].tolist() == [False, False, True]


def made_of(folder, *results):
    (folder / "results.json").write_text(json.dumps(results))
    return Artifact(folder, {})


def result(severity, failure):
    return {"severity": severity, "success": failure is None, "failure": failure}


def test_failed_critical_expectations_stop_the_run_with_their_sentences(tmp_path):
    artifact = made_of(
        tmp_path,
        result("critical", "train labels must be 0–9: 1 of 9 are not"),
        result("critical", None),
        result("warning", "train images should not repeat: 1 of 9"),
        result("critical", "test must have 200 images: found 3"),
    )
    with pytest.raises(RunError) as stopped:
        stop_if_critical(artifact)
    assert str(stopped.value) == ("train labels must be 0–9: 1 of 9 are not; test must have 200 images: found 3")


def test_a_failed_warning_lets_the_run_go_on(tmp_path):
    stop_if_critical(made_of(tmp_path, result("warning", "train images should not repeat: 1 of 9")))


def test_the_node_writes_every_result_and_passes_real_files(tmp_path, data_set, downloaded, passed):
    summary = validate(tmp_path, download=downloaded, data_set=data_set)
    assert summary == {"expectations": len(passed), "failed": []}
    assert json.loads((tmp_path / "results.json").read_text()) == passed
    stop_if_critical(Artifact(tmp_path, {}))


def test_the_node_sees_that_a_file_is_not_the_expected_one(tmp_path, data_set, downloaded):
    folder = tmp_path / "altered"
    folder.mkdir()
    for file in data_set.files.values():
        content = bytearray((downloaded.folder / file.name).read_bytes())
        if file.name == data_set.files["test_labels"].name:
            content[-1] = (content[-1] + 1) % 10
        (folder / file.name).write_bytes(content)
    summary = validate(tmp_path, download=Artifact(folder, {}), data_set=data_set)
    assert summary["failed"] == ["the files must be fashion-mnist-600's, byte for byte: found False"]
    with pytest.raises(RunError, match="byte for byte"):
        stop_if_critical(Artifact(tmp_path, {}))
