"""The work of ``zoo fit``, ``zoo validate`` and ``zoo test`` between command line and results."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from zoo.base.errors import ZooError
from zoo.base.files import replace
from zoo.base.paths import shown
from zoo.base.processes import mark_parent
from zoo.base.registry import architecture_of, architectures, import_object
from zoo.base.text import unknown
from zoo.cards import network, weights
from zoo.data.sampling import use_one_opencv_thread
from zoo.nn.cpu import keep_freed_memory
from zoo.nn.learning import RunFolder
from zoo.training import portable, slurm
from zoo.training.checkpoints import Described, load
from zoo.training.cli import ZooCLI, say
from zoo.training.facts import RunFacts
from zoo.training.folder import CHECKPOINTS, LAST_CHECKPOINT, keep_metrics
from zoo.training.lock import locked
from zoo.training.recipes import CONFIG
from zoo.training.refusals import explained
from zoo.training.reporting import Reporting
from zoo.training.resumable import Resumable
from zoo.training.signals import Signals, end_others

UNHELPFUL = (  # warnings that users cannot act on
    "LightningCLI's args parameter",
    "does not have many workers",
    r"recommended to use `self.log\('(val|test)/(mIoU|mean_accuracy|pixel_accuracy)'",  # alike on every device
    "The number of training batches",
    "The `srun` command is available",  # what a job with several tasks needs is refused without it
    "exists and is not empty",  # folder of a resumed run
    "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
)


def prepare_process() -> None:
    """Hides warnings that users cannot act on, and sets up memory and threads for training."""
    keep_freed_memory()
    use_one_opencv_thread()
    for text in UNHELPFUL:
        warnings.filterwarnings("ignore", f".*{text}")
    for package in ("lightning.pytorch", "lightning.fabric"):  # whose lines every process repeats
        logging.getLogger(package).setLevel(logging.WARNING)
    logging.getLogger("timm.models._builder").setLevel(logging.ERROR)  # lists the classifier a features net leaves out


class RunConfig(Callback):
    """Writes the configuration of a run into its folder, just before the first step.

    Args:
        text: YAML.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero and (run := RunFolder.of(trainer)):
            replace(run / CONFIG, self.text)


class Monitored(Callback):
    """Refuses a misspelt figure that a callback monitors, before the first step rather than after an epoch."""

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        there = [name for name in trainer.callback_metrics if name.startswith("val")]
        callbacks = [(type(each).__name__, getattr(each, "monitor", None)) for each in trainer.callbacks]  # type: ignore[attr-defined]
        schedules = [(type(each.scheduler).__name__, each.monitor) for each in trainer.lr_scheduler_configs]
        for waiting, name in [*callbacks, *schedules]:
            if there and name and name.startswith("val") and name not in there:
                raise unknown(f"figure to monitor by {waiting}", name, there)


def check_data(cli: ZooCLI) -> None:
    """Refuses data classes of the zoo that the module cannot learn from; other packages' are accepted."""
    wanted, given = getattr(cli.model, "learns_from", object), type(cli.datamodule)
    if given.__module__.startswith("zoo.") and not issubclass(given, wanted):
        raise ZooError(
            f"{type(cli.model).__name__} learns from {wanted.__name__}, not from {given.__name__}: see --data"
        )


def measure(cli: ZooCLI, verb: str, checkpoint: str | None) -> None:
    """Validates or tests, and prints the figures."""
    with _explaining(cli), _interruptible(cli, Signals()):
        check_data(cli)
        getattr(cli.trainer, verb)(cli.model, cli.datamodule, ckpt_path=checkpoint, weights_only=True, verbose=False)


@contextlib.contextmanager
def _interruptible(cli: ZooCLI, signals: Signals) -> Iterator[None]:
    """Exits after Ctrl-C or a signal with its exit code and a line; Lightning would exit with code 1, silently."""
    begun = mark_parent()
    with signals:
        try:
            yield
        except (Exception, KeyboardInterrupt, SystemExit) as end:
            if isinstance(end, Exception) and not (signals.received and cli.trainer.world_size > 1):
                raise  # others end at once, too, and break the connection
            end_others(cli.trainer, signals.ending is None)
            _end_interrupted(cli, signals.ending or signals.received or signal.SIGINT, begun)


def _end_interrupted(cli: ZooCLI, received: int, begun: bool) -> None:
    """Tells how to resume, and exits as a shell reports the signal; the process that began this one reports it."""
    _tell_interrupted(cli)
    if begun:
        sys.exit(0)
    if received == slurm.SIGNAL and slurm.job() and cli.trainer.is_global_zero:
        slurm.requeue()
        say(f"SLURM starts job {slurm.job()} again, which continues this run")
    if received == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + received)


@contextlib.contextmanager
def _explaining(cli: ZooCLI) -> Iterator[None]:
    """Reports a user's mistake as such, and removes the folder of a run that never began."""
    try:
        yield
    except Exception as error:
        ours, run = explained(error, cli.trainer_arguments()), cli.folder
        kept = run is not None and any((run / CHECKPOINTS).glob("*"))
        if not kept and (ours or not (run and (run / CONFIG).is_file())):
            cli.discard()
        if ours is None:
            raise
        if run and (run / LAST_CHECKPOINT).is_file() and not isinstance(error, ZooError):
            ours = ZooError(f"{ours}\nresume with: zoo fit --resume {shown(run)}")
        raise ours from error


def fit(cli: ZooCLI, publish: bool = False, every: float = math.inf) -> Path | None:
    """Trains the model, measures the best weights and loads them; returns the folder of the run.

    Args:
        cli: the command line.
        publish: whether a card of the run will be published.
        every: seconds between two checkpoints in the middle of an epoch.

    Returns:
        None after a dry run.

    Raises:
        ZooError: the training is not possible. A run that never began leaves no folder.
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: after another signal.
    """
    folder = cli.folder if cli.trainer.is_global_zero else None
    with locked(folder) if folder else contextlib.nullcontext(), _explaining(cli):
        check_data(cli)
        check_savable(cli)
        if publish:
            check_publishable(cli)
        _check_left(cli)
        signals = Signals()
        _add_callbacks(cli, signals, every)
        if folder:
            keep_metrics(folder)
            slurm.sign(folder)
        with _interruptible(cli, signals):
            cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=cli.checkpoint, weights_only=True)
            if signals.received:  # after the last step
                sys.exit(128 + signals.received)
        if not cli.trainer.global_step:
            raise ZooError("no step was trained: see --trainer.max_epochs, max_steps, max_time and limit_train_batches")
    if cli.folder is None:
        return None
    _restore_best(cli)
    return Path(os.path.relpath(cli.folder))


def _check_left(cli: ZooCLI) -> None:
    """Refuses a limit below what the run has trained already, and says if nothing is left to train."""
    for key, limit, done in (
        ("max_epochs", cli.trainer.max_epochs or -1, cli.done.epochs),
        ("max_steps", cli.trainer.max_steps, cli.done.steps),
    ):
        if 0 < limit < done:
            raise ZooError(f"--trainer.{key}: the run has made {done} already, so it cannot end after {limit}")
        if 0 < limit == done:
            say(f"Nothing is left to train; --trainer.{key} above {done} makes the run longer")


def _tell_interrupted(cli: ZooCLI) -> None:
    if not (cli.folder and cli.trainer.global_step):
        cli.discard()
    elif (cli.folder / LAST_CHECKPOINT).is_file():
        say(f"Interrupted. Resume with: zoo fit --resume {shown(cli.folder)}")
    elif cli.trainer.checkpoint_callback:
        say(f"Interrupted before the first checkpoint. Start again with: zoo fit --resume {shown(cli.folder)}")


def check_savable(cli: ZooCLI) -> None:
    """Checks before the training that the network can be saved after it."""
    if name := architecture_of(type(cli.model)):
        module = type(cli.model).__name__
        net, arguments = getattr(cli.model, "net", None), getattr(cli.model, "arguments", None)
        cls = import_object(architectures()[name].net)
        if not isinstance(net, cls) or not isinstance(arguments, dict):
            raise ZooError(f"{module} of {name} needs the attributes net ({cls.__name__}) and arguments (dict)")
        network.check_arguments(cls, arguments, module)


def _add_callbacks(cli: ZooCLI, signals: Signals, every: float) -> None:
    """Adds callbacks that describe the network in checkpoints and make the run resumable after an interrupt."""
    callbacks: list[Callback] = cli.trainer.callbacks  # type: ignore[attr-defined]
    callbacks.append(Monitored())
    if cli.folder is None:
        return
    config = portable.resolved(cli, cli.given)
    if name := architecture_of(type(cli.model)):
        recipe = portable.text(cli, cli.folder.parent.name)
        callbacks.append(Described({"architecture": name, "recipe": recipe, "config": config}))
    else:
        say(f"{type(cli.model).__name__} belongs to no architecture: it is trained, but no card can be made of the run")
    callbacks += [RunConfig(cli.whole()), RunFacts(), *Reporting.given()]
    if cli.trainer.checkpoint_callback:
        given = config["seed_everything"]
        seed = given if type(given) is int else None
        callbacks.append(Resumable(cli.folder / LAST_CHECKPOINT, seed, signals, every))


def leave_results(cli: ZooCLI, run: Path) -> dict[str, Path]:
    """Saves the network of an architecture where ``zoo predict`` and ``--weights`` find it; returns result paths."""
    sheets = sorted((run / "pictures").glob("*.png"))
    results = {"Pictures": sheets[-1]} if sheets else {}
    if leave := getattr(cli.model, "leave_results", None):
        results = leave(run)
    if (name := architecture_of(type(cli.model))) is None:
        kept = {"Checkpoints": run / LAST_CHECKPOINT.parent} if cli.trainer.checkpoint_callback else {}
        return {**kept, **results, "Run": run}
    about = {"recipe": f"{run.parent.name}.yaml", "data": type(cli.datamodule).__name__}
    weights.save(cli.model.net, run / "model", name, cli.model.arguments, **about, input=architectures()[name].input)
    return {"Model": run / "model", **results, "Run": run}


def check_publishable(cli: ZooCLI) -> None:
    """Checks before the training that a card can be published after it."""
    if not architecture_of(type(cli.model)):
        raise ZooError(f"--publish: {type(cli.model).__name__} belongs to no architecture, so it cannot have a card")
    if not (cli.trainer.checkpoint_callback and cli.folder):
        raise ZooError("--publish needs checkpoints, which a dry run does not write")


def _restore_best(cli: ZooCLI) -> None:
    """Measures the best weights and loads them: averaging has swapped the weights of the last step back in."""
    if best := getattr(cli.trainer.checkpoint_callback, "best_model_path", ""):
        if cli.trainer.enable_validation:
            measure(cli, "validate", best)
        cli.model.load_state_dict(load(Path(best))["state_dict"])
