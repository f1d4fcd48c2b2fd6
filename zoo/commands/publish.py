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
from zoo.commands import space, staging
from zoo.commands.repository import check_names, differing, preflight
from zoo.commands.terminal import Parser
from zoo.hub import client, layout, locate
from zoo.hub.cache import Listed
from zoo.hub.errors import in_plain_words

TITLE = "Publish {} with lightning-zoo {}"
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
    options = _parser().parse_args(argv)
    source = locate.find(options.name)
    if options.repo is None and (options.kinds or options.revision != "main"):
        raise ZooError(f"{'--with' if options.kinds else '--revision'} is for a model's repository: it needs --repo")
    if options.force and not options.kinds:
        raise ZooError("--force is for exports: it needs --with KINDS")
    if options.repo is None:
        if options.space is None:
            raise ZooError("name where to publish: --repo USER/NAME, --space USER/NAME, or both")
        return space.main(options.name, options.space, options.private, options.dry_run)
    if source.foreign:
        raise ZooError(f"{source} is not yours: check a copy and publish the copy: zoo pull {options.name} --to DIR")
    if options.kinds:  # exports take a while
        check_names(options.repo, options.revision)
        checked_files(source.folder)
        if not options.dry_run:
            preflight(options.repo, options.private)
    if options.space is None:
        return _publish(source.folder, options)
    check_names(options.repo, options.revision)
    with space.prepared(options.name, options.space, options.repo) as page:
        if options.dry_run:
            return space.dry_run(page, options.space) or _publish(source.folder, options)
        checked_files(source.folder)
        preflight(options.space, options.private, "space")
        preflight(options.repo, options.private)
        space.send(page, options.space, options.private)
        space.link(source.folder / README, options.space)
        return _publish(source.folder, options)


def _parser() -> Parser:
    parser = Parser(
        prog="zoo publish",
        description="Puts a model's card and weights, or a page to try it, on the Hugging Face Hub as one commit.",
        epilog="The token comes from `hf auth login` or HF_TOKEN. HF_ENDPOINT names another Hub.",
        allow_abbrev=False,
    )
    parser.add_argument("name", help="name or folder of a model")
    parser.add_argument("--repo", metavar="USER/NAME", help="repository of card and weights, created if missing")
    parser.add_argument(
        "--space", metavar="USER/NAME",
        help="Space of the model's page (see zoo demo), created if missing; with --repo, card and page name each other",
    )  # fmt: skip
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
    return parser


def _publish(folder: Path, options: Any) -> int:
    """Publishes a card, and prints where it is."""
    with staging.staged(folder, options.kinds, options.force) as staged:
        if options.dry_run:
            _dry_run(staged, options.repo, options.revision)
            return _note(folder)
        done = publish(staged, options.repo, private=options.private, revision=options.revision)
    print(f"{'Published:' if done.new else 'Already published:'} {done.url}")  # noqa: T201
    if done.removed:
        print(f"removed   {', '.join(done.removed)}: no longer in the card")  # noqa: T201
    print(f"commit    {done.commit}\nSHA-256   {done.sha256}\nto pin    load({done.reference!r})")  # noqa: T201
    return _note(folder)


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


def _bring_up(
    api: Any, repo: str, revision: str, files: Mapping[str, Path], local: Mapping[str, Listed]
) -> tuple[str, bool, list[str]]:
    """The commit that holds these files, whether it is new, and the files that it removed."""
    before = api.model_info(repo, revision=revision, files_metadata=True)
    changed, stale = differing(before, local), _stale(before, repo, files)
    if not changed and not stale:
        return before.sha, False, []
    commit = _commit(api, repo, revision, before.sha, {name: files[name] for name in changed}, stale).oid
    if wrong := differing(api.model_info(repo, revision=commit, files_metadata=True), local):
        raise ZooError(f"{repo}@{commit[:7]}: {wrong[0]} on the Hub differs from what was sent; publish again")
    return commit, True, stale


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
