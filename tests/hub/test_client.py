"""What ``huggingface_hub`` itself makes of each fault: what `zoo` builds on, and has to add."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from client import FILES, WEIGHTS, HTTPError, commit, download
from loopback import Cut, Fault, Lost, Other, Redirect, Slow, Stall, Status
from standin import StandIn

LARGE = r"^/lfs/.*model\.safetensors$"


def titles(hub: StandIn) -> list[str]:
    return [one.title for one in hub.repos["me/net"].branches["main"]]


# Uploads


@pytest.mark.parametrize(
    ("method", "path", "fault", "slept"),
    [
        ("PUT", "/lfs/", Cut(1000), [1]),
        ("PUT", "/lfs/", Status(500), [1]),
        ("POST", "/lfs-verify", Status(503), [1]),
        ("POST", "/preupload/", Status(429, {"Retry-After": "5"}), [6]),
    ],
)
def test_uploads_are_tried_again(
    hub: StandIn, me: None, naps: list[float], method: str, path: str, fault: Fault, slept: list[float]
) -> None:
    HfApi().create_repo("me/net")
    hub.fault(method, path, fault)
    commit()
    assert naps == slept
    assert hub.repos["me/net"].branches["main"][-1].files["model.safetensors"] == WEIGHTS


@pytest.mark.parametrize(
    ("method", "path", "fault", "times", "error"),
    [
        ("PUT", "/lfs/", Cut(1000), 6, RuntimeError),
        ("PUT", "/lfs/", Status(403), 1, RuntimeError),
        ("POST", "/objects/batch", Status(403), 1, HfHubHTTPError),
        ("POST", "/commit/", Status(500), 1, HfHubHTTPError),
        ("POST", "/commit/", Status(429), 1, HfHubHTTPError),
        ("POST", "/commit/", Cut(10), 1, HTTPError),
        ("POST", "/validate-yaml", Status(500), 1, HfHubHTTPError),
    ],
)
def test_an_interrupted_upload_leaves_no_commit(
    hub: StandIn, me: None, method: str, path: str, fault: Fault, times: int, error: type[Exception]
) -> None:
    HfApi().create_repo("me/net")
    hub.fault(method, path, fault, times)
    with pytest.raises(error):
        commit()
    assert titles(hub) == ["initial commit"]
    commit("again")
    assert titles(hub) == ["initial commit", "again"]


def test_a_commit_whose_answer_was_lost_is_not_made_twice(hub: StandIn, me: None) -> None:
    HfApi().create_repo("me/net")
    hub.fault("POST", "/commit/", Lost())
    with pytest.raises(HTTPError, match="disconnected"):
        commit()
    commit("again")
    assert titles(hub) == ["initial commit", "new"]


# Downloads


def test_a_cut_download_goes_on_from_the_last_whole_chunk(
    hub: StandIn, net: str, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 30_000)
    hub.fault("GET", LARGE, Cut(70_000))
    assert download() == WEIGHTS
    assert ([one.range for one in hub.asked("GET")], naps) == ([None, "bytes=60000-"], [1])


def test_a_small_file_starts_over(hub: StandIn, net: str) -> None:
    hub.fault("GET", LARGE, Cut(70_000))
    assert download() == WEIGHTS
    assert [one.range for one in hub.asked("GET")] == [None, None]


def test_a_download_that_is_always_cut_fails_and_leaves_nothing(
    hub: StandIn, net: str, cold: Callable[[], Path], naps: list[float]
) -> None:
    home = cold()
    hub.fault("GET", LARGE, Cut(0), times=6)
    with pytest.raises(HTTPError, match="without sending complete message body"):
        download()
    assert naps == [1] * 5
    assert not [path for path in (home / "hub").glob("models--me--net/blobs/*") if path.stat().st_size]


def test_the_client_checks_sizes_but_no_digests(hub: StandIn, net: str) -> None:
    hub.fault("GET", LARGE, Other(b"evil"))
    assert download() == b"evil" * (len(WEIGHTS) // 4)
    with StandIn() as other:
        other.put("me/net", {"config.json": "another length"})
        hub.fault("GET", "config.json", Redirect(other.endpoint))
        with pytest.raises(OSError, match="should be of size 2 but has size 14"):
            download("config.json")


@pytest.mark.parametrize("code", [401, 403, 404, 500])
def test_refusals_of_the_body_are_final(hub: StandIn, net: str, naps: list[float], code: int) -> None:
    hub.fault("GET", LARGE, Status(code))
    with pytest.raises(HfHubHTTPError) as refused:
        download()
    assert (refused.value.response.status_code, naps) == (code, [])


@pytest.mark.parametrize(
    ("code", "error", "slept"),
    [
        (401, HfHubHTTPError, []),
        (403, LocalEntryNotFoundError, []),
        (404, LocalEntryNotFoundError, []),
        (429, LocalEntryNotFoundError, [1, 2, 4, 8, 8]),
        (500, LocalEntryNotFoundError, [1, 2, 4, 8, 8]),
    ],
)
def test_refusals_of_the_head(
    hub: StandIn, net: str, naps: list[float], code: int, error: type[Exception], slept: list[float]
) -> None:
    hub.fault("HEAD", "/resolve/", Status(code), times=10)
    with pytest.raises(error):
        download()
    assert naps == slept


def test_a_cached_file_stands_in_for_a_head_that_fails(hub: StandIn, net: str, naps: list[float]) -> None:
    download()
    hub.fault("HEAD", "/resolve/", Status(500))
    assert (download(), naps) == (WEIGHTS, [])


@pytest.mark.parametrize("after", [7, 600])
def test_retry_after_is_obeyed_however_long(hub: StandIn, net: str, naps: list[float], after: int) -> None:
    hub.fault("GET", LARGE, Status(429, {"Retry-After": str(after)}))
    assert (download(), naps) == (WEIGHTS, [after + 1])


def test_model_info_is_not_tried_again_but_trees_are(hub: StandIn, net: str, naps: list[float]) -> None:
    hub.fault("GET", "/api/models/", Status(503))
    with pytest.raises(HfHubHTTPError, match="503"):
        HfApi().model_info("me/net")
    hub.fault("GET", "/tree/", Status(503))
    assert list(HfApi().list_repo_tree("me/net"))
    assert naps == [1]


def test_a_stalled_server(hub: StandIn, net: str, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5)
    hub.fault("GET", LARGE, Stall(60))
    assert (download(), naps) == (WEIGHTS, [1])
    hub.fault("GET", "/api/models/", Stall(60))
    with pytest.raises(HTTPError, match="timed out"):
        HfApi().model_info("me/net", timeout=0.1)


def test_a_slow_body_arrives(hub: StandIn, net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5)  # of silence, not of the whole
    hub.fault("GET", LARGE, Slow(100_000))
    start = time.monotonic()
    assert download() == WEIGHTS
    assert time.monotonic() - start > 0.9
    assert len(hub.asked("GET")) == 1


def test_no_redirect_takes_the_token_elsewhere(hub: StandIn, net: str, me: None, cold: Callable[[], Path]) -> None:
    with StandIn(hub.tokens) as other:
        other.put("me/net", FILES)
        hub.fault("GET", "/api/models/", Redirect(other.endpoint))
        HfApi().model_info("me/net")
        hub.fault("GET", "/resolve/", Redirect(other.endpoint))
        assert download("config.json") == b"{}"
        cold()
        hub.fault("GET", LARGE, Redirect(other.endpoint))
        assert download() == WEIGHTS
        hub.fault("HEAD", "/resolve/", Redirect(other.endpoint))
        with pytest.raises(LocalEntryNotFoundError, match="missing the 'X-Repo-Commit' header"):
            download("README.md")
    assert [(one.method, one.authorization) for one in other.requests] == [("GET", None)] * 3
