"""Repositories of models as the Hub and its git have them, and who may do what with them."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from loopback import Answer, Loopback, Request

LARGE = 10 << 20  # bytes from which on a file is none for git
INITIAL = {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"}


class RefusalError(Exception):
    def __init__(self, status: int, message: str, code: str = "", **headers: str) -> None:
        super().__init__(message)
        named = {**headers, "X_Error_Message": message, **({"X_Error_Code": code} if code else {})}
        self.answer = Answer.of({"error": message}, status, **named)


def is_lfs(path: str, size: int) -> bool:
    return size > 0 and (path.endswith(".safetensors") or size >= LARGE)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pointer(content: bytes) -> bytes:
    """What git holds of an LFS file."""
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(content)}\nsize {len(content)}\n"
    return text.encode()


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class Commit:
    id: str
    title: str
    files: Mapping[str, bytes]  # all there are, not only the changed ones

    def lfs(self, path: str) -> dict[str, Any]:
        content = self.files[path]
        return {"oid": sha256(content), "size": len(content), "pointerSize": len(pointer(content))}

    def entry(self, path: str) -> dict[str, Any]:
        """As a tree has it."""
        content = self.files[path]
        stored, lfs = (pointer(content), {"lfs": self.lfs(path)}) if is_lfs(path, len(content)) else (content, {})
        return {"type": "file", "oid": git_sha1(stored), "size": len(content), "path": path, **lfs}

    def sibling(self, path: str, blobs: bool) -> dict[str, Any]:
        """As model info has it."""
        if not blobs:
            return {"rfilename": path}
        entry = self.entry(path)
        lfs = {"lfs": {"sha256": entry["lfs"]["oid"], **entry["lfs"]}} if "lfs" in entry else {}
        return {"rfilename": path, "blobId": entry["oid"], "size": entry["size"], **lfs}

    @property
    def card(self) -> dict[str, Any]:
        """Front matter of the README."""
        found = re.match(r"---\n(.*?)\n---", self.files.get("README.md", b"").decode(), re.DOTALL)
        content = yaml.safe_load(found[1]) if found else None
        return content if isinstance(content, dict) else {}


@dataclass
class Repo:
    name: str
    private: bool = False
    gated: bool = False
    branches: dict[str, list[Commit]] = field(default_factory=dict)  # oldest commit first

    def commit(self, revision: str) -> Commit:
        """The commit of a branch, of a commit's id, or of seven of its digits or more."""
        if revision in self.branches:
            return self.branches[revision][-1]
        found = {one.id: one for one in itertools.chain(*self.branches.values()) if one.id.startswith(revision)}
        if len(found) == 1 and len(revision) >= 7:
            return next(iter(found.values()))
        raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def tags(self) -> list[str]:
        card = self.branches["main"][-1].card
        named = [f"dataset:{name}" for name in card.get("datasets", [])] + [f"license:{card.get('license')}"]
        return [
            *card.get("tags", []),
            *named,
            *(card[name] for name in ("library_name", "pipeline_tag") if name in card),
        ]


class Shelf(Loopback):
    """Repositories, and who may do what with them.

    Args:
        tokens: what each token may: ``{"name": "me", "role": "write" | "read" | "fineGrained"}``, and for the last
            ``"scoped"``, a dictionary of namespaces or repositories to permissions, such as
            ``{"me": ["repo.content.read", "repo.write"]}``.
    """

    def __init__(self, tokens: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        super().__init__()
        self.tokens = dict(tokens or {})
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}  # large files by SHA-256
        self._count = itertools.count()

    def put(
        self,
        repo: str,
        files: Mapping[str, bytes | str],
        private: bool = False,
        branch: str = "main",
        title: str = "put",
    ) -> str:
        """Makes a commit directly, and the repository and the branch where they are missing; returns the commit's id.

        Files that are not named stay.
        """
        with self.lock:
            if repo not in self.repos:
                self.repos[repo] = self.new(repo, private)
            there = self.repos[repo]
            there.branches.setdefault(branch, list(there.branches["main"]))
            contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
            return self.add(there, branch, {**there.branches[branch][-1].files, **contents}, title)

    def new(self, name: str, private: bool) -> Repo:
        repo = Repo(name, private, branches={"main": []})
        self.add(repo, "main", INITIAL, "initial commit")
        return repo

    def add(self, repo: Repo, branch: str, files: Mapping[str, bytes], title: str) -> str:
        described = [repo.name, next(self._count), *sorted((path, sha256(one)) for path, one in files.items())]
        new = Commit(hashlib.sha1(repr(described).encode()).hexdigest(), title, dict(files))
        self.objects.update({sha256(one): one for path, one in files.items() if is_lfs(path, len(one))})
        repo.branches[branch].append(new)
        return new.id

    def token(self, request: Request) -> Mapping[str, Any] | None:
        if request.authorization is None:
            return None
        token = self.tokens.get(request.authorization.removeprefix("Bearer "))
        if token is None:
            raise RefusalError(401, "Invalid credentials in Authorization header")
        return token

    def may(self, token: Mapping[str, Any] | None, repo: str, permission: str) -> bool:
        if token is None:
            return False
        namespace = repo.removeprefix("spaces/").partition("/")[0]
        if token["role"] == "fineGrained":
            scoped = token.get("scoped", {})
            return permission in [*scoped.get(namespace, []), *scoped.get(repo, [])]
        writes = token["role"] == "write" or permission == "repo.content.read"
        return writes and namespace in (token["name"], *token.get("orgs", []))

    def readable(self, request: Request, name: str, content: bool = False) -> Repo:
        """A repository that the request may see, or whose files it may read."""
        token, repo = self.token(request), self.repos.get(name)
        reads = self.may(token, name, "repo.content.read")
        if repo is None or (repo.private and not reads):
            if token is None:
                raise RefusalError(401, "Invalid username or password.", "RepoNotFound")
            raise RefusalError(404, "Repository not found", "RepoNotFound")
        if content and repo.gated and not reads:
            raise RefusalError(401 if token is None else 403, f"Access to model {name} is restricted.", "GatedRepo")
        return repo

    def writable(self, request: Request, name: str) -> Repo:
        repo = self.readable(request, name)
        self.refuse_writing(request, name)
        return repo

    def refuse_writing(self, request: Request, name: str) -> None:
        if request.authorization is None:
            raise RefusalError(401, "Invalid username or password.")
        if not self.may(self.token(request), name, "repo.write"):
            raise RefusalError(403, f"You don't have the rights to write to {name}")
