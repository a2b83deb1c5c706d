from dataclasses import replace

from huggingface_hub import ModelCard

from tasks.pipeline.champions import Champion
from tasks.serving.model_card import model_card, standing
from tasks.serving.selection import select_model


def test_hugging_faces_own_reader_finds_the_metadata_and_the_results_on_both_splits(selected, tmp_path):
    (tmp_path / "README.md").write_text(model_card(selected, {}, {}, [], ""), encoding="utf-8")
    data = ModelCard.load(tmp_path / "README.md").data
    assert (data.license, data.library_name, data.pipeline_tag) == ("mit", "keras", "image-classification")
    assert data.datasets is None, "it is not Fashion-MNIST itself"
    found = {(of.dataset_split, of.metric_type): of.metric_value for of in data.eval_results}
    assert {split for split, _ in found} == {"validation", "test"}
    for split, measured in selected.metrics.items():
        if split != "train":
            assert found[split, "accuracy"] == round(measured.accuracy.value, 6)
            assert found[split, "cross_entropy"] == round(measured.cross_entropy, 6)


def test_the_card_says_how_the_model_was_chosen_on_which_data_and_what_it_is_not_for(selected):
    card = model_card(selected, {}, {}, [], "")
    parts = (*selected.compare.summary["verdict"], selected.command, "MIT, Zalando SE")
    assert [part for part in (*parts, "| epochs | 1 |", "tensorflow 2.") if part not in card] == []


def test_it_is_plain_that_a_model_is_not_the_winner_or_is_the_champion(selected, finished_run):
    assert standing(selected).startswith(f"The winner of comparison {selected.compare.key} of 20")
    (other,) = {"baseline", "dropout"} - {selected.network}
    loser = select_model(finished_run / "data", other)
    assert standing(loser).endswith(f"which keeps {selected.network}.")
    assert f"**Not the winner of comparison {selected.compare.key}" in model_card(loser, {}, {}, [], "")
    known = {"since": "2026-11-29T17:39:44+00:00", "reason": "It won."}
    champion = Champion(**known, **dict.fromkeys(("network", "recipe", "command", "evaluate", "train"), ""))
    assert standing(replace(loser, champion=champion)).endswith("The champion since 2026-11-29 17:39 UTC: It won.")
