"""The Hub's client as tests have it: an empty cache, and a stand-in on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mirror import Mirror
from standin import StandIn

TOKENS = {
    "hf_write": {"name": "me", "role": "write", "orgs": ["lab"]},
    "hf_read": {"name": "me", "role": "read"},
    "hf_stranger": {"name": "stranger", "role": "write"},
    "hf_fine": {"name": "me", "role": "fineGrained", "scoped": {"lab": ["repo.content.read", "repo.write"]}},
}
CLEARED = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_OFFLINE",
           "http_proxy", "https_proxy", "all_proxy", "no_proxy")  # fmt: skip


@pytest.fixture
def cold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Goes on as on another machine, whose cache is empty; returns the new ``HF_HOME``."""
    from huggingface_hub import constants

    def new() -> Path:
        home = tmp_path / f"home{len(list(tmp_path.glob('home*')))}"
        home.mkdir()
        folders = {"HF_HOME": home, "HF_HUB_CACHE": home / "hub", "HF_ASSETS_CACHE": home / "assets",
                   "HF_XET_CACHE": home / "xet", "HF_TOKEN_PATH": home / "token"}  # fmt: skip
        for name, path in folders.items():
            monkeypatch.setenv(name, str(path))
            monkeypatch.setattr(constants, name, str(path))
        monkeypatch.setattr(constants, "HUGGINGFACE_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(home / "stored_tokens"))
        return home

    return new


@pytest.fixture
def use_hub(cold: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the client up, in this process and for its children, for an endpoint and with an empty cache.

    The client copies its environment into constants when it is imported, so those are set as well. It waits for nothing
    between attempts, in this process.
    """
    import huggingface_hub
    from huggingface_hub import constants, file_download, hf_api
    from huggingface_hub.utils import _http

    for name in CLEARED:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for module in (_http, file_download):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=lambda _: None))

    def use(endpoint: str) -> None:
        cold()
        values: dict[str, Any] = {"HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True,
                                  "HF_HUB_DISABLE_TELEMETRY": True, "HF_HUB_DOWNLOAD_TIMEOUT": 2}  # fmt: skip
        for name, value in values.items():
            monkeypatch.setenv(name, str(int(value) if isinstance(value, bool) else value))
            monkeypatch.setattr(constants, name.replace("HF_ENDPOINT", "ENDPOINT"), value)
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(hf_api.api, "endpoint", endpoint)
        huggingface_hub.close_session()

    yield use
    huggingface_hub.close_session()


@pytest.fixture
def hub(use_hub: Callable[[str], None]) -> Iterator[StandIn]:
    """A stand-in for the Hub without repositories, and the client set up for it without a token."""
    with StandIn(TOKENS) as standin:
        use_hub(standin.endpoint)
        yield standin


@pytest.fixture
def me(use_hub: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The token of who may write to ``me``."""
    monkeypatch.setenv("HF_TOKEN", "hf_write")


@pytest.fixture(scope="session")
def running_mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    with Mirror(tmp_path_factory.mktemp("olah")) as mirror:
        yield mirror


@pytest.fixture
def mirror(running_mirror: Mirror, use_hub: Callable[[str], None]) -> Mirror:
    """A mirror of the Hub that keeps its repositories from test to test, and the client set up for it."""
    use_hub(running_mirror.endpoint)
    return running_mirror
