"""What studies take."""

import pytest

from tasks.pipeline.errors import UserError
from tasks.settings.settings import Settings, parse_settings
from tasks.settings.studies import FoldStudy, SearchStudy, SeedStudy


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [(SeedStudy, "challenge", True), (FoldStudy, "validation_fraction", 0.2), (SearchStudy, "tta", "flip")],
)
def test_what_would_mean_nothing_to_a_study_is_not_in_its_form_and_refused(kind, name, value):
    assert name in Settings.model_json_schema()["properties"]
    assert name not in kind.model_json_schema()["properties"]
    option = f"--{name.replace('_', '-')}"
    with pytest.raises(UserError, match=f"^{option} has no effect in {kind.program}; leave it out$"):
        parse_settings({name: value}, kind)


def test_a_search_with_everything_set_has_nothing_to_vary():
    with pytest.raises(UserError, match="^nothing left to search: every option that could vary is set; leave one out$"):
        parse_settings({"networks": "logistic", "learning_rate": 0.01, "batch_size": 128, "epochs": 5}, SearchStudy)
