from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zoo.base import memory


def test_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No more than what a container leaves."""
    free = memory.free_bytes(torch.device("cpu"))
    assert 50e6 < free < 1e14
    (tmp_path / "memory.max").write_text("30000000\n")
    (tmp_path / "memory.stat").write_text("anon 10000000\nfile 5000000\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.free_bytes(torch.device("cpu")) == 20e6
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_bytes(torch.device("cpu")) > 50e6
