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
def content(finished_run, data_set):
    """What the page of the finished run shows."""
    data = finished_run / "data"

    def one(kind):
        return artifact(next((data / kind).glob("*")))

    def each(kind):
        networks = ("baseline", "dropout")
        return {name: artifact(next(f for f in (data / kind).glob(f"{name}-*"))) for name in networks}

    singles = [one(kind) for kind in ("download", "validate", "prepare")]
    return page_content(*singles, each("train"), each("evaluate"), one("compare"), data_set, "fast", 0)


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


def test_the_article_s_two_images_stand_with_each_network_s_probabilities(content, finished_run):
    training, test = content["samples"]
    assert (training["label"], test["label"]) == ("Bag", "T-shirt/top")
    assert training["split"] in ("train", "validation")
    (folder,) = (finished_run / "data" / "evaluate").glob("dropout-*")
    probabilities = np.load(folder / "test_probabilities.npy")[88]
    assert dict(test["top"]["dropout"])[content["class_names"][probabilities.argmax()]] == pytest.approx(
        float(probabilities.max())
    )


def test_every_expectation_stands_on_the_page(page, content):
    assert len(content["validation"]) == 28
    for result in content["validation"]:
        assert result["sentence"].replace("'", "&#39;") in page


def test_the_same_content_gives_the_same_bytes(page, content):
    assert render(content) == page


def test_names_cannot_run_script(content):
    hostile = content | {"class_names": (HOSTILE, *content["class_names"][1:]), "preset": HOSTILE}
    assert "<script" not in render(hostile)


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


def test_publishing_gives_each_result_a_page_and_latest_the_newest(finished_run, tmp_path):
    made = artifact(next((finished_run / "data" / "report").glob("*")))
    latest = publish(made, tmp_path)
    assert latest == tmp_path / "latest.html"
    assert sorted(path.name[-13:] for path in tmp_path.iterdir()) == sorted(
        [f"{made.key[:8]}.html", "t/latest.html"[-11:]]
    )
    assert latest.read_bytes() == (made.folder / "report.html").read_bytes()
    latest.write_text("an older page")
    publish(made, tmp_path)
    assert latest.read_bytes() == (made.folder / "report.html").read_bytes()
