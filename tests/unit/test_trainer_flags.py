"""The flags of ``Trainer`` that users set most, right and wrong, on street scenes of 64x64 pixels.

A right one trains and leaves a model that loads. A wrong one is refused with exit code 2 and one or two lines that name
the key, and leaves no folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from zoo import load
from zoo.commands import main

RECIPE = """\
seed_everything: 1
model:
  class_path: zoo.models.linknet.module.LinkNetModule
  init_args:
    encoder: test_resnet
    encoder_weights: null
    lr_scheduler:
      class_path: zoo.nn.schedule.WarmupPolyLR
data:
  class_path: zoo.data.StreetScenes
  init_args:
    size: [64, 64]
    train: 4
    val: 2
    batch_size: 2
    num_workers: 0
    augment: {crop: [32, 32]}
trainer:
  accelerator: cpu
  max_epochs: 1
  log_every_n_steps: 1
"""
FIGURES = "val/mIoU"
EARLY = "callbacks+=lightning.pytorch.callbacks.EarlyStopping"
BEST = "callbacks+=lightning.pytorch.callbacks.ModelCheckpoint"
PLATEAU = "model.lr_scheduler=lightning.pytorch.cli.ReduceLROnPlateau"
ONE_CYCLE = "model.lr_scheduler=torch.optim.lr_scheduler.OneCycleLR model.lr_scheduler.max_lr=0.01"

RIGHT = (  # each of them is a run; keys without a section are the trainer's
    "max_epochs=-1 max_steps=2",
    "max_epochs=null max_steps=2 min_epochs=3",
    "min_steps=5 max_time=00:00:05:00",
    "precision=64-true accumulate_grad_batches=2",
    "precision=16-mixed gradient_clip_val=1",
    "precision=bf16-mixed gradient_clip_val=1 gradient_clip_algorithm=value",
    "devices=auto accelerator=auto strategy=auto",
    "logger=false",
    "logger=true callbacks=null",
    "logger=lightning.pytorch.loggers.CSVLogger logger.save_dir=logs",
    f"{EARLY} callbacks.monitor=val/mIoU callbacks.mode=max",
    f"{EARLY} callbacks.monitor=train/loss",
    f"{BEST} callbacks.monitor=val/mIoU callbacks.mode=max callbacks.dirpath=elsewhere",
    "callbacks+=lightning.pytorch.callbacks.StochasticWeightAveraging callbacks.swa_lrs=0.01 max_epochs=2",
    "model.lr_scheduler=torch.optim.lr_scheduler.ReduceLROnPlateau max_epochs=2",
    f"{PLATEAU} model.lr_scheduler.monitor=val/mIoU max_epochs=2",
    f"{PLATEAU} model.lr_scheduler.monitor=train/loss max_epochs=2",
    f"{ONE_CYCLE} model.lr_scheduler.total_steps=2",
    "limit_train_batches=1 limit_val_batches=0",
    "limit_train_batches=0.5 limit_val_batches=1 num_sanity_val_steps=-1",
    "overfit_batches=1 reload_dataloaders_every_n_epochs=1",
    "val_check_interval=1 num_sanity_val_steps=0",
    "val_check_interval=3 check_val_every_n_epoch=null max_epochs=2",
    "check_val_every_n_epoch=5 log_every_n_steps=0",
    "enable_checkpointing=false enable_progress_bar=false",
    "deterministic=true benchmark=true inference_mode=false use_distributed_sampler=false",
    "profiler=simple detect_anomaly=true enable_model_summary=true",
    "plugins=[] sync_batchnorm=true default_root_dir=rooted",
)
WRONG = {  # and a part of what is said
    "max_epochs=-1": "WarmupPolyLR",  # which falls over the length of a run
    "max_epochs=0": "max_epochs",
    "max_epochs=-2": "max_epochs",
    "max_epochs=1.5": "max_epochs",
    "max_steps=0": "max_steps",
    "max_time=nonsense": "max_time.*DD:HH:MM:SS",
    "max_time={seconds: 0}": "max_time",
    "precision=bf16-true": "precision.*bf16-mixed",
    "precision=16-true": "precision.*16-mixed",
    "precision=fp16": "precision.*16-mixed",
    "devices=[0]": "devices",
    "devices=0": "devices",
    "devices=nonsense": "devices",
    "num_nodes=0": "num_nodes",
    "accelerator=nonsense": "accelerator.*cpu",
    "accelerator=tpu": "tpu|torch_xla",
    "strategy=nonsense": "strategy.*ddp",
    "strategy=ddp_spawn devices=2": "ddp_spawn",
    "strategy=ddp_notebook": "strategy.*ddp",
    "strategy=deepspeed_stage_2": "strategy deepspeed_stage_2 splits the weights.*: use ddp",
    "strategy=ddp sync_batchnorm=true model.encoder=test_efficientnet": "BatchNormAct2d, .* lose its activation",
    "logger=nonsense": "logger",
    "fast_dev_run=-1": "fast_dev_run",
    f"{EARLY} callbacks.monitor=val/miou": f"val/miou.*{FIGURES}",
    f"{EARLY} callbacks.monitor=val/mIoU callbacks.mode=best": "mode.*min, max",
    EARLY: "callbacks",
    f"{BEST} callbacks.monitor=val/miou": f"val/miou.*{FIGURES}",
    f"{BEST} callbacks.save_top_k=3": "save_top_k",
    "callbacks+=lightning.pytorch.callbacks.LearningRateMonitor logger=false": "LearningRateMonitor",
    "callbacks+=lightning.pytorch.callbacks.LearningRateFinder": "learning rate finder",
    "callbacks=nonsense": "callbacks.*nonsense",
    f"{PLATEAU} model.lr_scheduler.monitor=val/miou": f"val/miou.*{FIGURES}",
    ONE_CYCLE: "lr_scheduler.*total_steps",
    f"{ONE_CYCLE} model.lr_scheduler.total_steps=1": "OneCycleLR",
    "model.lr_scheduler=torch.optim.lr_scheduler.StepLR model.lr_scheduler.step_size=0": "lr_scheduler.*StepLR",
    "model.optimizer=torch.optim.LBFGS": "optimizer.*LBFGS",
    "model.optimizer=torch.optim.SparseAdam": "optimizer.*SparseAdam",
    "model.optimizer=torch.optim.SGD model.optimizer.lr=-1": "optimizer.*rate.*-1",
    "limit_train_batches=0": "limit_train_batches",
    "limit_train_batches=0.01": "limit_train_batches",
    "limit_train_batches=1.5": "limit_train_batches",
    "limit_val_batches=-1": "limit_val_batches",
    "overfit_batches=-1": "overfit_batches",
    "val_check_interval=100": r"val_check_interval.* \(2\)",
    "val_check_interval=0": "val_check_interval",
    "check_val_every_n_epoch=0": "check_val_every_n_epoch",
    "check_val_every_n_epoch=-1": "check_val_every_n_epoch",
    "num_sanity_val_steps=-5": "num_sanity_val_steps",
    "log_every_n_steps=-1": "log_every_n_steps",
    f"enable_checkpointing=false {BEST}": "enable_checkpointing",
    "enable_progress_bar=false callbacks+=lightning.pytorch.callbacks.RichProgressBar": "enable_progress_bar",
    "accumulate_grad_batches=0": "accumulate_grad_batches",
    "gradient_clip_val=-1": "gradient_clip_val",
    "gradient_clip_val=1 gradient_clip_algorithm=nonsense": "gradient_clip_algorithm.*norm",
    "deterministic=nonsense": "deterministic.*warn",
    "profiler=nonsense": "profiler.*simple",
    "barebones=true": "barebones",
    "plugins=nonsense": "plugins",
    "sync_batchnorm=nonsense": "sync_batchnorm.*true",
    "reload_dataloaders_every_n_epochs=-1": "reload_dataloaders_every_n_epochs",
    "default_root_dir=mini.yaml": "mini.yaml",
    "data.seed=-1": "data.seed must be 0",
    "data.seed=99999999999": "data.seed must be 0",
    "max_epoch=1": "did you mean --trainer.max_epochs",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the recipe lies and runs go."""
    (tmp_path / "mini.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    deterministic, threads = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


def fit(flags: str) -> int:
    """``zoo fit`` with keys of the trainer, or of another section."""
    keys = re.split(r" (?=[a-z_.]+\+?=)", flags)
    words = [f"--{key}" if key.startswith(("model.", "data.")) else f"--trainer.{key}" for key in keys]
    return main.main(["fit", "--recipe", "mini.yaml", *words])


@pytest.mark.parametrize("flags", RIGHT, ids=RIGHT)
def test_a_right_flag_leaves_a_model(flags: str, folder: Path, capsys: pytest.CaptureFixture):
    code = fit(flags)
    assert code == 0, capsys.readouterr().err
    (config,) = folder.rglob("model/config.json")
    assert config.parent.parent.name == "version_0"
    assert load(config.parent).labels


@pytest.mark.parametrize(("flags", "said"), WRONG.items(), ids=WRONG)
def test_a_wrong_flag_is_refused_by_its_name(flags: str, said: str, folder: Path, capsys: pytest.CaptureFixture):
    code = fit(flags)
    lines = capsys.readouterr().err.rpartition("zoo: ")[2].splitlines()
    assert code == 2, lines
    assert lines[0].startswith("error: ")
    assert re.search(said, " ".join(lines)), lines
    assert len(lines) <= 3
    assert max(map(len, lines)) <= 300
    assert [path.name for path in folder.iterdir()] == ["mini.yaml"]


def test_a_dry_run_leaves_nothing(folder: Path):
    assert fit("fast_dev_run=true") == 0
    assert [path.name for path in folder.iterdir()] == ["mini.yaml"]
