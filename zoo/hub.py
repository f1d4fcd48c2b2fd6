"""The Hugging Face Hub: which commit a name means, and its files in the cache, each as the Hub says it is.

What the Hub says of a commit, sizes and digests, is kept beside its client's cache. So a file can be verified every
time it is read, and what is in the cache needs no connection.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from zoo import contents
from zoo.errors import ZooError
from zoo.files import CHUNK, read_json, replace
from zoo.troubles import in_plain_words

NAME = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w.][\w./-]*))?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")
LIBRARY = "lightning-zoo"  # whose name is a tag of every card
TIMEOUT = 10.0  # seconds of silence
PATIENCE = 120.0  # seconds of silence where a large file may be stored, or a commit be made, meanwhile


@dataclass(frozen=True)
class Reference:
    """A repository's name and what was asked of it.

    Args:
        repo: such as "user/name".
        revision: a branch, a tag, or a commit, which may be shortened to 7 digits.
    """

    repo: str
    revision: str = "main"

    def __str__(self) -> str:
        return self.repo if self.revision == "main" else f"{self.repo}@{self.revision}"


def parse(name: str) -> Reference | None:
    """``user/name`` or ``user/name@revision``; None for what has another form."""
    found = NAME.fullmatch(name)
    if not found or ".." in name or "--" in found["repo"] or found["repo"].endswith((".git", ".", "-")):
        return None
    return Reference(found["repo"], found["revision"] or "main")


def client() -> Any:
    """The Hub's own client, quiet, and without Xet where the endpoint may not speak it."""
    import huggingface_hub
    from huggingface_hub import constants, logging
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    if urlsplit(constants.ENDPOINT).hostname not in ("huggingface.co", "hub-ci.huggingface.co"):
        constants.HF_HUB_DISABLE_XET = True
    constants.DOWNLOAD_CHUNK_SIZE = CHUNK  # a cut download goes on after the last whole chunk
    _end_silence()
    if not sys.stderr.isatty():
        disable_progress_bars()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    return huggingface_hub.HfApi(endpoint=constants.ENDPOINT, library_name=LIBRARY)


def _end_silence() -> None:
    """Gives the requests of the client time limits, where they have none; what another program set stays as it is."""
    import huggingface_hub
    from huggingface_hub.utils import _http

    made = getattr(_http, "default_client_factory", None)
    if made is None or getattr(_http, "_GLOBAL_CLIENT_FACTORY", None) is not made:
        return

    def session() -> Any:
        new = made()
        new.event_hooks = {**new.event_hooks, "request": [*new.event_hooks["request"], _limit]}
        return new

    huggingface_hub.set_client_factory(session)


def _limit(request: Any) -> None:
    """A limit on each request, since the client sets none for its session and says so again with some requests."""
    seconds = TIMEOUT if request.method in ("GET", "HEAD") else PATIENCE
    own = {what: limit for what, limit in request.extensions.get("timeout", {}).items() if limit is not None}
    request.extensions = {
        **request.extensions,
        "timeout": {"connect": TIMEOUT, "read": seconds, "write": seconds, **own},
    }


def endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def cache() -> Path:
    """The folder of the zoo's own records, in that of the client."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "zoo"


@dataclass(frozen=True)
class Listed:
    """What the Hub says of a file: its size in bytes, and its SHA-256 or, of a file kept by git, its blob's SHA-1."""

    size: int
    sha256: str | None = None
    blob: str | None = None

    @classmethod
    def of(cls, path: Path) -> Listed:
        """What the Hub would say of a file, with both digests."""
        size = path.stat().st_size
        sha256, blob = hashlib.sha256(), hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                sha256.update(chunk)
                blob.update(chunk)
        return cls(size, sha256.hexdigest(), blob.hexdigest())

    def difference(self, path: Path) -> str:
        """How the file at a path is not this one; empty where it is."""
        if (size := path.stat().st_size) != self.size:
            return f"{size} bytes, not {self.size}"
        have = Listed.of(path)
        found, want = (have.sha256, self.sha256) if self.sha256 else (have.blob, self.blob)
        return "" if found == want else f"digest {found}, not {want}"


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit.

    Args:
        reference: what was asked for.
        commit: its full name.
        files: everything that the commit holds, by path.
    """

    reference: Reference
    commit: str
    files: dict[str, Listed]

    @property
    def name(self) -> str:
        return self.reference.repo.partition("/")[2]

    @property
    def folder(self) -> Path:
        """Where the client keeps this commit; only what :meth:`file` returned is sure to be there, and whole."""
        from huggingface_hub import constants

        return Path(
            constants.HF_HUB_CACHE, f"models--{self.reference.repo.replace('/', '--')}", "snapshots", self.commit
        )

    def __str__(self) -> str:
        return f"{self.reference.repo}@{self.commit[:7]}"

    @property
    def foreign(self) -> bool:
        return True

    @property
    def bundled(self) -> bool:
        return False

    @property
    def restoring(self) -> str:
        """How to get a file back that is damaged."""
        return f"its owner published it so; another revision may be whole: {self.reference.repo}@REVISION"

    def has(self, name: str) -> bool:
        return name in self.files

    def is_cached(self, name: str) -> bool:
        return (self.folder / name).is_file()

    def file(self, name: str, limit: int = contents.PROSE) -> Path:
        """A file in the cache, fetched if need be, and verified.

        Args:
            name: path in the repository.
            limit: bytes; a larger file is not fetched.

        Raises:
            ZooError: no such file, too large, another digest than the Hub's, or out of reach.
        """
        listed = self.files.get(name)
        if listed is None:
            raise ZooError(f"{self}: has no {name}; is it a model of the zoo?")
        if listed.size > limit:
            raise ZooError(f"{self}: refused, {name} has {listed.size:,} bytes, and at most {limit:,} are expected")
        path = self.folder / name
        if path.is_file():
            problem = listed.difference(path)
            if not problem:
                return path
            print(f"{path}: damaged ({problem}); it is fetched again", file=sys.stderr)  # noqa: T201
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        path = self._download(name)
        if problem := listed.difference(path):
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise ZooError(f"{self}: {name} was refused and removed, it is not what the Hub lists: {problem}")
        return path

    def _download(self, name: str) -> Path:
        with in_plain_words(self.reference):
            return Path(client().hf_hub_download(self.reference.repo, name, revision=self.commit))


def find(reference: Reference, refresh: bool = False) -> Snapshot:
    """The commit that a name means, from what is remembered, or else from the Hub.

    Args:
        reference: what is asked for.
        refresh: asks the Hub even so, where a branch may have moved.

    Raises:
        ZooError: no such repository or revision, or out of reach.
    """
    commit = None if refresh and not COMMIT.fullmatch(reference.revision) else _remembered(reference)
    if commit and (known := _listing(reference.repo, commit)):
        return Snapshot(reference, commit, known)
    with in_plain_words(reference):
        info = client().model_info(reference.repo, revision=reference.revision, files_metadata=True, timeout=TIMEOUT)
    if not COMMIT.fullmatch(info.sha or ""):
        raise ZooError(f"{reference}: the Hub names no commit, but {info.sha!r:.60}")
    asked = reference.revision
    if (COMMIT.fullmatch(asked) or SHORT_COMMIT.fullmatch(asked)) and not info.sha.startswith(asked):
        raise ZooError(f"{reference}: refused, it is no commit there but another name of {info.sha}")
    files = {file.rfilename: _listed(file.size, file.lfs, file.blob_id) for file in info.siblings or ()}
    if None in files.values():  # mirrors say it only when they are asked for the tree
        with in_plain_words(reference):
            tree = list(client().list_repo_tree(reference.repo, recursive=True, revision=info.sha))
        files |= {each.path: _listed(each.size, each.lfs, each.blob_id) for each in tree if hasattr(each, "blob_id")}
    snapshot = Snapshot(reference, info.sha, {name: listed for name, listed in files.items() if listed})
    _remember(snapshot)
    return snapshot


def _listed(size: int | None, lfs: Any, blob: str | None) -> Listed | None:
    """None where a size or digest is missing, and so nothing could be verified."""
    if size is None or not (lfs or blob):
        return None
    return Listed(size, lfs.sha256 if lfs else None, blob)


def _records(repo: str) -> Path:
    return cache() / "hub" / repo.replace("/", "--")


def _remember(snapshot: Snapshot) -> None:
    """One file a commit and one a revision, each replaced whole: processes side by side do not mix them."""
    records = _records(snapshot.reference.repo)
    revision = snapshot.reference.revision
    (records / "commits").mkdir(parents=True, exist_ok=True)
    (records / "revisions").mkdir(exist_ok=True)
    listing = {name: vars(listed) for name, listed in snapshot.files.items()}
    replace(records / "commits" / f"{snapshot.commit}.json", json.dumps(listing))
    if revision != snapshot.commit:
        replace(records / "revisions" / quote(revision, safe=""), snapshot.commit)


def _remembered(reference: Reference) -> str | None:
    if COMMIT.fullmatch(reference.revision):
        return reference.revision
    records = _records(reference.repo)
    try:
        return (records / "revisions" / quote(reference.revision, safe="")).read_text()
    except OSError:
        if not SHORT_COMMIT.fullmatch(reference.revision):
            return None
    known = [path.stem for path in (records / "commits").glob(f"{reference.revision}*.json")]
    return known[0] if len(known) == 1 else None


def _listing(repo: str, commit: str) -> dict[str, Listed] | None:
    """What is remembered of a commit; None where there is nothing, or nothing that can be read."""
    try:
        kept = read_json(_records(repo) / "commits" / f"{commit}.json")
        return {name: Listed(**listed) for name, listed in kept.items()}
    except (ZooError, TypeError):
        return None
