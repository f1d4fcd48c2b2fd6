"""Every architecture has a recipe, a card and a file of tests; no recipe, card or file of tests is without one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from conftest import model_file
from zoo.base.files import bundled, read_json
from zoo.base.registry import architectures, card_folder, card_names
from zoo.training import recipes

TESTS = Path(__file__).parents[1] / "models"


def architecture_of(recipe: str) -> str:
    """By the module that it trains, ``zoo.models.NAME.module.Class``."""
    path = yaml.safe_load(recipes.find(recipe).read_text())["model"]["class_path"]
    known = {architecture.module: name for name, architecture in architectures().items()}
    return known.get(path, f"none: {path}")


def test_there_are_models():
    assert architectures()


def test_a_model_has_tests(name: str):
    assert model_file(name).is_file()


def test_a_model_has_a_recipe(name: str):
    assert name in {architecture_of(recipe) for recipe in recipes.names()}, f"no recipe trains {name}"


def test_a_model_has_its_cards(name: str):
    missing = set(architectures()[name].weights) - set(card_names())
    assert not missing, f"{name} declares weights without a card: {missing}"


@pytest.mark.parametrize("recipe", recipes.names())
def test_a_recipe_has_a_model(recipe: str):
    assert architecture_of(recipe) in architectures()


@pytest.mark.parametrize("card", card_names())
def test_a_card_has_a_model_that_declares_it(card: str):
    folder = card_folder(card)
    assert folder is not None
    assert card in architectures()[read_json(folder / "config.json")["architecture"]].weights


@pytest.mark.parametrize("card", card_names())
def test_a_card_has_its_recipe(card: str):
    assert card in recipes.names()


def test_every_folder_of_cards_is_one():
    folders = {path.name for path in bundled("cards").glob("*") if path.is_dir()}
    assert folders <= set(card_names())


def test_tests_have_a_model():
    assert {path.stem for path in TESTS.glob("*.py")} <= set(architectures())
