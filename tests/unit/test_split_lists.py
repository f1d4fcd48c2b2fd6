"""Lists that name the pictures of each split."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.splits import SPLITS
from zoo.data import HomographyPairs, PictureCrops, SegmentationFolder, SuperResolutionPairs, Views

WANTED = {"train": ["a/0", "a/1"], "val": ["a/2"], "test": ["b/3"]}
TEXTS = {
    "rows.csv": "file,split\na/0.jpg,train\na/1,train\n2.jpg,validation\nb/3.jpg,test\n",
    "turned.csv": "split;picture\nTRAIN;photos/a/0.jpg\ntrain;a/1.jpg\nvalid;a/2.jpg\ntest;b/3\n",
    "bare.csv": "a/0.jpg,train\na/1.jpg,train\na/2.jpg,val\nb/3.jpg,test\n",
    "words.txt": "0.jpg train\n1.jpg train\n2.jpg val\n3.jpg test\n",
    "parts.json": json.dumps({"train": ["0", "1"], "valid": ["a/2.jpg"], "test": ["3.jpg"]}),
    "names.json": json.dumps({"0": "train", "a/1.jpg": "train", "2": "val", "3": "test"}),
    "list.json": json.dumps(
        [{"Image": f"{n}.jpg", "Split": s} for n, s in enumerate(("train", "train", "val", "test"))]
    ),
}


def write(root: Path, names: tuple[str, ...] = ("a/0", "a/1", "a/2", "b/3")) -> Path:
    for name in names:
        (root / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / "photos" / f"{name}.jpg")
    return root / "photos"


def write_lists(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    lists = {"train.txt": "a/0.jpg m/a/0.png\na/1.jpg m/a/1.png\n", "val.txt": "a/2\n\n", "test.txt": "/x/b/3.jpg\r\n"}
    for name, text in lists.items():
        (folder / name).write_text(text)


def stems(data: PictureCrops) -> dict[str, list[str]]:
    return {
        split: [path.relative_to(data.root).with_suffix("").as_posix() for path in data.names(split)]
        for split in SPLITS
    }


@pytest.mark.parametrize("name", TEXTS)
def test_one_file_names_the_splits(tmp_path: Path, name: str):
    root = write(tmp_path)
    (tmp_path / name).write_text(TEXTS[name])
    assert stems(PictureCrops(root, splits=tmp_path / name)) == WANTED


@pytest.mark.parametrize("kind", [HomographyPairs, PictureCrops, SuperResolutionPairs, Views])
def test_a_folder_of_lists(tmp_path: Path, kind: type):
    root = write(tmp_path)
    write_lists(tmp_path / "lists")
    assert stems(kind(root, splits=tmp_path / "lists")) == WANTED


def test_lists_beside_the_pictures_are_used_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = write(tmp_path)
    write_lists(root)
    assert stems(PictureCrops(root)) == WANTED
    assert capsys.readouterr().err.count(f"{root}: splits as listed in test.txt, train.txt, val.txt\n") == 1


def test_masks_follow_the_lists(tmp_path: Path):
    root = write(tmp_path)
    for name in chain(*WANTED.values()):
        (tmp_path / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "m" / f"{name}.png")
    write_lists(tmp_path / "lists")
    data = SegmentationFolder(root, tmp_path / "m", ["a", "b"], splits=tmp_path / "lists")
    assert {split: [f"{p.parent.name}/{p.stem}" for p, _ in data.pairs(split)] for split in SPLITS} == WANTED


def test_pictures_that_no_list_names_are_left_out_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = write(tmp_path, ("a/0", "a/1", "a/2", "b/3", "c/4"))
    (tmp_path / "rows.csv").write_text(TEXTS["rows.csv"])
    assert stems(PictureCrops(root, splits=tmp_path / "rows.csv")) == WANTED
    assert "rows.csv: names 4 pictures; left out 1 others of" in capsys.readouterr().err


def test_lists_that_contradict_folders_are_asked_about(tmp_path: Path):
    root = write(tmp_path, ("train/0", "val/1"))
    (root / "train.txt").write_text("val/1.jpg\n")
    (root / "val.txt").write_text("train/0.jpg\n")
    with pytest.raises(
        ZooError, match=r"val/1\.jpg lies in a folder val, but a list .* for train\nchoose the lists by"
    ):
        PictureCrops(root).names("train")
    assert [path.stem for path in PictureCrops(root, splits=root).names("train")] == ["1"]
    (root / "train.txt").write_text("train/0.jpg\n")
    (root / "val.txt").write_text("val/1.jpg\n")
    assert [path.stem for path in PictureCrops(root).names("train")] == ["0"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.csv",
            "file,split\ngone.jpg,train\n",
            r"a\.csv: line 2: gone\.jpg is not in .*photos \(1 such names in all\)$",
        ),
        ("a.csv", "file,split\na/0.jpg,other\n", r"a\.csv: line 2: 'other' is no split; use train, val and test$"),
        ("a.csv", "a/0.jpg,train\na/0.jpg,test\n", r"a\.csv: line 2: a/0\.jpg is named for test and for train$"),
        ("a.txt", "a/0.jpg\n", r"a\.txt: line 1: needs a picture and train, val or test, not 'a/0\.jpg'$"),
        ("a.json", '{"all": ["a/0.jpg"]}', r"a\.json: 'all' is no split"),
        ("a.json", "[1]", r"a\.json: entry 0 needs a file and a split: 1$"),
        ("a.json", "{", r"a\.json: not JSON"),
        ("folder/x.txt", "", r"folder: no lists train\.txt, val\.txt and test\.txt\npass yours: --data\.splits FILE$"),
        ("none/x.csv", None, r"none: no such file\npass yours: --data\.splits FILE$"),
    ],
)
def test_lists_that_are_none(tmp_path: Path, name: str, text: str | None, message: str):
    root, path = write(tmp_path), tmp_path / name
    if text is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with pytest.raises(ZooError, match=message):
        PictureCrops(root, splits=path.parent if "/" in name else path).names("train")
