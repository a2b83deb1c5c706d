"""What options leave open, filled in: an option that is set comes first, then the network, then the preset."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tasks.evaluation.article import ARTICLE
from tasks.formatting import as_text
from tasks.settings.models import CUSTOM_EPOCHS, networks
from tasks.settings.options import MODELS
from tasks.settings.presets import PRESETS, Preset, has_bfloat16
from tasks.training.recipe import Recipe
from tasks.training.trees import XGBOOST

if TYPE_CHECKING:
    from tasks.settings.settings import Settings

ARCHITECTURE = ("filters", "dense_width", "dropout_rate")  # of which a network's `build` takes some


def recipe_of(resolved: Settings) -> Recipe:
    """Return what a network is trained with, of the settings that are filled in for it."""
    named = [field.name for field in fields(Recipe) if field.name in type(resolved).model_fields]
    return Recipe(**{name: getattr(resolved, name) for name in named})


def fill_in(settings: Settings, network: str | None = None) -> dict[str, Any]:
    """Return the values of options that are left open: for one network, or those that the preset gives them all."""
    preset, known = PRESETS[settings.preset], networks().get(network or "")
    usual = preset._asdict() | (known.recipe if known else {}) if network else preset_values(settings)
    filled = {name: value for name, value in usual.items() if getattr(settings, name) is None}
    if network and network != XGBOOST and settings.epochs is None:
        filled["epochs"] = (known.epochs if known else CUSTOM_EPOCHS)[settings.preset]
    if network in MODELS:
        filled["network_file"] = None  # of the user's own network alone
    if network:
        filled |= {name: None for name in ARCHITECTURE if not known or name not in known.shape}
    if (settings.precision or preset.precision) == "auto":
        filled["precision"] = "bfloat16" if has_bfloat16() else "float32"
    return filled


def preset_values(settings: Settings) -> dict[str, Any]:
    """Return what the preset says for all of these networks: nothing that one of them says itself."""
    own = {name for network in {*settings.networks} & networks().keys() for name in networks()[network].recipe}
    return {name: value for name, value in PRESETS[settings.preset]._asdict().items() if name not in own}


def departures(settings: Settings, article: Settings) -> tuple[tuple[str, str, str], ...]:
    """Return how these settings differ from the article's: the setting, its value there and here."""
    found = []
    for network in filter(ARTICLE.__contains__, settings.networks):
        shape = networks()[network].shape
        both = settings.resolved(network), article.resolved(network)
        for name in ("epochs", *Preset._fields, "validation_fraction", *shape):
            ours, theirs = (getattr(of, name) if getattr(of, name) is not None else shape.get(name) for of in both)
            if ours != theirs:
                what = f"{network}: epochs" if name == "epochs" else name.replace("_", " ")
                found.append((what, as_text(theirs), as_text(ours)))
    return tuple(dict.fromkeys(found))
