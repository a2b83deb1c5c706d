import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from tasks.artifacts.store import Artifact
from tasks.compare import percent
from tasks.errors import RunError
from tasks.report import publish, render
from tasks.report.content import page_content

HOSTILE = '<script>alert("x")</script>'


def artifact(folder):
    return Artifact(folder, json.loads((folder / "manifest.json").read_text()))


@pytest.fixture(scope="module")
def gather(finished_run):
    """Gather what the page of the finished run shows, as if its data set were this one."""
    data = finished_run / "data"

    def one(kind):
        return artifact(next((data / kind).glob("*")))

    def each(kind):
        networks = ("baseline", "dropout")
        return {name: artifact(next(f for f in (data / kind).glob(f"{name}-*"))) for name in networks}

    singles = [one(kind) for kind in ("download", "validate", "prepare")]
    settings = {"command": "python flows/main.py", "departures": ("epochs 4 instead of 20",)}

    def gather(data_set):
        return page_content(*singles, each("train"), each("evaluate"), one("compare"), data_set) | settings

    return gather


@pytest.fixture(scope="module")
def content(gather, data_set):
    """The content if the fixture, a part of it, were Fashion-MNIST itself."""
    return gather(data_set.model_copy(update={"name": "fashion-mnist"}))


@pytest.fixture(scope="module")
def page(content):
    return render(content)


def test_the_page_leads_with_the_verdict(page, content):
    body = page[page.index("<body>") :]
    positions = [body.index(sentence.replace("'", "&#39;")) for sentence in content["comparison"]["verdict"]]
    assert positions == sorted(positions)
    assert positions[0] < body.index("<h2>Side by side</h2>")


def test_the_page_asks_the_network_for_nothing(page):
    assert "default-src 'none'" in page
    loads = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", page)
    assert loads
    assert [target for target in loads if not target.startswith(("data:", "#"))] == []


def test_every_network_s_figures_stand_in_the_table(page, content):
    for name, row in content["comparison"]["networks"].items():
        assert name in page
        for split in ("train", "validation", "test"):
            assert percent(row[f"{split}_accuracy"]) in page
        assert f"{row['parameters']:,}" in page


def test_the_article_s_two_images_stand_with_each_network_s_probabilities(content, page, finished_run):
    training, test = content["samples"]
    assert (training["label"], test["label"]) == ("Bag", "T-shirt/top")
    assert training["split"] in ("train", "validation")
    (folder,) = (finished_run / "data" / "evaluate").glob("dropout-*")
    probabilities = np.load(folder / "test_probabilities.npy")[88].tolist()
    assert test["probabilities"]["dropout"] == probabilities
    for probability in probabilities:
        assert f"<td>{probability:.5f}</td>" in page


def test_every_expectation_stands_on_the_page(page, content):
    assert len(content["validation"]) == 28
    for result in content["validation"]:
        assert result["sentence"].replace("'", "&#39;") in page


def test_the_same_artifacts_give_the_same_bytes(gather, content, page):
    assert render(gather(content["data_set"])) == page


def test_names_cannot_run_script(gather, data_set):
    names = {"class_names": (HOSTILE, *data_set.class_names[1:]), "licence": HOSTILE}
    page = render(gather(data_set.model_copy(update=names)) | {"command": HOSTILE, "departures": (HOSTILE,)})
    assert "&lt;script&gt;alert" in page
    assert "<script" not in page


def test_what_the_article_says_of_fashion_mnist_is_not_held_against_another_data_set(gather, data_set, page):
    assert "The article’s claims" in page
    assert "The article’s two images" in page
    assert "article’s" not in render(gather(data_set))


def test_the_page_says_how_its_recipe_is_not_the_articles(page, content):
    assert "This run’s recipe is not the article’s: epochs 4 instead of 20." in page
    assert "recipe is not" not in render(content | {"departures": ()})


def test_images_that_were_left_out_are_told_beside_the_verdict(page, content, gather):
    assert content["caution"] is None
    assert 'class="fail"' not in page
    partial = content["data_set"].model_copy(update={"counts": {"train": 60_000, "test": 10_000}})
    assert '<p class="fail">Only 400 of the 60,000 training images were used: ' in render(gather(partial))


def test_ids_are_unique_and_the_tags_close(page):
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))

    class Balanced(HTMLParser):
        open_tags: list[str] = []  # noqa: RUF012 (one parser, one list)

        def handle_starttag(self, tag, attributes):
            if tag not in {"meta", "img", "br"}:
                self.open_tags.append(tag)

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

    parser = Balanced()
    parser.feed(page)
    assert parser.open_tags == []


def test_figures_have_a_name_and_a_description(content):
    for figure in (content["curves"], *content["confusions"].values()):
        assert re.match(r'<svg role="img" aria-label="[^"]+"[^>]*><title>[^<]+</title><desc>[^<]+</desc>', str(figure))


def test_a_reports_folder_that_cannot_be_written_gets_one_sentence(finished_run, tmp_path):
    made = artifact(next((finished_run / "data" / "report").glob("*")))
    (tmp_path / "reports").write_text("not a folder")
    with pytest.raises(RunError, match="cannot be put into .*/reports: file exists; choose another --reports-dir"):
        publish(made, tmp_path / "reports")


def test_publishing_gives_each_result_a_page_and_latest_is_that_of_the_newest_run(finished_run, tmp_path):
    first = artifact(next((finished_run / "data" / "report").glob("*")))
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "report.html").write_text("another result")
    made = {"at": "2026-01-02T03:04:05+00:00"}
    second = Artifact(folder, first.manifest | {"key": "0123456789abcdef", "made": made})
    for published in (first, second, first):
        latest = publish(published, tmp_path / "reports")
        assert latest == tmp_path / "reports" / "latest.html"
        assert latest.read_bytes() == (published.folder / "report.html").read_bytes()
    names = {path.name for path in latest.parent.iterdir()}
    assert names == {"latest.html", "20260102T030405-01234567.html"} | {f for f in names if first.key[:8] in f}
    assert len(names) == 3


def test_each_machine_is_named_with_what_was_made_on_it(page, content):
    ((here, made_here),) = content["machines"].items()
    assert made_here[2:5] == ["prepare", "train[baseline]", "train[dropout]"]
    assert f"Made on {here}. Libraries:" in page
    elsewhere = render(content | {"machines": {here: ["prepare"], "a laptop": ["train[dropout]", "compare"]}})
    assert f"Made on {here} (prepare); a laptop (train[dropout], compare). Libraries:" in elsewhere
