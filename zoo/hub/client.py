"""The Hugging Face Hub: the commit that a name means, and its files in the cache, each verified.

The sizes and digests that the Hub lists for a commit are kept beside its client's cache. So a file can be verified
every time it is read, and cached files need no connection.

A program that uses the zoo as a library keeps its settings of huggingface_hub; see :func:`set_up_process`.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from zoo.base.errors import ZooError
from zoo.base.files import CHUNK
from zoo.base.text import first_line
from zoo.hub import cache, layout
from zoo.hub.cache import COMMIT, SHORT_COMMIT, Listed
from zoo.hub.errors import OutOfReachError, in_plain_words, redact

NAME = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w.][\w./-]*))?", re.ASCII)
LIBRARY = "lightning-zoo"  # a tag of every card
TIMEOUT = 10.0  # seconds of silence
PATIENCE = 120.0  # seconds of silence while the Hub may store a large file or make a commit
XET = ("huggingface.co", "hub-ci.huggingface.co")  # hosts that support Xet
_transfer = threading.Lock()
_process_is_ours = False


@dataclass(frozen=True)
class Reference:
    """A repository and a revision of it.

    Args:
        repo: name of the repository, such as "user/name".
        revision: a branch, a tag, or a commit, which may be shortened to 7 digits.
    """

    repo: str
    revision: str = "main"

    def __str__(self) -> str:
        return self.repo if self.revision == "main" else f"{self.repo}@{self.revision}"


def parse(name: str) -> Reference | None:
    """``user/name`` or ``user/name@revision``; None for any other form."""
    found = NAME.fullmatch(name)
    if not found or ".." in name or "--" in found["repo"] or found["repo"].endswith((".git", ".", "-")):
        return None
    return Reference(found["repo"], found["revision"] or "main")


def set_up_process() -> None:
    """Says that the whole process belongs to the zoo, as that of the ``zoo`` command does.

    From then on huggingface_hub is quiet, shows progress on terminals only, and limits the time of each request. All
    of these are settings of a process; without this call only requests of ``load`` have a timeout, by an argument.
    """
    global _process_is_ours
    _process_is_ours = True


def api() -> Any:
    """The Hub's own client.

    Raises:
        ZooError: the settings of the connection are wrong.
    """
    constants = _constants()
    import huggingface_hub

    try:
        huggingface_hub.get_session()
        if _process_is_ours:
            _apply_settings()
    except (ImportError, OSError, ValueError) as error:  # before anything is asked
        raise ZooError(
            redact(f"cannot connect: {first_line(error)}")
            + "\ncheck HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
        ) from None
    return huggingface_hub.HfApi(endpoint=constants.ENDPOINT, library_name=LIBRARY)


def _constants() -> Any:
    """The settings of the client, which it reads from the environment when it is imported."""
    try:
        from huggingface_hub import constants

        urlsplit(constants.ENDPOINT).port  # noqa: B018  # reading it checks it
    except ValueError as error:
        raise ZooError(redact(f"HF_ENDPOINT is not a URL: {os.environ.get('HF_ENDPOINT')!r}: {error}")) from None
    return constants


def _apply_settings() -> None:
    from huggingface_hub import get_session, logging, set_client_factory
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    if not sys.stderr.isatty():
        disable_progress_bars()
    session = get_session()
    hooks = session.event_hooks["request"]
    if _limit not in hooks:
        with_limit = {**session.event_hooks, "request": [*hooks, _limit]}
        set_client_factory(partial(type(session), event_hooks=with_limit, follow_redirects=True, timeout=None))


def _limit(request: Any) -> None:
    """Sets the timeout of a request, since the client sets none for its session and passes None with some requests."""
    seconds = TIMEOUT if request.method in ("GET", "HEAD") else PATIENCE
    own = {what: limit for what, limit in request.extensions.get("timeout", {}).items() if limit is not None}
    limits = {"connect": TIMEOUT, "read": seconds, "write": seconds, **own}
    request.extensions = {**request.extensions, "timeout": limits}


@contextmanager
def transfer() -> Iterator[None]:
    """Sends and fetches files without Xet where the endpoint may not support it, and resumes after each CHUNK if cut.

    Both are settings of the process that no function takes as arguments: they are restored at the end, and one thread
    at a time transfers.
    """
    constants = _constants()
    settings: dict[str, Any] = {"DOWNLOAD_CHUNK_SIZE": CHUNK}
    if urlsplit(constants.ENDPOINT).hostname not in XET:
        settings["HF_HUB_DISABLE_XET"] = True
    with _transfer:
        before = {name: getattr(constants, name) for name in settings}
        vars(constants).update(settings)
        try:
            yield
        finally:
            vars(constants).update(before)


def endpoint() -> str:
    """The Hub's address for messages, without secrets."""
    return redact(str(_constants().ENDPOINT))


def home() -> Path:
    """The zoo's own folder inside the client's (``HF_HOME``)."""
    return Path(_constants().HF_HOME) / "zoo"


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit.

    Args:
        reference: repository and revision that were requested.
        commit: full name of the commit.
        files: all files of the commit by path.
    """

    reference: Reference
    commit: str
    files: dict[str, Listed]
    foreign: ClassVar[bool] = True
    installed: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return self.reference.repo.partition("/")[2]

    @property
    def folder(self) -> Path:
        """The client's folder of this commit; only files that :meth:`file` returned are sure to exist and be whole."""
        repo = f"models--{self.reference.repo.replace('/', '--')}"
        return Path(_constants().HF_HUB_CACHE, repo, "snapshots", self.commit)

    def __str__(self) -> str:
        return f"{self.reference.repo}@{self.commit[:7]}"

    @property
    def restoring(self) -> str:
        """How to restore a damaged file."""
        return f"the owner published it like this; another revision may be whole: {self.reference.repo}@REVISION"

    def has(self, name: str) -> bool:
        return name in self.files

    def file(self, name: str, limit: int = layout.PROSE) -> Path:
        """A file in the cache, fetched if needed, and verified.

        Args:
            name: path in the repository.
            limit: most bytes; a larger file is not fetched.

        Raises:
            ZooError: the file is missing, too large, or differs from the Hub's digest, or the Hub is out of reach.
        """
        listed = self.files.get(name)
        if listed is None:
            hint = "" if self.has("config.json") else "; is it a model of the zoo?"
            raise ZooError(f"{self}: has no {name}{hint}")
        if listed.size > limit:
            raise ZooError(f"{self}: refused, {name} has {listed.size:,} bytes, and at most {limit:,} are expected")
        path = self.folder / name
        if not listed.difference(path):
            return path
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

        lock = Path(_constants().HF_HUB_CACHE, ".locks", self.folder.parent.parent.name, "zoo.lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):  # no other process fetches or removes files of the repository meanwhile
            return self._fetched(name, listed)

    def _fetched(self, name: str, listed: Listed) -> Path:
        path = self.folder / name
        if not (problem := listed.difference(path)):  # another process was first
            return path
        if path.is_file():
            print(f"{path}: damaged ({problem}); fetching it again", file=sys.stderr)  # noqa: T201
            _remove(path)
        with in_plain_words(self.reference, file=name), transfer():
            path = Path(api().hf_hub_download(self.reference.repo, name, revision=self.commit))
        if problem := listed.difference(path):
            _remove(path)
            raise ZooError(f"{self}: {name} was refused and removed, it is not what the Hub lists: {problem}")
        return path


def _remove(path: Path) -> None:
    """Removes a link of the cache and its target."""
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def find(reference: Reference, refresh: bool = False) -> Snapshot:
    """Returns the commit that a name means: the cached one, or else the Hub's.

    Args:
        reference: repository and revision to find.
        refresh: asks the Hub anyway, as a branch may have moved; if it is out of reach, prints that and uses the cache.

    Raises:
        ZooError: the repository or revision does not exist, or the Hub is out of reach.
    """
    folder = home() / "hub" / reference.repo.replace("/", "--")
    known = cache.recall(folder, reference.revision)
    kept = Snapshot(reference, *known) if known else None
    if kept and (not refresh or COMMIT.fullmatch(reference.revision)):
        return kept
    try:
        snapshot = _ask(reference)
    except OutOfReachError:
        if not kept:
            raise
        print(f"{endpoint()} is out of reach; using {kept} of the cache, there may be a newer one", file=sys.stderr)  # noqa: T201
        return kept
    cache.keep(folder, reference.revision, snapshot.commit, snapshot.files)
    return snapshot


def _ask(reference: Reference) -> Snapshot:
    asked = reference.revision
    with in_plain_words(reference):
        info = api().model_info(reference.repo, revision=asked, files_metadata=True, timeout=TIMEOUT)
    if not COMMIT.fullmatch(info.sha or ""):
        raise ZooError(f"{reference}: the Hub names no commit, but {info.sha!r:.60}")
    if (COMMIT.fullmatch(asked) or SHORT_COMMIT.fullmatch(asked)) and not info.sha.startswith(asked):
        raise ZooError(f"{reference}: refused, on the Hub this is a branch or tag of {info.sha}, not a commit")
    files = {file.rfilename: _listed(file) for file in info.siblings or ()}
    if None in files.values():  # mirrors list sizes and digests only with the tree
        with in_plain_words(reference):
            files |= {file.path: _listed(file) for file in _tree(reference.repo, info.sha)}
    return Snapshot(reference, info.sha, {name: listed for name, listed in files.items() if listed})


def _tree(repo: str, commit: str) -> list[Any]:
    """Up to 1000 files of a commit; the function of the client that lists them takes no time limit."""
    from huggingface_hub import get_session, hf_raise_for_status
    from huggingface_hub.hf_api import RepoFile
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    url = f"{_constants().ENDPOINT}/api/models/{repo}/tree/{commit}?recursive=true"
    answer = get_session().get(url, headers=build_hf_headers(library_name=LIBRARY), timeout=TIMEOUT)
    hf_raise_for_status(answer)
    return [RepoFile(**entry) for entry in answer.json() if entry["type"] == "file"]  # type: ignore[no-untyped-call]


def _listed(file: Any) -> Listed | None:
    """Size and digest of a file; None if one is missing, since the file could not be verified then."""
    if file.size is None or not (file.lfs or file.blob_id):
        return None
    return Listed(file.size, file.lfs.sha256 if file.lfs else None, file.blob_id)
