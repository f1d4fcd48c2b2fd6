"""Regenerates the tables in README.md from the cards.

python scripts/readme_table.py
"""

from pathlib import Path

from zoo.cards.card import fill
from zoo.cards.overview import models_table, peers_table

README = Path(__file__).parents[1] / "README.md"
LINKS = "cards/", "/README.md"

if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    text = fill(fill(text, "models", models_table(*LINKS)), "peers", peers_table(*LINKS))
    README.write_text(text, encoding="utf-8")
