"""Where the files of a model are: in a package, in a folder, in a zip file, or on the Hub."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from zoo.base.errors import ZooError
from zoo.base.files import expanded, read_json
from zoo.base.registry import architectures, card_folder, card_names, folders
from zoo.base.text import unknown
from zoo.hub import adopted, archive, client, layout

CONFIG_FILE = "config.json"
MODEL, CHECKPOINT_FOLDER = "model", "checkpoints"  # folders inside a run
CHECKPOINTS = frozenset({".bin", ".ckpt", ".pkl", ".pt", ".pth"})  # suffixes
UNPACKED = {archive.SUFFIX: archive.unpack, adopted.SUFFIX: adopted.adopt}  # make a folder from a file, by suffix


@dataclass(frozen=True)
class Folder:
    """A model's folder on this machine.

    Args:
        folder: path of the folder.
        name: name of the model.
        foreign: whether its files came from elsewhere unchanged, so that none of them can be trusted.
    """

    folder: Path
    name: str
    foreign: bool = False

    def __str__(self) -> str:
        return str(self.folder)

    def has(self, name: str) -> bool:
        return (self.folder / name).is_file() or self._pinned(name) is not None

    def file(self, name: str, limit: int | None = None) -> Path:
        """The path of a file.

        Args:
            name: name in the folder.
            limit: most bytes of the file.

        Raises:
            ZooError: the file does not exist or is larger.
        """
        path = self.folder / name
        if not path.is_file():
            if pinned := self._pinned(name):
                return pinned.file(name, limit or layout.PROSE)
            if name == CONFIG_FILE and not self.installed:
                raise ZooError(f"{self.folder}: not a model: {CONFIG_FILE} is missing\n{_way_out(self.folder)}")
            raise ZooError(f"{path}: no such file\n{self.restoring}")
        if limit is not None and (size := path.stat().st_size) > limit:
            raise ZooError(f"{path}: refused, it has {size:,} bytes, and at most {limit:,} are expected")
        return path

    @property
    def installed(self) -> bool:
        """Whether the folder came with a package. The author of any other folder is unknown."""
        return self.folder.resolve().parent in [place.resolve() for place in folders("cards")]

    @property
    def restoring(self) -> str:
        """How to restore a damaged or missing file."""
        if self.installed:
            return "restore it: git checkout in a clone, else pip install --force-reinstall --no-deps its package"
        return "restore it: copy or download the folder again"

    def _pinned(self, name: str) -> client.Snapshot | None:
        """The commit on the Hub that an installed card names for weights that it lacks; it has their digest too."""
        if not self.installed or name == CONFIG_FILE:
            return None
        weights = read_json(self.folder / CONFIG_FILE).get("weights", {})
        reference = client.parse(weights.get("hub", "")) if weights.get("file") == name else None
        return client.find(reference) if reference else None


Source: TypeAlias = "Folder | client.Snapshot"


def find(name: str | Path, refresh: bool = False) -> Source:
    """Finds a model by name or path.

    The name is tried as a card or an architecture; then as the path of a folder, of a run of ``zoo fit``, which holds
    its model, of a file that ``zoo bundle`` made, or of a safetensors file by another program
    (:mod:`zoo.hub.adopted`); then as ``user/name`` or ``user/name@revision`` on the Hub. The commit that was found
    first on the Hub is kept until a refresh.

    Args:
        name: name or path of the model.
        refresh: whether to ask the Hub for the newest commit.

    Raises:
        ZooError: the model does not exist.
    """
    text, known, cards = str(name), architectures(), card_names()
    if not text:
        raise ZooError("the name of a model is empty; see zoo list")
    if text in known:
        text = known[text].weights[0]
        if text not in cards:
            raise ZooError(f"{name}: its weights {text!r} are not in this installation ({folders('cards')[0]})")
    if text in cards and (folder := card_folder(text)):
        return Folder(folder, text)
    path = expanded(name)
    if path.is_dir():
        return Folder(model_folder(path), path.resolve().name)
    unpack = UNPACKED.get(path.suffix.lower())
    if unpack and not _is_part_of_a_model(path):
        return Folder(unpack(path), path.stem, foreign=True)
    if path.is_file() or path.suffix.lower() in CHECKPOINTS:
        raise _misnamed(path)
    if isinstance(name, str) and (reference := client.parse(text)):
        return client.find(reference, refresh)
    if "/" in text or path.is_absolute():
        raise ZooError(f"no folder {text!r}; a model on the Hub is USER/NAME or USER/NAME@REVISION")
    raise unknown("model", text, [*known, *cards])


def model_folder(folder: Path) -> Path:
    """The model's folder inside a run of ``zoo fit``; any other folder is returned unchanged."""
    model = folder / MODEL
    return folder if (folder / CONFIG_FILE).exists() or not (model / CONFIG_FILE).is_file() else model


def _is_part_of_a_model(path: Path) -> bool:
    """Whether a file holds the weights of a model whose configuration lies beside it."""
    if path.suffix.lower() != adopted.SUFFIX or not (path.parent / CONFIG_FILE).is_file():
        return False
    with suppress(ZooError):
        described = read_json(path.parent / CONFIG_FILE).get("weights")
        if isinstance(described, dict):
            return described.get("file") == path.name
    return path.name == adopted.WEIGHTS


def _misnamed(path: Path) -> ZooError:
    """The error for a file that is not a model."""
    suffix, graph = path.suffix.lower(), path.with_suffix(".xml")
    if not path.is_file():
        return ZooError(f"{path}: no such file")
    if suffix in (".onnx", ".xml"):
        return ZooError(f"{path}: an export; load(), zoo predict and zoo evaluate read it\n{_way_out(path.parent)}")
    if suffix == ".bin" and graph.is_file():
        return ZooError(f"{path}: the weights of an export; pass {graph} to load(), zoo predict or zoo evaluate")
    pickle = suffix in CHECKPOINTS
    what = "a checkpoint is a pickle and can run code; models are safetensors" if pickle else "a file, not a model"
    return ZooError(f"{path}: {what}\n{_way_out(path.parent)}")


def _way_out(folder: Path) -> str:
    """Where to find a model near a folder without one, or how to make one from the folder."""
    run = folder.parent if folder.name == CHECKPOINT_FOLDER else folder
    if (run / MODEL / CONFIG_FILE).is_file():
        return f"the network of that run is {run / MODEL}"
    if (folder / CONFIG_FILE).is_file():
        return f"its folder is the model: {folder}"
    if (run / CHECKPOINT_FOLDER / "last.ckpt").is_file():
        given = shlex.quote(str(run))
        return f"no model in that run: zoo fit --resume {given} finishes it, zoo card {given} --name NAME uses its best"
    if models := sorted(path.parent.parent for path in folder.glob(f"*/{MODEL}/{CONFIG_FILE}")):
        return f"it holds runs; name one of them, such as {models[-1]}"
    return (
        "a model is a name that zoo list shows, a folder with config.json, a run of zoo fit, a file of zoo bundle,\n"
        "a .safetensors file that spandrel knows, or an .onnx or .xml file of zoo export"
    )
