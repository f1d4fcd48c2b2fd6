"""Pictures and masks that come split are taken as they are split, and small sets have every split."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.splits import SPLITS, dealt, split_of
from zoo.data import HomographyPairs, PictureCrops, SegmentationFolder, SuperResolutionPairs
from zoo.data.layout import pictures_of
from zoo.data.naming import meaning

SIDES = dict(zip(SPLITS, (8, 9, 10), strict=True))  # a picture of another split would be of another size
LAYOUTS = {
    "images/train + masks/train": "images/{}/{}.jpg masks/{}/{}.png",
    "train/images + train/masks": "{}/images/{}.jpg {}/masks/{}.png",
    "in a folder": "set/{}/images/{}.jpg set/{}/labels/{}.png",
    "train + trainannot": "{}/{}.png {}annot/{}.png",
    "train_images + train_labels": "{}_images/{}.png {}_labels/{}.png",
    "side by side": "{}/{}.jpg {}/{}_mask.png",
    "with years": "images/{}2017/{}.jpg annotations/{}2017/{}.png",
    "classes of pictures": "photos/{}/a/{}.jpg gt/{}/a/{}.png",
}
NAMES = [("train", "val", "test"), ("training", "validation", "testing"), ("Train", "valid", "Test")]


def save(path: Path, side: int, mask: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (side, side) if mask else (side, side, 3)
    Image.fromarray(np.random.default_rng(0).integers(0, 2 if mask else 256, shape, dtype=np.uint8)).save(path)


def write(root: Path, layout: str, names: tuple[str, ...] = NAMES[0], count: int = 3) -> None:
    picture, mask = layout.split(" ")
    for (split, name), number in product(zip(SPLITS, names, strict=True), range(count)):
        save(root / picture.format(name, number), SIDES[split], mask=False)
        save(root / mask.format(name, number), SIDES[split], mask=True)


def sides(data: SegmentationFolder) -> dict[str, list[int]]:
    return {split: [mask.shape[0] for _, mask in data.kept(split)] for split in SPLITS}


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_masks_in_one_tree_with_their_pictures_are_taken_as_they_are_split(
    tmp_path: Path, layout: str, names: tuple[str, ...]
):
    write(tmp_path, layout, names)
    data = SegmentationFolder(tmp_path, classes=["a", "b"])
    assert sides(data) == {split: [side] * 3 for split, side in SIDES.items()}
    assert SegmentationFolder(tmp_path, tmp_path, ["a", "b"]).pairs("val") == data.pairs("val")


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("pictures", ["{}/{}.jpg", "{}/images/{}.jpg", "a/{}/{}.jpg"])
@pytest.mark.parametrize("masks", ["{}/{}.png", "{}/masks/{}.png", "a/{}/{}.png"])
def test_pictures_and_masks_in_two_trees_are_taken_as_they_are_split(
    tmp_path: Path, pictures: str, masks: str, names: tuple[str, ...]
):
    if ("a/" in pictures) != ("a/" in masks):
        pytest.skip("folders that say nothing must agree")
    write(tmp_path, f"p/{pictures} m/{masks}", names)
    data = SegmentationFolder(tmp_path / "p", tmp_path / "m", ["a", "b"])
    assert sides(data) == {split: [side] * 3 for split, side in SIDES.items()}


@pytest.mark.parametrize(("pictures", "masks"), [("{}/{}{}.jpg", "{1}{2}.png"), ("{1}{2}.jpg", "{}/{}{}.png")])
def test_one_of_both_is_split(tmp_path: Path, pictures: str, masks: str):
    for split, number in product(SPLITS, range(3)):
        save(tmp_path / "p" / pictures.format(split, split[:2], number), SIDES[split], mask=False)
        save(tmp_path / "m" / masks.format(split, split[:2], number), SIDES[split], mask=True)
    data = SegmentationFolder(tmp_path / "p", tmp_path / "m", ["a", "b"])
    assert sides(data) == {split: [side] * 3 for split, side in SIDES.items()}


def test_one_mask_of_two_pictures_is_refused(tmp_path: Path):
    for split in SPLITS:
        save(tmp_path / "p" / split / "0.jpg", 8, mask=False)
    save(tmp_path / "m" / "0.png", 8, mask=True)
    with pytest.raises(ZooError, match=r"m/0\.png would be the mask of two pictures, .*test/0\.jpg and .*rename"):
        SegmentationFolder(tmp_path / "p", tmp_path / "m", ["a", "b"]).pairs("train")


@pytest.mark.parametrize("kind", [HomographyPairs, PictureCrops, SuperResolutionPairs])
@pytest.mark.parametrize("layout", ["{}/{}.jpg", "images/{}/{}.jpg", "{}/images/{}.jpg", "a/b/{}_images/{}.jpg"])
def test_pictures_without_masks_are_taken_as_they_are_split(tmp_path: Path, kind: type, layout: str):
    """Wherever the folders lie: pictures for the test were once trained on in silence."""
    for split, number in product(SPLITS, range(3)):
        save(tmp_path / layout.format(split, f"{split}{number}"), 8, mask=False)
    data = kind(tmp_path)
    for split in SPLITS:
        assert [path.stem for path in data.names(split)] == [f"{split}{number}" for number in range(3)]


def test_masks_beside_pictures_are_no_pictures(tmp_path: Path):
    write(tmp_path, LAYOUTS["train/images + train/masks"])
    write(tmp_path / "other", LAYOUTS["train + trainannot"])
    for root in (tmp_path, tmp_path / "other"):
        found = [path for split in SPLITS for path in PictureCrops(root).names(split)]
        assert not [path for path in found if "masks" in path.parts or "annot" in path.parent.name]
    save(tmp_path / "signs" / "labels" / "0.jpg", 8, mask=False)  # which shows labels
    assert len(pictures_of(tmp_path / "signs", "train", 0.0)) == 1


def test_further_pictures_are_the_training_pictures_of_a_folder_that_is_split(tmp_path: Path):
    for split in SPLITS:
        save(tmp_path / "more" / split / f"{split}.jpg", 8, mask=False)
    for number in range(9):
        save(tmp_path / "own" / f"{number}.jpg", 8, mask=False)
    data = PictureCrops(tmp_path / "own", extra=[tmp_path / "more"])
    assert [path.stem for path in data.names("train") if "more" in path.parts] == ["train"]


def test_one_folder_of_a_split_deep_below_is_refused_with_pictures_beside_it(tmp_path: Path):
    for name in ("a/0.jpg", "a/test/1.jpg", "b/2.jpg"):
        save(tmp_path / name, 8, mask=False)
    with pytest.raises(ZooError, match=r"has a folder a/test and other pictures beside it, such as a/0\.jpg; use"):
        pictures_of(tmp_path, "train", 0.2)


def test_an_empty_folder_says_in_a_line_what_to_do(tmp_path: Path):
    """As collecting few pictures leaves it."""
    save(tmp_path / "train" / "0.jpg", 8, mask=False)
    for split in SPLITS[1:]:
        (tmp_path / split).mkdir()
    said = rf"^{tmp_path}/val: no pictures; move some pictures of train into a folder val, at least one$"
    with pytest.raises(ZooError, match=said):
        PictureCrops(tmp_path).names("val")


@pytest.mark.parametrize(
    ("name", "split", "kind"),
    [
        ("train", "train", None), ("VALIDATION", "val", None), ("val2017", "val", None), ("testset", "test", None),
        ("test_images", "test", "pictures"), ("trainannot", "train", "masks"), ("gtFine", None, "masks"),
        ("trains", None, None), ("bus", None, None), ("latest", None, None), ("contest images", None, None),
    ],
)  # fmt: skip
def test_what_a_name_says(name: str, split: str | None, kind: str | None):
    assert (meaning(name).split, meaning(name).kind) == (split, kind)


# Small sets


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.15, 0.3, 0.49])
def test_small_sets_have_every_split(fraction: float):
    for count, start in product((2, 3, 4, 24), range(60)):
        splits = dealt([f"{start}/{number}" for number in range(count)], fraction)
        assert set(splits) == set(SPLITS if count > 2 else SPLITS[:2])


def test_sets_that_have_every_split_are_left_alone():
    names = [f"photos/{number}" for number in range(300)]
    assert dealt(names, 0.15) == [split_of(name, 0.15) for name in names]
    assert set(dealt(names[:24], 1e-9)) == {"train"}
    assert set(dealt(names[:24], 0.0)) == {"train"}
    assert dealt(names[:1], 0.15) in (["train"], ["val"], ["test"])
    assert dealt([], 0.15) == []


def test_24_pictures_can_be_validated_on(tmp_path: Path):
    chosen = [name for number in range(200) if split_of(name := f"{number}", 0.15) == "train"][:24]
    for name in chosen:
        save(tmp_path / "p" / f"{name}.png", 8, mask=False)
        save(tmp_path / "m" / f"{name}.png", 8, mask=True)
    data = SegmentationFolder(tmp_path / "p", tmp_path / "m", ["a", "b"])
    assert {split: len(data.pairs(split)) for split in SPLITS} == {"train": 22, "val": 1, "test": 1}
    assert {split: len(PictureCrops(tmp_path / "p").names(split)) for split in SPLITS} == {
        "train": 22, "val": 1, "test": 1
    }  # fmt: skip
