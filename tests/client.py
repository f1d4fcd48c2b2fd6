"""A small model, and ``huggingface_hub`` in short for it."""

from __future__ import annotations

import random
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError

HTTPError = HfHubHTTPError.__mro__[1]  # of the HTTP library, which is not the same for all versions of the client
WEIGHTS = random.Random(0).randbytes(100_000)
CARD = "---\nlicense: apache-2.0\nlibrary_name: lightning-zoo\ntags:\n- a\ndatasets:\n- camvid\n---\nProse.\n"
FILES = {"model.safetensors": WEIGHTS, "config.json": b"{}", "README.md": CARD.encode(), "samples/a.txt": b"a"}


def additions() -> list[CommitOperationAdd]:
    return [CommitOperationAdd(path, content) for path, content in FILES.items()]


def commit(title: str = "new") -> str:
    """The id of a commit of `FILES`."""
    return HfApi().create_commit("me/net", additions(), commit_message=title).oid


def download(path: str = "model.safetensors", revision: str = "main") -> bytes:
    return Path(hf_hub_download("me/net", path, revision=revision)).read_bytes()
