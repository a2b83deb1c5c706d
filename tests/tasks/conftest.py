"""Fixtures of the nodes' tests."""

import pytest

from tasks.pipeline.artifact import Artifact
from tasks.prepare import prepare


@pytest.fixture(scope="session")
def prepared(downloaded, data_set, tmp_path_factory) -> Artifact:
    """The fixture's splits as a run prepares them: 360, 40 and 200 images."""
    folder = tmp_path_factory.mktemp("prepared")
    how = {"seed": 0, "limit": None, "validation_fraction": 0.1}
    return Artifact(folder, {"summary": prepare(folder, download=downloaded, data_set=data_set, **how)})
