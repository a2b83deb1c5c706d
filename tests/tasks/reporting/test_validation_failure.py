"""Data that is refused: the page that says so, and the run that ends with it."""

import gzip
import json
import shutil

import numpy as np
import pytest

from tasks.pipeline.artifact import Artifact
from tasks.pipeline.reading import sha256_of
from tasks.reporting.validation_failure import render
from tasks.validate import check_images, failing_samples
from tests.programs import FIXTURE, run_main
from tests.tasks.reporting.conftest import HOSTILE


@pytest.fixture
def refused(run, data_set, tmp_path):
    """What a validation finds of images three of which are black, and of a label that is none."""
    arrays = {f"{file}_images": run.images[file].copy() for file in ("train", "test")}
    arrays |= {f"{file}_labels": run.file_labels[file].copy() for file in ("train", "test")}
    arrays["test_images"][[3, 5, 8, 9]] = 0
    arrays["train_labels"][7] = 11
    results = check_images(arrays, data_set, identical=True)
    folder = tmp_path / "validate"
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(results))
    np.savez(folder / "failing_samples.npz", **failing_samples(results, arrays))
    cache_key = {"settings": {"data_set": {"name": "fashion-mnist-600"}}}
    made = {"at": "2026-01-02T03:04:05+00:00"}
    return Artifact(folder, {"cache_key": cache_key, "made": made, "key": "0123456789abcdef"})


def test_it_says_what_failed_on_which_images_with_their_pictures(refused):
    page = render(refused)
    assert "No blank images (test): 4 of 200 blank (index 3 is 0, index 5 is 0, index 8 is 0, …)" in page
    assert "4 images; the first 3:" in page
    assert "Labels are 0–9 (train): 1 of 400 outside (index 7 is 11)" in page
    checks = refused.json("results.json")
    failed = sum(not check["success"] and check["severity"] == "critical" for check in checks)
    assert f"{failed} of {len(checks)} data checks failed, so nothing was trained." in page
    for picture in ("test image 3", "test image 5", "test image 8", "train image 7"):
        assert f'aria-label="{picture}"' in page
    assert page.count("found: ") == 4  # a repeated image has no value to show
    assert "400 images (train)" in page  # what was met
    refused.manifest["cache_key"]["settings"]["data_set"]["name"] = HOSTILE
    assert "<script>document.title" not in render(refused)


def test_a_run_whose_data_is_refused_ends_with_the_page_and_so_does_the_next(server, data_set, tmp_path):
    source = shutil.copytree(FIXTURE, tmp_path / "source")
    labels = data_set.files["test_labels"]
    content = bytearray(gzip.decompress((source / f"{labels.name}.gz").read_bytes()))
    content[8 + 88] = 11
    (source / f"{labels.name}.gz").unlink()
    (source / labels.name).write_bytes(content)
    changed = labels.model_copy(update={"sha256": sha256_of(source / labels.name)})
    specification = data_set.model_copy(update={"files": data_set.files | {"test_labels": changed}})
    (tmp_path / "dataset.json").write_text(specification.model_dump_json())
    options = ("--dataset", str(tmp_path / "dataset.json"), "--source", str(source))
    copies = {"latest.html", "live.html"}
    for _ in range(2):
        done = run_main(tmp_path, server, *options)
        assert done.returncode == 1
        (page,) = (tmp_path / "reports").glob("[0-9]*.html")
        assert done.stderr.splitlines()[-1] == (
            f"error: validate: Labels are 0–9 (test): 1 of 200 outside (index 88 is 11); see {page}"
        )
        assert 'aria-label="test image 88"' in page.read_text()
        assert "Data refused: Labels are 0–9 (test)" in (page.parent / "index.html").read_text()
        for copy in copies:
            assert (page.parent / copy).read_bytes() == page.read_bytes()
        shutil.rmtree(page.parent)
        copies = {"latest.html"}  # the next run does not come to train anything: nothing is watched
