"""Records what the figures of a run depend on beside its recipe: data, versions, devices."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from zoo.base.packages import versions
from zoo.nn.learning import RunFolder
from zoo.training.progress import monitor_of
from zoo.training.states import Facts

PACKAGES = ("torch", "lightning", "timm", "albumentations", "numpy", "opencv-python-headless", "pillow")  # of figures


class RunFacts(Callback):
    """Writes :class:`zoo.training.states.Facts` into the folder of a run, just before the first step."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not (trainer.is_global_zero and (run := RunFolder.of(trainer))):
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        digests = data.digests() if hasattr(data, "digests") else {}  # of another package
        Facts(versions(PACKAGES), digests, trainer.world_size, monitor_of(pl_module) or ()).write(run)
