"""What is found in a folder, and which split it belongs to."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.splits import SPLITS, split_of
from zoo.data import HomographyPairs, PictureCrops, SegmentationFolder, SuperResolutionPairs
from zoo.data.layout import pictures_of
from zoo.data.pictures import find_pictures
from zoo.pictures.folders import find


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def below(folder: Path, found: list[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in found]


# What is found


def test_every_kind_of_picture_is_found_and_other_files_are_counted(tmp_path: Path):
    write(tmp_path, "b.jfif", "a/c.AVIF", "d.gif", "e.jp2", "notes.txt", "more.TXT", "list.json", "README")
    found = find(tmp_path)
    assert below(tmp_path, found.pictures) == ["a/c.AVIF", "b.jfif", "d.gif", "e.jp2"]
    assert found.left_out() == "4 files of other kinds (2 .txt, 1 .json, 1 without a suffix)"
    assert find(tmp_path, {".json"}).pictures == [tmp_path / "list.json"]
    write(tmp_path / "clean", "a.png")
    assert find(tmp_path / "clean").left_out() == ""


def test_names_that_begin_with_a_dot_are_no_pictures(tmp_path: Path):
    """Halves of files from macOS, and copies that notebooks keep."""
    write(tmp_path, "x.jpg", "._x.jpg", ".ipynb_checkpoints/x-checkpoint.jpg", "a/.cache/y.jpg", ".DS_Store")
    found = find(tmp_path)
    assert below(tmp_path, found.pictures) == ["x.jpg"]
    assert found.left_out() == ""
    assert below(tmp_path / ".ipynb_checkpoints", find(tmp_path / ".ipynb_checkpoints").pictures)  # by its own name


def test_links_to_folders_are_followed_once(tmp_path: Path):
    write(tmp_path / "elsewhere", "1.png", "deep/2.png")
    write(tmp_path / "root", "real/3.png")
    write(tmp_path, "beside.png")
    root = tmp_path / "root"
    for name, target in (("a", tmp_path / "elsewhere"), ("b", tmp_path / "elsewhere"), ("again", root / "real")):
        (root / name).symlink_to(target)
    (tmp_path / "elsewhere/deep/loop").symlink_to(tmp_path / "elsewhere")
    (root / "real/up").symlink_to(tmp_path)  # which holds the folder itself
    assert below(root, find(root).pictures) == ["a/1.png", "a/deep/2.png", "real/3.png"]
    (tmp_path / "link").symlink_to(root)
    assert below(tmp_path / "link", find(tmp_path / "link").pictures) == ["a/1.png", "a/deep/2.png", "real/3.png"]


def test_a_link_that_leads_nowhere_is_found_and_a_pipe_is_not(tmp_path: Path):
    """Else pictures that were not fetched yet would be left out in silence, and a pipe be read for ever."""
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "b.png").symlink_to("b.png")
    os.mkfifo(tmp_path / "c.png")
    assert below(tmp_path, find(tmp_path).pictures) == ["a.png", "b.png"]


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path, "a.png", "closed/b.png")
    scandir = os.scandir

    def guarded(path: str | Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(ZooError, match=r"closed: Permission denied$"):
        find(tmp_path)


def test_what_is_no_folder(tmp_path: Path):
    write(tmp_path, "a.png")
    with pytest.raises(ZooError, match=r"a\.png: not a folder$"):
        find(tmp_path / "a.png")
    with pytest.raises(ZooError, match=r"none: no such folder$"):
        find(tmp_path / "none")


def test_a_name_that_is_not_utf8_has_a_split(tmp_path: Path):
    name = os.fsdecode(b"caf\xe9.png")
    write(tmp_path, name)
    assert find_pictures(tmp_path) == [tmp_path / name]
    assert split_of(name, 0.1) in SPLITS
    assert split_of("café", 0.3) == "test"  # what is UTF-8 stays where it was


def test_what_is_left_out_is_said_once_by_one_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    write(tmp_path, "a.png", "b.heic", "c.heic")
    told = f"{tmp_path}: left out 2 files of other kinds (2 .heic)\n"
    for rank, said in ((1, ""), (0, told), (0, "")):
        monkeypatch.setattr("zoo.base.processes.rank", lambda rank=rank: rank)
        find_pictures(tmp_path)
        assert capsys.readouterr().err == said


def test_a_folder_of_other_files_says_of_which(tmp_path: Path):
    write(tmp_path, "b.heic", "c.heic")
    with pytest.raises(ZooError, match=r"no pictures \(\.apng, .*\); it holds 2 files of other kinds \(2 \.heic\)$"):
        find_pictures(tmp_path)


# Which split it belongs to


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "valid", "Test"), ("training", "validation", "testing")]
)
def test_folders_named_as_splits_are_the_splits(tmp_path: Path, names: tuple[str, ...]):
    for name in names:
        write(tmp_path / name, *(f"{number}.png" for number in range(6)), "deep/x.png")
    for split, name in zip(SPLITS, names, strict=True):
        found = pictures_of(tmp_path, split, 0.2)
        assert {path.relative_to(tmp_path).parts[0] for path in found} == {name}
        assert len(found) == 7


@pytest.mark.parametrize("lacking", SPLITS)
def test_a_split_that_is_not_there_is_named_and_made_of_no_other(tmp_path: Path, lacking: str):
    there = [split for split in SPLITS if split != lacking]
    for name in there:
        write(tmp_path / name, *(f"{number}.png" for number in range(20)))
    for split in there:
        assert len(pictures_of(tmp_path, split, 0.2)) == 20
    with pytest.raises(ZooError, match=rf"has the folders {there[0]} and {there[1]}, but no folder {lacking}\nmove"):
        pictures_of(tmp_path, lacking, 0.2)


def test_one_folder_named_as_a_split_and_pictures_beside_it_are_refused(tmp_path: Path):
    """Nobody can know whether what lies in "test" may be trained on."""
    for name in ("train", "val", "test"):
        root = tmp_path / name
        write(root, f"{name}/1.png", "2.png")
        with pytest.raises(
            ZooError, match=rf"{name}: has a folder {name} and other pictures beside it, such as 2\.png"
        ):
            pictures_of(root, "train", 0.2)


def test_one_folder_named_as_a_split_may_hold_everything_or_be_a_kind_of_things(tmp_path: Path):
    write(tmp_path / "one", *(f"test/{number}.png" for number in range(30)))
    assert sum(len(pictures_of(tmp_path / "one", split, 0.2)) for split in SPLITS) == 30
    write(tmp_path / "kinds", *(f"{kind}/{number}.png" for kind in ("bus", "train") for number in range(30)))
    assert sum(len(pictures_of(tmp_path / "kinds", split, 0.2)) for split in SPLITS) == 60
    write(tmp_path / "kinds", "test/1.png")
    (tmp_path / "kinds/train").rename(tmp_path / "kinds/lorry")
    with pytest.raises(ZooError, match="other pictures beside it"):
        pictures_of(tmp_path / "kinds", "train", 0.2)


def test_what_lies_beside_the_splits_is_told(tmp_path: Path, capsys):
    write(tmp_path, "train/1.png", "val/1.png", "x.png", "ledger.jsonl", ".hidden/1.png", "raw/1.png")
    pictures_of(tmp_path, "train", 0.2)
    pictures_of(tmp_path, "val", 0.2)
    said = f"{tmp_path}: only its folders train, val are used; left out 2 beside them, such as raw\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("kind", [HomographyPairs, PictureCrops, SegmentationFolder, SuperResolutionPairs])
def test_every_data_module_takes_folders_as_they_are_laid_out(tmp_path: Path, kind: type):
    """A picture of another split would be of another size."""
    rng = np.random.default_rng(0)
    for side, split in zip((128, 144, 160), SPLITS, strict=True):
        for number in range(4):
            for folder, array in (("pictures", (side, side, 3)), ("masks", (side, side))):
                path = tmp_path / folder / split / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 2 if folder == "masks" else 256, array, dtype=np.uint8)).save(path)
    pictures = tmp_path / "pictures"
    if kind is SegmentationFolder:
        data = kind(pictures, tmp_path / "masks", ["a", "b"])
        sides = {split: {mask.shape[0] for _, mask in data.kept(split)} for split in SPLITS}
        assert sides == {"train": {128}, "val": {144}, "test": {160}}
        return
    small = {"crop": 64} if kind is SuperResolutionPairs else {"size": 64, "crop": 32} if kind is PictureCrops else {}
    data = kind(pictures, **small)
    assert {split: {path.parent.name for path in data.names(split)} for split in SPLITS} == {s: {s} for s in SPLITS}
    assert all(len(data.kept(split)) == 4 for split in SPLITS)
