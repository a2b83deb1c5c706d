"""The model card of an export, in Hugging Face's format: what the model is, how good, and how it was chosen.

Format: https://huggingface.co/docs/hub/model-cards, metadata in YAML, then Markdown. Mitchell et al. (2019), "Model
Cards for Model Reporting", https://arxiv.org/abs/1810.03993, says what belongs into one. All of it is from artifacts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import yaml

from tasks.data.dataset import FASHION_MNIST, UNKNOWN
from tasks.evaluation.comparison import Comparison
from tasks.evaluation.metrics import Metrics
from tasks.evaluation.models import Estimate
from tasks.evaluation.rule import RULE
from tasks.formatting import as_text, count, moment, percent, points
from tasks.serving.selection import SelectedModel
from tasks.training.xgboost import XGBOOST

if TYPE_CHECKING:
    from tasks.serving.export_formats import Check

MEASURED = ("validation", "test")  # the splits that nothing was fitted to
LICENSES = ("mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", UNKNOWN)  # as Hugging Face calls them
HUGGING_FACE = {FASHION_MNIST.name: "fashion_mnist"}  # what it calls a data set


def model_card(
    selected: SelectedModel, files: dict[str, str], checks: dict[str, Check], notes: list[str], example: str
) -> str:
    """Return the card.

    `files` says what each file of the export is, `checks` how the models among them answer, `notes` what to know to
    load them.
    """
    metadata = yaml.safe_dump(_metadata(selected), sort_keys=False, allow_unicode=True)
    parts = {
        "": _head(selected),
        "How to use it": f"```python\n{example}```\n\n{_list(notes)}".strip(),
        "Files": _files(files, checks),
        "Intended use and limits": _limits(selected),
        "Training data": _data(selected),
        "Evaluation": _evaluation(selected),
        "How it was chosen": _choice(selected),
        "Recipe": _table(["setting", "value"], _recipe(selected).items()),
        "Environment": _environment(selected),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" if title else text for title, text in parts.items())
    return f"---\n{metadata}---\n\n# {selected.name}\n\n{body}\n"


def _metadata(selected: SelectedModel) -> dict[str, Any]:
    data_set = selected.data_set
    known = data_set.license.partition(",")[0].lower()
    terms = {"license": known} if known in LICENSES else {"license": "other", "license_name": data_set.license}
    library = XGBOOST if selected.network == XGBOOST else "keras"
    found = HUGGING_FACE.get(data_set.name)
    return {
        **terms,
        "library_name": library,
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", library],
        **({"datasets": [found]} if found else {}),
        "metrics": ["accuracy"],
        "model-index": [{"name": selected.name, "results": [_result(selected, split) for split in MEASURED]}],
    }


def _result(selected: SelectedModel, split: str) -> dict[str, Any]:
    measured, name = selected.metrics[split], selected.data_set.name
    values = {
        "accuracy": ("Accuracy", measured.accuracy.value),
        "cross_entropy": ("Cross-entropy (nats)", measured.cross_entropy),
        "expected_calibration_error": ("Expected calibration error", measured.calibration.calibration_error),
    }
    return {
        "task": {"type": "image-classification"},
        "dataset": {"type": HUGGING_FACE.get(name, name), "name": name, "split": split},
        "metrics": [{"type": kind, "name": title, "value": round(value, 6)} for kind, (title, value) in values.items()],
    }


def _head(selected: SelectedModel) -> str:
    test, data_set = selected.metrics["test"], selected.data_set
    kinds = ", ".join(layer["type"] for layer in selected.evaluate.json("layers.json"))
    return (
        f"This model classifies gray pictures of 28 × 28 pixels into {len(data_set.class_names)} classes: "
        f"{', '.join(map(escaped, data_set.class_names))}. On {count(test.images)} test images of {data_set.name}, "
        f"{percent(test.accuracy.value)} of its answers are correct (95% CI {_shares(test.accuracy)}).\n\n"
        f"It is the `{selected.network}` {'model' if selected.network == XGBOOST else 'network'}, of "
        f"{count(selected.train.summary['parameters'])} parameters: {kinds}."
    )


def _files(files: dict[str, str], checks: dict[str, Check]) -> str:
    answers = _list(f"`{file}`: {of}" for file, of in checks.items())
    return (
        f"{_table(['file', 'what it is'], ([f'`{file}`', what] for file, what in files.items()))}\n\n"
        f"Each model for use was run on the test images, and its answers compared with the evaluation:\n\n"
        f"{answers}"
    )


def _limits(selected: SelectedModel) -> str:
    garments = ", one garment each" if selected.data_set.name == FASHION_MNIST.name else ""
    return _list(
        [
            f"Made for pictures like those of {selected.data_set.name}: gray, 28 × 28 pixels, light on black, "
            f"centered{garments}. It was evaluated on no others, such as photographs.",
            "It answers with one of its classes whatever a picture shows.",
            "It is one training: another seed gives somewhat different accuracies.",
            "Each further look at the test set weakens it as evidence.",
        ]
    )


def _data(selected: SelectedModel) -> str:
    data_set, images = selected.data_set, selected.prepare.summary["images"]
    seed = selected.prepare.manifest["cache_key"]["settings"]["seed"]
    facts = [
        f"Data set: {f'[{data_set.name}]({data_set.link})' if data_set.link else data_set.name}",
        f"License of the data, which the license above repeats: {escaped(data_set.license)}",
        *([f"Citation: {escaped(data_set.citation)}"] if data_set.citation else []),
        f"Images: {count(images['train'])} to train on, {count(images['validation'])} to choose by, both from the "
        f"training file, shuffled with seed {seed}; {count(images['test'])} to test, which play no part in the choice",
    ]
    return _list(facts)


def _evaluation(selected: SelectedModel) -> str:
    overall = _table(
        ["split", "images", "accuracy (95% CI)", "cross-entropy (nats)", "expected calibration error"],
        ([split, *_overall(of)] for split, of in selected.metrics.items()),
    )
    test = selected.metrics["test"]
    classes = _table(
        ["class, on the test images", "recall (95% CI)", "precision (95% CI)", "F1"],
        (
            [escaped(name), _estimate(of.recall), _estimate(of.precision), "–" if of.f1 is None else percent(of.f1)]
            for name, of in zip(selected.data_set.class_names, test.classes, strict=True)
        ),
    )
    calibration = test.calibration
    apart = calibration.overconfidence
    confidence = (
        f"Its mean confidence on the test images is {percent(calibration.mean_confidence)}, its accuracy "
        f"{percent(calibration.accuracy)}: a difference of {points(apart.value)} points (95% CI {points(apart.low)} to "
        f"{points(apart.high)})."
    )
    flips = "Each answer is the mean over the picture and its mirror image; the exported model does that itself."
    caveat = "Read accuracies on the train split with care: it was fitted to those images."
    return "\n\n".join([overall, caveat, confidence, *([flips] if selected.tta == "flip" else []), classes])


def _overall(of: Metrics) -> list[str]:
    return [
        count(of.images),
        _estimate(of.accuracy),
        f"{of.cross_entropy:.4f}",
        percent(of.calibration.calibration_error),
    ]


def _choice(selected: SelectedModel) -> str:
    comparison = Comparison(**selected.compare.json("comparison.json"))
    sentences = [
        f"**{escaped(standing(selected))}**",
        " ".join(comparison.verdict),
        *(f"**Caution.** {of}" for of in selected.cautions),
        f"The rule, fixed before the run: {RULE}",
        _table(
            ["network", "validation accuracy (95% CI)", "test accuracy (95% CI)", "parameters"],
            (
                [
                    f"`{name}`",
                    _estimate(of.accuracy["validation"]),
                    _estimate(of.accuracy["test"]),
                    count(of.parameters),
                ]
                for name, of in comparison.networks.items()
            ),
        ),
    ]
    without_folders = re.sub(r"(--(?:network|recipe)-file '?|--dataset '?)/[^' ]*/", r"\1", selected.command)
    command = f"Command:\n\n```\n{without_folders}\n```" if selected.command else "Its command is no longer on record."
    return "\n\n".join([*sentences, command])


def standing(selected: SelectedModel) -> str:
    """Return whether it is the winner of its comparison, and whether it is the champion, in sentences."""
    compare, champion = selected.compare, selected.champion
    comparison = f"comparison {compare.key} of {moment(compare.manifest['made']['at'])} UTC"
    kept = f"The winner of {comparison}."
    if not selected.is_winner:
        kept = f"Not the winner of {comparison}, which keeps {compare.summary['winner']}."
    return f"{kept} The champion since {moment(champion.since)} UTC: {champion.reason}" if champion else kept


def _recipe(selected: SelectedModel) -> dict[str, str]:
    settings = selected.train.manifest["cache_key"]["settings"] | {"tta": selected.tta}
    if selected.network == XGBOOST:
        settings = selected.evaluate.json("layers.json")[0]["settings"]
    if own := settings.get("own_network"):
        settings["own_network"] = f"{own['sha256']}, function {own['function']}"
    named = {"tta": "test-time augmentation", "own_network": "the user's file (SHA-256)", "rate": "learning rate"}
    return {
        named.get(name, name.replace("_", " ")): as_text(value)
        for name, value in settings.items()
        if value not in (None, [])
    }


def _environment(selected: SelectedModel) -> str:
    made, versions = selected.train.manifest["made"], selected.train.manifest["cache_key"]["versions"]
    return _list(
        [
            f"Trained with {', '.join(f'{library} {version}' for library, version in versions.items())}, "
            f"Python {made['python']}, on {made['processor']}, {made['cores']} cores, {made['system']}",
            f"Code: {made['commit']}",
            f"Content of the training (SHA-256): `{selected.train.digest}`",
        ]
    )


def escaped(text: str) -> str:
    """Return a text as Markdown shows it, in a table too."""
    return re.sub(r"([\\`*_|<>\[\]~&$])", r"\\\1", " ".join(text.split()))


def _shares(of: Estimate) -> str:
    return f"{percent(of.low)} to {percent(of.high)}"


def _estimate(of: Estimate | None) -> str:
    return f"{percent(of.value)} ({_shares(of)})" if of else "–"


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(head: list[str], rows: Iterable[Iterable[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
