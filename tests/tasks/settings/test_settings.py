import json
import pickle
import shutil
from pathlib import Path

import pytest

from flows.cli import read_options
from tasks.pipeline.champions import promote
from tasks.pipeline.errors import UserError
from tasks.settings import presets
from tasks.settings.presets import PRESETS
from tasks.settings.settings import PATH_OPTIONS, PROJECT, Settings, parse_settings
from tests.programs import SPECIFICATION


def refusal(**values):
    with pytest.raises(UserError) as refused:
        parse_settings(values)
    return str(refused.value)


def test_a_setting_unlike_any_other_is_refused_with_all_names():
    assert refusal(zzz=3).startswith("unknown setting zzz; choose from preset, recipe_file, ")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "--epochs must be 1 or more (got 0)"),
        ({"epochs": "many"}, "--epochs must be a whole number (got many)"),
        ({"learning_rate": float("nan")}, "--learning-rate must be 1 or less (got nan)"),
        ({"schedule": "cosine"}, "--schedule must be constant or one-cycle (got cosine)"),
        ({"networks": "baseline,baseline"}, "--networks names a network twice (got baseline,baseline)"),
        ({"networks": ["baselin"]}, "unknown network baselin. Did you mean baseline?"),
        ({"epoch": 3}, "unknown setting epoch. Did you mean epochs?"),
        ({"force": ""}, "--force must not be empty (got nothing)"),
        *(
            ({name: ""}, f"--{name.replace('_', '-')} must not be empty")
            for name in ("source", "data_dir", "reports_dir")
        ),
        ({"limit": 60_001}, "--limit must be 60,000 or less (got 60,001): fashion-mnist has no more training images"),
        (
            {"limit": 401, "dataset": str(SPECIFICATION)},
            "--limit must be 400 or less (got 401): fashion-mnist-600 has no more training images",
        ),
        (
            {"validation_fraction": 1e-17},
            "--validation-fraction 1e-17 of 60,000 images leaves 60,000 for training and 0 for validation; neither "
            "may be 0",
        ),
        (
            {"validation_fraction": 0.999, "limit": 100},
            "--validation-fraction 0.999 of 100 images leaves 0 for training and 100 for validation; neither may be 0",
        ),
        (
            {"store": "file:///mnt/shared"},
            "--store must be an address, e.g. s3://bucket/folder (got file:///mnt/shared); "
            "for a folder that all machines mount, use --data-dir",
        ),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_in_one_sentence(values, message):
    assert refusal(**values) == message


def test_a_value_in_a_recipe_file_is_refused_with_the_files_name_and_its_own_spelling(tmp_path):
    file = tmp_path / "recipe.json"
    file.write_text('{"batch_size": 0}')
    assert refusal(recipe_file=str(file)) == f"--recipe-file {file}: batch_size must be 1 or more (got 0)"


def test_a_preset_whose_limit_is_larger_than_the_data_is_held_to_the_data():
    assert "leaves 0 for training" in refusal(preset="smoke", dataset=str(SPECIFICATION), validation_fraction=0.999)


def test_networks_are_given_as_a_list_or_separated_by_commas():
    assert parse_settings({"networks": "dropout, baseline"}).networks == ("dropout", "baseline")
    assert parse_settings({"networks": ["dropout"]}).networks == ("dropout",)


def test_the_article_preset_is_exactly_the_articles_recipe():
    settings = parse_settings({"preset": "article"})
    assert PRESETS["article"] == (512, 0.001, "constant", "float32", None, "none", 0.0, "none")
    for network, epochs in (("baseline", 20), ("dropout", 30)):
        resolved = settings.resolved(network)
        assert (resolved.epochs, resolved.batch_size, resolved.learning_rate) == (epochs, 512, 0.001)
        assert (resolved.schedule, resolved.precision, resolved.limit) == ("constant", "float32", None)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fills_in_what_is_left_unset_and_what_is_set_stands(preset):
    filled = Settings(preset=preset, precision="bfloat16").resolved()
    assert all(getattr(filled, name) == of for name, of in PRESETS[preset]._asdict().items() if name != "precision")
    given = {"epochs": 7, "batch_size": 33, "learning_rate": 0.5, "schedule": "constant", "limit": 123}
    resolved = Settings(preset=preset, precision="bfloat16", **given).resolved("dropout")
    assert {name: getattr(resolved, name) for name in given} == given
    assert filled.precision == resolved.precision == "bfloat16"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("avx2 avx512f", "float32"), ("avx512f avx512_bf16", "bfloat16"), ("amx_tile amx_bf16", "bfloat16")],
)
def test_automatic_precision_becomes_one_that_the_processor_has(monkeypatch, tmp_path, flags, expected):
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}")
    monkeypatch.setattr(presets, "PROCESSOR", tmp_path / "cpuinfo")
    for given in (Settings(), Settings(preset="article", precision="auto")):
        assert given.resolved().precision == expected


def test_a_relative_path_starts_at_the_project_and_others_are_taken_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    relative = {"source": "images", "data_dir": "elsewhere", "dataset": str(SPECIFICATION.relative_to(PROJECT))}
    settings = parse_settings(relative)
    assert (settings.data_dir, settings.reports_dir) == (PROJECT / "elsewhere", PROJECT / "reports")
    assert (settings.source_folder, settings.dataset) == (PROJECT / "images", str(SPECIFICATION))
    settings = parse_settings({"data_dir": "/somewhere", "reports_dir": "~/pages"})
    assert (settings.data_dir, settings.reports_dir) == (Path("/somewhere"), tmp_path / "pages")


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ({"preset": "fast", "precision": "float32"}, "--preset fast --precision float32"),
        ({"preset": "article", "precision": "float32"}, "--preset article"),
        ({"preset": "article", "data_dir": "/elsewhere", "source": "/images"}, "--preset article"),
        ({"preset": "article", "networks": "dropout", "seed": 3}, "--preset article --networks dropout --seed 3"),
        (
            {"preset": "article", "epochs": 2, "learning_rate": 0.01, "schedule": "one-cycle", "limit": 500},
            "--preset article --epochs 2 --learning-rate 0.01 --schedule one-cycle --limit 500",
        ),
        (
            {"preset": "article", "batch_size": 512, "validation_fraction": 0.2},
            "--preset article --validation-fraction 0.2",
        ),
        (
            {"preset": "article", "networks": "residual", "augmentation": "none", "tta": "none"},
            "--preset article --networks residual --augmentation none --tta none",
        ),
        (
            {"preset": "article", "networks": "residual,dropout", "label_smoothing": 0},
            "--preset article --networks residual,dropout --label-smoothing 0.0",
        ),
    ],
)
def test_the_command_that_makes_the_same_again_names_all_that_differs_from_the_preset(values, options):
    settings = parse_settings(values)
    assert settings.command == settings.resolved().command == f"python flows/main.py {options}"
    again = parse_settings(read_options(options.split()))
    assert all(
        again.resolved(n).model_dump(exclude=PATH_OPTIONS) == settings.resolved(n).model_dump(exclude=PATH_OPTIONS)
        for n in settings.networks
    )


def test_a_study_of_an_ablation_is_not_taken_for_one_of_the_networks_own_recipe():
    plain = Settings(networks=("residual",), tta="none").recipes
    assert plain != Settings(networks=("residual",)).recipes
    assert Settings(tta="none").resolved().recipes == Settings().recipes


def test_a_network_of_ones_own_takes_part_beside_those_of_a_recipe_file(tmp_path):
    (tmp_path / "recipe.json").write_text('{"networks": ["dropout"], "epochs": 2}')
    (tmp_path / "my.py").write_text("def tiny():\n    return None\n")
    own = {"network_file": f"{tmp_path / 'my.py'}:tiny"}
    assert parse_settings({"recipe_file": tmp_path / "recipe.json", **own}).networks == ("dropout", "tiny")
    (tmp_path / "recipe.json").write_text(json.dumps(own))
    assert parse_settings({"recipe_file": tmp_path / "recipe.json"}).networks == ("baseline", "dropout", "tiny")


def test_what_a_run_asks_of_its_own_machine_goes_with_the_settings_to_another(tmp_path):
    of_one = {"network": "dropout", "evaluate": "dropout-0123456789abcdef", "train": "digest", "reason": "why"}
    promote(tmp_path, None, **of_one, recipe="fast", command="python flows/main.py")
    (tmp_path / "my.py").write_text("def tiny():\n    return None\n")
    shutil.copy(SPECIFICATION, tmp_path)
    given = {"network_file": f"{tmp_path / 'my.py'}:tiny", "dataset": str(tmp_path / "dataset.json")}
    settings = Settings(data_dir=tmp_path, challenge=True, **given)
    assert settings.to_beat["network"] == "dropout"
    (tmp_path / "champion.json").unlink()
    there = pickle.loads(pickle.dumps(settings)).relocated(tmp_path)  # noqa: S301
    assert (there.data_dir, there.dataset) == (PROJECT, str(PROJECT / "dataset.json"))
    assert "--network-file my.py:tiny " in there.command
    assert there.command.endswith(" --dataset dataset.json")
    own = there.read(["to_beat", "own_network"], "tiny")
    assert own["to_beat"] == settings.to_beat
    moved = settings.own_network.model_copy(update={"path": PROJECT / "my.py"})
    assert own["own_network"] == moved
    assert there.read(["own_network"], "dropout") == {"own_network": None}


def test_the_command_names_the_precision_that_auto_became_so_that_another_processor_makes_the_same():
    assert Settings().command == f"python flows/main.py --preset fast --precision {Settings().resolved().precision}"


def test_a_name_with_a_space_is_quoted_in_the_command(tmp_path):
    specification = tmp_path / "a data set.json"
    specification.write_bytes(SPECIFICATION.read_bytes())
    command = parse_settings({"preset": "article", "dataset": str(specification)}).command
    assert command == f"python flows/main.py --preset article --dataset '{specification}'"


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


def test_of_the_architecture_too_what_is_not_as_in_the_article_is_named():
    assert Settings(preset="article", dropout_rate=0.0).departures == (("dropout rate", "0.5", "0.0"),)
    assert Settings(preset="article", filters=16, dense_width=128).departures == (("filters", "32", "16"),)


def test_the_environment_names_a_source_from_where_the_command_starts_and_the_setting_overrules_it(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert Settings().source_folder is None
    monkeypatch.setenv("FASHION_MNIST_DIR", "images")
    assert Settings().source_folder == tmp_path / "images"
    assert Settings(source=Path("/other")).source_folder == Path("/other")
