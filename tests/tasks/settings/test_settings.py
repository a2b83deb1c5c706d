import pickle
import re
from pathlib import Path

import pytest

from flows.parser import read_command
from tasks.pipeline.champions import promote
from tasks.pipeline.errors import UserError
from tasks.settings import presets
from tasks.settings.presets import PRESETS
from tasks.settings.settings import PROJECT, Settings, parse_settings
from tests.programs import SPECIFICATION


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"zzz": 3}, "unknown setting zzz; choose from preset, recipe_file, "),
        ({"epoch": 3}, "unknown setting epoch. Did you mean epochs?"),
        ({"margin": 0.1}, "--margin is now --min-improvement"),
        ({"epochs": 0}, "--epochs must be 1 or more (got 0)"),
        ({"epochs": "many"}, "--epochs must be a whole number (got many)"),
        ({"schedule": "cosine"}, "--schedule must be constant or one-cycle (got cosine)"),
        ({"networks": "baseline,baseline"}, "--networks names a network twice (got baseline,baseline)"),
        ({"networks": ["baselin"]}, "unknown network baselin. Did you mean baseline?"),
        ({"data_dir": ""}, "--data-dir must not be empty"),
        ({"limit": 60_001}, "--limit must be 60,000 or less (got 60,001): fashion-mnist has no more training images"),
        (
            {"preset": "smoke", "validation_fraction": 0.999, "dataset": str(SPECIFICATION)},
            "--validation-fraction 0.999 of 400 images leaves 0 for training and 400 for validation; neither may be 0",
        ),
        ({"store": "file:///mnt/shared"}, "--store must be an address, e.g. s3://bucket/folder; for a folder of all"),
        ({"scheduler": "tcp://host:8786"}, "--scheduler needs --engine dask or --engine ray"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_in_one_sentence(values, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        parse_settings(values)


def test_a_value_in_a_recipe_file_is_refused_with_the_files_name_and_its_own_spelling(tmp_path):
    file = tmp_path / "recipe.json"
    file.write_text('{"batch_size": 0}')
    with pytest.raises(UserError, match=rf"^--recipe-file {file}: batch_size must be 1 or more \(got 0\)"):
        parse_settings({"recipe_file": str(file)})


def test_what_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setattr("tasks.settings.settings.XGBOOST_DISTRIBUTION", "nobody-has")
    with pytest.raises(UserError, match="nobody-has is not installed; install it with `make extras`$"):
        parse_settings({"networks": "baseline,xgboost"})


def test_the_article_preset_is_exactly_the_articles_recipe():
    assert PRESETS["article"] == (512, 0.001, "constant", "float32", None, "none", 0.0, "none")
    recipes = {name: Settings(preset="article").resolved(name)["recipe"] for name in ("baseline", "dropout")}
    assert {name: (of.epochs, of.batch_size) for name, of in recipes.items()} == {
        "baseline": (20, 512),
        "dropout": (30, 512),
    }


@pytest.mark.parametrize(("flags", "expected"), [("avx2 avx512f", "float32"), ("amx_tile amx_bf16", "bfloat16")])
def test_automatic_precision_becomes_one_that_the_processor_has(monkeypatch, tmp_path, flags, expected):
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}")
    monkeypatch.setattr(presets, "PROCESSOR", tmp_path / "cpuinfo")
    for given in (Settings(), Settings(preset="article", precision="auto")):
        assert given.resolved()["precision"] == expected


def test_a_relative_path_starts_at_the_project_and_others_are_taken_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    relative = {"source": "images", "data_dir": "elsewhere", "dataset": str(SPECIFICATION.relative_to(PROJECT))}
    settings = parse_settings(relative)
    assert (settings.data_dir, settings.reports_dir) == (PROJECT / "elsewhere", PROJECT / "reports")
    assert (settings.source_folder, settings.dataset) == (PROJECT / "images", relative["dataset"])
    settings = parse_settings({"data_dir": "/somewhere", "reports_dir": "~/pages"})
    assert (settings.data_dir, settings.reports_dir) == (Path("/somewhere"), tmp_path / "pages")


@pytest.mark.parametrize("options", ["--preset fast", "--preset article --networks residual --seed 3 --tta none"])
def test_the_command_makes_the_same_again_on_any_processor(options):
    places = ["--data-dir", "/elsewhere", "--reports-dir", "/pages", "--source", "/images"]
    settings, _ = read_command(Settings, [*options.split(), *places])
    assert settings.command == f"python flows/main.py {options} --precision {settings.resolved()['precision']}"


def test_a_study_of_an_ablation_is_not_taken_for_one_of_the_networks_own_recipe():
    plain = Settings(networks=("residual",), tta="none").recipes
    assert plain != Settings(networks=("residual",)).recipes
    assert Settings(tta="none").recipes == Settings().recipes


def test_a_network_of_ones_own_takes_part_beside_those_of_a_recipe_file(tmp_path):
    (tmp_path / "recipe.json").write_text('{"networks": ["dropout"], "epochs": 2}')
    (tmp_path / "my.py").write_text("def tiny():\n    return None\n")
    given = {"recipe_file": tmp_path / "recipe.json", "network_file": f"{tmp_path / 'my.py'}:tiny"}
    assert parse_settings(given).networks == ("dropout", "tiny")


def test_what_a_run_asks_of_its_own_machine_goes_with_the_settings_to_another(tmp_path):
    of_one = {"network": "dropout", "evaluate": "dropout-0123456789abcdef", "train": "digest", "reason": "why"}
    promote(tmp_path, None, **of_one, recipe="fast", command="python flows/main.py")
    (tmp_path / "my.py").write_text("def tiny():\n    return None\n")
    settings = Settings(data_dir=tmp_path, network_file=f"{tmp_path / 'my.py'}:tiny")
    to_beat = settings.to_beat
    (tmp_path / "champion.json").unlink()
    there = pickle.loads(pickle.dumps(settings)).relocated(tmp_path)  # noqa: S301
    assert (there.data_dir, there.to_beat["network"], there.to_beat) == (PROJECT, "dropout", to_beat)
    assert there.resolved("tiny")["own_network"] == settings.own_network
    assert there.resolved("dropout")["own_network"] is None
    assert f" --dataset {SPECIFICATION.relative_to(PROJECT)} " in Settings(dataset=str(SPECIFICATION)).command


def test_what_is_not_as_in_the_article_is_named():
    assert Settings(preset="article", seed=5).departures == ()
    assert Settings(preset="article", epochs=20).departures == (("dropout: epochs", "30", "20"),)
    assert Settings(precision="float32", validation_fraction=0.2, limit=500, networks=("baseline",)).departures == (
        ("baseline: epochs", "20", "3"),
        ("batch size", "512", "128"),
        ("learning rate", "0.001", "0.003"),
        ("schedule", "constant", "one-cycle"),
        ("limit", "none", "500"),
        ("validation fraction", "0.1", "0.2"),
    )
    assert ("precision", "float32", "bfloat16") in Settings(precision="bfloat16").departures
    assert Settings(preset="article", dropout_rate=0.0).departures == (("dropout rate", "0.5", "0.0"),)


def test_the_environment_names_a_source_from_where_the_command_starts_and_the_setting_overrules_it(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert Settings().source_folder is None
    monkeypatch.setenv("FASHION_MNIST_DIR", "images")
    assert Settings().source_folder == tmp_path / "images"
    assert Settings(source=Path("/other")).source_folder == Path("/other")
