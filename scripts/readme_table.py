"""Regenerates the table of models in README.md from the cards.

python scripts/readme_table.py
"""

from pathlib import Path

from zoo import cards

README = Path(__file__).parents[1] / "README.md"

if __name__ == "__main__":
    README.write_text(cards.fill(README.read_text(encoding="utf-8"), "models", cards.models_table()), encoding="utf-8")
