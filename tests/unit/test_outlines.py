"""Shapes of masks for other programs: run lengths and polygons that give the mask back, and files that hold them."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.base.errors import ZooError
from zoo.commands import main
from zoo.data import SegmentationFolder
from zoo.data.masks.shapes import decode, fill
from zoo.models.linknet.forms import as_coco, by_class, by_region
from zoo.models.linknet.predict import Segmentation
from zoo.pictures.outlines import regions, run_lengths

SHAPES = {
    "pixel": ["1"],
    "all": ["111", "111"],
    "ring": ["111", "101", "111"],
    "corners touch": ["10", "01"],
    "corners touch inside": ["1101", "1011", "1111"],
    "comb": ["10101", "11111", "10101"],
    "spiral": ["11111", "00001", "11101", "10001", "11111"],
    "border": ["0000", "0110", "0110", "0000"],
}


def array(rows: list[str]) -> np.ndarray:
    return np.array([[letter == "1" for letter in row] for row in rows])


def drawn(shape: np.ndarray) -> np.ndarray:
    """The outlines filled, without the holes that they have lost."""
    found = np.zeros_like(shape)
    for corners, _ in regions(shape):
        found |= fill(corners.astype(float), *shape.shape)
    return found


def result(mask: np.ndarray, name: str = "street.jpg") -> Segmentation:
    labels = tuple(f"class {i}" for i in range(int(mask.max()) + 1))
    palette = tuple((i, 0, 0) for i in range(len(labels)))
    return Segmentation(mask.astype(np.uint8), labels, palette, np.zeros((*mask.shape, 3), np.uint8), name=name)


@pytest.mark.parametrize("name", SHAPES)
def test_outlines_follow_the_pixels(name: str):
    shape = array(SHAPES[name])
    holes = array(["000", "010", "000"]) if name == "ring" else np.zeros_like(shape)
    if name == "corners touch inside":  # the hole between two corners
        holes = drawn(shape) & ~shape
        assert holes.sum() <= 2
    assert np.array_equal(drawn(shape), shape | holes)
    for corners, area in regions(shape):
        assert area == fill(corners.astype(float), *shape.shape).sum()
        steps = np.abs(np.diff(np.vstack((corners, corners[:1])), axis=0))
        assert ((steps == 0).sum(1) == 1).all()  # horizontal or vertical, and none is empty
        assert (steps[:-1].argmax(1) != steps[1:].argmax(1)).all()  # each corner is one


@pytest.mark.parametrize("seed", range(20))
def test_a_mask_comes_back_from_both_forms(seed: int):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 4, (rng.integers(1, 12), rng.integers(1, 12)))
    mask = np.kron(small, np.ones((rng.integers(1, 4), rng.integers(1, 4)), int))
    found = result(mask)
    by_runs, by_polygons = np.full(mask.shape, 99), np.full(mask.shape, 99)
    for each in by_class(found):
        shape = decode(each["segmentation"], *mask.shape)
        assert each["area"] == shape.sum()
        by_runs[shape] = each["category_id"] - 1
    for each in by_region(found):  # in their order, as drawn over each other
        (polygon,) = each["segmentation"]
        by_polygons[fill(np.array(polygon, float).reshape(-1, 2), *mask.shape)] = each["category_id"] - 1
    assert np.array_equal(by_runs, mask)
    assert np.array_equal(by_polygons, mask)


def test_run_lengths_begin_outside():
    assert run_lengths(array(["10", "10"])) == [0, 2, 2]
    assert run_lengths(array(["01", "01"])) == [2, 2]
    assert run_lengths(array(["00"])) == [2]


def test_boxes_hold_their_shapes():
    mask = np.zeros((6, 8), int)
    mask[2:5, 3:7] = 1
    content = as_coco(result(mask), [*by_class(result(mask)), *by_region(result(mask))])
    boxes = [each["bbox"] for each in content["annotations"] if each["category_id"] == 2]
    assert boxes == [[3, 2, 4, 3]] * 2
    assert [each["id"] for each in content["annotations"]] == [1, 2, 3, 4]


def test_the_command_writes_what_is_asked_for_and_trains_on_it(
    tiny_linknet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The zoo reads its own COCO JSON: masks that a person has corrected elsewhere are trained on."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        noise = Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8))
        noise.resize((80, 60)).save(f"photos/{i}.png")
    command = ["predict", str(tiny_linknet), "photos", "-o", "out", "--device", "cpu"]
    assert main.main([*command, "--outputs", "mask,classes,csv,rle,polygons"]) == 0
    mask = np.asarray(Image.open("out/0_mask.png"))
    with Path("out/0.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["pixels"]) for row in rows] == np.bincount(mask.ravel(), minlength=len(rows)).tolist()
    for row in rows:
        (path,) = Path("out").glob(f"0_class_{int(row['id']):02}_*.png")
        assert np.array_equal(np.asarray(Image.open(path)) == 255, mask == int(row["id"]))
    assert json.loads(Path("out/0_rle.json").read_text())["images"][0]["file_name"] == "0.png"
    names = [row["class"] for row in rows]
    shown = [names[i] for i in np.unique([np.asarray(Image.open(f"out/{i}_mask.png")) for i in range(3)])]
    way_out = f"--data.classes '[{', '.join(shown)}]'"
    for form in ("rle", "polygons"):
        Path(form).mkdir()
        for path in Path("out").glob(f"*_{form}.json"):
            path.rename(Path(form, path.name))
        given = {"pictures": Path("photos"), "masks": Path(form), "val_fraction": 0.34}
        with pytest.raises(ZooError, match=re.escape(f"no training pixel is background: name the classes, {way_out}")):
            SegmentationFolder(**given).kept("train")  # type: ignore[arg-type]
        data = SegmentationFolder(**given, classes=shown)  # type: ignore[arg-type]
        for split in ("train", "val", "test"):
            for picture, ids in data.kept(split):  # type: ignore[arg-type]
                number = next(i for i in range(3) if np.array_equal(np.asarray(Image.open(f"photos/{i}.png")), picture))
                own = np.asarray(Image.open(f"out/{number}_mask.png"))
                assert np.array_equal(np.array(names)[own], np.array(data.labels.names)[ids])
