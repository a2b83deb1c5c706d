"""What studies take, and how a run finds the one that it is part of."""

import pytest

from flows.cli import read_options
from tasks.pipeline.cache_key import CacheKey
from tasks.pipeline.errors import UserError
from tasks.pipeline.store import Store
from tasks.settings.settings import Settings, parse_settings
from tasks.settings.studies import FoldStudy, SearchStudy, SeedStudy, newest_study
from tests.programs import ON_THE_FIXTURE


def test_a_study_of_more_networks_has_the_recipe_of_a_run_of_fewer():
    study = SeedStudy(networks=("baseline", "residual", "dropout"), seeds=3).resolved()
    assert Settings(seed=2).recipes.items() <= study.recipes.items()


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        (SeedStudy, {"challenge": True}, "--challenge has no effect in python flows/study.py seeds; leave it out"),
        (FoldStudy, {"validation_fraction": 0.2}, "--validation-fraction has no effect in python flows/study.py folds"),
        (SearchStudy, {"tta": "flip"}, "--tta has no effect in python flows/study.py search"),
    ],
)
def test_what_would_mean_nothing_to_a_study_is_refused_and_not_in_its_form(kind, values, sentence):
    with pytest.raises(UserError, match=f"^{sentence}"):
        parse_settings(values, kind)
    assert not kind.model_json_schema()["properties"].keys() & values.keys()
    assert Settings.model_json_schema()["properties"].keys() >= values.keys()


def test_a_search_with_everything_set_has_nothing_to_vary():
    with pytest.raises(UserError, match="^nothing left to search: every option that could vary is set; leave one out$"):
        parse_settings({"networks": "logistic", "learning_rate": 0.01, "batch_size": 128, "epochs": 5}, SearchStudy)


def test_a_study_made_by_older_code_which_named_no_recipes_is_not_found(tmp_path):
    settings = parse_settings(read_options([*ON_THE_FIXTURE, "--data-dir", str(tmp_path)]))
    trainings = {f"train[{network}, seed 0]": "digest" for network in settings.networks}
    older = CacheKey("compare_trainings", None, {"kind": "seed", "recipe_of_any_seed": "fast"}, trainings, {}, {})
    Store(tmp_path).make(older, lambda folder, lock: {})
    assert newest_study(settings) == {}
