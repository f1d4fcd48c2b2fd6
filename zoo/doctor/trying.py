"""Checks of model and data together: a batch forward and backward, memory, time and disk."""

from __future__ import annotations

import math
import shutil
import statistics
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule

from zoo.base.memory import free_bytes, gigabytes, ran_out
from zoo.doctor.findings import Finding, Level, Report
from zoo.doctor.recipe import Examined
from zoo.doctor.steps import Tried, first_batch, resident, try_steps, validate

STEPS = 12  # on one batch, by which the loss must have fallen
FALLS = 0.03  # fraction of the first loss by which it must have fallen
FULL = 0.9  # fraction of the free memory from which on memory is scarce
CHECKPOINTS = 3  # best, last, and the one that is being written


class Trial:
    """The model of a recipe on a batch of its data, in checks that follow each other.

    Args:
        examined: the recipe, whose classes are made.
        report: gets facts; findings are yielded.
    """

    def __init__(self, examined: Examined, report: Report) -> None:
        self.examined, self.report = examined, report
        self.model: LightningModule = examined.model
        self.data: LightningDataModule = examined.datamodule
        self.options: Any = dict(examined.config["trainer"])
        self.precision: Any = examined.trainer.precision
        self.device = examined.trainer.strategy.root_device
        self.batches: dict[int | None, tuple[LightningDataModule, Any]] = {}
        self.making = 0.0  # seconds to make a batch
        self.tried: Tried | None = None
        self.too_large = False  # whether a batch needs more memory than can be had

    def batch(self, size: int | None) -> tuple[LightningDataModule, Any]:
        """A data set with this batch size and a batch of it; the pictures are read once."""
        if size not in self.batches:
            data = self.data
            if size != self.examined.batch_size:
                data = self.examined.data(size)
                if kept := getattr(self.data, "_kept", None):
                    data._kept = kept  # type: ignore[attr-defined]
            batch, seconds = first_batch(data)
            self.batches[size] = data, batch
            self.making = seconds
        return self.batches[size]

    def steps(self, size: int | None, count: int, precision: Any) -> Tried:
        data, batch = self.batch(size)
        return try_steps(self.model, data, batch, count, self.options, precision)

    def sizes(self) -> list[int | None]:
        """Two smaller batch sizes and the recipe's; only that one if it is too small to be divided."""
        full = self.examined.batch_size
        if full is None:
            return [None]
        small, half = max(2, full // 4), full // 2
        return [small, half, full] if small < half else [full]

    def prepare(self) -> Iterator[Finding]:
        """Reads the data and makes a batch."""
        self.batch(self.examined.batch_size)
        yield from ()

    def float32(self) -> Iterator[Finding]:
        """One step in float32, of the smallest batch."""
        yield from finite(self.steps(self.sizes()[0], 1, "32-true"), "float32")

    def memory(self) -> Iterator[Finding]:
        """Peak memory at two batch sizes and, extrapolated, at the recipe's, against what is free."""
        sizes = [size for size in self.sizes() if size is not None]
        measured = [(size, self.steps(size, 2, self.precision).peak) for size in sizes[:-1]]
        if len(measured) < 2 or None in [used for _, used in measured]:
            return
        (a, low), (b, high) = measured
        assert low is not None
        assert high is not None
        need = high + max(high - low, 0.0) / (b - a) * (sizes[-1] - b)
        free = free_bytes(self.device) + ((resident() or 0.0) if self.device.type == "cpu" else 0.0)
        told = f"about {gigabytes(need)} at batch size {sizes[-1]} ({gigabytes(low)} at {a}, {gigabytes(high)} at {b})"
        values = {"bytes": need, "free": free if math.isfinite(free) else None, "measured": dict(measured)}
        self.report.fact("memory", values, f"{told}; {gigabytes(free)} can be had on {self.device.type}")
        if need > FULL * free:
            fitting = int(b + (FULL * free - high) / max((high - low) / (b - a), 1.0))
            self.too_large = need > free
            level: Level = "error" if self.too_large else "warning"
            do = f"take a smaller batch: --data.batch_size {max(1, fitting)} --trainer.accumulate_grad_batches N"
            yield Finding(
                "memory", level, f"a step needs {gigabytes(need)} of memory, {gigabytes(free)} can be had", do
            )

    def learns(self) -> Iterator[Finding]:
        """Steps on one batch in the recipe's precision: finite, and the loss falls."""
        if self.too_large:
            return
        try:
            tried = self.tried = self.steps(self.examined.batch_size, STEPS, self.precision)
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error):
                raise
            yield Finding("memory", "error", "memory ran out in a step", "take a smaller batch: --data.batch_size N")
            return
        yield from finite(tried, str(self.precision))
        losses = tried.losses
        if len(losses) < 2 or not all(map(math.isfinite, losses)):
            return
        if tried.peak:
            self.report.fact("memory used", tried.peak, f"{gigabytes(tried.peak)} at most, measured")
        first, best = losses[0], min(losses[1:])
        told = f"{first:.4g} -> {losses[-1]:.4g} in {len(losses)} steps on one batch ({self.precision})"
        self.report.fact("loss", {"losses": losses, "precision": str(self.precision)}, told)
        if first - best < FALLS * abs(first) and len(losses) >= STEPS:
            do = "look at the sheet: do masks fit the pictures? else another learning rate: --model.optimizer.lr RATE"
            yield Finding("overfit", "warning", f"the loss hardly falls on one batch: {told}", do)

    def time(self) -> Iterator[Finding]:
        """Time of a step, of an epoch and of the run."""
        if self.tried is None or not self.tried.seconds:
            return
        seconds = self.tried.seconds[2:] or self.tried.seconds
        middle = statistics.fmean if self.examined.batch_size is None else statistics.median
        step, workers = middle(seconds), int(self._workers() or 0)
        step = max(step, self.making / workers) if workers else step + self.making
        per_epoch, val = self._counts()
        one = validate(self.model, self.data, self.options, self.precision) if val else 0.0
        every = self.options.get("check_val_every_n_epoch") or 1
        epoch = per_epoch * step + val * one / every
        epochs, known = self._length(per_epoch)
        values: dict[str, Any] = {"step": step, "epoch": epoch, "batches": per_epoch, "validation": val * one}
        lines = [f"a step {seconds_text(step)}, of which data {seconds_text(self.making)}; {per_epoch} steps an epoch"]
        lines += [f"an epoch {seconds_text(epoch)} on this machine, with its validation"]
        if known:
            total = min(epochs * epoch, self._most_seconds())
            end = datetime.now().astimezone() + timedelta(seconds=total)
            values |= {"epochs": epochs, "run": total, "end": end.isoformat(timespec="seconds")}
            lines.append(f"the run {seconds_text(total)}: started now, it ends about {end:%a %d %b %H:%M}")
        else:
            lines.append("the run has no end: --trainer.max_epochs N sets one")
        self.report.fact("time", values, *lines)
        yield from ()

    def _workers(self) -> int | None:
        config = self.examined._get(self.examined.config, "data").get("init_args", {})
        given = config.get("num_workers")
        from zoo.data.sampling import default_workers

        return default_workers() if given is None else given

    def _counts(self) -> tuple[int, int]:
        """Training steps of an epoch, and batches of a validation, both of each device."""
        world = self.examined.trainer.world_size
        self.data.trainer = self.examined.trainer  # whose length some epochs depend on
        train = _limited(len(self.data.train_dataloader()), self.options.get("limit_train_batches"))
        try:
            val = _limited(len(self.data.val_dataloader()), self.options.get("limit_val_batches"))
        except (AttributeError, NotImplementedError, TypeError):
            val = 0
        return math.ceil(train / world), math.ceil(val / world)

    def _length(self, per_epoch: int) -> tuple[float, bool]:
        """Epochs of the run, and whether it has an end."""
        epochs, steps = self.options.get("max_epochs"), self.options.get("max_steps", -1)
        limits = [float(epochs)] if epochs not in (None, -1) else []
        if steps not in (None, -1):
            limits.append(steps * (self.options.get("accumulate_grad_batches") or 1) / max(per_epoch, 1))
        if not limits and epochs is None:
            limits = [1000.0]  # Lightning's
        return (min(limits), True) if limits else (math.inf, self._most_seconds() < math.inf)

    def _most_seconds(self) -> float:
        limit: Any = self.options.get("max_time")
        if isinstance(limit, str):
            days, hours, minutes, seconds = map(int, limit.split(":"))
            return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
        if isinstance(limit, dict):
            return timedelta(**limit).total_seconds()
        return limit.total_seconds() if isinstance(limit, timedelta) else math.inf

    def disk(self) -> Iterator[Finding]:
        """Free disk against the checkpoints of the run."""
        if self.tried is None:
            return
        need = CHECKPOINTS * self.tried.state
        place = self.examined.place().absolute()
        there = next(each for each in (place, *place.parents) if each.exists())
        free = shutil.disk_usage(there).free
        values = {"checkpoint": self.tried.state, "free": free}
        told = f"a checkpoint {self.tried.state / 1e6:.1f} MB, {gigabytes(free)} free in {_short(there)}"
        self.report.fact("disk", values, told)
        if need > free:
            do = "free some, or put runs elsewhere: --trainer.default_root_dir FOLDER"
            yield Finding(
                "disk", "error", f"checkpoints need {gigabytes(need)}, {gigabytes(free)} are free", do, (str(there),)
            )


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _limited(count: int, limit: Any) -> int:
    if limit is None:
        return count
    return int(count * limit) if isinstance(limit, float) else min(count, limit)


def finite(tried: Tried, precision: str) -> Iterator[Finding]:
    """Losses and gradients that are not finite."""
    do = "look at the batch on the sheet; else a smaller learning rate or --trainer.precision 32-true"
    if not all(map(math.isfinite, tried.losses)):
        step = next(i for i, loss in enumerate(tried.losses, 1) if not math.isfinite(loss))
        yield Finding("finite", "error", f"the loss of step {step} in {precision} is {tried.losses[step - 1]}", do)
    elif tried.bad:
        told = f"gradients in {precision} are not finite in {len(tried.bad)} tensors"
        yield Finding("finite", "error", told, do, tuple(tried.bad))


def seconds_text(seconds: float) -> str:
    """A duration as people say it, such as "0.7 s", "12 min" or "1 h 07 min"."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
