"""What a stranger's ``config.json`` may say to a network of any architecture: nothing that costs hours or is a bug."""

from __future__ import annotations

import inspect
import json
import random
import resource
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from zoo import load
from zoo.base.errors import ZooError
from zoo.base.registry import architectures, import_object
from zoo.cards import network, weights
from zoo.cards.network import build

SEED, DRAWN = 20, 150  # seed and number of the mutations of several arguments at once
SECONDS = 20  # at most for one of them, on a busy machine
NAMES = [
    "timm",
    "vgg",
    "stack",
    "paper",
    "adam",
    "style",
    "max",
    "resnet18",
    "vit_base_patch16_224",
    "a" * 10_000,
    "\0",
]
NUMBERS = [0, -1, 1, 2, 3, 16, 255, 256, 257, 4096, 4097, 10**6, 10**9, 2**63, -(2**63), 10**400]
FLOATS = [float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324, -0.0, 0.5, 1e6, 33.0]
COLORS = [[[i % 256, 0, 0] for i in range(count)] for count in (11, 256, 300, 5000)]
LISTS = [
    [], [[]], [[[]]], [None] * 11, ["a"] * 11, [""] * 11, ["a" * 201] * 11, ["\x1b[2J"] * 11, [1.5] * 11, *COLORS,
    [[300, 0, 0]] * 11, [[-1, 0, 0]] * 11, [[0.5, 0, 0]] * 11, [[0, 0]] * 11, [[0, 0, 0, 0]] * 11, [["a"] * 3] * 11,
]  # fmt: skip
TABLES = [
    {}, {"conv1_1": 1.0}, {"conv5_4": 1.0}, {"conv9_9": 1.0}, {"": 1.0}, {"conv1_1": -1.0}, {"conv1_1": 1e308},
    {"conv1_1": 0.0}, {"conv1_1": None}, {"conv1_1": float("nan")}, {f"conv1_{i}": 1.0 for i in range(300)},
]  # fmt: skip
VALUES: list[Any] = [None, True, False, "", *NAMES, *NUMBERS, *FLOATS, *LISTS, *TABLES]


def attempt(folder: Path, config: dict[str, Any], arguments: dict[str, Any], predict: Any) -> str:
    """What becomes of a card with these arguments: any error but one of the zoo is a fault."""
    (folder / "config.json").write_text(json.dumps({**config, "arguments": arguments}))
    began = time.monotonic()
    try:
        net = load(folder)
        predict(net).save(folder / "result")
        outcome = "right"
    except ZooError as error:
        outcome = str(error)
        assert len(outcome.splitlines()) <= 3
        assert max(map(len, outcome.splitlines())) < 1000
    assert time.monotonic() - began < SECONDS, arguments
    return outcome


@pytest.fixture
def card(model: ModuleType, trained: nn.Module, name: str, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    weights.save(trained, tmp_path, name, model.ARGUMENTS, dtype="float32")
    return tmp_path, json.loads((tmp_path / "config.json").read_text())


def test_any_value_of_any_argument_is_refused_or_works(
    model: ModuleType, name: str, card: tuple[Path, dict[str, Any]], predict, one_thread: None
):
    folder, config = card
    picture = torch.rand(3, 70, 80)
    outcomes = [
        attempt(folder, config, {**config["arguments"], argument: value}, lambda net: predict(model, net, picture))
        for argument in inspect.signature(import_object(architectures()[name].net)).parameters
        for value in VALUES
    ]
    assert "right" in outcomes  # None, or the value that it has


def test_so_are_several_at_once(
    model: ModuleType, name: str, card: tuple[Path, dict[str, Any]], predict, one_thread: None
):
    folder, config = card
    chance, picture = random.Random(SEED), torch.rand(3, 70, 80)
    arguments = list(inspect.signature(import_object(architectures()[name].net)).parameters)
    for _ in range(DRAWN):
        chosen = chance.sample(arguments, chance.randint(1, len(arguments)))
        changed = {**config["arguments"], **{argument: chance.choice(VALUES) for argument in chosen}}
        attempt(folder, config, changed, lambda net: predict(model, net, picture))


def test_every_number_has_a_bound(name: str):
    """Or a card could ask for a million iterations. Factors may be a million, and no more."""
    cls = import_object(architectures()[name].net)
    for argument in inspect.signature(cls).parameters:
        factor = not refused(cls, argument, 0.5)
        for value in (-(10**6), 10**7, float("nan"), float("inf"), *(() if factor else (10**6, 10**5))):
            assert refused(cls, argument, value), (argument, value)


def test_more_classes_than_a_mask_can_hold_are_refused():
    """With as many colours and labels, so that nothing else is wrong."""
    for count in (257, 300):
        colors, labels = [[i % 256, 0, 0] for i in range(count)], [f"class {i}" for i in range(count)]
        arguments = {"num_classes": count, "palette": colors, "labels": labels}
        with pytest.raises(ZooError, match=r"arguments\.num_classes: .* 256, not "):
            build({"architecture": "linknet", "arguments": arguments}, "card", "meta")


def refused(cls: type[nn.Module], argument: str, value: Any) -> bool:
    given = {"num_classes": 2} if "num_classes" in inspect.signature(cls).parameters else {}
    try:
        network.check_arguments(cls, {**given, argument: value}, "card")
    except ZooError as error:
        return f"arguments.{argument}" in str(error)
    return False


def test_the_largest_that_are_allowed_take_no_memory_before_there_are_weights(name: str):
    """A network is made on the meta device first, and its size compared with that of the file."""
    cls = import_object(architectures()[name].net)
    given = {"num_classes": 2} if name == "linknet" else {}
    for argument in inspect.signature(cls).parameters:
        if most := [value for value in NUMBERS if not refused(cls, argument, value)]:
            given[argument] = max(most)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    build({"architecture": name, "arguments": given}, "card", "meta")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB
