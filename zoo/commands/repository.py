"""What ``zoo publish`` asks of a repository before it sends anything: its name, the permission, what differs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zoo.base.errors import ZooError
from zoo.hub import client
from zoo.hub.cache import COMMIT, SHORT_COMMIT, Listed
from zoo.hub.errors import in_plain_words, redact

BRANCH = re.compile(r"\w[\w-]*([./]\w[\w-]*)*", re.ASCII)
MAX_NAME = 96  # characters of a repository's name


def check_names(repo: str, revision: str = "main") -> None:
    """Refuses invalid names of a repository or a branch before the Hub is asked.

    Raises:
        ZooError: one of the names is invalid.
    """
    if not (reference := client.parse(repo)) or reference.repo != repo or len(repo) > MAX_NAME:
        raise ZooError(f"{repo!r:.120} is not a repository's name: USER/NAME, of letters, digits, '-', '_' and '.'")
    commit = COMMIT.fullmatch(revision) or SHORT_COMMIT.fullmatch(revision)  # the Hub would look for a commit
    if commit or not BRANCH.fullmatch(revision) or revision.endswith(".lock") or revision.startswith("refs/"):
        raise ZooError(f"{revision!r:.100} is not a branch's name: letters, digits, '-', '_', with '.' or '/' between")


def preflight(repo: str, private: bool | None = None, kind: str = "model") -> None:
    """Asks the Hub whether the token may write to a repository.

    Args:
        repo: "user/name".
        private: whether an existing repository must be private.
        kind: "model" or "space".

    Raises:
        ZooError: an invalid name, no token, a token that may not write, a public repository, or no connection.
    """
    check_names(repo)
    api = client.api()
    import huggingface_hub

    if not huggingface_hub.get_token():
        raise ZooError("publishing needs a token with write permission: hf auth login, or HF_TOKEN")
    with in_plain_words(repo, "send"):
        who = api.whoami()
        public = private and api.repo_exists(repo, repo_type=kind) and not api.repo_info(repo, repo_type=kind).private
    if problem := _obstacle(who, repo):
        raise ZooError(
            f"the token may not write to {repo}: {redact(problem)}\n"
            f"create one with write permission on {client.endpoint()}/settings/tokens"
        )
    if public:
        raise ZooError(f"{repo} already exists and is public; publish elsewhere or without --private")


def _obstacle(who: Mapping[str, Any], repo: str) -> str:
    """Why a token, by the Hub's answer about it, may not write to a repository; empty if it may."""
    namespace = repo.partition("/")[0]
    organizations = {each.get("name"): each for each in who.get("orgs", ())}
    token = who.get("auth", {}).get("accessToken", {})
    if token.get("role") == "fineGrained":  # which need not show the organisations that it may write to
        allowed = _may_write(token.get("fineGrained", {}), repo)
        return "" if allowed else f"it is fine-grained, and writing to {namespace} is not among its permissions"
    if namespace != who.get("name") and namespace not in organizations:
        return f"it belongs to {who.get('name')}, who is not a member of {namespace}"
    if organizations.get(namespace, {}).get("roleInOrg") == "read":
        return f"{who.get('name')} may only read in {namespace}"
    return "it may only read" if token.get("role") == "read" else ""


def _may_write(grained: Mapping[str, Any], repo: str) -> bool:
    """Whether a fine-grained token may write to a repository: by its scope of user, organisation or repository."""
    names = (repo, repo.partition("/")[0])
    scopes = [each for each in grained.get("scoped", ()) if each.get("entity", {}).get("name") in names]
    return "repo.write" in grained.get("global", ()) or any(
        "repo.write" in each.get("permissions", ()) for each in scopes
    )


def differing(info: Any, local: Mapping[str, Listed]) -> list[str]:
    """Names of the files that a commit lacks, or holds with other content."""
    there = {file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id for file in info.siblings or ()}
    return [name for name, own in local.items() if there.get(name) not in (own.sha256, own.blob)]
