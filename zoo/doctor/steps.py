"""Trains a network for a few steps on one batch: finite, falling loss, memory and time."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import gc
import io
import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer

KEPT = ("accelerator", "gradient_clip_val", "gradient_clip_algorithm", "deterministic", "benchmark")
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Tried:
    """What some steps on one batch showed.

    Args:
        losses: loss of each step.
        seconds: time of each step.
        bad: names of parameters whose gradients were not finite.
        peak: largest memory in bytes: of the process on CPUs, of tensors on a GPU; None: unknown.
        state: bytes of weights, buffers and the state of the optimiser, as a checkpoint holds them.
    """

    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    peak: float | None = None
    state: int = 0


class Watch(Callback):
    """Keeps losses and times of steps, and ends the training when its time is over.

    Args:
        steps: number of steps, over which the learning rate rises to the recipe's: without its schedule a network that
            starts from random weights could diverge.
        budget: seconds after which no further step begins.
    """

    def __init__(self, steps: int, budget: float) -> None:
        self.steps, self.budget, self.tried, self.began = steps, budget, Tried(), time.perf_counter()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        for optimizer in trainer.optimizers:
            if not isinstance(optimizer, torch.optim.LBFGS):
                for group in optimizer.param_groups:
                    group.setdefault("_full_lr", group["lr"])
                    group["lr"] = group["_full_lr"] * min(1.0, (batch_idx + 1) / self.steps)
        _wait(pl_module)
        self.start = time.perf_counter()

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.tried.bad:
            each = pl_module.named_parameters()
            self.tried.bad = [name for name, p in each if p.grad is not None and not p.grad.isfinite().all()]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        _wait(pl_module)
        now = time.perf_counter()
        self.tried.seconds.append(now - self.start)
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, torch.Tensor):
            self.tried.losses.append(float(loss.detach()))
        if now - self.began > self.budget:
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        tensors = [*pl_module.state_dict().values()]
        for optimizer in trainer.optimizers:
            tensors += [each for own in optimizer.state.values() for each in _values(own)]
        self.tried.state = sum(each.numel() * each.element_size() for each in tensors)


def _values(state: Any) -> list[torch.Tensor]:
    values = state.values() if isinstance(state, dict) else ()
    return [each for each in values if isinstance(each, torch.Tensor)]


def _wait(module: LightningModule) -> None:
    if module.device.type == "cuda":
        torch.cuda.synchronize(module.device)


def first_batch(data: LightningDataModule) -> tuple[Any, float]:
    """A training batch, made in this process, and the seconds that making one takes."""
    data.prepare_data()
    data.setup("fit")
    if hasattr(data, "num_workers"):
        data.num_workers = 0
    batches = iter(data.train_dataloader())
    batch = next(batches)  # the first also makes the pipeline
    begin, made = time.perf_counter(), 0
    for made, _ in enumerate(batches, 1):
        if made == 2:
            break
    return batch, (time.perf_counter() - begin) / made if made else 0.0


def try_steps(
    model: LightningModule, data: LightningDataModule, batch: Any, steps: int, trainer: Any, precision: Any,
    budget: float = 20.0,
) -> Tried:  # fmt: skip
    """Trains a copy of a model on one batch, with the recipe's optimiser and without its schedule.

    Args:
        model: LightningModule, which is not changed.
        data: data set of the batch.
        batch: batch as its loader gives it.
        steps: number of steps.
        trainer: the recipe's arguments of the trainer.
        precision: precision of the trainer.
        budget: seconds after which no further step begins.
    """
    own: Any = copy.deepcopy(model)
    if hasattr(own, "lr_scheduler"):
        own.lr_scheduler = None
    watch = Watch(steps, budget)
    with quiet(), repeating(data, batch, steps):
        each = trial(trainer, precision, max_steps=steps, max_epochs=-1, limit_val_batches=0, callbacks=[watch])
        device = each.strategy.root_device
        start_peak(device)
        with contextlib.redirect_stdout(io.StringIO()):  # what a training tells of itself
            each.fit(own, datamodule=data)
        watch.tried.peak = peak(device)
    return watch.tried


def validate(
    model: LightningModule, data: LightningDataModule, trainer: Any, precision: Any, batches: int = 2
) -> float:
    """Validates a copy of a model on a few batches; returns the seconds for one."""
    own = copy.deepcopy(model)
    with quiet():
        each = trial(trainer, precision, limit_val_batches=batches)
        watch = Validated()
        each.callbacks.append(watch)  # type: ignore[attr-defined]
        with contextlib.redirect_stdout(io.StringIO()):  # figures of an untrained network
            each.validate(own, datamodule=data, verbose=False)
    return watch.seconds / max(watch.count, 1)


class Validated(Callback):
    """Times the batches of a validation."""

    seconds, count, start = 0.0, 0, 0.0

    def on_validation_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        _wait(pl_module)
        self.start = time.perf_counter()

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        _wait(pl_module)
        self.seconds, self.count = self.seconds + time.perf_counter() - self.start, self.count + 1


def trial(trainer: Any, precision: Any, **changes: Any) -> Trainer:
    """A trainer on one device that keeps and shows nothing."""
    given = {name: trainer[name] for name in KEPT if trainer.get(name) is not None}
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    silent: Any = dict.fromkeys(off, False)
    return Trainer(**given, devices=1, precision=precision, num_sanity_val_steps=0, **silent, **changes)


@dataclass
class Repeated:
    """A loader of one batch, again and again; a list would be several loaders for Lightning."""

    batch: Any
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        return (copy.deepcopy(self.batch) for _ in range(self.count))


@contextlib.contextmanager
def repeating(data: LightningDataModule, batch: Any, count: int) -> Iterator[None]:
    """Makes a data set train on one batch only."""
    vars(data)["train_dataloader"] = lambda: Repeated(batch, count)
    try:
        yield
    finally:
        del vars(data)["train_dataloader"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides what Lightning tells of trainings that are none."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [each.level for each in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for each in loggers:
            each.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for each, level in zip(loggers, levels, strict=True):
                each.setLevel(level)


def start_peak(device: torch.device) -> None:
    """Begins to measure the largest memory; freed memory is given back first."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif RESET.exists():
        with contextlib.suppress(OSError, AttributeError):  # no glibc
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        with contextlib.suppress(OSError):
            RESET.write_text("5")


def peak(device: torch.device) -> float | None:
    """The largest memory in bytes since :func:`start_peak`."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return _status("VmHWM:") if device.type == "cpu" else None


def resident() -> float | None:
    """The memory of this process in bytes."""
    return _status("VmRSS:")


def _status(key: str) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        for line in STATUS.read_text().splitlines():
            if line.startswith(key):
                return 1024.0 * int(line.split()[1])
    return None
