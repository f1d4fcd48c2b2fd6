"""The folder of a run: it is made before anything else, and never shared with another run."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import LightningModule, Trainer

from zoo.base import processes
from zoo.base.errors import ZooError
from zoo.base.paths import shown
from zoo.nn.learning import RunFolder

CHECKPOINTS = "checkpoints"
LAST_CHECKPOINT = Path(CHECKPOINTS, "last.ckpt")
SHARED = "ZOO_RUN_FOLDER"  # environment variable that passes the folder to processes that Lightning starts
OWN = ("TensorBoardLogger", "CSVLogger")  # loggers that write below SAVE_DIR/NAME/VERSION


class BegunFolder(RunFolder):
    """Tells every process the folder that the first one made."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.path = Path(trainer.strategy.broadcast(str(self.path)))


def parent_of(trainer: Any, name: str) -> Path:
    """The folder of all runs of a recipe, by the trainer's arguments and the first logger on this disk."""
    place: Any = next(iter(_places(trainer)), {})
    save_dir = trainer.default_root_dir if place.get("save_dir") in (None, "runs") else place["save_dir"]
    return Path(save_dir or "runs", place.get("name", name) or "").absolute()


def _places(trainer: Any) -> list[Any]:
    loggers = trainer.logger if isinstance(trainer.logger, list) else [trainer.logger]
    return [each.init_args for each in loggers if getattr(each, "class_path", "").rpartition(".")[2] in OWN]


def choose(trainer: Any, name: str, resume: Path | None) -> Path:
    """Makes the folder of a run and has its loggers write there.

    The folder is ``SAVE_DIR/NAME/version_N``, as TensorBoard's logger names it, whatever the loggers are. The first of
    several processes makes it. Processes that it starts read its name from the environment, others receive it from
    :class:`BegunFolder`.

    Args:
        trainer: arguments of the trainer, changed in place.
        name: name of the folder of all runs of the recipe.
        resume: folder of the run to resume, which is kept.

    Raises:
        ZooError: the folder of that version exists already.
    """
    if resume and not os.access(resume, os.W_OK):
        raise ZooError(f"{resume}: cannot write to the folder of this run, where it would resume; copy it elsewhere")
    own = _places(trainer)
    folder = resume or _claim(parent_of(trainer, name), own[0].get("version") if own else None)
    for each in own:
        each.save_dir, each.name, each.version = str(folder.parent.parent), folder.parent.name, folder.name
    return folder


def _not_first() -> bool:
    return bool(rank_zero_only.rank or processes.rank())  # type: ignore[attr-defined]  # known late on other machines


def _claim(parent: Path, version: str | int | None) -> Path:
    if _not_first():
        return Path(os.environ.get(SHARED) or parent / "version_of_the_first_process")
    wanted: Iterable[str]
    if version is not None:
        name = version if isinstance(version, str) else f"version_{version}"
        if Path(name).name != name or name in ("", ".."):
            raise ZooError(f"--trainer.logger.version must be the name of a folder, not {version!r}")
        wanted = [name]
    else:
        taken = [int(path.name[8:]) for path in parent.glob("version_*") if path.name[8:].isdecimal()]
        wanted = (f"version_{number}" for number in range(max(taken, default=-1) + 1, 1 << 32))
    for each in wanted:
        try:
            (folder := parent / each).mkdir(parents=True)  # fails where another process was faster
        except FileExistsError:
            continue
        except OSError as error:
            where = "--trainer.default_root_dir FOLDER puts runs elsewhere"
            raise ZooError(f"{parent}: cannot make the folder of the run: {error.strerror}; {where}") from None
        os.environ[SHARED] = str(folder)
        return folder
    raise ZooError(
        f"{parent / each}: a run exists already; leave out --trainer.logger.version, or resume that run:\n"
        f"zoo fit --resume {shown(parent / each)}"
    )


def keep_metrics(folder: Path) -> None:
    """Renames the figures of a resumed run: Lightning's CSVLogger would remove them."""
    if (metrics := folder / "metrics.csv").is_file():
        taken = [int(path.stem[8:]) for path in folder.glob("metrics_*.csv") if path.stem[8:].isdecimal()]
        metrics.rename(folder / f"metrics_{max(taken, default=0) + 1}.csv")


def missing(folder: Path) -> list[Path]:
    """The folders on a path that do not exist yet, the innermost first."""
    return [each for each in (folder, *folder.parents) if not each.exists()]


def discard(folder: Path, made: Iterable[Path]) -> None:
    """Removes the folder of a run that never began, and empty folders that were made above it."""
    if _not_first():
        return
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # other runs are in it
        for each in made:
            each.rmdir()
