"""A canary: the stand-in answers as ``huggingface_hub`` expects, which all tests of this folder rely on."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import RevisionNotFoundError

from loopback import Cut
from standin import StandIn

FILES = {"README.md": b"---\nlicense: mit\n---\n", "config.json": b"{}", "model.safetensors": bytes(100_000)}


def test_what_was_committed_is_described_and_downloaded(hub: StandIn, me: None):
    api = HfApi()
    api.create_repo("me/net")
    additions = [CommitOperationAdd(path, content) for path, content in FILES.items()]
    commit = api.create_commit("me/net", additions, commit_message="new").oid
    info = api.model_info("me/net", files_metadata=True)
    assert (info.sha, info.tags) == (commit, ["license:mit"])
    hub.fault("GET", "/lfs/", Cut(50_000))
    assert {path: Path(hf_hub_download("me/net", path)).read_bytes() for path in FILES} == FILES
    assert [one.authorization for one in hub.asked("GET", "/lfs/")] == [None, None]
    with pytest.raises(RevisionNotFoundError):
        api.model_info("me/net", revision="none")
