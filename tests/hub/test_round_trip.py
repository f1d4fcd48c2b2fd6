"""The script with which a maintainer tries the real Hub, on the stand-in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loopback import Lost

SCRIPT = Path(__file__).parents[2] / "scripts" / "hub_round_trip.py"


def run(token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), "me", "perceptual_sr_pixel", *arguments],
        capture_output=True, text=True, env={**os.environ, "HF_TOKEN": token},
    )  # fmt: skip


def test_the_script_holds_and_cleans_up(hub: Any):
    done = run("hf_write", "--with", "onnx")
    assert done.returncode == 0, done.stderr
    assert "all the same" in done.stdout
    assert done.stdout.count("the golden output is the same with torch") == 2
    assert done.stdout.count("the golden output is the same with onnx") == 2
    assert hub.asked("DELETE")
    assert hub.repos == {}


def test_it_cleans_up_after_a_failure(hub: Any):
    hub.fault("POST", "/commit/", Lost(), times=5)
    done = run("hf_write")
    assert done.returncode != 0
    assert hub.repos == {}


@pytest.mark.parametrize("token", ["hf_read"])
def test_it_makes_nothing_where_it_may_not(hub: Any, token: str):
    assert run(token).returncode != 0
    assert hub.repos == {}
