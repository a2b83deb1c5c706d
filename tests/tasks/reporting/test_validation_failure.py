"""Data that is refused: the run that ends with the page that says so."""

import gzip
import shutil

from tasks.pipeline.reading import sha256_of
from tests.programs import FIXTURE, run_main


def test_a_run_whose_data_is_refused_ends_with_the_page_and_so_does_the_next(server, data_set, tmp_path):
    source = shutil.copytree(FIXTURE, tmp_path / "source")
    labels = data_set.files["test_labels"]
    content = bytearray(gzip.decompress((source / f"{labels.name}.gz").read_bytes()))
    for wrong in (3, 5, 8, 88):
        content[8 + wrong] = 11
    (source / f"{labels.name}.gz").write_bytes(content)
    altered = labels.model_copy(update={"sha256": sha256_of(source / f"{labels.name}.gz")})
    specification = data_set.model_copy(update={"files": data_set.files | {"test_labels": altered}})
    (tmp_path / "dataset.json").write_text(specification.model_dump_json())
    copies = {"latest.html", "live.html"}
    for _ in range(2):
        done = run_main(tmp_path, server, "--dataset", str(tmp_path / "dataset.json"), "--source", str(source))
        assert done.returncode == 1
        (page,) = (tmp_path / "reports").glob("[0-9]*.html")
        last = done.stderr.splitlines()[-1]
        assert last.startswith("error: validate: ")
        assert "Labels are 0–9 (test): 4 of 200 outside (index 3 is 11, index 5 is 11, index 8 is 11, …)" in last
        assert last.endswith(f"see {page}")
        html = page.read_text()
        assert "data checks failed, so nothing was trained." in html
        assert "4 images; the first 3:" in html
        assert all(f'aria-label="test image {index}"' in html for index in (3, 5, 8))
        assert "400 images (train)" in html  # what was met
        assert "Data refused: " in (page.parent / "index.html").read_text()
        for copy in copies:
            assert (page.parent / copy).read_bytes() == page.read_bytes()
        shutil.rmtree(page.parent)
        copies = {"latest.html"}  # the next run does not come to train anything: nothing is watched
