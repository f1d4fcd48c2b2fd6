"""Regenerates the table of models in README.md from the cards.

python scripts/readme_table.py
"""

from pathlib import Path

from zoo.cards.card import fill, models_table

README = Path(__file__).parents[1] / "README.md"

if __name__ == "__main__":
    README.write_text(fill(README.read_text(encoding="utf-8"), "models", models_table()), encoding="utf-8")
