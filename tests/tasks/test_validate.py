import shutil

import numpy as np
import pytest

from tasks.data.dataset import Expectations
from tasks.data.idx import read_idx
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError
from tasks.validate import Check, _between, check_images, stop_if_critical, validate

SPLITS = ("train", "test")


@pytest.fixture(scope="module")
def made(data_set, downloaded, tmp_path_factory):
    """What the node makes of the real images."""
    folder = tmp_path_factory.mktemp("validate")
    return Artifact(folder, {"summary": validate(folder, download=downloaded, data_set=data_set)})


@pytest.fixture(scope="module")
def passed(made):
    return made.json("results.json")


@pytest.fixture
def arrays(data_set, downloaded):
    """The real images and labels, to be damaged."""
    return {role: read_idx(downloaded.folder / file.name).copy() for role, file in data_set.files.items()}


def some_images_and_labels(arrays):
    for split in SPLITS:
        arrays[f"{split}_labels"][[5, 9, 17, 20]] = 11
        images = arrays[f"{split}_images"]
        images[3] = 0
        images[6] = np.maximum(images[6], 1)
        images[7] = images[2]
    arrays["test_images"][4] = arrays["train_images"][40]


def counts_and_heights(arrays):
    for split in SPLITS:
        arrays[f"{split}_images"] = arrays[f"{split}_images"][:-3, 1:]
        arrays[f"{split}_labels"] = arrays[f"{split}_labels"][:-3]


def widths_classes_and_brightness(arrays):
    for split in SPLITS:
        arrays[f"{split}_images"] = arrays[f"{split}_images"][:, :, 1:] // 2
        arrays[f"{split}_labels"][arrays[f"{split}_labels"] == 6] = 0


def balance_and_drift(arrays):
    for split in SPLITS:
        labels = arrays[f"{split}_labels"]
        labels[np.flatnonzero(labels == 6)[::2]] = 0
    arrays["test_images"] = (arrays["test_images"] * 0.8).astype(np.uint8)


# Each damage with the sentences that must then fail, of each split, and how they begin to say what was found.
DAMAGES = {
    some_images_and_labels: {
        "Files are fashion-mnist-600's, byte for byte": "no",
        "Labels are 0–9": "4 of {} outside (index 5 is 11, index 9 is 11, index 17 is 11, …)",
        "No blank images": "1 of {}",
        "Background is 0": "1 of {}",
        "No duplicates": "1 of {}",
        "No test image is a training image": "2 of 200 in both (index 3, index 4)",
    },
    counts_and_heights: {"{} images": "found {1}", "Images are 28 pixels high": "{1} of {1}"},
    widths_classes_and_brightness: {
        "Images are 28 pixels wide": "{0} of {0}",
        "Every class present": "no image of class 6",
        "Brightest pixel is 250 or more": "found 127",
    },
    balance_and_drift: {
        "Largest class at most 1.5 times the smallest": "found 3.0",
        "Train and test equally bright, within 5 gray levels": "found 1",
        "Train and test vary equally, within 5 gray levels": "found 1",
    },
}


def in_full(failures):
    """Return the sentences as results have them, once or for each split, with what was found."""
    for sentence, found in failures.items():
        whole = sentence.startswith(("Files", "No test", "Train and"))
        for split, count in (("", 0),) if whole else ((" (train)", 400), (" (test)", 200)):
            yield sentence.format(count) + split, found.format(count, count - 3)


def test_the_real_images_pass_every_expectation_and_what_was_observed_is_told(made, passed):
    assert made.summary == {"expectations": 24, "failed": []}
    observed = {result["sentence"]: result["observed"] for result in passed}
    assert None not in observed.values()
    assert observed["400 images (train)"] == 400
    assert observed["Labels are 0–9 (train)"] == "0 of 400 outside"
    assert observed["Every class present (train)"] == "0 missing"
    stop_if_critical(made)


@pytest.mark.parametrize(("damage", "failures"), DAMAGES.items(), ids=[damage.__name__ for damage in DAMAGES])
def test_a_damage_fails_its_expectations(arrays, data_set, damage, failures):
    damage(arrays)
    results = {result["sentence"]: result for result in check_images(arrays, data_set, identical=False)}
    for sentence, found in in_full(failures):
        assert not results[sentence]["success"]
        assert results[sentence]["failure"].startswith(f"{sentence}: {found}")
    if damage is some_images_and_labels:
        labels = results["Labels are 0–9 (train)"]
        assert labels["offending"] == 4
        assert labels["failing_samples"] == [{"index": at, "value": 11} for at in (5, 9, 17)]


def test_a_check_of_a_column_that_is_not_there_is_named(arrays, data_set, monkeypatch):
    wrong = Check("train", "warning", "No dark images (train)", *_between("brightness", 5, 255))
    monkeypatch.setattr("tasks.validate._checks", lambda _: [wrong])
    with pytest.raises(RunError, match=r'^No dark images \(train\): .*"brightness".* does not exist'):
        check_images(arrays, data_set, identical=True)


def test_every_expectation_is_shown_able_to_fail(passed):
    shown = {sentence for failures in DAMAGES.values() for sentence, _ in in_full(failures)}
    assert shown == {result["sentence"] for result in passed}


def test_what_a_specification_expects_otherwise_is_no_error_of_its_images(arrays, data_set):
    arrays |= {f"{split}_images": arrays[f"{split}_images"] // 2 + 40 for split in SPLITS}
    arrays["test_images"][4] = arrays["train_images"][5]
    expectations = Expectations(background=40, brightest=168, shared=True)
    otherwise = data_set.model_copy(update={"expectations": expectations})
    results = check_images(arrays, otherwise, identical=True)
    assert "Background is at most 40 (train)" in {of["sentence"] for of in results}
    assert {(of["severity"], of["sentence"]) for of in results if not of["success"]} == {
        ("warning", "No test image is a training image"),
        ("critical", "Brightest pixel is 168 or more (train)"),
        ("critical", "Brightest pixel is 168 or more (test)"),
    }


def test_images_without_a_label_each_and_labels_in_their_place_stop_the_run(arrays, data_set):
    fewer = arrays | {"test_labels": arrays["test_labels"][:-1]}
    with pytest.raises(RunError, match="^test has 200 images but 199 labels; each image needs one$"):
        check_images(fewer, data_set, identical=True)
    exchanged = arrays | {"test_images": arrays["test_labels"], "test_labels": arrays["test_images"]}
    with pytest.raises(RunError, match="^test has labels where its images belong, or the reverse$"):
        check_images(exchanged, data_set, identical=True)


def test_the_node_sees_that_a_file_is_not_the_expected_one(tmp_path, data_set, downloaded):
    folder = shutil.copytree(downloaded.folder, tmp_path / "altered")
    altered = folder / data_set.files["test_labels"].name
    content = altered.read_bytes()
    altered.write_bytes(content[:-1] + bytes([(content[-1] + 1) % 10]))
    summary = validate(tmp_path, download=Artifact(folder, {}), data_set=data_set)
    assert summary["failed"] == ["Files are fashion-mnist-600's, byte for byte: no"]
    with pytest.raises(RunError, match="byte for byte"):
        stop_if_critical(Artifact(tmp_path, {}))
