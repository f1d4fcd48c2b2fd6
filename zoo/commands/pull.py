"""``zoo pull`` and ``zoo bundle``: downloads a model, or packs it into one file to copy elsewhere."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.base.errors import ZooError
from zoo.base.files import expanded
from zoo.commands.terminal import Parser, table
from zoo.hub import archive, client, layout, locate

if TYPE_CHECKING:
    from zoo.cards.weights import ModelFiles


def main_pull(argv: list[str]) -> int:
    parser = Parser(
        prog="zoo pull",
        description="Downloads all files of a model and verifies them. load() then uses the downloaded version.",
        allow_abbrev=False,
    )
    parser.add_argument("name", help="USER/NAME, USER/NAME@REVISION, or what else load() takes")
    parser.add_argument("--to", metavar="DIR", type=Path, help="new folder for the model (default: the cache)")
    options = parser.parse_args(argv)
    to = _new_folder(options.to) if options.to else None
    model, files = pull(options.name)
    rows = [("model:", str(model.source))]
    if isinstance(model.source, client.Snapshot):
        rows.append(("commit:", model.source.commit))
    rows.append(("SHA-256:", f"{model.config['weights']['sha256']}  {model.file}"))
    rows.append(("folder:", str(copy(files, to) if to else model.source.folder)))
    print(table(rows))  # noqa: T201
    return 0


def main_bundle(argv: list[str]) -> int:
    parser = Parser(
        prog="zoo bundle",
        description="Packs a model into one zip file with digests inside, which load() takes by its path.",
        allow_abbrev=False,
    )
    parser.add_argument("name", help="name or folder of a model, or USER/NAME on the Hub")
    parser.add_argument("-o", "--output", metavar="FILE.zip", type=Path, help="new file (default: NAME.zip)")
    options = parser.parse_args(argv)
    path = _new_bundle(options.output) if options.output else None
    model, files = pull(options.name)
    path = path or _new_bundle(Path(f"{model.source.name}{archive.SUFFIX}"))
    archive.pack(files, path)
    print(f"{path}: {path.stat().st_size:,} bytes. Use: zoo predict {path.name} ... or load({path.name!r})")  # noqa: T201
    return 0


def pull(name: str) -> tuple[ModelFiles, Mapping[str, Path]]:
    """Brings a model and all of its files onto this machine, verified; of the Hub's, at the newest commit.

    Raises:
        ZooError: no such model, out of reach, or a file that is not what it should be.
    """
    from zoo.cards import golden, weights  # torch takes seconds to import

    model = weights.ModelFiles.find(name, refresh=True)
    model.state()  # refuses what is no such network before anything else is fetched
    source = model.source
    if isinstance(source, locate.Folder):
        files, _ = layout.listing(source.folder)
        return model, {**files, model.file: model.path()}
    tensors = (model.file, golden.FILE)  # others are named by nothing, and might be of any size and number
    names = [name for name in source.files if not name.endswith(".safetensors") or name in tensors]
    wanted = {name: layout.limit(name) for name in names}
    return model, {name: source.file(name, limit) for name, limit in sorted(wanted.items()) if limit is not None}


def copy(files: Mapping[str, Path], folder: Path) -> Path:
    """Puts files into a new folder, all or none.

    Raises:
        ZooError: the folder is there and not empty.
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
