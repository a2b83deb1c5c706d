"""The networks: layer by layer, and the recipe, with what differs between them."""

from collections import Counter
from difflib import SequenceMatcher
from typing import Any

from tasks.evaluation.models import Count, Model
from tasks.formatting import count
from tasks.reporting.data import Run
from tasks.reporting.use import model_path

TITLE = "The networks"
KINDS = {  # as people call them
    "Add": "addition",
    "BatchNormalization": "batch normalization",
    "Conv2D": "convolutional",
    "Dense": "dense",
    "Dropout": "dropout",
    "GlobalMaxPooling2D": "global pooling",
    "MaxPooling2D": "pooling",
}
PLAIN = ("Activation", "Flatten", "InputLayer", "ReLU")  # without anything to learn or to choose


class Layer(Model):
    """A layer of a network."""

    type: str
    settings: dict[str, Any]
    shape: list[Count | None]  # of its output, without the batch; None: of any size
    parameters: Count
    multiply_adds: Count | None  # per image, in all passes; None: not known for such a layer
    differs: bool  # from all layers of the other networks


class Network(Model):
    """A network and its recipe."""

    layers: list[Layer]
    parameters: Count
    multiply_adds: Count | None
    recipe: dict[str, Any]
    model: str  # the saved model's path in the data folder


class Numbers(Model):
    """What the networks are."""

    networks: dict[str, Network]
    recipe_differs: list[str]  # the settings that are not the same for all


def numbers(run: Run) -> Numbers:
    """Gather what the networks are."""
    read = {label: manifest["cache_key"]["settings"] for label, manifest in run.manifests.items()}
    recipes = _recipes({name: read[f"train[{name}]"] | read[f"evaluate[{name}]"] for name in run.names})
    found = {}
    for name in run.names:
        layers = _layers(run.layers[name], [run.layers[other] for other in run.names if other != name])
        found[name] = Network(
            layers=layers,
            parameters=sum(layer.parameters for layer in layers),
            multiply_adds=multiply_adds_of(run, name),
            recipe=recipes[name],
            model=model_path(run.manifests[f"train[{name}]"]),
        )
    of_networks = [recipe for recipe in recipes.values() if any(recipe.values())]
    settings = next(iter(recipes.values()))
    differs = [setting for setting in settings if len({recipe[setting] for recipe in of_networks}) > 1]
    return Numbers(networks=found, recipe_differs=differs)


def describe(layers: list[dict[str, Any]]) -> str:
    """Return what a network is built of, in a few words: 3 convolutional layers, 1 pooling layer, 2 dense layers."""
    kinds = Counter(KINDS.get(layer["type"], layer["type"]) for layer in layers if layer["type"] not in PLAIN)
    if set(kinds) == {"Trees"}:
        return f"gradient-boosted trees, {count(layers[0]['settings']['trees'])} of them"
    parts = [f"{number} {kind} layer{'s' if number > 1 else ''}" for kind, number in kinds.items()]
    return ", ".join(parts) or "no layer"


def multiply_adds_of(run: Run, network: str) -> int | None:
    """Return how often a network multiplies and adds for an image, if that is known of all its layers."""
    known = [layer["multiply_adds"] for layer in run.layers[network]]
    return None if None in known else sum(known)


def _recipes(recipes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return each network's value of every setting that says something, unlike a rate of 0.0; of a file, its digest."""
    given = [of for recipe in recipes.values() for of in recipe.items()]
    said = {setting: None for setting, value in given if value not in (None, []) and repr(value) != "0.0"}
    shown = {
        name: {setting: value["sha256"][:16] if isinstance(value, dict) else value for setting, value in of.items()}
        for name, of in recipes.items()
    }
    return {name: {setting: of.get(setting) for setting in said} for name, of in shown.items()}


def _layers(layers: list[dict[str, Any]], others: list[list[dict[str, Any]]]) -> list[Layer]:
    """Return the layers, those marked that have no counterpart in any other network, in the same order."""
    mine, *theirs = ([repr((layer["type"], layer["settings"])) for layer in of] for of in (layers, *others))
    same = set() if others else set(range(len(layers)))
    for other in theirs:
        alike = SequenceMatcher(None, mine, other, autojunk=False).get_matching_blocks()
        same |= {place for block in alike for place in range(block.a, block.a + block.size)}
    return [Layer(**layer, differs=place not in same) for place, layer in enumerate(layers)]
