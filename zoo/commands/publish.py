"""``zoo publish``: publishes a model's folder as one commit on the Hub, after every check that is possible."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.files import replace
from zoo.cards import described
from zoo.cards.card import check_card, read_card
from zoo.cards.front import unclear_use
from zoo.commands import staging
from zoo.commands.terminal import Parser
from zoo.hub import client, layout, locate
from zoo.hub.cache import COMMIT, SHORT_COMMIT, Listed
from zoo.hub.errors import in_plain_words, redact

TITLE = "Publish {} with lightning-zoo {}"
BRANCH = re.compile(r"\w[\w-]*([./]\w[\w-]*)*", re.ASCII)
MAX_NAME = 96  # characters of a repository's name
DOTFILES = (".gitattributes",)  # the Hub creates these
README = "README.md"
PLACEHOLDER = re.compile(rb'(?<=load\(")USER/[\w.-]*|(?<=zoo predict )USER/[\w.-]*')  # as zoo card writes it


@dataclass(frozen=True)
class Published:
    """What is on the Hub now.

    Args:
        url: address of the repository at the commit.
        reference: argument of ``load`` for exactly this version.
        commit: full hash of the commit.
        sha256: digest of the weights.
        new: whether this call made the commit; False if the branch held all files already.
        removed: files of an earlier version that the commit removed.
    """

    url: str
    reference: str
    commit: str
    sha256: str
    new: bool
    removed: Sequence[str] = ()


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="zoo publish",
        description="Puts a model's card and weights on the Hugging Face Hub as one commit.",
        epilog="The token comes from `hf auth login` or HF_TOKEN. HF_ENDPOINT names another Hub.",
        allow_abbrev=False,
    )
    parser.add_argument("name", help="name or folder of a model")
    parser.add_argument("--repo", required=True, metavar="USER/NAME", help="repository, created if missing")
    parser.add_argument(
        "--with", dest="kinds", type=staging.kinds_of, default=(), metavar="KINDS",
        help="exports to publish too, made first if the card has none: onnx, or onnx,openvino",
    )  # fmt: skip
    parser.add_argument(
        "--force", action="store_true", help="publish exports even if runtimes that need not agree give other outputs"
    )
    parser.add_argument("--private", action="store_true", default=None, help="make the repository private")
    parser.add_argument("--revision", default="main", metavar="BRANCH", help="branch, made if missing (default: main)")
    parser.add_argument("--dry-run", action="store_true", help="list the files to be published, without a connection")
    options = parser.parse_args(argv)
    source = locate.find(options.name)
    if source.foreign:
        raise ZooError(f"{source} is not yours: check a copy and publish the copy: zoo pull {options.name} --to DIR")
    if options.force and not options.kinds:
        raise ZooError("--force is for exports: it needs --with KINDS")
    if options.kinds:  # exports take a while
        check_names(options.repo, options.revision)
        checked_files(source.folder)
        if not options.dry_run:
            preflight(options.repo, options.private)
    with staging.staged(source.folder, options.kinds, options.force) as folder:
        if options.dry_run:
            _dry_run(folder, options.repo, options.revision)
            return _note(source.folder)
        done = publish(folder, options.repo, private=options.private, revision=options.revision)
    print(f"{'Published:' if done.new else 'Already published:'} {done.url}")  # noqa: T201
    if done.removed:
        print(f"removed   {', '.join(done.removed)}: no longer in the card")  # noqa: T201
    print(f"commit    {done.commit}\nSHA-256   {done.sha256}\nto pin    load({done.reference!r})")  # noqa: T201
    return _note(source.folder)


def _note(folder: Path) -> int:
    """Tells the owner of a card what it leaves unclear."""
    if note := unclear_use(read_card(folder).front, folder):
        print(note)  # noqa: T201
    return 0


def _dry_run(folder: Path, repo: str, revision: str) -> None:
    """Lists the files that would be sent with their sizes in bytes; changes none."""
    check_names(repo, revision)
    sizes = {name: path.stat().st_size for name, path in checked_files(folder).items()}
    sizes[README] = len(_named(folder, repo))
    print(f"{repo}{'' if revision == 'main' else f', branch {revision}'} would hold:")  # noqa: T201
    for name, size in [*sizes.items(), ("bytes in all", sum(sizes.values()))]:
        print(f"{size:>12,}  {name}")  # noqa: T201


def _named(folder: Path, repo: str) -> bytes:
    """The README of a card with the repository's name where it shows how to use the model."""
    return PLACEHOLDER.sub(repo.encode(), (folder / README).read_bytes())


def publish(folder: Path, repo: str, *, private: bool | None = None, revision: str = "main") -> Published:
    """Publishes a card as one commit; makes no commit if the branch already holds the same files.

    Card, files, token and the repository's visibility are checked before anything is sent. The same commit removes
    files of an earlier version that the card no longer has; all other files in the repository stay.

    Args:
        folder: folder of a complete card. If its README has no repository's name yet, it gets this one.
        repo: "user/name"; created if missing.
        private: whether the repository is created as private; an existing one must be private already.
        revision: branch, created if missing.

    Raises:
        ZooError: an incomplete card, a token that may not write there, a refusal of the Hub, or no connection.
    """
    check_names(repo, revision)
    files = checked_files(folder)
    preflight(repo, private)
    if (text := _named(folder, repo)) != files[README].read_bytes():
        replace(files[README], text)
    local = {name: Listed.of(path) for name, path in files.items()}
    with in_plain_words(repo, "send"):
        api = client.api()
        api.create_repo(repo, private=private, exist_ok=True)
        if revision != "main":
            api.create_branch(repo, branch=revision, exist_ok=True)
        commit, new, removed = _bring_up(api, repo, revision, files, local)
    return Published(
        url=f"{client.endpoint()}/{repo}/tree/{commit}",
        reference=f"{repo}@{commit}",
        commit=commit,
        sha256=local[read_card(folder).config["weights"]["file"]].sha256 or "",
        new=new,
        removed=removed,
    )


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


def checked_files(folder: Path) -> dict[str, Path]:
    """Returns the files that would be published, by name.

    Raises:
        ZooError: an incomplete card, weights that do not load, or files that do not belong in a card.
    """
    problems = check_card(folder)
    files, others = layout.listing(folder)
    if others := [name for name in others if name not in DOTFILES]:
        problems.append(f"{', '.join(others[:5])} {'does' if len(others) == 1 else 'do'} not belong in a card")
    if problems:
        way_out = "" if (folder / README).is_file() else "\nzoo card RUN --name NAME makes a card from a run"
        raise ZooError(f"{folder}: not published, {'; '.join(problems)}{way_out}")
    from zoo.cards.weights import ModelFiles  # torch takes seconds to import

    ModelFiles.find(folder).state()
    return files


def preflight(repo: str, private: bool | None = None) -> None:
    """Asks the Hub whether the token may write to a repository.

    Args:
        repo: "user/name".
        private: whether an existing repository must be private.

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
        public = private and api.repo_exists(repo) and not api.model_info(repo).private
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


def _bring_up(
    api: Any, repo: str, revision: str, files: Mapping[str, Path], local: Mapping[str, Listed]
) -> tuple[str, bool, list[str]]:
    """The commit that holds these files, whether it is new, and the files that it removed."""
    before = api.model_info(repo, revision=revision, files_metadata=True)
    changed, stale = _differing(before, local), _stale(before, repo, files)
    if not changed and not stale:
        return before.sha, False, []
    commit = _commit(api, repo, revision, before.sha, {name: files[name] for name in changed}, stale).oid
    if wrong := _differing(api.model_info(repo, revision=commit, files_metadata=True), local):
        raise ZooError(f"{repo}@{commit[:7]}: {wrong[0]} on the Hub differs from what was sent; publish again")
    return commit, True, stale


def _differing(info: Any, local: Mapping[str, Listed]) -> list[str]:
    """Names of the files that a commit lacks, or holds with other content."""
    there = {file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id for file in info.siblings or ()}
    return [name for name, own in local.items() if there.get(name) not in (own.sha256, own.blob)]


def _stale(before: Any, repo: str, files: Mapping[str, Path]) -> list[str]:
    """Stale files of an earlier version of the card; none if the repository held something else."""
    if client.LIBRARY not in (before.tags or ()):
        return []
    names = [file.rfilename for file in before.siblings or ()]
    gone = [name for name in names if layout.limit(name) is not None and name not in files and name != "LICENSE"]
    large = [name for name in gone if name.endswith(layout.DESCRIBED)]
    ours = _described_there(repo, before.sha) if large else ()
    return [name for name in gone if name not in large or name in ours]


def _described_there(repo: str, commit: str) -> Collection[str]:
    """The large files of an earlier version; somebody else added any others with such names."""
    try:
        return described.entries(described.read_config(client.find(client.Reference(repo, commit))))
    except ZooError:
        return ()


def _commit(api: Any, repo: str, revision: str, parent: str, files: Mapping[str, Path], stale: list[str]) -> Any:
    """Uploads weights first; only the commit makes anything visible, so that an interruption leaves nothing."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    from zoo.base import __version__

    additions = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
    deletions = [CommitOperationDelete(name) for name in stale]
    title = TITLE.format(repo.partition("/")[2], __version__)
    with client.transfer():
        return api.create_commit(
            repo, [*additions, *deletions], commit_message=title, revision=revision, parent_commit=parent
        )
