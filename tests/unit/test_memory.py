from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from zoo.base import memory
from zoo.base.errors import ZooError


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system of 50 MB of which 30 are available, in no container."""
    (tmp_path / "meminfo").write_text("MemTotal:      50000 kB\nMemFree:        9000 kB\nMemAvailable:  30000 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    return tmp_path


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_what_the_system_says_is_available_is_free(system: Path, device: str | torch.device):
    assert memory.free_bytes(device) == 30_000 * 1024


@pytest.mark.parametrize(
    ("limit", "free"), [("25000000", 15e6), ("5000000", 0), ("90000000", 30_000 * 1024), ("max", 30_000 * 1024)]
)
def test_no_more_is_free_than_what_a_container_leaves(system: Path, limit: str, free: float):
    (system / "memory.max").write_text(f"{limit}\n")
    (system / "memory.stat").write_text("anon 10000000\nfile 5000000\n")
    assert memory.free_bytes("cpu") == free


def test_without_a_table_all_memory_counts(system: Path, monkeypatch: pytest.MonkeyPatch):
    (system / "meminfo").unlink()
    monkeypatch.setattr(memory.os, "sysconf", {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert memory.free_bytes("cpu") == 4096 * 1000


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_what_torch_keeps_of_a_gpu_is_free_too(monkeypatch: pytest.MonkeyPatch, device: str):
    numbers = {"mem_get_info": (5e9, 8e9), "memory_reserved": 2e9, "memory_allocated": 1.5e9}
    for name, number in numbers.items():
        monkeypatch.setattr(torch.cuda, name, lambda asked, number=number: number if asked == device else None)
    assert memory.free_bytes(device) == 5.5e9


def test_nobody_says_of_other_devices():
    assert memory.free_bytes("mps") == math.inf


def test_needs_of_one_device_add_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "free_bytes", {"cpu": 2e9, "cuda": 5e9}.__getitem__)
    memory.refuse_beyond("it", [(1e9, "cpu"), (1e9, "cpu"), (5e9, "cuda")], "wait")
    for needs, text in (
        ([(1e9, "cpu"), (1.5e9, "cpu")], "it needs 2.5 GB of memory and 2.0 GB are free; wait"),
        ([(2e9, "cpu"), (6e9, "cuda")], "it needs 6.0 GB of memory and 5.0 GB are free; wait"),
    ):
        with pytest.raises(ZooError) as refused:
            memory.refuse_beyond("it", needs, "wait")
        assert str(refused.value) == text
    assert memory.fits([(1e9, "cpu"), (2.5e9, "cuda")], 0.5)
    assert not memory.fits([(1e9, "cpu"), (2.6e9, "cuda")], 0.5)


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("no"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("shapes differ"), False),
    ],
)
def test_errors_of_too_little_memory_are_told_from_others(error: Exception, known: bool):
    with pytest.raises(ZooError if known else RuntimeError) as raised, memory.running_out("too large"):
        raise error
    assert str(raised.value) == ("too large" if known else "shapes differ")


def test_needs_no_torch():
    program = (
        "import sys, zoo.base.memory as m\n"
        "assert m.free_bytes('cpu') > 0; assert m.free_bytes('cuda') > 1e300; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
