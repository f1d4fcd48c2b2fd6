"""What ``zoo fit``, ``zoo validate`` and ``zoo test`` do between their command line and their results."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import warnings
from pathlib import Path

from lightning.pytorch import Callback

from zoo.base.errors import ZooError
from zoo.base.registry import architecture_of, architectures
from zoo.cards import weights
from zoo.data.sampling import use_one_opencv_thread
from zoo.nn.cpu import keep_freed_memory
from zoo.training import portable
from zoo.training.checkpoints import Described, InterruptCheckpoint, load
from zoo.training.cli import LAST, ZooCLI, say

UNHELPFUL = (  # warnings that users cannot act on
    "LightningCLI's args parameter",
    "does not have many workers",
    "The number of training batches",
    "was called without a model",  # the one given is meant
    "there is no last checkpoint available",  # there is none before the first epoch
    "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
)


def prepare_process() -> None:
    """Quiets what users can't act on and sets memory and threads up for training."""
    keep_freed_memory()
    use_one_opencv_thread()
    for text in UNHELPFUL:
        warnings.filterwarnings("ignore", f".*{text}")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("timm.models._builder").setLevel(logging.ERROR)  # lists the classifier a features net leaves out


def measure(cli: ZooCLI, verb: str, checkpoint: str | None) -> None:
    """Validates or tests, which prints the figures."""
    getattr(cli.trainer, verb)(cli.model, cli.datamodule, ckpt_path=checkpoint, weights_only=True, verbose=False)


def fit(cli: ZooCLI) -> Path:
    """Trains, measures the best weights and leaves them in the model; returns the folder of the run.

    Raises:
        ZooError: what cannot be trained. A run that never began leaves no folder.
        KeyboardInterrupt: after Ctrl-C.
    """
    # not trainer.log_dir, which waits for the other ranks
    run = Path(os.path.relpath(getattr(cli.trainer.logger, "log_dir", None) or cli.trainer.default_root_dir))
    fresh = not run.exists()
    _add_callbacks(cli, run)
    try:
        cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=cli.checkpoint, weights_only=True)
    except SystemExit:  # what Lightning makes of Ctrl-C, once it has shut down
        say(f"Interrupted. Resume with: zoo fit --resume {run}")
        raise KeyboardInterrupt from None
    except ZooError:
        if fresh and not (run / LAST.parent).exists():
            shutil.rmtree(run, ignore_errors=True)
            with contextlib.suppress(OSError):  # other runs are in it
                run.parent.rmdir()
                run.parent.parent.rmdir()
        raise
    _restore_best(cli)
    return run


def _add_callbacks(cli: ZooCLI, run: Path) -> None:
    """Has checkpoints say what they are of, where that has a name, and an interrupted first epoch leave one."""
    callbacks: list[Callback] = cli.trainer.callbacks  # type: ignore[attr-defined]
    if name := architecture_of(type(cli.model)):
        recipe, config = portable.text(cli, run.parent.name), portable.resolved(cli, cli.given)
        callbacks.append(Described({"architecture": name, "recipe": recipe, "config": config}))
    else:
        say(f"{type(cli.model).__name__} belongs to no architecture: it is trained, but no card can be made of the run")
    if cli.trainer.checkpoint_callback:
        callbacks.append(InterruptCheckpoint(run / LAST.parent, LAST.stem))


def leave_results(cli: ZooCLI, run: Path) -> dict[str, Path]:
    """Saves the network of an architecture where ``zoo predict`` and ``--weights`` find it; returns what lies where."""
    sheets = sorted((run / "pictures").glob("*.png"))
    results = {"Pictures": sheets[-1]} if sheets else {}
    if leave := getattr(cli.model, "leave_results", None):
        results = leave(run)
    if (name := architecture_of(type(cli.model))) is None:
        kept = {"Checkpoints": run / LAST.parent} if cli.trainer.checkpoint_callback else {}
        return {**kept, **results, "Run": run}
    about = {"recipe": f"{run.parent.name}.yaml", "data": type(cli.datamodule).__name__}
    weights.save(cli.model.net, run / "model", name, cli.model.arguments, **about, input=architectures()[name].input)
    return {"Model": run / "model", **results, "Run": run}


def check_publishable(cli: ZooCLI, samples: bool) -> None:
    """Refuses to train what could not be published afterwards; without samples the run has to leave pictures."""
    if not architecture_of(type(cli.model)):
        raise ZooError(f"--publish: {type(cli.model).__name__} belongs to no architecture, so it cannot have a card")
    if not (cli.trainer.checkpoint_callback and (cli.trainer.logger or samples)):
        raise ZooError("--publish needs checkpoints and a logger, which keeps pictures, or --samples PICTURE ...")


def _restore_best(cli: ZooCLI) -> None:
    """Measures the best weights and leaves them in the model: averaging has swapped those of the last step back in."""
    if best := getattr(cli.trainer.checkpoint_callback, "best_model_path", ""):
        if cli.trainer.enable_validation:
            measure(cli, "validate", best)
        cli.model.load_state_dict(load(Path(best))["state_dict"])
