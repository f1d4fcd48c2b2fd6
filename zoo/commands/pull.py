"""``zoo pull`` and ``zoo bundle``: downloads a model, or packs it into one file to copy elsewhere."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.files import expanded
from zoo.cards import described
from zoo.commands.terminal import Parser, table
from zoo.hub import archive, client, layout, locate

TRUSTED = "the files are verified by the sizes and digests of config.json alone"


@dataclass(frozen=True)
class Pulled:
    """A model on this machine.

    Args:
        source: source of the model's files.
        config: content of the model's ``config.json``.
        files: verified files, by their names in the model's folder.
    """

    source: locate.Source
    config: dict[str, Any]
    files: Mapping[str, Path]


def main_pull(argv: list[str]) -> int:
    parser = Parser(
        prog="zoo pull",
        description="Downloads all files of a model, exports included, and verifies them. load() then uses the "
        "downloaded version.",
        allow_abbrev=False,
    )
    parser.add_argument("name", help="USER/NAME, USER/NAME@REVISION, or any other name that load() takes")
    parser.add_argument("--to", metavar="DIR", type=Path, help="new folder for the model (default: the cache)")
    options = parser.parse_args(argv)
    to = _new_folder(options.to) if options.to else None
    model = pull(options.name)
    rows = [("model:", str(model.source))]
    if isinstance(model.source, client.Snapshot):
        rows.append(("commit:", model.source.commit))
    weights = model.config["weights"]
    rows.append(("SHA-256:", f"{weights['sha256']}  {weights['file']}"))
    rows += [("export:", f"{kind}  {entry['file']}") for kind, entry in described.exports(model.config).items()]
    rows.append(("folder:", str(copy(model.files, to) if to else model.source.folder)))
    print(table(rows))  # noqa: T201
    return 0


def main_bundle(argv: list[str]) -> int:
    parser = Parser(
        prog="zoo bundle",
        description="Packs a model into one zip file with digests inside. load() takes the file's path.",
        allow_abbrev=False,
    )
    parser.add_argument("name", help="name or folder of a model, or USER/NAME on the Hub")
    parser.add_argument("-o", "--output", metavar="FILE.zip", type=Path, help="new file (default: NAME.zip)")
    options = parser.parse_args(argv)
    path = _new_bundle(options.output) if options.output else None
    model = pull(options.name)
    path = path or _new_bundle(Path(f"{model.source.name}{archive.SUFFIX}"))
    archive.pack(model.files, path)
    print(f"{path}: {path.stat().st_size:,} bytes. Use: zoo predict {path.name} ... or load({path.name!r})")  # noqa: T201
    return 0


def pull(name: str) -> Pulled:
    """Gets all files of a model onto this machine, verified; a model from the Hub comes at its newest commit.

    Files of unknown size and number, such as weights, are taken only if ``config.json`` describes them.

    Raises:
        ZooError: the model does not exist or is out of reach, or a file is not what it should be.
    """
    source, config = _verified(name)
    entries = described.entries(config)
    names = source.files if isinstance(source, client.Snapshot) else layout.listing(source.folder)[0]
    wanted = {each: layout.limit(each) for each in names if not each.endswith(layout.DESCRIBED)}
    files = {each: source.file(each, limit) for each, limit in sorted(wanted.items()) if limit is not None}
    return Pulled(source, config, {**files, **{each: described.fetch(source, entries[each]) for each in entries}})


def _verified(name: str) -> tuple[locate.Source, dict[str, Any]]:
    """Finds a model, and checks that its weights fit its network before any other file is fetched.

    Without torch there is no network to compare with; sizes and digests are compared later, as for all files.
    """
    try:
        from zoo.cards.weights import ModelFiles  # torch takes seconds to import
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed: {TRUSTED}", file=sys.stderr)  # noqa: T201
        source = locate.find(name, refresh=True)
        return source, described.read_config(source)
    model = ModelFiles.find(name, refresh=True)
    model.state()
    return model.source, model.config


def copy(files: Mapping[str, Path], folder: Path) -> Path:
    """Puts files into a new folder, all or none.

    Raises:
        ZooError: the folder exists and is not empty.
    """
    folder = _new_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        whole = Path(temporary, "whole")
        for name, path in files.items():
            (whole / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, whole / name)
        whole.replace(folder)
    return folder


def _new_folder(folder: Path) -> Path:
    folder = expanded(folder)
    if folder.resolve() == Path.cwd():
        raise ZooError(f"{folder}: is the working directory itself; name a new folder in it")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ZooError(f"{folder}: already exists; name a new folder")
    return folder


def _new_bundle(path: Path) -> Path:
    path = expanded(path)
    if path.suffix.lower() != archive.SUFFIX:
        raise ZooError(f"{path}: a bundle's name must end in {archive.SUFFIX}")
    if not path.parent.is_dir():
        raise ZooError(f"{path.parent}: no such folder")
    if path.exists():
        raise ZooError(f"{path}: already exists; remove it, or name another file: -o FILE.zip")
    return path
