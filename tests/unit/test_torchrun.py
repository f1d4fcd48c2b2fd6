"""``torchrun`` on two machines, which two agents on loopback stand for, and one of them dies."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 120  # for both agents to end
CALLBACK = """\
import os
import signal
from lightning.pytorch import Callback


class Death(Callback):
    def on_train_batch_end(self, trainer, *_):
        if os.environ.get("DIES") and trainer.global_rank == 1 and trainer.global_step == 3:
            os.kill(os.getppid(), signal.SIGKILL)  # its agent
            os.kill(os.getpid(), signal.SIGKILL)
"""


def of_the_guide(port: int) -> list[str]:
    """Words of the guide's command after ``zoo`` and before it, for this machine."""
    guide = (ROOT / "docs" / "guides" / "clusters.md").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^(torchrun .*)$", guide, re.MULTILINE)
    here = {"FIRST_HOST": "127.0.0.1", "29500": str(port), "linknet_camvid.yaml": "mini.yaml"}
    here |= {"nproc-per-node 4": "nproc-per-node 1", "devices 4": "devices 1"}
    for theirs, ours in here.items():
        assert theirs in line
        line = line.replace(theirs, ours)
    return shlex.split(line)


def test_the_other_machine_of_one_that_dies_ends_with_a_checkpoint_and_tells_how_to_resume(
    mini_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """By the command of the guide."""
    if not Path(sys.executable).with_name("zoo").exists():
        pytest.skip("zoo is not installed beside Python")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deaths.py").write_text(CALLBACK)
    (tmp_path / "mini.yaml").write_text(f"{mini_recipe}  max_epochs: 3\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        torchrun, *words = of_the_guide(free.getsockname()[1])
    added = ["--data.train=8", "--trainer.callbacks+=deaths.Death"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "DIES": "1", "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    agents = []
    for number in range(2):
        with Path(f"agent_{number}.txt").open("wb") as said:
            command = [Path(sys.executable).with_name(torchrun), *words, *added]
            agents.append(subprocess.Popen(command, env=environment, stdout=said, stderr=said))
    try:
        codes = {agent.wait(SECONDS) for agent in agents}
    finally:
        for agent in agents:
            agent.kill()
    told = "".join(Path(f"agent_{number}.txt").read_text() for number in range(2))
    assert codes == {1, -signal.SIGKILL}, told
    line = "zoo: error: another process of the run ended\nresume with: zoo fit --resume runs/mini/version_0\n"
    assert told.count(line) == 1, told
    run = tmp_path / "runs" / "mini" / "version_0"
    assert (run / "checkpoints" / "last.ckpt").is_file()  # test_interrupts.py resumes such runs, to the bit
