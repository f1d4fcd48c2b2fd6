"""What the project's README says of the models."""

from __future__ import annotations

import re
from pathlib import Path

from zoo.cards import card
from zoo.commands.main import VERBS
from zoo.training import recipes

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_table_of_models_is_that_of_the_cards():
    assert card.fill(README, "models", card.models_table()) == README, "run python scripts/readme_table.py"


def test_shows_files_that_are_there():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_names_what_exists():
    assert set(re.findall(r"^zoo (\w+)", README, re.MULTILINE)) <= set(VERBS)
    for recipe in re.findall(r"--recipe (\w+)", README):
        assert recipe in recipes.names()
