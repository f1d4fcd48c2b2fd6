"""What the project's README says of the models."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from zoo.base.registry import card_names
from zoo.cards.card import fill, read_card
from zoo.cards.overview import models_table, peers_table
from zoo.commands.main import VERBS
from zoo.training import recipes

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_tables_are_those_of_the_cards():
    links = "cards/", "/README.md"
    filled = fill(fill(README, "models", models_table(*links)), "peers", peers_table(*links))
    assert filled == README, "run python scripts/readme_table.py"


def test_each_model_is_told_in_words_and_a_figure_with_its_unit():
    for card in map(read_card, card_names()):
        assert len(card.front.get("summary", "")) > 20, card.name
        assert "headline" in card.front, card.name


def test_shows_files_that_are_there():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_each_measuring_script_that_is_named_is_there():
    named = {
        (path.name, script)
        for folder, ending in (("cards", "md"), ("docs", "md"), ("zoo", "py"), ("tests", "py"), ("scripts", "py"))
        for path in [*(ROOT / folder).rglob(f"*.{ending}"), ROOT / "README.md", ROOT / "CHANGELOG.md"]
        for script in re.findall(r"(?:tests/benchmarks|scripts)/\w+\.py", path.read_text())
    }
    assert len(named) > 20
    assert [each for each in sorted(named) if not (ROOT / each[1]).is_file()] == []


def test_names_what_exists():
    assert set(re.findall(r"^zoo (\w+)", README, re.MULTILINE)) <= set(VERBS)
    for recipe in re.findall(r"--recipe (\w+)", README):
        assert recipe in recipes.names()


def test_its_first_example_passes_a_strict_type_check(tmp_path: Path):
    example = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    (tmp_path / "example.py").write_text(example)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run([*command, "example.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.endswith("Success: no issues found in 1 source file\n"), done.stdout
