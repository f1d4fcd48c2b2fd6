"""Temporary folders that outlive their process only until the next one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

from zoo.base import scratch
from zoo.commands import main
from zoo.commands.outputs import Outputs

KILLED = """
import os, signal, sys
from pathlib import Path
from zoo.base import scratch
folder = Path(sys.argv[1])
with scratch.owned(folder, "work-") as name:
    for place in (folder / name, folder / "deep" / "er" / f"{name}-x"):
        place.mkdir(parents=True)
        (place / "half").write_text("written")
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    print(name, flush=True)
    input()
"""


def start(folder: Path, then: str) -> subprocess.Popen:
    command = [sys.executable, "-c", KILLED, str(folder), then]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.name.startswith(("work-", ".zoo-predict-")))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_a_killed_process_left_is_removed_and_nothing_of_a_living_one(tmp_path: Path):
    living, killed = start(tmp_path, "wait"), start(tmp_path, "kill")
    with living, killed:
        name = living.stdout.readline().strip()
        killed.wait(60)
        assert len(names(tmp_path)) == 6  # a lock and two folders of each
        scratch.sweep(tmp_path, "other-", nested=True)
        assert len(names(tmp_path)) == 6
        scratch.sweep(tmp_path, "work-", nested=True)
        assert names(tmp_path) == sorted([name, f"{name}-x", f"{name}.lock"])
        living.kill()
        living.wait(60)
        scratch.sweep(tmp_path, "work-", nested=True)
        assert not names(tmp_path)


def test_folders_are_private_and_gone_in_the_end(tmp_path: Path):
    with scratch.temporary_folder(tmp_path, "work-") as folder:
        (folder / "inner").mkdir()
        assert folder.stat().st_mode & 0o777 == 0o700 or sys.platform == "win32"
        with scratch.temporary_folder(tmp_path, "work-") as other:  # which sweeps
            assert other != folder
            assert (folder / "inner").is_dir()
    assert not list(tmp_path.iterdir())


def test_other_machines_other_names_and_links_are_spared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(scratch.socket, "gethostname", lambda: "else.where")
        with scratch.owned(tmp_path, "work-") as foreign:
            pass
    own = foreign.replace("else_where", scratch._machine())
    assert own != foreign
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / f"{own}.lock").symlink_to(precious)
    for name in (f"{foreign}.lock", f"work-{scratch._machine()}-notes.lock"):
        (tmp_path / name).touch()
    before = sorted(tmp_path.iterdir())
    scratch.sweep(tmp_path, "work-", nested=True)
    assert sorted(tmp_path.iterdir()) == before
    assert precious.read_text() == "kept"


def test_disks_without_locks_keep_what_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with scratch.temporary_folder(tmp_path, "work-") as folder:
        (tmp_path / f"{folder.name}.lock").touch()
        scratch.sweep(tmp_path, "work-")
        assert folder.is_dir()


def test_predict_removes_what_a_killed_run_left(tiny_linknet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 32)).save("a.png")
    with scratch.owned(tmp_path, ".zoo-predict-") as name:
        pass
    Path(f"out/deep/{name}abc").mkdir(parents=True)
    Path(f"out/{name}.lock").touch()
    living = name[:-4] + "beef"
    Path(f"out/deep/{living}abc").mkdir()
    seen, put = [], Outputs._put
    monkeypatch.setattr(Outputs, "_put", lambda *given: seen.append(names(Path("out"))) or put(*given))
    with FileLock(f"out/{living}.lock"):
        assert main.main(["predict", str(tiny_linknet), "a.png", "-o", "out", "--device", "cpu"]) == 0
        assert names(Path("out")) == sorted([f"{living}.lock", f"{living}abc"])
    (own,) = (each.removesuffix(".lock") for each in seen[0] if each.endswith(".lock") and living not in each)
    assert sum(each.startswith(own) for each in seen[0]) == 2  # the results in the making belong to the lock
