"""Regenerates the table of models in README.md from the cards.

python scripts/readme_table.py
"""

from pathlib import Path

from zoo.cards import card

README = Path(__file__).parents[1] / "README.md"

if __name__ == "__main__":
    README.write_text(card.fill(README.read_text(encoding="utf-8"), "models", card.models_table()), encoding="utf-8")
