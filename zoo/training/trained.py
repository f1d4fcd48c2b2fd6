"""Network and run in a checkpoint of ``zoo fit``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, architectures, import_object
from zoo.cards import network
from zoo.models.base import Model
from zoo.models.evaluation import Figure
from zoo.training.checkpoints import Described, load

FIELDS = {"architecture": str, "arguments": dict, "recipe": str, "config": dict}


@dataclass(frozen=True)
class Trained:
    """The network and the run that a checkpoint describes.

    Args:
        architecture: name in the registry.
        net: network with the weights of the checkpoint.
        arguments: arguments of the network's constructor.
        recipe: text of the recipe.
        config: the recipe as it ran, with the paths of that machine.
        epoch: number of trained epochs.
        steps: number of trained steps.
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
        """Arguments of the evaluator that the run's module has too, such as the loss network."""
        taken = inspect.signature(import_object(self.declared.evaluate)).parameters
        known, told = self.config["model"].get("init_args", {}), {word.partition("=")[0] for word in given}
        values = {f"--{k.replace('_', '-')}": v for k, v in known.items() if k in taken and isinstance(v, str)}
        return [f"{flag}={value}" for flag, value in values.items() if flag not in told]

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
    """The checkpoint itself, or the best or else the last one of a run."""
    if not source.is_dir():
        return source
    for name in ("best.ckpt", "last.ckpt"):
        if (path := source / "checkpoints" / name).is_file():
            print(f"Weights: {path}")  # noqa: T201
            return path
    raise ZooError(f"not a run: {source} has neither checkpoints/best.ckpt nor last.ckpt")


def read(path: Path) -> Trained:
    """Reads a checkpoint, without running anything in it.

    Raises:
        ZooError: the file is missing or damaged, or ``zoo fit`` did not write it.
    """
    checkpoint = load(path)
    about = checkpoint.get(Described.KEY)
    if not isinstance(about, dict) or not all(isinstance(about.get(key), kind) for key, kind in FIELDS.items()):
        raise ZooError(
            f"{path}: no card can be made of it: another program wrote it, or its module belongs to no architecture"
        )
    net = network.build(about, path)
    state = {key[4:]: tensor for key, tensor in checkpoint["state_dict"].items() if key.startswith("net.")}
    try:
        net.load_state_dict(state)
        epoch, steps = int(checkpoint["epoch"]) + 1, int(checkpoint["global_step"])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ZooError(f"{path}: damaged, or its weights do not fit {type(net).__name__}") from error
    return Trained(**{key: about[key] for key in FIELDS}, net=net.eval(), epoch=epoch, steps=steps)
