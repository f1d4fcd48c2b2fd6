"""Masks in COCO JSON: polygons and run-length encodings of the things in each picture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.errors import ZooError
from zoo.base.files import read_any_json
from zoo.base.splits import Split
from zoo.data.masks.drawing import Scheme
from zoo.data.masks.files import Ids
from zoo.data.masks.pairing import Pair
from zoo.data.masks.shapes import draw
from zoo.data.naming import SPLIT_WORDS
from zoo.data.pictures import say_once
from zoo.pictures.folders import find

KEYS = ("images", "annotations", "categories")
HEAD = 1 << 16  # bytes of a file, at its start and its end, that tell whether it may be COCO JSON


def jsons_in(masks: Path) -> list[Path]:
    """The files of COCO JSON in a folder, or the one file itself."""
    if masks.is_file():
        return [masks]
    found = find(masks, {".json"}).pictures
    return [path for path in found if _may_be(path)]


def _may_be(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(HEAD)
        file.seek(max(path.stat().st_size - HEAD, 0))
        ends = start + file.read(HEAD)
    if not any(f'"{key}"'.encode() in ends for key in KEYS):
        return False
    content = _read(path, path.stat().st_mtime_ns)
    return isinstance(content, dict) and set(KEYS) <= set(content)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Any:  # noqa: ARG001  a file that was changed is read again
    return read_any_json(path)


class Coco:
    """Masks in COCO JSON. Where annotations overlap, the last one in the file counts.

    Args:
        root: folder of the pictures.
        masks: a file, or the folder of the files.
        paths: the files; those whose names or folders name a split are the splits.

    Raises:
        ZooError: a file is damaged, or two annotate one picture.
    """

    splits: Mapping[Path, Split] | None
    palette: tuple[tuple[int, int, int], ...] | None = None
    scheme: Scheme

    def __init__(self, root: Path, masks: Path, paths: Sequence[Path]) -> None:
        self.root, self.masks, self.paths = root, masks, paths
        self.pictures: Sequence[Path] = find(root).pictures
        self._entries = dict[Path, tuple[Path, dict[str, Any], list[dict[str, Any]]]]()
        self._categories = dict[Any, str]()
        used, splits = set[Any](), dict[Path, Split]()
        for path in paths:
            own = self._enter(path, used)
            if split := _split_of(path, root):
                splits |= dict.fromkeys(own, split)
        self.splits = splits if len(set(splits.values())) > 1 else None
        self.found = tuple(dict.fromkeys(name for key, name in self._categories.items() if key in used))
        if unused := [name for key, name in self._categories.items() if key not in used]:
            say_once(f"{masks}: left out {len(unused)} categories without an annotation, such as {unused[0]!r}")

    def _enter(self, path: Path, used: set[Any]) -> list[Path]:
        """Reads a file; returns the pictures that it annotates."""
        content = _read(path, path.stat().st_mtime_ns)
        if not (isinstance(content, dict) and all(isinstance(content.get(key), list) for key in KEYS)):
            raise ZooError(f"{path}: not COCO JSON: it needs lists {', '.join(KEYS)}")
        with _Naming(path):
            for category in content["categories"]:
                name = str(category["name"]).strip()
                if self._categories.setdefault(category["id"], name) != name:
                    raise ZooError(f"{path}: category {category['id']} is {name!r} here, elsewhere another")
            annotations = dict[Any, list[dict[str, Any]]]()
            for annotation in content["annotations"]:
                if annotation["category_id"] not in self._categories:
                    raise ZooError(f"{path}: annotation {annotation['id']} has no category {annotation['category_id']}")
                used.add(annotation["category_id"])
                annotations.setdefault(annotation["image_id"], []).append(annotation)
            found = self._found_by(path, [image["file_name"] for image in content["images"]])
            for image, picture in zip(content["images"], found, strict=True):
                own = annotations.pop(image["id"], [])
                if picture is None:
                    continue
                if picture in self._entries:
                    raise ZooError(f"{picture} is annotated twice: in {self._entries[picture][0]} and {path}")
                self._entries[picture] = path, image, own
        if annotations:
            count, first = sum(map(len, annotations.values())), next(iter(annotations))
            raise ZooError(f"{path}: {count} annotations are of pictures that are not in its images: {first}")
        return [picture for picture in found if picture is not None]

    def _found_by(self, path: Path, names: Sequence[str]) -> list[Path | None]:
        """The picture of each file name: below the folder of the file or of the pictures, or by its name alone."""
        there, by_name = set(self.pictures), dict[str, list[Path]]()
        split = _split_of(path, self.root)
        for picture in self.pictures:
            told = _split_of(picture, self.root, own=False)
            if None in (split, told) or split == told:
                by_name.setdefault(picture.name, []).append(picture)
        found, lacking = list[Path | None](), list[str]()
        for name in names:
            near = [one for one in (path.parent / name, self.root / name) if one in there] or by_name.get(
                Path(name).name, []
            )
            if len(near) > 1 and near[0] != near[-1]:
                raise ZooError(f"{path}: {name} may be {near[0]} or {near[1]}; give its folder in file_name")
            found.append(near[0] if near else None)
            lacking += [] if near else [name]
        if lacking:
            say_once(
                f"{path}: left out {len(lacking)} of {len(names)} pictures that are not there, such as {lacking[0]}"
            )
        return found

    @property
    def names(self) -> tuple[str, ...]:
        return self.scheme.names

    def told(self) -> str:
        """The files, for a user."""
        return f"COCO JSON ({', '.join(path.name for path in self.paths[:2])})"

    def mask_of(self, picture: Path) -> Path | None:
        """The file that annotates a picture; None if no file does."""
        return self._entries[picture][0] if picture in self._entries else None

    def pairs(self, wanted: Sequence[Path]) -> list[Pair]:
        missing = [path for path in self.pictures if path not in self._entries]
        for path in wanted:
            if path not in self._entries:
                raise ZooError(
                    f"{path}: not in the images of {self.masks} ({len(missing)} of {len(self.pictures)} are missing)\n"
                    "move it away, or add it there: without annotations it is background"
                )
        return [(path, self._entries[path][0]) for path in wanted]

    def read(self, picture: Path, mask: Path) -> Ids:
        path, image, annotations = self._entries[picture]
        with _Naming(path):
            height, width = image["height"], image["width"]
            if not all(type(side) is int and 0 < side < 1 << 16 for side in (height, width)):
                raise ZooError(
                    f"{path}: {image['file_name']} has the height {height!r:.20} and the width {width!r:.20}"
                )
            ids = np.full((height, width), self.scheme.background, np.uint8)
            for annotation in annotations:
                try:
                    shape = draw(annotation.get("segmentation"), height, width)
                except ZooError as error:
                    raise ZooError(f"{path}: annotation {annotation['id']} of {image['file_name']}: {error}") from None
                ids[shape] = self.scheme.ids[self._categories[annotation["category_id"]]]
        return ids, None


class _Naming:
    """Puts the name of a file before errors about its keys and their types."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, KeyError):
            raise ZooError(f"{self.path}: not COCO JSON: an entry lacks {error}") from None
        if isinstance(error, (TypeError, AttributeError)):
            raise ZooError(f"{self.path}: not COCO JSON: {error}") from None


def _split_of(path: Path, root: Path, own: bool = True) -> Split | None:
    """The split that the name of a file names, such as ``instances_train2017.json``, or else that of its folders."""
    folders = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else (path.parent.name,)
    for part in [*([path.stem] if own else []), *reversed(folders)]:
        words = re.split(r"[\W_\d]+", part.casefold())
        if told := [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]:
            return told[0]
    return None
