"""``zoo fit --submit slurm``."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from zoo.commands import main

COMMAND = ["fit", "--recipe", "linknet_camvid", "--submit", "slurm"]


def test_the_script_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    job = ["--nodes", "2", "--gpus=4", "--time", "1.5h", "--dry-run"]
    assert main.main([*COMMAND, *job, "--every", "5m", "--data.root", "my data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "#SBATCH --nodes=2" in lines
    assert "#SBATCH --ntasks-per-node=4" in lines
    assert {"#SBATCH --gpus-per-node=4", "#SBATCH --cpus-per-task=5"} <= set(lines)
    assert "#SBATCH --time=01:30:00" in lines
    assert {"#SBATCH --requeue", "#SBATCH --signal=USR1@120"} <= set(lines)
    assert f"cd {tmp_path}" in lines
    words = next(shlex.split(line) for line in lines if line.startswith("srun"))
    kept = ["--recipe", "linknet_camvid", "--every", "5m", "--data.root", "my data"]
    assert words == ["srun", "--cpus-per-task=5", "zoo", "fit", *kept, "--trainer.num_nodes=2", "--trainer.devices=4"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "tasks", "cpus"),
    [
        ("--trainer.accelerator cpu", 1, 5),
        ("--trainer.accelerator=cpu --trainer.devices 3 --data.num_workers 2", 3, 3),
        ("--trainer.accelerator gpu --trainer.accelerator cpu --data.init_args.num_workers=0 --cpus 8", 1, 8),
        ("--trainer.devices auto --trainer.accelerator cpu --data.num_workers 0", 1, 1),
    ],
)
def test_a_training_on_cpus_asks_for_no_gpus(given: str, tasks: int, cpus: int, capsys: pytest.CaptureFixture[str]):
    assert main.main([*COMMAND, "--time", "4h", "--dry-run", *given.split()]) == 0
    out = capsys.readouterr().out
    assert "--gpus" not in out
    assert {f"#SBATCH --ntasks-per-node={tasks}", f"#SBATCH --cpus-per-task={cpus}"} <= set(out.splitlines())
    srun = shlex.split(out.strip().splitlines()[-1])
    assert (srun[1], srun[-1]) == (f"--cpus-per-task={cpus}", f"--trainer.devices={tasks}")
    assert "--cpus" not in srun


def test_the_recipe_says_what_the_command_does_not(
    tmp_path: Path, mini_recipe: str, capsys: pytest.CaptureFixture[str]
):
    recipe = tmp_path / "mini.yaml"
    recipe.write_text(f"{mini_recipe.replace('num_workers: 0', 'num_workers: 6')}  devices: 2\n")
    command = ["fit", "--recipe", str(recipe), "--submit", "slurm", "--time", "4h", "--dry-run"]
    assert main.main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"#SBATCH --ntasks-per-node=2", "#SBATCH --cpus-per-task=7"} <= set(lines)
    assert main.main([*command, "--gpus", "2"]) == 2
    told = "--gpus: the training uses none (trainer.accelerator is cpu); --trainer.devices sets processes"
    assert capsys.readouterr().err == f"zoo: error: {told}\n"


def test_the_script_is_submitted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text("#!/bin/sh\ncat > script\necho Submitted batch job 17\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sbatch.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    assert main.main([*COMMAND, "--time", "4h"]) == 0
    assert capsys.readouterr().out == "Submitted batch job 17\n"
    assert f'export PATH={Path(sys.executable).parent}:"$PATH"' in (tmp_path / "script").read_text()
    sbatch.write_text("#!/bin/sh\necho invalid account >&2\nexit 1\n")
    assert main.main([*COMMAND, "--time", "4h"]) == 2
    assert capsys.readouterr().err == "zoo: error: --submit slurm: sbatch refuses: invalid account\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--submit", "slurm"], "--submit needs --time, the limit of a start, such as --time 4h"),
        (["--submit", "slurm", "--time", "2m"], "--time must be 5m or more, not 2m (120 s)"),
        (["--submit", "slurm", "--time", "4"], "--time must be a time such as 10m, 90s or 2h, or never, not '4'"),
        (["--submit", "slurm", "--time", "4h", "--gpus", "0"], "--gpus must be a whole number from 1 on, not 0"),
        (["--submit", "slurm", "--time", "4h", "--cpus", "0"], "--cpus must be a whole number from 1 on, not 0"),
        (["--cpus", "2"], "--cpus needs --submit slurm"),
        (["--nodes", "2"], "--nodes needs --submit slurm"),
        (["--dry-run"], "--dry-run needs --submit slurm"),
        (["--submit", "slurm", "--time", "4h"], "--submit slurm: there is no sbatch here; --dry-run prints the script"),
    ],
)
def test_what_cannot_be_submitted_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
):
    monkeypatch.setenv("PATH", "")
    assert main.main(["fit", "--recipe", "linknet_camvid", *options]) == 2
    assert capsys.readouterr().err == f"zoo: error: {message}\n"
