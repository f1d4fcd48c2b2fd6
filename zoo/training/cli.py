"""Lightning's command line as the zoo has it: what every run gets, and where runs go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, RichProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback

from zoo.cards import weights
from zoo.nn.precision import native_bfloat16
from zoo.training.checkpoints import RunCheckpoint, WholeCheckpointIO

LAST = Path("checkpoints", "last.ckpt")
HELP = """zoo fit --recipe NAME [--weights NAME] [KEY VALUE ...], or zoo fit --resume RUN_DIR;
zoo validate|test --recipe NAME --weights NAME|--ckpt_path FILE. A recipe is a bundled name or a file; --weights starts
from a model, a folder or a safetensors file. Any key of the recipe is an option, such as --data.batch_size 4 or those
below; --model.help CLASS and --data.help CLASS list theirs."""


class ZooCLI(LightningCLI):
    """LightningCLI without subcommands: the model takes its labels from the data, runs go to ``runs/RECIPE``."""

    def __init__(
        self, args: list[str], run: str, resume: Path | None = None, keep_config: bool = False, whole: bool = False
    ) -> None:
        self.whole = whole  # a checkpoint with all weights follows
        place = {"save_dir": "runs", "name": run}
        if resume:
            place = {"save_dir": str(resume.parent.parent), "name": resume.parent.name, "version": resume.name}
        logger = {"class_path": "lightning.pytorch.loggers.TensorBoardLogger", "init_args": place}
        if resume:
            args = [*args, *(f"--trainer.logger.init_args.{key}={value}" for key, value in place.items())]
        super().__init__(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=SaveConfigCallback if keep_config else None,
            save_config_kwargs={"overwrite": True},  # without a logger it lies in the working directory
            trainer_defaults={"logger": logger, "enable_model_summary": False},
            parser_kwargs={
                "usage": "zoo fit|validate|test --recipe NAME [options]",
                "description": HELP,
                "exit_on_error": False,
                "allow_abbrev": False,
            },
            auto_configure_optimizers=False,
            run=False,
            args=args,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> ZooCLI:
        """Itself: what makes the optimiser holds this, and weight averaging copies the module that holds that."""
        return self

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--weights", type=str | None, help="a model, folder or safetensors file to start from")
        parser.link_arguments("data", "model.init_args.labels", compute_fn=labels_of, apply_on="instantiate")

    @property
    def start(self) -> str | None:
        """What the network starts from, by option or recipe."""
        return self._get(self.config, "weights")

    def before_instantiate_classes(self) -> None:
        self.given = self.config.clone()
        if self.start:
            weights.read_state(self.start)  # fails now rather than after everything was set up
        arguments = self._get(self.config, "model", default={}).get("init_args", {})
        if (self.start or self.whole) and "encoder_weights" in arguments:
            arguments["encoder_weights"] = None  # full weights follow: they need not be fetched

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


def labels_of(data: LightningDataModule) -> Any:
    return getattr(data, "labels", None)


def default_callbacks(model: LightningModule, trainer: Any, given: list[Callback]) -> list[Callback]:
    """What every run has: the last checkpoint and, unless the recipe brings its own of the kind, progress and best.

    Args:
        trainer: its arguments, of which some switch these off.
    """
    defaults: list[Callback] = [RichProgressBar()] if trainer.enable_progress_bar is not False else []
    if trainer.logger:
        defaults.append(LearningRateMonitor("step"))
    if trainer.enable_checkpointing is False:
        return [one for one in defaults if not isinstance(one, tuple(type(own) for own in given))]
    if monitored := getattr(model, "monitor", None):
        monitor, mode = monitored
        defaults.append(RunCheckpoint(monitor=monitor, mode=mode, filename="best", enable_version_counter=False))
    last = RunCheckpoint(filename=LAST.stem, save_on_train_epoch_end=True, enable_version_counter=False)
    kinds = tuple(type(one) for one in given)
    return [*(one for one in defaults if not isinstance(one, kinds)), last]


def usable_precision(trainer: Any) -> Any:
    """The recipe's precision, or float32 where this machine would emulate bfloat16 and so be slower with it."""
    if trainer.precision != "bf16-mixed" or trainer.accelerator not in ("auto", "cpu", "gpu", "cuda"):
        return trainer.precision
    gpu = torch.cuda.is_available() and trainer.accelerator != "cpu"
    if native_bfloat16(torch.device("cuda" if gpu else "cpu")):
        return trainer.precision
    print("This machine has no native bfloat16: training in float32 (--trainer.precision overrides).")  # noqa: T201
    return "32-true"
