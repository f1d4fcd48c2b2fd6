"""What a checkpoint of ``zoo fit`` says of its network and its run."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, architectures, import_object
from zoo.cards import network
from zoo.models.base import Model
from zoo.models.evaluation import Figure
from zoo.training.checkpoints import Described

FIELDS = {"architecture": str, "arguments": dict, "recipe": str, "config": dict}


@dataclass(frozen=True)
class Trained:
    """What a checkpoint says of its network and its run.

    Args:
        architecture: name in the registry.
        net: with the weights of the checkpoint.
        arguments: of the network's constructor.
        recipe: text.
        config: the recipe as it ran, with the paths of that machine.
        epoch: how many there were.
        steps: likewise.
    """

    architecture: str
    net: Model
    arguments: Mapping[str, Any]
    recipe: str
    config: dict[str, Any]
    epoch: int
    steps: int

    @property
    def declared(self) -> Architecture:
        return architectures()[self.architecture]

    def own_arguments(self, given: Sequence[str]) -> list[str]:
        """Arguments of the evaluator that the run knows since its module has them too, such as the loss network."""
        taken = inspect.signature(import_object(self.declared.evaluate)).parameters
        known = self.config["model"].get("init_args", {})
        names = [key for key, value in known.items() if key in taken and isinstance(value, str)]
        return [f"--{key}={known[key]}" for key in names if not any(re.match(f"--{key}(=|$)", each) for each in given)]

    def recipe_for(self, name: str, figures: Sequence[Figure]) -> str:
        """The recipe with a header, unless it has one."""
        if self.recipe.startswith("#"):
            return self.recipe
        expected = figures[0] if figures else "nothing was measured"
        return (
            f"# The recipe of the card {name}.\n#\n# Paper       {self.declared.paper}\n# Expected    {expected}\n"
            f"# Train       zoo fit --recipe recipe.yaml, which was written by zoo {__version__}\n{self.recipe}"
        )


def find_checkpoint(source: Path) -> Path:
    """A checkpoint, or the best one of a run, or its last."""
    if not source.is_dir():
        return source
    for path in (source / "checkpoints" / "best.ckpt", source / "checkpoints" / "last.ckpt"):
        if path.is_file():
            print(f"Weights: {path}")  # noqa: T201
            return path
    raise ZooError(f"{source} is no run: it has neither checkpoints/best.ckpt nor last.ckpt")


def read(path: Path) -> Trained:
    """Reads a checkpoint, without running anything in it.

    Raises:
        ZooError: no such file, a damaged one, or one that ``zoo fit`` did not write.
    """
    if not path.is_file():
        raise ZooError(f"{path}: no such file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        state = {key[4:]: tensor for key, tensor in checkpoint["state_dict"].items() if key.startswith("net.")}
        epoch, steps = int(checkpoint["epoch"]) + 1, int(checkpoint["global_step"])
    except Exception as error:  # torch has no common error for what it cannot read
        raise ZooError(f"{path}: damaged, or no checkpoint of Lightning") from error
    about = checkpoint.get(Described.KEY)
    if not isinstance(about, dict) or not all(isinstance(about.get(key), kind) for key, kind in FIELDS.items()):
        raise ZooError(f"{path} does not say what it is a checkpoint of; only those of this version's zoo fit do")
    known = {key: about[key] for key in FIELDS}
    net = network.build(about, path)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise ZooError(f"{path}: its weights do not fit {type(net).__name__}") from error
    return Trained(**known, net=net.eval(), epoch=epoch, steps=steps)
