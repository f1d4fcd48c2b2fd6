"""SLURM jobs that stop before their time limit, and resume when the scheduler starts them again.

Lightning saves in the middle of a step, into the working directory, and resumes from any file that lies there.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

from zoo.base.errors import ZooError
from zoo.base.files import replace
from zoo.training.recipes import CONFIG
from zoo.training.states import JOB

SIGNAL = signal.SIGUSR1  # sbatch --signal=USR1@120 sends it two minutes before the end


def job() -> str | None:
    """The id of this job, which it keeps when it is started again; None outside of a job."""
    if not SLURMEnvironment.detect():
        return None
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ.get("SLURM_JOB_ID")


def sign(run: Path) -> None:
    """Writes the id of the job into the folder of its run."""
    if own := job():
        replace(run / JOB, own)


def requeued(runs: Path, config: str) -> Path | None:
    """The run that an earlier start of this job began; None at the first start.

    Args:
        runs: folder of all runs of the recipe.
        config: configuration of the run. A job may train one recipe several times, with different keys.
    """
    own = job() if int(os.environ.get("SLURM_RESTART_COUNT", 0)) else None
    for signed in sorted(runs.glob(f"*/{JOB}")) if own else []:
        known = signed.with_name(CONFIG)
        if signed.read_text() == own and known.is_file() and known.read_text(encoding="utf-8") == config:
            return signed.parent
    return None


def requeue() -> None:
    """Asks the scheduler to start this job again, which it does by ending this process and, at times, its client.

    Raises:
        ZooError: the scheduler refuses.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # also for the client
    try:
        asked = subprocess.run(["scontrol", "requeue", str(job())], capture_output=True, text=True)  # noqa: S603, S607
    except OSError as error:
        raise ZooError(f"SLURM does not start job {job()} again: {error}") from error
    if asked.returncode > 0:
        raise ZooError(f"SLURM does not start job {job()} again: {asked.stderr.strip()}")
