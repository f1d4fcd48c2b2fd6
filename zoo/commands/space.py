"""``zoo publish --space``: puts the page of a model on the Hub as a static Space, as one commit."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.extras import require
from zoo.base.files import read_text, replace
from zoo.cards import front
from zoo.cards.tables import entry_text
from zoo.commands.repository import check_names, differing, preflight
from zoo.exports.settings import NEEDED
from zoo.hub import client, locate
from zoo.hub.cache import Listed
from zoo.hub.errors import in_plain_words

TITLE = "Publish the page of {} with lightning-zoo {}"
README = "README.md"
HEADERS = {  # which threads of WebAssembly need
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "cross-origin",
}
TEMPLATE = (".gitattributes", README, "index.html", "style.css")  # files of a new static Space
LICENSES = ("license", "license_name", "license_link")
LONGEST = 60  # characters of a short description


def main(name: str, space: str, private: bool | None, dry: bool) -> int:
    """Publishes the page of a model that has a repository already, or none; prints where it is."""
    source = locate.find(name)
    with prepared(name, space, source.reference.repo if isinstance(source, client.Snapshot) else "") as page:
        if dry:
            return dry_run(page, space)
        preflight(space, private, "space")
        return send(page, space, private)


@contextmanager
def prepared(name: str, space: str, repo: str) -> Iterator[Path]:
    """Gives the folder of a Space: the page of a model as ``index.html``, and a README that names its repository.

    Args:
        name: what ``zoo.load`` takes.
        space: "user/name".
        repo: repository of the model, "user/name"; "" for a model that has none.

    Raises:
        ZooError: an invalid name, a model without a page, or the runtime of pages is out of reach.
    """
    check_names(space)
    extra, modules = NEEDED["onnx"]
    require("zoo publish --space", extra, *modules)
    from zoo.exports.demo import runtime, site  # which import NumPy and Pillow
    from zoo.exports.demo.model import Shown

    shown = Shown.of(name)
    with TemporaryDirectory(prefix="zoo-space-") as temporary:
        folder = Path(temporary, "space")
        site.write([shown], runtime.find(None, _say), folder, _say)
        page = folder / f"{shown.card.name}.html"
        text = read_text(page)
        assert site.BACK in text
        text = text.replace(site.BACK, _link_to(repo))
        called = f"zoo predict {repo or shown.card.name} --help"
        replace(folder / "index.html", text.replace(f"zoo predict {shown.card.name} --help", called).encode())
        page.unlink()
        replace(folder / README, _readme(shown.card.name, shown.card.front, repo).encode())
        yield folder


def _link_to(repo: str) -> str:
    """A link to the card; it leaves the frame in which the Hub shows a Space."""
    if not repo:
        return "A model of lightning-zoo"
    return f'<a href="{client.endpoint()}/{repo}" target="_blank" rel="noopener">{repo}</a>, its card and weights'


def _readme(name: str, matter: Mapping[str, Any], repo: str) -> str:
    """The README of a Space, by which the Hub serves it."""
    summary = entry_text(matter.get("summary")) or f"{name} in the browser"
    about: dict[str, Any] = {
        "title": name,
        "short_description": summary if len(summary) <= LONGEST else f"{summary[: LONGEST - 1]}…",
        "sdk": "static",
        "pinned": False,
        **{key: entry_text(matter[key]) for key in LICENSES if key in matter},
        **({"models": [repo]} if repo else {}),
        "tags": [client.LIBRARY],
        "custom_headers": HEADERS,
    }
    card = f"Card and weights: [{repo}]({client.endpoint()}/{repo}).\n" if repo else ""
    prose = f"# {name}\n\nThe model runs in the visitor's browser, and no picture leaves it.\n{card}"
    return front.join(about, f"\n{prose}\nWritten by `zoo publish --space` of lightning-zoo {__version__}.\n")


def link(readme: Path, space: str) -> None:
    """Names a Space in the README of a card: in its front matter, and below its title."""
    matter, body = front.read(readme)
    address = f"{client.endpoint()}/spaces/{space}"
    if matter.get("space") == space and address in body:
        return
    if address not in body:
        body = re.sub(r"\A(\s*# .*\n)", rf"\1\n[Try it in a browser.]({address})\n", body)
    replace(readme, front.join({**matter, "space": space}, body).encode())


def dry_run(page: Path, space: str) -> int:
    """Lists the files that would be sent with their sizes in bytes."""
    sizes = {name: path.stat().st_size for name, path in _files(page).items()}
    print(f"Space {space} would hold:")  # noqa: T201
    for name, size in [*sizes.items(), ("bytes in all", sum(sizes.values()))]:
        print(f"{size:>12,}  {name}")  # noqa: T201
    return 0


def send(page: Path, space: str, private: bool | None) -> int:
    """Sends a folder as one commit, which also removes what an earlier page had, and prints where it is.

    Raises:
        ZooError: a Space that holds something else, a refusal of the Hub, or no connection.
    """
    files = _files(page)
    local = {name: Listed.of(path) for name, path in files.items()}
    with in_plain_words(space, "send"):
        api = client.api()
        api.create_repo(space, repo_type="space", space_sdk="static", private=private, exist_ok=True)
        before = api.repo_info(space, repo_type="space", files_metadata=True)
        _refuse_other(space, [file.rfilename for file in before.siblings or ()])
        changed = differing(before, local)
        commit = before.sha
        if stale := [file.rfilename for file in before.siblings or () if file.rfilename not in {*files, TEMPLATE[0]}]:
            _say(f"{space}: removing {', '.join(stale[:5])}{', ...' if len(stale) > 5 else ''}")
        if changed or stale:
            commit = _commit(api, space, before.sha, {name: files[name] for name in changed}, stale)
            if wrong := differing(api.repo_info(space, repo_type="space", revision=commit, files_metadata=True), local):
                raise ZooError(f"{space}@{commit[:7]}: {wrong[0]} on the Hub differs from what was sent; publish again")
    done = "Published" if changed or stale else "Already published"
    print(f"{done}: {client.endpoint()}/spaces/{space}\ncommit    {commit}")  # noqa: T201
    return 0


def _refuse_other(space: str, names: list[str]) -> None:
    """Refuses a Space that holds something that no page has."""
    from zoo.exports.demo.site import MARK

    if MARK not in names and (others := [name for name in names if name not in TEMPLATE]):
        raise ZooError(f"{space}: holds {others[0]}, which zoo publish did not write; name another Space")


def _commit(api: Any, space: str, parent: str, files: Mapping[str, Path], stale: list[str]) -> str:
    """Uploads large files first; only the commit makes anything visible, so that an interruption leaves nothing."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    operations = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
    title = TITLE.format(space.partition("/")[2], __version__)
    with client.transfer():
        done = api.create_commit(
            space, [*operations, *map(CommitOperationDelete, stale)], commit_message=title, repo_type="space",
            parent_commit=parent,
        )  # fmt: skip
    return str(done.oid)


def _files(folder: Path) -> dict[str, Path]:
    """Files of a folder by their paths in it."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201
