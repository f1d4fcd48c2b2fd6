"""A real SLURM of one node on loopback: munged, slurmctld and slurmd, started and stopped by a test."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

PROGRAMS = ("munged", "slurmctld", "slurmd")
PLACES = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
SECONDS = 180.0  # for anything to happen
CONFIG = """\
ClusterName=own
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
ReturnToService=2
KillWait=60
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Gres=gpu:2 State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes={host} Default=YES PriorityTier=1 State=UP
PartitionName=urgent Nodes={host} PriorityTier=2 State=UP
"""


def missing() -> str:
    """The first program that SLURM needs and this machine lacks; empty: there are all."""
    return next((name for name in PROGRAMS if not shutil.which(name, path=PLACES)), "")


class Slurm:
    """One node with the CPUs of this machine and two GPUs that are none, as a context.

    Jobs of the partition "urgent" take the node from those of the partition "all", which start again after them.

    Its clients find it by ``variables`` of the environment.
    """

    def __enter__(self) -> Slurm:
        self.place = Path(tempfile.mkdtemp(prefix="slurm"))  # a socket's path is short
        self.variables = {"SLURM_CONF": f"{self.place}/slurm.conf"}
        self.servers: list[subprocess.Popen] = []
        with socket.socket() as one, socket.socket() as two:
            for each in (one, two):
                each.bind(("127.0.0.1", 0))
            ports = one.getsockname()[1], two.getsockname()[1]
        host = socket.gethostname().partition(".")[0]
        about = {"place": self.place, "ports": ports, "user": getpass.getuser(), "host": host, "cpus": os.cpu_count()}
        (self.place / "slurm.conf").write_text(CONFIG.format(**about))
        (self.place / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
        for name in ("state", "spool"):
            (self.place / name).mkdir()
        (self.place / "munge.key").write_bytes(secrets.token_bytes(128))
        (self.place / "munge.key").chmod(0o600)
        try:
            files = [f"--{name}-file={self.place}/munge.{name}" for name in ("key", "pid", "log", "seed")]
            self._start("munged", "--foreground", "--force", f"--socket={self.place}/munge.socket", *files)
            self.wait(lambda: (self.place / "munge.socket").exists(), "munge")
            self._start("slurmctld", "-D", "-c")
            self._start("slurmd", "-D", "-N", host)
            self.wait(lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%t"), "slurmctld", "slurmd")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for server in reversed(self.servers):
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        shutil.rmtree(self.place, ignore_errors=True)

    def _start(self, program: str, *options: str) -> None:
        path = shutil.which(program, path=PLACES)
        assert path is not None
        with (self.place / f"{program}.out").open("wb") as said:
            environment = {**os.environ, **self.variables}
            self.servers.append(subprocess.Popen([path, *options], env=environment, stdout=said, stderr=said))

    def ask(self, *words: str) -> str:
        """What a client prints; empty while the servers do not answer."""
        environment = {**os.environ, **self.variables}
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=SECONDS).stdout

    def wait(self, reached: Callable[[], object], *logs: str) -> None:
        end = time.monotonic() + SECONDS
        while not reached():
            if time.monotonic() > end or any(server.poll() is not None for server in self.servers):
                raise RuntimeError("\n".join((self.place / f"{log}.log").read_text() for log in logs))
            time.sleep(0.05)
