import json
import shutil
from dataclasses import replace

import pytest

from tasks.pipeline.champions import FILE, Champion, Champions
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.reading import sha256_of
from tasks.serving.selection import select_model


def test_without_a_champion_it_is_the_winner_of_the_newest_comparison(selected, finished_run):
    assert selected.is_winner
    assert selected.network == selected.compare.summary["winner"]
    assert selected.train.folder.parent == finished_run / "data" / "train"
    assert selected.command.startswith("python flows/main.py")
    assert selected.data_set.name == "fashion-mnist-600"
    assert selected.champion is selected.own_network is None


def test_another_is_named_by_its_network_or_by_the_folder_of_its_training(selected):
    (other,) = {"baseline", "dropout"} - {selected.network}
    named = select_model(selected.data_dir, other)
    assert (named.network, named.is_winner) == (other, False)
    assert select_model(selected.data_dir, named.name) == named


def test_the_champion_comes_first_and_its_comparison_is_the_one_that_it_was_part_of(selected, data):
    (other,) = {"baseline", "dropout"} - {selected.network}
    named = select_model(data, other)
    facts = {"recipe": "fast", "command": named.command, "since": "2026-11-29T10:00:00+00:00", "reason": "first"}
    evaluation, training = named.evaluate.folder.name, named.train.digest
    champion = Champion(network=other, evaluate=evaluation, train=training, **facts)
    (data / FILE).write_text(Champions(champions=[champion]).model_dump_json())
    shutil.rmtree(data / "runs")  # older runs are forgotten, champions are not
    found = select_model(data)
    assert (found.name, found.champion, found.command) == (named.name, champion, named.command)
    assert select_model(data, champion=True) == found
    (data / FILE).write_text(Champions(champions=[champion.model_copy(update={"network": "x"})]).model_dump_json())
    with pytest.raises(RunError, match="champion.json names x, but the evaluation of another; repair it or move it"):
        select_model(data)
    shutil.rmtree(data / "evaluate" / evaluation)
    with pytest.raises(RunError, match=f"^{evaluation} is not in .*/evaluate, where this model needs it; run its"):
        select_model(data)


@pytest.mark.parametrize(
    ("model", "champion", "sentence"),
    [
        ("dropuot", False, "^--model: dropuot is not in the newest comparison. Did you mean dropout?"),
        ("dropout-0123456789abcdef", False, "^--model: there is no dropout-0123456789abcdef in .*/train"),
        (None, True, "^--champion: there is none in .*; a run with --challenge yes makes one$"),
    ],
)
def test_a_model_that_is_not_there_is_refused(selected, model, champion, sentence):
    with pytest.raises(UserError, match=sentence):
        select_model(selected.data_dir, model, champion=champion)


def test_before_any_comparison_there_is_no_model(tmp_path):
    with pytest.raises(UserError, match="^no comparison is on record in .*; python flows/main.py makes one$"):
        select_model(tmp_path)


@pytest.mark.parametrize("node", ["train", "evaluate", "compare"])
def test_a_damaged_artifact_is_refused_before_use(selected, data, node):
    (other,) = {"baseline", "dropout"} - {selected.network}
    (data / "train" / select_model(data, other).name / "history.json").write_text("of another, which is not needed")
    assert select_model(data).cautions == selected.cautions
    folder = data / node / getattr(selected, node).folder.name
    path = folder / {"train": "model.keras", "evaluate": "metrics.json", "compare": "comparison.json"}[node]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match=f"{folder.name} is damaged .{path.name} altered since it was made.; python"):
        select_model(data)


def test_what_was_deleted_or_cannot_be_read_is_missed_in_one_sentence(selected, data):
    manifest = data / "train" / selected.name / "manifest.json"
    manifest.write_text("{")
    with pytest.raises(RunError, match="^the artifact of train that this model needs is not in .*; run its comparison"):
        select_model(data)


def test_a_users_own_network_is_found_by_the_command_of_its_run_as_long_as_it_is_what_it_was(selected, tmp_path):
    (path := tmp_path / "my net.py").write_text("def build(): ...")
    manifest = json.loads(json.dumps(selected.train.manifest))
    manifest["cache_key"]["settings"]["own_network"] = {"function": "build", "sha256": sha256_of(path)}
    train = type(selected.train)(selected.train.folder, manifest)
    trained = replace(selected, train=train, command=f"{selected.command} --network-file '{path}:build'")
    assert trained.own_network.path == path
    path.write_text("def build(): return 1")
    with pytest.raises(RunError, match=f"my net.py has changed since {selected.name} was trained; restore it, or"):
        _ = trained.own_network
    path.unlink()
    with pytest.raises(RunError, match=f"^{selected.name} needs .*/my net.py, which built it, and that is not there"):
        _ = trained.own_network
    with pytest.raises(RunError, match="^which file built .* is not on record in .*; run its comparison again$"):
        _ = replace(trained, command="").own_network
