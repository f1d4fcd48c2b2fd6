"""The stand-in as ``huggingface_hub`` sees it where nothing goes wrong but what should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    get_session,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from client import FILES, WEIGHTS, HTTPError, additions, commit, download
from loopback import Stall
from repositories import git_sha1, sha256
from standin import StandIn


def titles(hub: StandIn) -> list[str]:
    return [one.title for one in hub.repos["me/net"].branches["main"]]


# Writing


def test_a_commit_can_be_described_and_downloaded(hub: StandIn, me: None) -> None:
    api = HfApi()
    assert api.create_repo("me/net") == f"{hub.endpoint}/me/net"
    made = commit()
    assert titles(hub) == ["initial commit", "new"]
    info = api.model_info("me/net", files_metadata=True)
    assert (info.sha, info.private, info.library_name) == (made, False, "lightning-zoo")
    assert info.tags == ["a", "dataset:camvid", "license:apache-2.0", "lightning-zoo"]
    about = {one.rfilename: one for one in info.siblings}
    assert sorted(about) == [".gitattributes", "README.md", "config.json", "model.safetensors", "samples/a.txt"]
    assert (about["config.json"].blob_id, about["config.json"].lfs) == (git_sha1(b"{}"), None)
    assert (about["model.safetensors"].lfs.sha256, about["model.safetensors"].size) == (sha256(WEIGHTS), len(WEIGHTS))
    folder = Path(snapshot_download("me/net"))
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES


def test_a_git_id_is_that_of_git() -> None:
    assert git_sha1(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_the_same_again_makes_no_commit(hub: StandIn, me: None) -> None:
    HfApi().create_repo("me/net")
    assert commit() == commit("again")
    assert titles(hub) == ["initial commit", "new"]
    assert len(hub.asked("PUT")) == 1


def test_a_repository_is_made_once_and_deleted(hub: StandIn, me: None) -> None:
    api = HfApi()
    assert api.create_repo("net", private=True).repo_id == "me/net"
    assert hub.repos["me/net"].private
    api.create_repo("me/net", exist_ok=True)
    with pytest.raises(HfHubHTTPError, match="409 Conflict"):
        api.create_repo("me/net")
    api.delete_repo("me/net")
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo("me/net")


def test_branches(hub: StandIn, net: str, me: None) -> None:
    api = HfApi()
    with pytest.raises(RevisionNotFoundError):
        api.create_commit("me/net", additions(), commit_message="new", revision="a/b")
    api.create_branch("me/net", branch="a/b")
    made = api.create_commit(
        "me/net", [CommitOperationDelete("config.json")], commit_message="less", revision="a/b"
    ).oid
    assert {one.name: one.target_commit for one in api.list_repo_refs("me/net").branches} == {"main": net, "a/b": made}
    assert download("config.json") == b"{}"
    with pytest.raises(EntryNotFoundError):
        download("config.json", revision="a/b")
    assert [one.title for one in api.list_repo_commits("me/net", revision="a/b")] == ["less", "put", "initial commit"]
    with pytest.raises(HfHubHTTPError, match="409 Conflict"):
        api.create_branch("me/net", branch="a/b")


def test_a_commit_on_an_outdated_parent_is_refused(hub: StandIn, net: str, me: None) -> None:
    hub.put("me/net", {"config.json": "[]"}, title="between")
    with pytest.raises(HfHubHTTPError, match="412 Precondition"):
        HfApi().create_commit("me/net", additions(), commit_message="new", parent_commit=net)
    assert titles(hub)[-1] == "between"


def test_front_matter_is_validated_before_anything_is_sent(hub: StandIn, net: str, me: None) -> None:
    broken = CommitOperationAdd("README.md", b"---\ntags: [\n---\n")
    with pytest.raises(ValueError, match="Invalid metadata"):
        HfApi().create_commit("me/net", [broken], commit_message="new")
    assert [one.path for one in hub.requests] == ["/api/validate-yaml"]


def test_a_body_of_another_digest_is_no_object(hub: StandIn, net: str, me: None) -> None:
    session = get_session()
    wrong = session.put(f"{hub.storage}/lfs/me/net/{'0' * 64}", content=b"other")
    assert wrong.status_code == 400
    lines = [
        {"key": "header", "value": {"summary": "new"}},
        {"key": "file", "value": {"path": "config.json", "content": "W10=", "encoding": "base64"}},
        {"key": "lfsFile", "value": {"path": "model.safetensors", "oid": "0" * 64, "size": 5, "algo": "sha256"}},
    ]
    answer = session.post(
        f"{hub.endpoint}/api/models/me/net/commit/main",
        content="\n".join(map(json.dumps, lines)),
        headers={"Authorization": "Bearer hf_write"},
    )
    assert (answer.status_code, titles(hub)) == (400, ["initial commit", "put"])


# Who may what


@pytest.mark.parametrize("token", ["hf_read", "hf_stranger", "hf_fine", "hf_unknown", ""])
def test_writing_needs_a_token_that_may(hub: StandIn, net: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    refused = "403 Forbidden" if token in hub.tokens else "401 Unauthorized"
    for write in (commit, lambda: HfApi().create_repo("me/other"), lambda: HfApi().delete_repo("me/net")):
        with pytest.raises(HfHubHTTPError, match=refused):
            write()
    assert list(hub.repos) == ["me/net"]
    assert titles(hub) == ["initial commit", "put"]


def test_a_fine_grained_token_writes_where_it_may(hub: StandIn) -> None:
    api = HfApi(token="hf_fine")
    access = api.whoami()["auth"]["accessToken"]
    assert (access["role"], access["fineGrained"]["scoped"][0]["entity"]["name"]) == ("fineGrained", "lab")
    api.create_repo("lab/net")
    api.create_commit("lab/net", additions(), commit_message="new")
    assert hub.repos["lab/net"].branches["main"][-1].files["config.json"] == b"{}"


def test_whoami_refuses_an_unknown_token(hub: StandIn) -> None:
    assert HfApi(token="hf_read").whoami()["auth"]["accessToken"]["role"] == "read"
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        HfApi(token="hf_unknown").whoami()


def test_a_private_repository_is_there_for_its_owner_only(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.put("me/net", FILES, private=True)
    for token, status in (("", 401), ("hf_stranger", 404)):
        monkeypatch.setenv("HF_TOKEN", token)
        for ask in (download, lambda: HfApi().model_info("me/net")):
            with pytest.raises(RepositoryNotFoundError) as refused:
                ask()
            assert refused.value.response.status_code == status
        assert list(HfApi().list_models(author="me")) == []
    monkeypatch.setenv("HF_TOKEN", "hf_read")
    assert download() == WEIGHTS
    assert [one.id for one in HfApi().list_models(author="me")] == ["me/net"]


@pytest.mark.parametrize(("token", "status"), [("", 401), ("hf_stranger", 403)])
def test_a_gated_repository_shows_itself_but_not_its_files(hub: StandIn, net: str, token: str, status: int) -> None:
    hub.repos["me/net"].gated = True
    assert HfApi(token=token or False).model_info("me/net").gated == "manual"
    with pytest.raises(GatedRepoError) as refused:
        hf_hub_download("me/net", "config.json", token=token or False)
    assert refused.value.response.status_code == status


# Reading


def test_revisions(hub: StandIn, net: str) -> None:
    newer, api = hub.put("me/net", {"config.json": "[]"}), HfApi()
    assert [api.model_info("me/net", revision=name).sha for name in ("main", net, net[:7])] == [newer, net, net]
    assert download("config.json", revision=net[:7]) == b"{}"
    for name in ("nobranch", net[:6], "0" * 40):
        with pytest.raises(RevisionNotFoundError):
            api.model_info("me/net", revision=name)


def test_what_is_not_there(hub: StandIn, net: str) -> None:
    with pytest.raises(EntryNotFoundError):
        download("none.json")
    with pytest.raises(EntryNotFoundError):
        list(HfApi().list_repo_tree("me/net", "none"))
    with pytest.raises(RepositoryNotFoundError):
        HfApi().model_info("me/none")


def test_trees_and_paths(hub: StandIn, net: str) -> None:
    api = HfApi()
    names = [one.path for one in api.list_repo_tree("me/net")]
    assert names == [".gitattributes", "README.md", "config.json", "model.safetensors", "samples"]
    assert {one.path for one in api.list_repo_tree("me/net", recursive=True)} == {*names, "samples/a.txt"}
    assert [one.path for one in api.list_repo_tree("me/net", "samples")] == ["samples/a.txt"]
    (weights,) = api.get_paths_info("me/net", ["model.safetensors", "none"])
    assert (weights.size, weights.lfs.sha256) == (len(WEIGHTS), sha256(WEIGHTS))


def test_models_are_listed_by_author_and_tag(hub: StandIn, net: str) -> None:
    hub.put("me/other", {"README.md": "---\ntags: [b]\n---\n"})
    hub.put("you/net", FILES)
    api = HfApi()
    assert [one.id for one in api.list_models(author="me")] == ["me/net", "me/other"]
    assert [one.id for one in api.list_models(author="me", filter=["a", "lightning-zoo"])] == ["me/net"]
    assert [one.id for one in api.list_models(search="net", limit=1)] == ["me/net"]


def test_large_files_come_from_another_port_without_the_token(hub: StandIn, net: str, me: None) -> None:
    assert download() == WEIGHTS
    asked, sent = hub.requests
    assert (asked.method, asked.authorization, asked.status) == ("HEAD", "Bearer hf_write", 302)
    assert (sent.method, sent.authorization, f"http://{sent.host}") == ("GET", None, hub.storage)


# The server and its fixtures


def test_ends_while_a_client_is_stalled(hub: StandIn) -> None:
    start = time.monotonic()
    with StandIn() as standin:
        standin.fault("GET", "/api/models", Stall(60))
        with pytest.raises(HTTPError, match="timed out"):
            HfApi(endpoint=standin.endpoint).model_info("me/net", timeout=0.05)
    assert time.monotonic() - start < 5


def test_an_error_of_the_server_fails_the_test(hub: StandIn) -> None:
    standin = StandIn({"hf_broken": {}})
    with pytest.raises(KeyError, match="role"), standin:
        HfApi(endpoint=standin.endpoint, token="hf_broken").list_repo_refs("me/net")


def test_children_see_the_same_hub_and_cache(hub: StandIn, net: str) -> None:
    code = "from huggingface_hub import hf_hub_download as get; print(get('me/net', 'config.json'))"
    child = subprocess.run([sys.executable, "-c", code], env=os.environ, check=True, capture_output=True, text=True)
    asked = len(hub.requests)
    assert child.stdout.strip() == hf_hub_download("me/net", "config.json", revision=net)
    assert len(hub.requests) == asked


def test_another_machine_starts_with_an_empty_cache(hub: StandIn, net: str, cold: Callable[[], Path]) -> None:
    first = hf_hub_download("me/net", "config.json")
    home = cold()
    assert list(home.iterdir()) == []
    assert hf_hub_download("me/net", "config.json", revision=net) != first
    assert len(hub.asked("GET", "config.json")) == 2
