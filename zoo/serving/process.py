"""A job's process: it reports on its standard output, and nothing of it outlives its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

GRACE = 0.1  # seconds between asking a process to end and ending it
POSIX = os.name == "posix"
LINE = 1 << 16  # longest line of a report, in bytes


class Process:
    """A running process, the first of a group of its own, so that all that it starts ends with it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, command: Sequence[str], errors: Path, environment: Mapping[str, str]) -> Process:
        """Starts a module of Python.

        The process has a pipe as its standard input, whose end tells it that this process has ended.

        Args:
            command: the module and its arguments.
            errors: path of the file that gets what it prints to standard error.
            environment: variables that are added to this process's.
        """
        group: dict[str, Any] = (
            {"start_new_session": True}
            if POSIX
            else {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}  # Ctrl-C is not for it
        )
        with errors.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file,
                limit=LINE, env={**os.environ, **environment}, **group,
            )  # fmt: skip
        return cls(process)

    async def reports(self) -> AsyncIterator[dict[str, Any]]:
        """What the process reports, until it ends or closes its output."""
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:  # a longer line, of which nothing is kept
                continue
            if not line:
                return
            with suppress(ValueError):  # JSON or UTF-8 that a process did not finish
                told = json.loads(line)
                if isinstance(told, dict):
                    yield told

    async def wait(self) -> int:
        """The exit code; on POSIX, minus the number of the signal that ended the process."""
        return await self._process.wait()

    async def end(self) -> None:
        """Ends the process and all that it started, within about :data:`GRACE` seconds."""
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), GRACE)
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        await self._process.wait()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # all have ended; macOS calls that forbidden
            if POSIX:
                os.killpg(self._process.pid, number)
            else:
                self._process.terminate()
