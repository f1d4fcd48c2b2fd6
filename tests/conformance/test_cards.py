"""Every card in the folder."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from zoo import load
from zoo.base.registry import architectures, card_names, import_object
from zoo.cards import front, golden, weights
from zoo.cards.card import Card, check_card, read_card
from zoo.commands.options import options_of
from zoo.training import recipes

OFFLINE = """
import inspect
import json
import sys
import numpy as np

def refuse(event, arguments):
    if event.startswith("socket."):
        raise RuntimeError(f"{event} {arguments}")

sys.addaudithook(refuse)
import zoo
picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
predict = zoo.load(sys.argv[1]).predict
needed = [p for p in inspect.signature(predict).parameters.values() if p.default is p.empty]
predict(*[picture] * len(needed), **json.loads(sys.argv[2]))
sys.exit("lightning is imported" if {"lightning", "pytorch_lightning", "albumentations"} & set(sys.modules) else 0)
"""


@pytest.fixture(params=card_names())
def card(request: pytest.FixtureRequest) -> Card:
    return read_card(request.param)


def test_is_complete_and_in_step_with_its_results(card: Card):
    assert check_card(card.folder) == []


def test_says_whether_its_weights_may_be_used_commercially(card: Card):
    """In so many words, since what a card leaves out is shown as unclear; not where its data are for research."""
    assert card.front["commercial_use"] in front.USES
    if "for research" in card.front["data_license"]:
        assert card.front["commercial_use"] == "no"


def test_its_weights_are_those_it_describes(card: Card):
    described = card.config["weights"]
    content = (card.folder / described["file"]).read_bytes()
    assert len(content) == described["bytes"]
    assert hashlib.sha256(content).hexdigest() == described["sha256"]
    net = load(card.name)
    assert not net.training
    assert sum(parameter.numel() for parameter in net.parameters()) == card.results.parameters


def test_answers_as_it_did_when_it_was_exported(card: Card):
    error = golden.check(load(card.name), card.folder, card.config)
    assert error < golden.TOLERANCE / 2


def test_its_recipe_is_the_bundled_one(card: Card):
    """Or the card's figures belong to another training."""
    assert (card.folder / "recipe.yaml").read_text() == recipes.find(card.name).read_text()


def test_its_figures_are_told_from_each_other(card: Card):
    """Or a measurement is compared with the claim of another."""
    assert len({figure.key for figure in card.figures}) == len(card.figures) > 0


def test_what_its_recipe_says_of_the_data_is_an_option(card: Card):
    """But for what matters to training only: ``zoo evaluate`` makes the data of it."""
    data = yaml.safe_load((card.folder / "recipe.yaml").read_text())["data"]
    data_class = import_object(data["class_path"])
    options = {option.name for option in options_of(data_class, data_class.training_only)}
    assert set(data.get("init_args", {})) - data_class.training_only <= options


def test_shows_pictures_that_are_there(card: Card):
    samples = sorted((card.folder / "samples").iterdir())
    readme = (card.folder / "README.md").read_text()
    assert samples
    assert any(f"samples/{sample.name}" in readme for sample in samples)
    for word in readme.replace("(", " ").replace(")", " ").replace('"', " ").split():
        if word.startswith("samples/"):
            assert (card.folder / word).is_file(), word


def offline(folder: Path, model: ModuleType) -> None:
    keywords = json.dumps(getattr(model, "PREDICT", {}))
    done = subprocess.run([sys.executable, "-c", OFFLINE, str(folder), keywords], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", sorted(architectures()))
def test_loads_and_predicts_without_a_socket_and_without_lightning(name: str, tiny, tmp_path: Path):
    arguments = tiny(name).ARGUMENTS
    weights.save(import_object(architectures()[name].net)(**arguments), tmp_path, name, arguments)
    offline(tmp_path, tiny(name))


def test_card_loads_and_predicts_without_a_socket_and_without_lightning(card: Card, tiny):
    offline(card.folder, tiny(card.config["architecture"]))
