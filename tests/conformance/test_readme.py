"""What the project's README says of the models."""

from __future__ import annotations

import re
from pathlib import Path

from zoo import cards, recipes
from zoo.cli import VERBS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_table_of_models_is_that_of_the_cards():
    assert cards.fill(README, "models", cards.models_table()) == README, "run python scripts/readme_table.py"


def test_shows_files_that_are_there():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_names_what_exists():
    assert set(re.findall(r"^zoo (\w+)", README, re.MULTILINE)) <= set(VERBS)
    for recipe in re.findall(r"--recipe (\w+)", README):
        assert recipe in recipes.names()
