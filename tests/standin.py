"""A small stand-in for the part of the Hugging Face Hub that ``huggingface_hub`` needs for models and Spaces."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import yaml

from loopback import Answer, Request
from repositories import Commit, RefusalError, Repo, Shelf, git_sha1, is_lfs, sha256

REPO = r"(?P<repo>(?:spaces/)?[^/]+/[^/]+)"  # Spaces are repositories whose names begin with spaces/
MODEL = r"/api/(?:models/)?(?P<repo>(?<=models/)[^/]+/[^/]+|spaces/[^/]+/[^/]+)"
REVISION = r"(?P<revision>[^/]+)"
DATE = "2024-01-01T00:00:00.000Z"
Route = Callable[..., Answer]


class StandIn(Shelf):
    """A stand-in for the Hub, with a second port for large files as the Hub has its CDN."""

    storage = ""  # address of the large files

    def __enter__(self) -> StandIn:
        super().__enter__()
        self.storage = self.listen()
        return self

    def answer(self, request: Request) -> Answer:
        path = urlsplit(request.path).path
        for method, pattern, route in ROUTES:
            if method == request.method.replace("HEAD", "GET") and (found := re.fullmatch(pattern, path)):
                try:
                    return route(self, request, **{name: unquote(part) for name, part in found.groupdict("").items()})
                except RefusalError as refusal:
                    return refusal.answer
        return Answer.of({"error": f"the stand-in has no {request.method} {path}"}, 404)

    def whoami(self, request: Request) -> Answer:
        token = self.token(request)
        if token is None:
            raise RefusalError(401, "Invalid username or password.")
        access: dict[str, Any] = {"displayName": "a token", "role": token["role"]}
        if token["role"] == "fineGrained":
            scoped = [
                {"entity": {"type": "model" if "/" in name else "user", "name": name}, "permissions": permissions}
                for name, permissions in token.get("scoped", {}).items()
            ]
            access["fineGrained"] = {"canReadGatedRepos": False, "global": [], "scoped": scoped}
        orgs = [{"type": "org", "name": name} for name in token.get("orgs", [])]
        auth = {"type": "access_token", "accessToken": access}
        return Answer.of({"type": "user", "id": "1", "name": token["name"], "orgs": orgs, "auth": auth})

    def create(self, request: Request) -> Answer:
        name, asked = self._named(request)
        self.refuse_writing(request, name)
        url = f"{self.endpoint}/{name}"
        if name in self.repos:
            return Answer.of({"error": "You already created this repo", "url": url}, 409)
        self.repos[name] = self.new(name, asked.get("visibility") == "private" or asked.get("private", False))
        return Answer.of({"url": url, "name": name})

    def delete(self, request: Request) -> Answer:
        name, _ = self._named(request)
        self.writable(request, name)
        del self.repos[name]
        return Answer.of({})

    def _named(self, request: Request) -> tuple[str, dict[str, Any]]:
        asked = json.loads(request.body)
        token = self.token(request)
        kind = "spaces/" if asked.get("type") == "space" else ""
        return f"{kind}{asked.get('organization') or (token or {}).get('name')}/{asked['name']}", asked

    def info(self, request: Request, repo: str, revision: str = "main") -> Answer:
        there = self.readable(request, repo)
        return Answer.of(self._described(there, there.commit(revision), "blobs" in query(request)))

    def models(self, request: Request) -> Answer:
        asked, token = query(request), self.token(request)
        author, tags = asked.get("author", [""])[0], set(asked.get("filter", []))
        found = [
            self._described(repo, repo.branches["main"][-1], False)
            for name, repo in self.repos.items()
            if name.startswith(f"{author}/" if author else "") and tags <= set(repo.tags())
            if not repo.private or self.may(token, name, "repo.content.read")
        ]
        return Answer.of(found[: int(asked.get("limit", [1000])[0])])

    def _described(self, repo: Repo, commit: Commit, blobs: bool) -> dict[str, Any]:
        card, name = commit.card, repo.name.removeprefix("spaces/")
        namespace = name.partition("/")[0]
        known: dict[str, Any] = {name: card[name] for name in ("library_name", "pipeline_tag") if name in card}
        siblings = [commit.sibling(path, blobs) for path in sorted(commit.files)]
        about = {"private": repo.private, "gated": "manual" if repo.gated else False, "disabled": False}
        counts = {"createdAt": DATE, "lastModified": DATE, "downloads": 0, "likes": 0}
        common = {"id": name, "modelId": name, "author": namespace, "sha": commit.id, **about, **counts}
        return {**common, "tags": repo.tags(), "cardData": card, "siblings": siblings, **known}

    def branch(self, request: Request, repo: str, name: str) -> Answer:
        there = self.writable(request, repo)
        if name in there.branches:
            raise RefusalError(409, f"Reference already exists: {name}")
        start = there.commit(json.loads(request.body).get("startingPoint", "main"))
        past = next(commits for commits in there.branches.values() if start in commits)
        there.branches[name] = past[: past.index(start) + 1]
        return Answer.of({})

    def validate(self, request: Request) -> Answer:
        found = re.match(r"---\n(.*?)\n---", json.loads(request.body)["content"], re.DOTALL)
        try:
            card = yaml.safe_load(found[1]) if found else None
        except yaml.YAMLError as error:
            return Answer.of({"errors": [{"message": str(error)}], "warnings": []}, 400)
        warnings = [] if card else [{"message": "empty or missing yaml metadata in repo card"}]
        return Answer.of({"errors": [], "warnings": warnings})

    def preupload(self, request: Request, repo: str, revision: str) -> Answer:
        commit = self.writable(request, repo).commit(revision)
        answers = []
        for asked in json.loads(request.body)["files"]:
            path, lfs = asked["path"], is_lfs(asked["path"], asked["size"])
            there = commit.files.get(path)
            oid = None if there is None else commit.lfs(path)["oid"] if lfs else git_sha1(there)
            answers.append({"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False, "oid": oid})
        return Answer.of({"files": answers})

    def batch(self, request: Request, repo: str) -> Answer:
        self.writable(request, repo)
        objects = [dict(one) for one in json.loads(request.body)["objects"]]
        for one in objects:
            if one["oid"] not in self.objects:
                verify = f"{self.endpoint}/api/{repo if repo.startswith('spaces/') else f'models/{repo}'}/lfs-verify"
                upload = f"{self.storage}/lfs/{repo}/{one['oid']}"
                one["actions"] = {"upload": {"href": upload}, "verify": {"href": verify}}
        return Answer.of({"transfer": "basic", "objects": objects})

    def upload(self, request: Request, repo: str, oid: str) -> Answer:
        if sha256(request.body) != oid:
            raise RefusalError(400, f"the SHA-256 of the body is not {oid}")
        self.objects[oid] = request.body
        return Answer()

    def verify(self, request: Request, repo: str) -> Answer:
        self.writable(request, repo)
        asked = json.loads(request.body)
        if len(self.objects.get(asked["oid"], b"")) != asked["size"]:
            raise RefusalError(404, f"no object {asked['oid']} of that size")
        return Answer.of({})

    def commit(self, request: Request, repo: str, revision: str) -> Answer:
        """A commit, which is made whole or not at all."""
        there = self.writable(request, repo)
        if revision not in there.branches:
            raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        last = there.branches[revision][-1]
        header, *operations = [json.loads(line) for line in request.body.splitlines()]
        if not last.id.startswith(header["value"].get("parentCommit", "")):
            raise RefusalError(412, "A commit has happened since. Please refresh and try again.")
        files = dict(last.files)
        for operation in operations:
            self._apply(files, operation["key"], operation["value"])
        commit = self.add(there, revision, files, header["value"]["summary"])
        return Answer.of({"success": True, "commitUrl": f"{self.endpoint}/{repo}/commit/{commit}", "commitOid": commit})

    def _apply(self, files: dict[str, bytes], key: str, value: Mapping[str, Any]) -> None:
        path = value["path"]
        if key == "file":
            try:
                files[path] = base64.b64decode(value["content"], validate=True)
            except binascii.Error as error:
                raise RefusalError(400, f"{path}: {error}") from None
        elif key == "lfsFile":
            if value["oid"] not in self.objects:
                raise RefusalError(400, f"an LFS pointer pointed to a file that does not exist: {path}")
            files[path] = self.objects[value["oid"]]
        elif key == "deletedFile" and path in files:
            del files[path]
        elif key == "deletedFolder":
            for inside in [one for one in files if one.startswith(path.rstrip("/") + "/")]:
                del files[inside]
        else:
            raise RefusalError(400, f"{key} {path}: A file with this name doesn't exist", "EntryNotFound")

    def resolve(self, request: Request, repo: str, revision: str, path: str) -> Answer:
        commit = self.readable(request, repo, content=True).commit(revision)
        content = commit.files.get(path)
        if content is None:
            raise RefusalError(404, "Entry not found", "EntryNotFound", X_Repo_Commit=commit.id)
        headers = {"X-Repo-Commit": commit.id}
        if not is_lfs(path, len(content)):
            return ranged(request, content, {**headers, "ETag": f'"{git_sha1(content)}"'})
        linked = {"X-Linked-Etag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content))}
        location = f"{self.storage}/lfs/{repo}/{sha256(content)}?filename={quote(path, safe='')}"
        return Answer(302, {**headers, **linked, "Location": location})

    def stored(self, request: Request, repo: str, oid: str) -> Answer:
        if oid not in self.objects:
            raise RefusalError(404, "no such object")
        return ranged(request, self.objects[oid], {"ETag": f'"{oid}"'})


def query(request: Request) -> dict[str, list[str]]:
    return parse_qs(urlsplit(request.path).query)


def ranged(request: Request, content: bytes, headers: Mapping[str, str]) -> Answer:
    """The whole content, or the part that the request asks for."""
    headers = {"Accept-Ranges": "bytes", **headers}
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.range or "")
    if not asked:
        return Answer(200, headers, content)
    start, end = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
    if start > end:
        return Answer(416, {**headers, "Content-Range": f"bytes */{len(content)}"})
    return Answer(206, {**headers, "Content-Range": f"bytes {start}-{end}/{len(content)}"}, content[start : end + 1])


ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("GET", "/api/whoami-v2", StandIn.whoami),
    ("POST", "/api/repos/create", StandIn.create),
    ("DELETE", "/api/repos/delete", StandIn.delete),
    ("POST", "/api/validate-yaml", StandIn.validate),
    ("GET", "/api/models", StandIn.models),
    ("GET", MODEL, StandIn.info),
    ("GET", f"{MODEL}/revision/{REVISION}", StandIn.info),
    ("POST", f"{MODEL}/branch/(?P<name>[^/]+)", StandIn.branch),
    ("POST", f"{MODEL}/preupload/{REVISION}", StandIn.preupload),
    ("POST", f"{MODEL}/commit/{REVISION}", StandIn.commit),
    ("POST", f"{MODEL}/lfs-verify", StandIn.verify),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/batch", StandIn.batch),
    ("PUT", f"/lfs/{REPO}/(?P<oid>[0-9a-f]+)", StandIn.upload),
    ("GET", f"/lfs/{REPO}/(?P<oid>[0-9a-f]+)", StandIn.stored),
    ("GET", f"/{REPO}/resolve/{REVISION}/(?P<path>.+)", StandIn.resolve),
)
