"""``olah``, a mirror of the Hub that nobody here wrote, offline and with git repositories of this machine."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from repositories import INITIAL, is_lfs, pointer, sha256

WHO = {"GIT_AUTHOR_NAME": "me", "GIT_AUTHOR_EMAIL": "me@example.com", "GIT_AUTHOR_DATE": "2024-01-01T00:00:00Z"}
CONFIG = """
[basic]
host = "127.0.0.1"
port = {port}
repos-path = {cache}
mirrors-path = [{mirrors}]
hf-scheme = "http"
hf-netloc = "127.0.0.1:9"
hf-lfs-netloc = "127.0.0.1:9"
[accessibility]
offline = true
"""  # the upstream is a port that nobody listens on


class Mirror:
    """Runs while its context lasts.

    Args:
        folder: takes repositories, cache and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        # Nothing of the machine's git configuration, and no proxy.
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        committer = {name.replace("AUTHOR", "COMMITTER"): value for name, value in WHO.items()}
        self.environment = {**kept, **WHO, **committer, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}

    def __enter__(self) -> Mirror:
        text = CONFIG.format(
            port=self.port, cache=json.dumps(str(self.folder / "cache")), mirrors=json.dumps(str(self.folder / "git"))
        )
        (self.folder / "olah.toml").write_text(text)
        with (self.folder / "output.txt").open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "olah.server", "--config", "olah.toml", "--log-path", "logs"],
                cwd=self.folder, env=self.environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        while not self._answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"olah did not start:\n{(self.folder / 'output.txt').read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def put(self, repo: str, files: Mapping[str, bytes | str]) -> str:
        """Commits files to a repository's ``main``, large ones as LFS does; returns the commit's id.

        Files that are not named stay.
        """
        folder = self.folder / "git" / "models" / repo
        if not folder.exists():
            folder.mkdir(parents=True)
            self._git(folder, "init", "--quiet", "--initial-branch=main")
            files = {**INITIAL, **files}
        for name, content in files.items():
            content = content.encode() if isinstance(content, str) else content
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pointer(content) if is_lfs(name, len(content)) else content)
            if is_lfs(name, len(content)):
                digest = sha256(content)
                stored = folder / ".git" / "lfs" / "objects" / digest[:2] / digest[2:4] / digest
                stored.parent.mkdir(parents=True, exist_ok=True)
                stored.write_bytes(content)
        self._git(folder, "add", "--all", "--force")
        self._git(folder, "commit", "--quiet", "--allow-empty", "--message=put")
        return self._git(folder, "rev-parse", "HEAD")

    def _git(self, folder: Path, *arguments: str) -> str:
        run = subprocess.run(
            ["git", *arguments], cwd=folder, env=self.environment, check=True, capture_output=True, text=True
        )
        return run.stdout.strip()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/repos")
            return connection.getresponse().status > 0
        except OSError:
            return False
        finally:
            connection.close()
