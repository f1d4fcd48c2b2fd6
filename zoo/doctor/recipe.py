"""A recipe with its options, read as ``zoo fit`` reads it, whose classes are made one after the other."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from jsonargparse import dict_to_namespace
from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import LightningArgumentParser

from zoo.base.errors import ZooError
from zoo.base.text import first_line
from zoo.training.cli import ZooCLI
from zoo.training.refusals import explained
from zoo.training.run import check_data


class Examined(ZooCLI):
    """The command line of a recipe; data, model and trainer are made on request, and no folder of a run is.

    Args:
        words: words of the command line.
        name: name of the recipe.

    Raises:
        ZooError: a word is unknown, or has a value of another type.
    """

    def __init__(self, words: list[str], name: str) -> None:
        super().__init__(words, name)

    def _choose_folder(self, trainer: Any) -> None:
        trainer.logger = False
        trainer.callbacks = _without_logger(trainer.callbacks)

    def before_instantiate_classes(self) -> None:
        """Leaves everything to :meth:`build`."""
        self.start = None

    def instantiate_classes(self) -> None:
        """Leaves everything to :meth:`build`."""

    def data(self, batch_size: int | None = None) -> LightningDataModule:
        """Makes the data set alone, with another batch size where one is given.

        Raises:
            ZooError: an argument is refused.
        """
        config = copy.deepcopy(self._get(self.config, "data"))
        if batch_size is not None:
            config.init_args.batch_size = batch_size
        parser = LightningArgumentParser(exit_on_error=False)
        parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)
        try:
            return parser.instantiate_classes(dict_to_namespace({"data": config})).data
        except Exception as error:
            raise self._explained(error) from error

    def build(self) -> None:
        """Makes data, model and trainer as a training does, and loads the weights to start from.

        Raises:
            ZooError: one of them refuses its arguments, or weights are missing.
        """
        try:
            ZooCLI.before_instantiate_classes(self)
            ZooCLI.instantiate_classes(self)
            if self.start:
                self._start_from(self.start)
        except Exception as error:
            raise self._explained(error) from error
        check_data(self)

    def _explained(self, error: Exception) -> ZooError:
        if known := explained(error, self.trainer_arguments()):
            return known
        return ZooError(f"{type(error).__name__}: {first_line(error)}\nzoo fit would fail likewise")

    @property
    def batch_size(self) -> int | None:
        """The recipe's batch size; None for data without one."""
        found = self._get(self.config, "data").get("init_args", {}).get("batch_size")
        return found if isinstance(found, int) else None

    def place(self) -> Path:
        """The folder of the runs, which need not exist."""
        return Path(self._get(self.config, "trainer").default_root_dir or "runs")


def _without_logger(callbacks: Any) -> Any:
    """Callbacks but those that need a logger, which a check does not have."""
    kept = [each for each in callbacks or () if "Monitor" not in getattr(each, "class_path", "")]
    return kept or None
