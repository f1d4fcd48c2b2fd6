"""Jobs of a real SLURM: one is interrupted, requeued, preempted and finished, one shares pictures.

They are skipped where SLURM is not installed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from forked import Ranks
from scheduler import Slurm, missing
from zoo.commands import main

ROOT = Path(__file__).parents[2]
CALLBACK = """\
import os
import signal
import subprocess
import threading
from lightning.pytorch import Callback


class Scheduled(Callback):
    def on_before_optimizer_step(self, trainer, *_):
        job, starts = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURM_RESTART_COUNT", "0")
        if not job or not trainer.is_global_zero:
            return
        if (starts, trainer.global_step) == ("0", 5):
            subprocess.run(["scancel", "--signal=USR1", job], check=True)  # to the tasks, as --signal does
        if (starts, trainer.global_step) == ("1", 8):
            urgent = ["--partition=urgent", "--exclusive", "--export=NONE", "--output=/dev/null", "--wrap=true"]
            arrived, before = threading.Event(), signal.getsignal(signal.SIGTERM)
            signal.signal(signal.SIGTERM, lambda *told: (before(*told), arrived.set()))
            subprocess.run(["sbatch", *urgent], check=True)
            assert arrived.wait(60)  # or the training would end first
"""
TRAINING = ["--data.train=16", "--data.val=2", "--trainer.max_epochs=3", "--trainer.num_sanity_val_steps=0"]
TRAINING += ["--trainer.callbacks+=scheduled.Scheduled"]
SUBMITTED = ["--trainer.devices=2", "--submit=slurm", "--time=5m"]


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """One node of at least two CPUs."""
    if name := missing():
        pytest.skip(f"SLURM is not installed: there is no {name}")
    if not Path(sys.executable).with_name("zoo").exists():
        pytest.skip("zoo is not installed beside Python")
    with Slurm() as running:
        for name, value in running.variables.items():
            monkeypatch.setenv(name, value)
        yield running


def test_a_job_that_asks_for_another_start_and_is_preempted_ends_with_the_weights_of_a_whole_run(
    slurm: Slurm, mini_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Two tasks get the signal that SLURM sends before the time limit; the scheduler then ends and starts the job.

    Afterwards a job of a higher priority takes the node.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    (tmp_path / "scheduled.py").write_text(CALLBACK)
    (tmp_path / "mini.yaml").write_text(mini_recipe)
    assert main.main(["fit", "--recipe", "mini.yaml", *TRAINING, *SUBMITTED]) == 0
    job = capsys.readouterr().out.split()[-1]
    Ranks("--recipe", "mini.yaml", *TRAINING, "--trainer.logger.name=whole", world=2).end(0, 0)
    slurm.wait(lambda: "JobState=COMPLETED" in slurm.ask("scontrol", "show", "job", job))
    told = (tmp_path / f"zoo_mini_{job}.txt").read_text()
    assert told.count("Interrupted. Resume with: zoo fit --resume runs/mini/version_0") == 2, told
    assert f"SLURM starts job {job} again, which continues this run" in told
    assert "Restarts=2" in slurm.ask("scontrol", "show", "job", job)
    (run,) = (tmp_path / "runs" / "mini").iterdir()
    whole = tmp_path / "runs" / "whole" / "version_0"
    ours, theirs = (torch.load(each / "checkpoints/last.ckpt", weights_only=True) for each in (run, whole))
    assert ours["global_step"] == theirs["global_step"] == 12
    assert (run / "model/model.safetensors").read_bytes() == (whole / "model/model.safetensors").read_bytes()
    assert main.main(["runs"]) == 0
    row = next(line.split() for line in capsys.readouterr().out.splitlines() if "runs/mini" in line)
    assert row[:4] == ["runs/mini/version_0", "complete", "3", "12"]
    assert row[-1] == job


def test_the_tasks_of_srun_share_the_pictures(
    slurm: Slurm, tiny_linknet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "in").mkdir()
    for number in range(5):
        Image.effect_noise((64, 64), 60).convert("RGB").save(tmp_path / "in" / f"{number}.png")
    zoo = str(Path(sys.executable).with_name("zoo"))
    told = slurm.ask("srun", "--ntasks=2", zoo, "predict", str(tiny_linknet), "in", "-o", "out")
    assert sorted(told.splitlines()) == ["2 of 2 pictures: out", "3 of 3 pictures: out"]
    for task, names in enumerate((["0", "2", "4"], ["1", "3"])):
        lines = (tmp_path / "out" / f"results-{task}-of-2.jsonl").read_text().splitlines()
        assert [json.loads(line)["file"] for line in lines] == [f"in/{name}.png" for name in names]
    assert {path.name for path in (tmp_path / "out").glob("*_mask.png")} == {
        f"{number}_mask.png" for number in range(5)
    }
