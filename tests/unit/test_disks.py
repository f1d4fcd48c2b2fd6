"""Runs on a disk that is full, or read-only: a small file system in memory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo.commands import main


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB, which a checkpoint does not fit into."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", folder], capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if mounted.returncode:
        pytest.skip(f"cannot mount: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize(
    ("readonly", "message"),
    [(False, "zoo: error: no space left on "), (True, "cannot make the folder of the run: Read-only file system; ")],
    ids=["full", "read-only"],
)
def test_a_disk_that_takes_no_run_is_told_in_a_line(
    disk: Path,
    mini_recipe: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    readonly: bool,
    message: str,
):
    monkeypatch.chdir(disk.parent)
    Path("mini.yaml").write_text(mini_recipe)
    if readonly:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert (
        main.main(["fit", "--recipe", "mini.yaml", "--trainer.max_epochs=1", f"--trainer.default_root_dir={disk}"]) == 2
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not list(disk.rglob("*.ckpt"))
    assert not list(disk.rglob("*.tmp"))
