"""Settings of ``huggingface_hub``: those of a program that uses the zoo stay, those of the command are the zoo's."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from loopback import Cut, Stall
from standin import StandIn
from zoo import load
from zoo.hub import client

REPO = "someone/net"
LIBRARY = """
import os, sys
import huggingface_hub
from huggingface_hub import constants, logging
from huggingface_hub.utils import are_progress_bars_disabled
import zoo

def settings():
    session = huggingface_hub.get_session()
    own = {name: value for name, value in vars(constants).items() if name.isupper()}
    return id(session), session.event_hooks, session.timeout, logging.get_verbosity(), are_progress_bars_disabled(), own

made, session = [], type(huggingface_hub.get_session())
huggingface_hub.set_client_factory(lambda: made.append(session(follow_redirects=True)) or made[-1])
logging.set_verbosity_info()
before, environment = settings(), dict(os.environ)
zoo.load(sys.argv[1])
assert settings() == before
assert dict(os.environ) == environment
huggingface_hub.close_session()
assert [huggingface_hub.get_session()] == made[1:]
"""
SILENCE = """
import sys
from zoo.hub import client, locate
client.TIMEOUT, client._listed = 0.3, lambda file: None
locate.find(sys.argv[1])
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_HUB_DISABLE_XET": "0"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)


@pytest.fixture
def published(hub: StandIn, tiny_linknet: Path) -> StandIn:
    hub.put(REPO, {path.name: path.read_bytes() for path in tiny_linknet.iterdir()})
    return hub


def test_a_program_keeps_its_settings(published: StandIn):
    done = run("-c", LIBRARY, REPO)
    assert done.returncode == 0, done.stderr
    assert published.asked("GET", "/lfs/")


@pytest.mark.parametrize("silent", ["/api/models/", "/tree/"])
def test_what_a_program_asks_for_has_a_time_limit(published: StandIn, silent: str):
    published.fault("GET", silent, Stall(), times=100)
    assert "is out of reach: timed out" in run("-c", SILENCE, REPO).stderr


def test_the_command_is_quiet(published: StandIn):
    """The client would warn of a connection that it makes again."""
    published.fault("GET", "/lfs/", Cut(100))
    done = run("-m", "zoo.commands.main", "pull", REPO)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(published.asked("GET", "/lfs/")) == 2


@pytest.mark.parametrize(("endpoint", "disabled"), [(None, True), ("https://huggingface.co", False)])
def test_xet_is_for_its_own_hosts(hub: StandIn, endpoint: str | None, disabled: bool, monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint or hub.endpoint)
    with contextlib.suppress(KeyError), client.transfer():
        assert constants.HF_HUB_DISABLE_XET is disabled
        raise KeyError
    assert constants.HF_HUB_DISABLE_XET is False


def test_files_are_fetched_without_xet(published: StandIn, monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import HfApi, constants

    fetch, seen = HfApi.hf_hub_download, []

    def look(self: HfApi, *arguments: Any, **options: Any) -> Any:
        seen.append(constants.HF_HUB_DISABLE_XET)
        return fetch(self, *arguments, **options)

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setattr(HfApi, "hf_hub_download", look)
    load(REPO)
    assert seen == [True, True]


def test_threads_take_turns(hub: StandIn, monkeypatch: pytest.MonkeyPatch):
    """Else the second would put back what the first had set."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with client.transfer():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with client.transfer():
        thread.start()
        inside.wait(0.2)
    leave.set()
    thread.join()
    assert inside.is_set()
    assert constants.HF_HUB_DISABLE_XET is False
