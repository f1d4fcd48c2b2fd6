"""The Hugging Face Hub: which commit a name means, and its files in the cache, each as the Hub says it is.

What the Hub says of a commit, sizes and digests, is kept beside its client's cache. So a file can be verified every
time it is read, and what is in the cache needs no connection.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zoo.base.errors import ZooError
from zoo.base.files import CHUNK
from zoo.base.text import first_line
from zoo.hub import cache as records
from zoo.hub import layout
from zoo.hub.cache import COMMIT, SHORT_COMMIT, Listed
from zoo.hub.errors import OutOfReachError, in_plain_words, redact

NAME = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w.][\w./-]*))?", re.ASCII)
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


def _constants() -> Any:
    """The settings of the client, which looks at them when it is imported.

    Raises:
        ZooError: an endpoint that is no address.
    """
    try:
        from huggingface_hub import constants

        urlsplit(constants.ENDPOINT).port  # noqa: B018  # reading it checks it
    except ValueError as error:
        raise ZooError(redact(f"HF_ENDPOINT is no address: {os.environ.get('HF_ENDPOINT')!r}: {error}")) from None
    return constants


def client() -> Any:
    """The Hub's own client, quiet, and without Xet where the endpoint may not speak it.

    Raises:
        ZooError: an endpoint that is no address.
    """
    constants = _constants()
    import huggingface_hub
    from huggingface_hub import logging
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

    made = _http.default_client_factory
    if getattr(_http, "_GLOBAL_CLIENT_FACTORY", None) is made:
        huggingface_hub.set_client_factory(partial(_session, made))


def _session(made: Callable[[], Any]) -> Any:
    try:
        session = made()
    except (ImportError, OSError, ValueError) as error:  # before anything is asked
        raise ZooError(
            redact(f"the settings of the connection are wrong: {first_line(error)}")
            + "\nthey are HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
        ) from None
    session.event_hooks = {**session.event_hooks, "request": [*session.event_hooks["request"], _limit]}
    return session


def _limit(request: Any) -> None:
    """A limit on each request, since the client sets none for its session and says so again with some requests."""
    seconds = TIMEOUT if request.method in ("GET", "HEAD") else PATIENCE
    own = {what: limit for what, limit in request.extensions.get("timeout", {}).items() if limit is not None}
    limits = {"connect": TIMEOUT, "read": seconds, "write": seconds, **own}
    request.extensions = {**request.extensions, "timeout": limits}


def endpoint() -> str:
    """Its address, to be shown."""
    return redact(str(_constants().ENDPOINT))


def cache() -> Path:
    """The folder of the zoo's own records, in that of the client."""
    return Path(_constants().HF_HOME) / "zoo"


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
        repo = f"models--{self.reference.repo.replace('/', '--')}"
        return Path(_constants().HF_HUB_CACHE, repo, "snapshots", self.commit)

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

    def file(self, name: str, limit: int = layout.PROSE) -> Path:
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
        if path.is_file() and not listed.difference(path):
            return path
        with self._alone():
            return self._fetched(name, listed)

    def _fetched(self, name: str, listed: Listed) -> Path:
        path = self.folder / name
        if path.is_file():
            problem = listed.difference(path)
            if not problem:  # another process was first
                return path
            print(f"{path}: damaged ({problem}); it is fetched again", file=sys.stderr)  # noqa: T201
            _remove(path)
        with in_plain_words(self.reference, file=name):
            path = Path(client().hf_hub_download(self.reference.repo, name, revision=self.commit))
        if problem := listed.difference(path):
            _remove(path)
            raise ZooError(f"{self}: {name} was refused and removed, it is not what the Hub lists: {problem}")
        return path

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process fetches or removes files of the repository meanwhile."""
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

        lock = Path(_constants().HF_HUB_CACHE, ".locks", self.folder.parent.parent.name, "zoo.lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):
            yield


def _remove(path: Path) -> None:
    """With what it links to."""
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def find(reference: Reference, refresh: bool = False) -> Snapshot:
    """The commit that a name means, from what is remembered, or else from the Hub.

    Args:
        reference: what is asked for.
        refresh: asks the Hub even so, where a branch may have moved; where it is out of reach, that is only told.

    Raises:
        ZooError: no such repository or revision, or out of reach.
    """
    folder = cache() / "hub" / reference.repo.replace("/", "--")
    commit = records.commit_of(folder, reference.revision)
    known = records.files_of(folder, commit) if commit else None
    kept = Snapshot(reference, commit, known) if commit and known else None
    if kept and (not refresh or COMMIT.fullmatch(reference.revision)):
        return kept
    try:
        snapshot = _ask(reference)
    except OutOfReachError:
        if not kept:
            raise
        print(f"{endpoint()} is out of reach: {kept} is what the cache has, there may be a newer one", file=sys.stderr)  # noqa: T201
        return kept
    records.keep(folder, reference.revision, snapshot.commit, snapshot.files)
    return snapshot


def _ask(reference: Reference) -> Snapshot:
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
    return Snapshot(reference, info.sha, {name: listed for name, listed in files.items() if listed})


def _listed(size: int | None, lfs: Any, blob: str | None) -> Listed | None:
    """None where a size or digest is missing, and so nothing could be verified."""
    if size is None or not (lfs or blob):
        return None
    return Listed(size, lfs.sha256 if lfs else None, blob)
