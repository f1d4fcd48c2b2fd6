"""Every recipe in the folder. ZOO_TEST_ACCELERATOR=gpu trains them on a GPU."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml

from zoo import load
from zoo.commands import main
from zoo.training import recipes

RECIPES = recipes.names()
ACCELERATOR = os.environ.get("ZOO_TEST_ACCELERATOR", "cpu")


@pytest.fixture(params=RECIPES)
def recipe(request: pytest.FixtureRequest) -> Path:
    return recipes.find(request.param)


def test_every_key_is_taken(recipe: Path):
    recipes.check(recipe)


def test_says_what_it_is(recipe: Path):
    """A header that a person reads: what is trained, its paper, and what to expect."""
    text = recipe.read_text()
    header = text[: text.index("seed_everything")]
    assert "https://" in header
    assert re.search(r"^# Expected +\S.*\d", header, re.MULTILINE), "no figure to expect"
    assert all(line.startswith("#") for line in header.splitlines() if line.strip())


def test_stays_portable(recipe: Path):
    content = yaml.safe_load(recipe.read_text())
    assert set(content) <= {"seed_everything", "model", "data", "trainer", "weights"}
    assert "seed_everything" in content
    assert not {"devices", "strategy", "accelerator", "num_nodes"} & set(content["trainer"])
    assert "dict_kwargs" not in recipe.read_text()
    assert content["model"]["class_path"].startswith("zoo.models.")
    assert content["data"]["class_path"].startswith("zoo.data.")


def test_runs_two_steps(
    recipe: Path, tiny: Callable[[str], ModuleType], predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    content = yaml.safe_load(recipe.read_text())
    name = content["model"]["class_path"].split(".")[2]
    monkeypatch.chdir(tmp_path)
    arguments = [f"--trainer.accelerator={ACCELERATOR}", "--trainer.max_steps=2", "--trainer.check_val_every_n_epoch=1"]
    data = tiny(name).miniature(content, tmp_path / "data")
    assert main.main(["fit", "--recipe", recipe.name, *data, *arguments, "--debug"]) == 0
    run = tmp_path / "runs" / recipe.stem / "version_0"
    checkpoint = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    result = predict(tiny(name), load(run / "model"), torch.rand(3, 40, 50))
    assert type(result).__dataclass_params__.frozen
