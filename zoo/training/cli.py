"""The zoo's version of Lightning's command line: defaults of every run, and folders of runs."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import torch
from jsonargparse import dict_to_namespace
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from torch import nn

from zoo.base.errors import ZooError
from zoo.base.registry import architecture_of, architectures
from zoo.base.text import first_line
from zoo.cards import weights
from zoo.nn.precision import native_bfloat16
from zoo.training import folder, slurm
from zoo.training.checkpoints import Described, Done, RunCheckpoint, WholeCheckpointIO, load
from zoo.training.gathering import gather_first
from zoo.training.progress import monitor_of, progress
from zoo.training.recipes import MARK, import_class
from zoo.training.refusals import MAX_MESSAGE, check_devices, check_numbers, check_sharding, check_strategy, explained
from zoo.training.signals import leave_signals
from zoo.training.values import absolute, plain

LOGGER = "lightning.pytorch.loggers.TensorBoardLogger"
MAX_LAYERS = 10  # names of layers in a line
PRECISIONS = ("None", "32", "32-true", "64", "64-true", "16", "16-mixed", "bf16", "bf16-mixed")


@rank_zero_only
def say(text: str) -> None:
    """Prints a line, in the first process only."""
    print(text)  # noqa: T201


class ZooCLI(LightningCLI):
    """LightningCLI without subcommands: the model takes its labels from the data, runs go to ``runs/RECIPE``.

    Args:
        words: words of the command line.
        name: name of the folder below ``runs``.
        verb: command of the zoo, such as "fit".
        resume: folder of the run to resume.
        checkpoint: checkpoint to measure.

    Raises:
        ZooError: a word is unknown, or weights or a checkpoint cannot be read.
    """

    def __init__(
        self, words: list[str], name: str, verb: str = "fit", resume: Path | None = None, checkpoint: str | None = None
    ) -> None:
        self.name, self.verb, self.resume, self.checkpoint = name, verb, resume, checkpoint
        self._go_on(resume)
        about, self.done = None, Done()
        if self.checkpoint:  # fails now rather than after everything was set up
            content = load(Path(self.checkpoint))
            about, self.done = content.get(Described.KEY), Done.of(content)
        self.folder: Path | None = None
        self.made: list[Path] = []  # new folders above it
        logger = {"class_path": LOGGER, "init_args": {"save_dir": "runs", "name": name}}
        try:
            super().__init__(
                LightningModule,
                LightningDataModule,
                subclass_mode_model=True,
                subclass_mode_data=True,
                save_config_callback=None,  # which needs a logger to know where: see zoo.training.run
                trainer_defaults={"logger": logger, "enable_model_summary": False},
                parser_kwargs={"exit_on_error": False, "allow_abbrev": False},
                auto_configure_optimizers=False,
                run=False,
                args=words,
            )
            if self.start:
                self._start_from(self.start)
            elif isinstance(about, dict):
                self._check_labels(about, str(self.checkpoint))
        except BaseException as error:
            self.discard()
            if isinstance(error, Exception) and (ours := explained(error, self.trainer_arguments())):
                raise ours from error
            raise

    def _go_on(self, run: Path | None) -> None:
        if run and (last := run / folder.LAST_CHECKPOINT).is_file():
            self.checkpoint = str(last)

    def trainer_arguments(self) -> dict[str, Any]:
        """What the trainer was given, as far as the command line was read."""
        return dict(self.config["trainer"]) if hasattr(self, "config") else {}

    def discard(self) -> None:
        """Removes the folder of a run that never began."""
        if self.folder and not self.resume:
            folder.discard(self.folder, self.made)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        super().parse_arguments(parser, args)
        self.config = plain(self.config)
        check_numbers(self.config)
        check_strategy(self.config.trainer.strategy)

    def _start_from(self, source: str) -> None:
        """Copies published weights into the network, and prints which layers they lack."""
        if not isinstance(net := getattr(self.model, "net", None), nn.Module):
            kind = type(self.model).__name__
            raise ZooError(f"--weights: {kind} has no attribute net that weights could be copied into")
        new = weights.load_matching(net, source)
        if new and self.verb != "fit":
            raise ZooError(f"cannot {self.verb}: {new[0]} is missing from {source}, or has another shape")
        more = [f"and {len(new) - MAX_LAYERS} more"] if len(new) > MAX_LAYERS else []
        say(f"Weights of {source}; re-initialised: {', '.join([*new[:MAX_LAYERS], *more]) or 'nothing'}")
        if Path(source).suffix != ".safetensors":
            self._check_labels(weights.ModelFiles.find(source).config, source)

    def _check_labels(self, trained: dict[str, Any], source: str) -> None:
        """Compares the classes of trained weights with the data's: in another order every name would be wrong."""
        own = getattr(self.model, "arguments", {}).get("labels")
        known = (trained.get("arguments") or {}).get("labels")
        if not (own and known) or list(own) == list(known):
            return
        told = f"{source} was trained for the classes {', '.join(known)}, but the data have {', '.join(own)}"
        if self.verb != "fit" or self.checkpoint:
            raise ZooError(f"cannot {self.verb}: {textwrap.shorten(told, MAX_MESSAGE)}")
        if len(own) == len(known):
            say(f"{textwrap.shorten(told, MAX_MESSAGE)}; the classifier starts from the trained weights")

    def __deepcopy__(self, memo: dict[int, Any]) -> ZooCLI:
        """Returns itself: weight averaging copies the module, whose optimiser's factory holds this."""
        return self

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--weights", type=str | None, help="a model, folder or safetensors file to start from")
        labels = "model.init_args.labels"
        parser.link_arguments("data", labels, lambda data: getattr(data, "labels", None), apply_on="instantiate")

    def before_instantiate_classes(self) -> None:
        self.given = self.config.clone()
        self._choose_folder(self._get(self.config, "trainer"))
        self.start = None if self.checkpoint else self._get(self.config, "weights")
        if self.start:
            weights.read_state(self.start)  # fails now rather than after everything was set up
        if self.start or self.checkpoint:  # full weights follow: pretrained ones need not be fetched
            model = self._get(self.config, "model", default={})
            target = import_class(model["class_path"])
            architecture = architecture_of(target) if isinstance(target, type) else None
            for name in architectures()[architecture].pretrained if architecture else ():
                model["init_args"][name] = None

    def whole(self) -> str:
        """The configuration with every default as YAML, from which the run resumes in any working directory."""
        return f"{MARK}\n{self.parser.dump(absolute(self.given), skip_none=False)}"

    def _choose_folder(self, trainer: Any) -> None:
        """Chooses the folder of the run: none for a dry run, or for a measurement without a logger.

        Lightning looks for checkpoints of other jobs in ``default_root_dir``, so it is never a folder of the user.
        """
        if trainer.logger in (None, True):
            trainer.logger = dict_to_namespace(self.trainer_defaults["logger"])
        if trainer.fast_dev_run:
            trainer.logger = False
        elif self.verb == "fit" or trainer.logger:
            if self.verb == "fit" and not self.resume:
                self.resume = slurm.requeued(folder.parent_of(trainer, self.name), self.whole())
                self._go_on(self.resume)
            self.made = folder.missing(folder.parent_of(trainer, self.name))
            self.folder = folder.choose(trainer, self.name, self.resume)
        trainer.default_root_dir = str(self.folder or Path("runs", self.name, "none"))

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self._get(self.config_init, "trainer")
        given = config.callbacks or []
        config.callbacks = [*given, *default_callbacks(self.model, config, given)]
        if self.folder:
            config.callbacks.append(folder.BegunFolder(self.folder))
            for each in config.callbacks:
                if isinstance(each, ModelCheckpoint) and each.dirpath is None:
                    if each in given and each.filename == folder.LAST_CHECKPOINT.stem:
                        raise ZooError("--trainer.callbacks: the run itself writes last.ckpt; take another filename")
                    each.dirpath = str(self.folder / folder.CHECKPOINTS)
        if config.plugins is None:
            kwargs["plugins"] = [WholeCheckpointIO()]
        every, epochs = config.check_val_every_n_epoch, config.max_epochs
        if every and epochs and epochs > 0:  # a run shorter than the recipe's is validated too
            kwargs["check_val_every_n_epoch"] = min(every, epochs)
        own = architecture_of(type(self.model)) is not None
        check_sharding(config.strategy, own)
        precision = usable_precision(config, own)
        try:
            trainer = super().instantiate_trainer(precision=precision, **kwargs)
        except Exception as error:  # Lightning has no common one for what it refuses
            said = explained(error, self.trainer_arguments()) or ZooError(f"--trainer: {first_line(error)}")
            raise said from error
        check_devices(trainer, self.model)
        leave_signals(trainer)
        gather_first(trainer)
        return trainer


def default_callbacks(model: LightningModule, trainer: Any, given: list[Callback]) -> list[Callback]:
    """Callbacks of every run: the last checkpoint and, unless the recipe has its own, progress and best one.

    Args:
        trainer: arguments of the trainer, some of which switch callbacks off.
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
        last = RunCheckpoint(
            filename=folder.LAST_CHECKPOINT.stem, save_on_train_epoch_end=True, enable_version_counter=False
        )
        callbacks.append(last)
    return callbacks


def usable_precision(trainer: Any, own: bool) -> Any:
    """The recipe's precision, or float32 if this machine would emulate bfloat16, which is slower.

    Args:
        trainer: arguments of the trainer.
        own: whether the network belongs to an architecture.

    Raises:
        ZooError: the weights would have 16 bits or less, in which small steps of the optimiser vanish.
    """
    if own and str(trainer.precision) not in PRECISIONS:
        raise ZooError(
            f"--trainer.precision {trainer.precision}: weights of so few bits lose the optimiser's small steps; "
            "take bf16-mixed, 16-mixed, 32-true or 64-true"
        )
    if trainer.precision != "bf16-mixed" or trainer.accelerator not in ("auto", "cpu", "gpu", "cuda"):
        return trainer.precision
    gpu = torch.cuda.is_available() and trainer.accelerator != "cpu"
    if native_bfloat16(torch.device("cuda" if gpu else "cpu")):
        return trainer.precision
    say("This machine has no native bfloat16: training in float32 (--trainer.precision overrides).")
    return "32-true"
