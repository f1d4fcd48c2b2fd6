"""Lightning's command line as the zoo has it: what every run gets, and where runs go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentError
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from torch import nn

from zoo.base.errors import ZooError
from zoo.base.registry import architecture_of, architectures
from zoo.base.text import causes, first_line
from zoo.cards import weights
from zoo.nn.precision import native_bfloat16
from zoo.training.checkpoints import RunCheckpoint, WholeCheckpointIO, load
from zoo.training.progress import monitor_of, progress
from zoo.training.recipes import import_class

LAST = Path("checkpoints", "last.ckpt")


@rank_zero_only
def say(text: str) -> None:
    """Prints a line, of several processes only the first."""
    print(text)  # noqa: T201


class ZooCLI(LightningCLI):
    """LightningCLI without subcommands: the model takes its labels from the data, runs go to ``runs/RECIPE``.

    Args:
        words: of the command line.
        name: of the folder below ``runs``.
        verb: that it is made for.
        resume: folder of the run that is continued.
        checkpoint: that is measured.

    Raises:
        ZooError: words that nothing takes, weights or a checkpoint that cannot be read.
    """

    def __init__(
        self, words: list[str], name: str, verb: str = "fit", resume: Path | None = None, checkpoint: str | None = None
    ) -> None:
        self.verb, self.checkpoint = verb, str(resume / LAST) if resume else checkpoint
        if self.checkpoint:
            load(Path(self.checkpoint))  # fails now rather than after everything was set up
        place = {"save_dir": "runs", "name": name}
        if resume:
            place = {"save_dir": str(resume.parent.parent), "name": resume.parent.name, "version": resume.name}
            words = [*words, *(f"--trainer.logger.init_args.{key}={value}" for key, value in place.items())]
        logger = {"class_path": "lightning.pytorch.loggers.TensorBoardLogger", "init_args": place}
        try:
            super().__init__(
                LightningModule,
                LightningDataModule,
                subclass_mode_model=True,
                subclass_mode_data=True,
                save_config_callback=SaveConfigCallback if verb == "fit" and not resume else None,
                save_config_kwargs={"overwrite": True},  # without a logger it lies in the working directory
                trainer_defaults={"logger": logger, "enable_model_summary": False},
                parser_kwargs={"exit_on_error": False, "allow_abbrev": False},
                auto_configure_optimizers=False,
                run=False,
                args=words,
            )
        except (ArgumentError, MisconfigurationException, ValueError) as error:
            raise _user_error(error) from error
        if self.start:
            self._start_from(self.start)

    def _start_from(self, source: str) -> None:
        """Copies published weights into the network, and prints which layers they lack."""
        if not isinstance(net := getattr(self.model, "net", None), nn.Module):
            kind = type(self.model).__name__
            raise ZooError(f"--weights: {kind} has no attribute net that weights could be copied into")
        new = weights.load_matching(net, source)
        say(f"Weights of {source}; re-initialised: {', '.join(new) or 'nothing'}")
        if new and self.verb != "fit":
            raise ZooError(f"cannot {self.verb}: {new[0]} is missing from {source}, or has another shape")

    def __deepcopy__(self, memo: dict[int, Any]) -> ZooCLI:
        """Itself: what makes the optimiser holds this, and weight averaging copies the module that holds that."""
        return self

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--weights", type=str | None, help="a model, folder or safetensors file to start from")
        labels = "model.init_args.labels"
        parser.link_arguments("data", labels, lambda data: getattr(data, "labels", None), apply_on="instantiate")

    def before_instantiate_classes(self) -> None:
        self.given, self.start = self.config.clone(), self._get(self.config, "weights")
        if self.start:
            weights.read_state(self.start)  # fails now rather than after everything was set up
        if self.start or self.checkpoint:  # full weights follow: others need not be fetched
            model = self._get(self.config, "model", default={})
            target = import_class(model["class_path"])
            architecture = architecture_of(target) if isinstance(target, type) else None
            for name in architectures()[architecture].pretrained if architecture else ():
                model["init_args"][name] = None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self._get(self.config_init, "trainer")
        given = config.callbacks or []
        config.callbacks = [*given, *default_callbacks(self.model, config, given)]
        if config.plugins is None:
            kwargs["plugins"] = [WholeCheckpointIO()]
        every, epochs = config.check_val_every_n_epoch, config.max_epochs
        if every and epochs and epochs > 0:  # a run shorter than the recipe's is validated too
            kwargs["check_val_every_n_epoch"] = min(every, epochs)
        return super().instantiate_trainer(precision=usable_precision(config), **kwargs)


def default_callbacks(model: LightningModule, trainer: Any, given: list[Callback]) -> list[Callback]:
    """What every run has: the last checkpoint and, unless the recipe brings its own of the kind, progress and best.

    Args:
        trainer: its arguments, of which some switch these off.
    """
    checkpoints = trainer.enable_checkpointing is not False
    defaults: dict[type[Callback], Callback] = {}
    if trainer.enable_progress_bar is not False:
        defaults[ProgressBar] = progress()
    if trainer.logger:
        defaults[LearningRateMonitor] = LearningRateMonitor("step")
    if checkpoints and (monitored := monitor_of(model)):
        monitor, mode = monitored
        best = RunCheckpoint(monitor=monitor, mode=mode, filename="best", enable_version_counter=False)
        defaults[ModelCheckpoint] = best
    callbacks = [one for kind, one in defaults.items() if not any(isinstance(each, kind) for each in given)]
    if checkpoints:
        last = RunCheckpoint(filename=LAST.stem, save_on_train_epoch_end=True, enable_version_counter=False)
        callbacks.append(last)
    return callbacks


def usable_precision(trainer: Any) -> Any:
    """The recipe's precision, or float32 where this machine would emulate bfloat16 and so be slower with it."""
    if trainer.precision != "bf16-mixed" or trainer.accelerator not in ("auto", "cpu", "gpu", "cuda"):
        return trainer.precision
    gpu = torch.cuda.is_available() and trainer.accelerator != "cpu"
    if native_bfloat16(torch.device("cuda" if gpu else "cpu")):
        return trainer.precision
    say("This machine has no native bfloat16: training in float32 (--trainer.precision overrides).")
    return "32-true"


def _user_error(error: Exception) -> ZooError:
    """What the user should know of jsonargparse's error, which wraps ours and repeats the types of every key above."""
    chain = list(causes(error))
    if ours := next((each for each in chain if isinstance(each, ZooError)), None):
        return ours
    keys = ".".join(dict.fromkeys(re.findall(r'Parser key "(.*?)"', str(error))))
    refused = re.search(r"(Option|Key) '.*?' is not accepted", str(error))
    said = refused[0] if refused else re.sub(r"<class '(.*?)'>|typing\.", r"\1", first_line(chain[-1]))
    return ZooError(f"--{keys}: {said}" if keys else said)
