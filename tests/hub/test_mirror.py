"""``olah`` as ``huggingface_hub`` sees it, with faults before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError

from client import CARD, FILES, WEIGHTS, HTTPError, download
from loopback import Cut, Front, Lost, Status
from mirror import Mirror
from repositories import git_sha1, sha256


@pytest.fixture(scope="module")
def commits(running_mirror: Mirror) -> tuple[str, str]:
    """Two commits of ``me/net``, the older one first."""
    return running_mirror.put("me/net", FILES), running_mirror.put("me/net", {"config.json": '{"a": 1}'})


@pytest.fixture
def front(mirror: Mirror, commits: tuple[str, str], use_hub: Callable[[str], None]) -> Iterator[Front]:
    with Front(mirror.endpoint) as server:
        use_hub(server.endpoint)
        yield server


def test_revisions_and_files(mirror: Mirror, commits: tuple[str, str]) -> None:
    older, newer = commits
    api = HfApi()
    assert [api.model_info("me/net", revision=name).sha for name in ("main", newer, older[:7])] == [newer, newer, older]
    assert download("config.json") == b'{"a": 1}'
    assert download("config.json", revision=older) == b"{}"
    folder = Path(snapshot_download("me/net", revision=older))
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES


def test_digests_are_in_the_tree_and_not_in_the_info(mirror: Mirror, commits: tuple[str, str]) -> None:
    api, (older, _) = HfApi(), commits
    weights, config = api.get_paths_info("me/net", ["model.safetensors", "config.json"], revision=older)
    assert (weights.lfs.sha256, weights.size) == (sha256(WEIGHTS), len(WEIGHTS))
    assert (config.blob_id, config.lfs) == (git_sha1(b"{}"), None)
    assert weights in list(api.list_repo_tree("me/net", revision=older))
    siblings = api.model_info("me/net", revision=older, files_metadata=True).siblings
    assert {(one.size, one.lfs) for one in siblings} == {(None, None)}


def test_what_is_not_there_is_a_missing_repository(mirror: Mirror, commits: tuple[str, str]) -> None:
    api = HfApi()
    for repo, revision in (("me/none", "main"), ("me/net", "none"), ("me/net", None)):  # it knows no default branch
        with pytest.raises(RepositoryNotFoundError):
            api.model_info(repo, revision=revision)
    with pytest.raises(RepositoryNotFoundError):
        download("none.json")
    with pytest.raises(EntryNotFoundError):
        download("none.json", revision=commits[0])


def test_many_files_of_all_sizes(mirror: Mirror) -> None:
    files = {"README.md": CARD, "a/b/c.json": "{}", "model.safetensors": WEIGHTS * 30, "plain.bin": WEIGHTS * 30}
    revision = mirror.put("me/large", files)
    for path, content in files.items():
        there = Path(hf_hub_download("me/large", path, revision=revision)).read_bytes()
        assert there == (content.encode() if isinstance(content, str) else content)


def test_a_cut_body_is_asked_for_again(front: Front, naps: list[float]) -> None:
    front.fault("GET", r"model\.safetensors", Cut(70_000))
    assert (download(), naps) == (WEIGHTS, [1])
    assert [one.status for one in front.asked("GET")] == [200, 200]


@pytest.mark.parametrize("code", [401, 403, 404, 500])
def test_refusals(front: Front, code: int) -> None:
    front.fault("GET", r"model\.safetensors", Status(code))
    with pytest.raises(HfHubHTTPError) as refused:
        download()
    assert refused.value.response.status_code == code


def test_a_busy_mirror(front: Front, naps: list[float]) -> None:
    front.fault("GET", r"model\.safetensors", Status(429, {"Retry-After": "3"}))
    assert (download(), naps) == (WEIGHTS, [4])


def test_an_answer_that_never_comes(front: Front) -> None:
    front.fault("GET", "/api/models/", Lost())
    with pytest.raises(HTTPError, match="disconnected"):
        HfApi().model_info("me/net", revision="main")
