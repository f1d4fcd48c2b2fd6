"""``zoo fit --submit slurm``: a script for sbatch that a person can read."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zoo.base.bounds import check_count, seconds_of
from zoo.base.errors import ZooError
from zoo.base.text import first_line

LEAST = 300  # seconds of a job: two minutes of them are for its end
ACCELERATOR = "trainer.accelerator"
WORKERS = 4  # most processes that make batches where neither recipe nor command says how many
NEEDS = ("nodes", "gpus", "cpus", "time", "dry_run")  # options that mean something with --submit only
SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=zoo_{name}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node={tasks}
#SBATCH --cpus-per-task={cpus}
{gpus}#SBATCH --time={time}
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=zoo_{name}_%j.txt

# Two minutes before the end the run saves a checkpoint and asks for another start, which goes on in the same folder.
cd {here}
export PATH={programs}:"$PATH"
srun --cpus-per-task={cpus} {command}
"""


def add_submit_options(parser: argparse.ArgumentParser) -> None:
    group: Any = parser.add_argument_group("submit the training to a scheduler")
    group.add_argument("--submit", choices=["slurm"], help="submit a job instead of training here")
    group.add_argument("--nodes", type=int, metavar="N", help="number of machines (default 1)")
    group.add_argument("--gpus", type=int, metavar="N", help="GPUs of each machine (default 1)")
    group.add_argument("--cpus", type=int, metavar="N", help="CPUs of each process (default: data.num_workers + 1)")
    group.add_argument("--time", metavar="TIME", help="time limit of a start, such as 4h; the job is started again")
    group.add_argument("--dry-run", action="store_true", default=None, help="only print the script")


def check_submit(options: argparse.Namespace) -> None:
    """Refuses options that do not go together.

    Raises:
        ZooError: names the option.
    """
    if not options.submit:
        if given := next((name for name in NEEDS if getattr(options, name) is not None), None):
            raise ZooError(f"--{given.replace('_', '-')} needs --submit slurm")
        return
    for name in ("nodes", "gpus", "cpus"):
        if (count := getattr(options, name)) is not None:
            check_count(f"--{name}", count)
    if not options.time:
        raise ZooError("--submit needs --time, the limit of a start, such as --time 4h")
    if not LEAST <= (seconds := seconds_of("--time", options.time)) < float("inf"):
        raise ZooError(f"--time must be {LEAST // 60}m or more, not {options.time} ({seconds:.0f} s)")


def script(options: argparse.Namespace, name: str, argv: Sequence[str], value: Callable[[str], Any]) -> str:
    """The script for sbatch.

    Args:
        options: checked options.
        name: name of the recipe or of the run.
        argv: words of ``zoo fit``, those about the job included.
        value: gives the value of a key of the training, such as ``trainer.accelerator``; None: it is not set.

    Raises:
        ZooError: GPUs are asked for, and the training uses none.
    """
    nodes, seconds, on_cpus = options.nodes or 1, int(seconds_of("--time", options.time)), value(ACCELERATOR) == "cpu"
    if on_cpus and options.gpus:
        raise ZooError("--gpus: the training uses none (trainer.accelerator is cpu); --trainer.devices sets processes")
    devices, workers = value("trainer.devices"), value("data.num_workers")
    tasks = options.gpus or (devices if _is_count(devices) else 1)
    cpus = options.cpus or (workers if _is_count(workers) or workers == 0 else WORKERS) + 1
    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_submit_options(own)
    words = ["zoo", "fit", *own.parse_known_args(argv)[1]]
    words += [f"--trainer.num_nodes={nodes}", f"--trainer.devices={tasks}"]
    return SCRIPT.format(
        name=re.sub(r"[^\w-]", "_", name),
        nodes=nodes,
        tasks=tasks,
        cpus=cpus,
        gpus="" if on_cpus else f"#SBATCH --gpus-per-node={tasks}\n",
        time=f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}",
        here=shlex.quote(str(Path.cwd())),
        programs=shlex.quote(str(Path(sys.executable).parent)),
        command=shlex.join(words),
    )


def _is_count(number: Any) -> bool:
    return type(number) is int and number > 0


def submit(text: str) -> str:
    """Submits a script; returns what sbatch says.

    Raises:
        ZooError: there is no sbatch, or it refuses.
    """
    try:
        done = subprocess.run(["sbatch"], input=text, capture_output=True, text=True, check=True)  # noqa: S607
    except FileNotFoundError:
        raise ZooError("--submit slurm: there is no sbatch here; --dry-run prints the script") from None
    except subprocess.CalledProcessError as error:
        raise ZooError(f"--submit slurm: sbatch refuses: {first_line(error.stderr)}") from error
    return done.stdout.strip()
