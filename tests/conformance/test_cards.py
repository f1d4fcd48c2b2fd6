"""Every card in the folder."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from zoo import load
from zoo.base.registry import architectures
from zoo.cards import card as cards
from zoo.cards import golden

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


@pytest.fixture(params=cards.names())
def card(request: pytest.FixtureRequest) -> cards.Card:
    return cards.read(request.param)


def test_is_complete_and_in_step_with_its_results(card: cards.Card):
    assert cards.check(card.folder) == []


def test_its_weights_are_those_it_describes(card: cards.Card):
    described = card.config["weights"]
    content = (card.folder / described["file"]).read_bytes()
    assert len(content) == described["bytes"]
    assert hashlib.sha256(content).hexdigest() == described["sha256"]
    net = load(card.name)
    assert not net.training
    assert sum(parameter.numel() for parameter in net.parameters()) == card.results["parameters"]


def test_answers_as_it_did_when_it_was_exported(card: cards.Card):
    error = golden.check(load(card.name), card.folder, card.config)
    assert error < golden.TOLERANCE / 2


def test_its_recipe_is_the_bundled_one(card: cards.Card):
    """Or the card's figures belong to another training."""
    from zoo.training import recipes

    assert (card.folder / "recipe.yaml").read_text() == recipes.find(card.name).read_text()


def test_shows_pictures_that_are_there(card: cards.Card):
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
    from zoo.base import registry
    from zoo.cards import weights

    arguments = tiny(name).ARGUMENTS
    weights.save(registry.import_object(architectures()[name].net)(**arguments), tmp_path, name, arguments)
    offline(tmp_path, tiny(name))


def test_card_loads_and_predicts_without_a_socket_and_without_lightning(card: cards.Card, tiny):
    offline(card.folder, tiny(card.config["architecture"]))
