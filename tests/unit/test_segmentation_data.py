from __future__ import annotations

import hashlib
from itertools import chain, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from zoo.base.errors import ZooError
from zoo.cards.network import check_arguments
from zoo.data import Augment, CamVid, SegmentationFolder, StreetScenes
from zoo.data.labels import CAMVID, LabelMap
from zoo.data.masks.files import read_mask
from zoo.data.sampling import EpochSampler, EverySampleOnce
from zoo.data.segmentation import AugmentedSamples, read_sample
from zoo.models.linknet.module import LinkNetModule, segmentation_sheet
from zoo.models.linknet.net import LinkNet

LABELS = LabelMap(("road", "sky", "car"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)), ignore_index=255)
RNG = np.random.default_rng(0)


def write(folder: Path, mask: np.ndarray, name: str = "a") -> tuple[Path, Path]:
    """A picture of noise and its annotation."""
    paths = folder / "pictures" / f"{name}.png", folder / "masks" / f"{name}.png"
    for path, array in zip(paths, (RNG.integers(0, 256, (*mask.shape, 3), dtype=np.uint8), mask), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)
    return paths


def write_folder(folder: Path, count: int, first: int = 0, suffix: str = ".png") -> None:
    for number in range(first, first + count):
        picture, _ = write(folder, RNG.integers(0, 3, (16, 20), dtype=np.uint8), f"{number:03d}")
        picture.rename(picture.with_suffix(suffix))


def folder_data(folder: Path, **options) -> SegmentationFolder:
    return SegmentationFolder(folder / "pictures", folder / "masks", ["road", "sky", "car"], **options)


def names(data: SegmentationFolder, split: str) -> set[str]:
    return {picture.name for picture, _ in data.pairs(split)}


def paths(data: SegmentationFolder, *splits: str) -> list[tuple[str, str]]:
    """Pictures and masks of splits below the folder of the data."""
    found = [pair for split in splits for pair in data.pairs(split)]
    root = data.pictures.parent
    return [tuple(path.relative_to(root).as_posix() for path in pair) for pair in sorted(found)]


# One sample


def test_reads_a_sample(tmp_path: Path):
    mask = np.array([[0, 1], [2, 255]], np.uint8)
    picture, read = read_sample(*write(tmp_path, mask), LABELS)
    assert picture.shape == (2, 2, 3)
    assert np.array_equal(read, mask)


def test_a_value_outside_of_the_label_map_is_named_with_its_fraction(tmp_path: Path):
    mask = np.zeros((10, 10), np.uint8)
    mask[:3, 0], mask[4, 4] = 7, 9
    with pytest.raises(ZooError, match=r"masks/a\.png: value 7 \(3\.0% of its pixels\).*are 0\.\.2, 255 is ignored"):
        read_sample(*write(tmp_path, mask), LABELS)


def test_the_first_value_beyond_the_classes_is_refused(tmp_path: Path):
    with pytest.raises(ZooError, match="value 3"):
        read_sample(*write(tmp_path, np.full((4, 4), 3, np.uint8)), LABELS)


def test_sizes_must_agree(tmp_path: Path):
    picture, mask = write(tmp_path, np.zeros((8, 10), np.uint8))
    Image.new("L", (10, 9)).save(mask)
    with pytest.raises(ZooError, match=r"a\.png.*masks/a\.png differ in size: 10x8 and 10x9"):
        read_sample(picture, mask, LABELS)


@pytest.mark.parametrize("which", [0, 1])
def test_a_truncated_file_names_itself(tmp_path: Path, which: int):
    paths = write(tmp_path, RNG.integers(0, 3, (100, 100), dtype=np.uint8))
    paths[which].write_bytes(paths[which].read_bytes()[:-600])
    with pytest.raises(ZooError, match=rf"{paths[which].parent.name}/a\.png: damaged"):
        read_sample(*paths, LABELS)


def test_a_missing_annotation_is_named(tmp_path: Path):
    with pytest.raises(ZooError, match=r"none\.png: no such file"):
        read_mask(tmp_path / "none.png")


def test_ids_of_a_palette_picture_are_its_values(tmp_path: Path):
    ids = np.array([[0, 1], [2, 1]], np.uint8)
    image = Image.fromarray(ids, mode="P")
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.save(tmp_path / "a.png")
    assert np.array_equal(read_mask(tmp_path / "a.png"), ids)


@pytest.mark.parametrize("mode", ["LA", "RGB", "RGBA"])
def test_grey_that_was_saved_in_colour_holds_ids(tmp_path: Path, mode: str):
    ids = np.array([[0, 1, 2], [255, 2, 7]], np.uint8)
    Image.fromarray(ids).convert(mode).save(tmp_path / "a.png")
    assert np.array_equal(read_mask(tmp_path / "a.png"), ids)


def test_colours_are_no_ids(tmp_path: Path):
    """Labelling tools export them: the message counts them, most frequent first, and tells the way out."""
    colors = np.array([[0, 0, 0]] * 4 + [[255, 0, 0]] * 3 + [[0, 128, 255]] * 2 + [[1, 2, 3]], np.uint8)
    Image.fromarray(colors[None]).save(tmp_path / "a.png")
    with pytest.raises(
        ZooError,
        match=r"a\.png: a mask holds class ids, this one has 4 colours: #000000, #ff0000, #0080ff, \.\.\.\n"
        r"name the colours: --data\.colors '\{CLASS: \"#000000\", \.\.\.\}'$",
    ):
        read_mask(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_is_transparent_is_no_id(tmp_path: Path, mode: str):
    picture = Image.new(mode, (4, 4), (0,) * len(mode))
    picture.putpixel((0, 0), (1,) * (len(mode) - 1) + (255,))
    picture.save(tmp_path / "a.png")
    with pytest.raises(ZooError, match=r"this one has 2 colours and transparency: #00000000, #010101ff\nname"):
        read_mask(tmp_path / "a.png")


def test_colours_of_16_bits_are_not_cut_to_8(tmp_path: Path):
    """Pillow would make class 0 of every id."""
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 4, 3), 2, np.uint16))
    with pytest.raises(ZooError, match=r"a\.png: a mask holds class ids .*, this one is RGB of 16 bits$"):
        read_mask(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_called_png_is_told(tmp_path: Path, mode: str):
    Image.new(mode, (4, 4)).save(tmp_path / "a.png", format="JPEG")
    with pytest.raises(ZooError, match=r"a\.png: a mask holds class ids .*, this one is JPEG, which changes ids\nif"):
        read_mask(tmp_path / "a.png")


def test_ids_of_16_bits_do_not_wrap_around(tmp_path: Path):
    """256 is not class 0."""
    Image.fromarray(np.full((4, 4), 256, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(ZooError, match=r"a\.png"):
        read_mask(tmp_path / "a.png")


@pytest.mark.parametrize("ignore_index", [-1, -100, 256, 1000])
def test_an_id_of_void_that_no_mask_can_have_is_refused(tmp_path: Path, ignore_index: int):
    with pytest.raises(ZooError, match=rf"^data\.ignore_index must be 0 to 255, or null .*, not {ignore_index}$"):
        SegmentationFolder(tmp_path, tmp_path, ["road", "sky"], ignore_index)


def test_without_void_every_value_must_be_a_class(tmp_path: Path):
    labels = LabelMap(LABELS.names, LABELS.palette, None)
    assert read_sample(*write(tmp_path, np.array([[0, 1, 2]], np.uint8)), labels)[1].tolist() == [[0, 1, 2]]
    with pytest.raises(ZooError, match=r"value 255 \(50\.0% .* classes are 0\.\.2, no value is ignored$"):
        read_sample(*write(tmp_path, np.array([[0, 255]], np.uint8)), labels)


def test_without_void_what_lies_beyond_a_picture_is_mirrored():
    labels = LabelMap(LABELS.names, LABELS.palette, None)
    mask = RNG.integers(1, 3, (10, 12), dtype=np.uint8)
    picture = np.repeat(mask[..., None] * 100, 3, axis=2)
    transform = Augment((40, 40), scale=(1.0, 1.0), photometric=False).transform(labels)
    out = transform(image=picture, mask=mask)
    assert out["mask"].shape == (40, 40)
    assert set(np.unique(out["mask"])) == {1, 2}
    assert np.array_equal(out["image"][..., 0], out["mask"] * 100)  # the same is mirrored in both
    with_void = Augment((40, 40), scale=(1.0, 1.0), photometric=False).transform(LABELS)(image=picture, mask=mask)
    assert set(np.unique(with_void["mask"])) == {1, 2, 255}


def test_a_class_may_be_ignored(tmp_path: Path):
    """And then has no share of the pixels that classes are weighted by."""
    write_folder(tmp_path, 4)
    data = folder_data(tmp_path, val_fraction=0.0, ignore_index=0)
    masks = np.concatenate([mask.ravel() for _, mask in data.kept("train")])
    assert data.class_pixels().tolist() == [0, (masks == 1).sum(), (masks == 2).sum()]


def test_more_classes_than_a_mask_has_ids_are_refused(tmp_path: Path):
    names = [f"class {number}" for number in range(257)]
    with pytest.raises(ZooError, match=r"a mask has the ids 0\.\.255, so 257 classes are too many$"):
        SegmentationFolder(tmp_path, tmp_path, names)
    with pytest.raises(ZooError, match=r"data\.ignore_index: 255 is the last of 256 classes; null ignores no pixel$"):
        SegmentationFolder(tmp_path, tmp_path, names[:256])
    assert len(SegmentationFolder(tmp_path, tmp_path, names[:256], None).labels) == 256


# A picture that its EXIF turns


def turned(path: Path, orientation: int) -> None:
    """Writes a picture anew with a tag of EXIF."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(path) as picture:
        picture.load()
    picture.save(path, exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_same_tag_turns_picture_and_mask_alike(tmp_path: Path, orientation: int):
    ids = RNG.integers(0, 3, (6, 9), dtype=np.uint8)
    picture, mask = write(tmp_path, ids)
    Image.fromarray(np.repeat(ids[..., None] * 100, 3, axis=2)).save(picture)
    for path in (picture, mask):
        turned(path, orientation)
    pixels, read = read_sample(picture, mask, LABELS)
    assert read.shape == ((9, 6) if orientation > 4 else (6, 9))
    assert np.array_equal(pixels[..., 0], read * 100)


@pytest.mark.parametrize("shape", [(8, 8), (6, 9)])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_tag_of_the_picture_alone_is_refused(tmp_path: Path, orientation: int, shape: tuple[int, int]):
    """The mask may be upright or lie as the picture does, and nothing tells."""
    picture, mask = write(tmp_path, np.zeros(shape, np.uint8))
    turned(picture, orientation)
    with pytest.raises(
        ZooError, match=rf"a\.png: EXIF rotates it \(orientation {orientation}\).*masks/a\.png"
    ) as caught:
        read_sample(picture, mask, LABELS)
    assert len(str(caught.value).splitlines()) == 3
    assert "mogrify -auto-orient a.png" in str(caught.value)


@pytest.mark.parametrize("orientation", range(5, 9))
def test_a_mask_whose_sides_are_those_of_the_upright_picture_is_upright(tmp_path: Path, orientation: int):
    picture, mask = write(tmp_path, np.zeros((6, 9), np.uint8))
    turned(picture, orientation)
    upright = RNG.integers(0, 3, (9, 6), dtype=np.uint8)
    Image.fromarray(upright).save(mask)
    assert np.array_equal(read_sample(picture, mask, LABELS)[1], upright)


@pytest.mark.parametrize("orientation", [0, 1, 9])
def test_a_tag_that_turns_nothing_is_none(tmp_path: Path, orientation: int):
    picture, mask = write(tmp_path, np.zeros((6, 9), np.uint8))
    turned(picture, orientation)
    assert read_sample(picture, mask, LABELS)[0].shape == (6, 9, 3)


def test_a_mask_that_says_it_is_upright_is_believed(tmp_path: Path):
    picture, mask = write(tmp_path, np.zeros((6, 6), np.uint8))
    turned(picture, 3)
    turned(mask, 1)
    assert read_sample(picture, mask, LABELS)[1].shape == (6, 6)


# A folder of them


def test_pictures_and_masks_in_one_folder(tmp_path: Path):
    """What is the mask of a picture is none itself."""
    for number in range(12):
        picture, mask = write(tmp_path, RNG.integers(0, 3, (16, 20), dtype=np.uint8), f"deep/{number}")
        mask.rename(picture.with_name(f"{number}.mask"))
        Image.open(picture).save(picture.with_suffix(".jpg"))
        picture.with_suffix(".mask").rename(picture)
    (tmp_path / "link").symlink_to(tmp_path / "pictures")
    for masks in ("pictures", "link"):
        data = SegmentationFolder(tmp_path / "pictures", tmp_path / masks, list(LABELS.names), val_fraction=0.2)
        found = [pair for split in ("train", "val", "test") for pair in data.pairs(split)]
        assert {picture.suffix for picture, _ in found} == {".jpg"}
        assert {mask.suffix for _, mask in found} == {".png"}
        assert len(found) == 12


def test_a_picture_that_would_be_its_own_mask_is_refused(tmp_path: Path):
    write_folder(tmp_path, 4)
    pictures = tmp_path / "pictures"
    Image.open(pictures / "000.png").save(pictures / "000.jpg")
    data = SegmentationFolder(pictures, pictures, list(LABELS.names), val_fraction=0.0)
    with pytest.raises(ZooError, match=r"001\.png would be its own mask, as would 3 of 4 pictures\nput pictures and"):
        data.pairs("train")


def test_missing_masks_are_counted_in_the_whole_set(tmp_path: Path):
    """And a split is used where only those of another one are missing."""
    write_folder(tmp_path, 30)
    data = folder_data(tmp_path, val_fraction=0.25)
    for name in names(data, "test"):
        (tmp_path / "masks" / name).unlink()
    count = len(data.pairs("train") + data.pairs("val"))
    assert 0 < count < 30
    with pytest.raises(ZooError, match=rf"no such mask \({30 - count} of 30 are missing\)"):
        data.pairs("test")


def test_masks_without_a_picture_are_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Those of pictures of any split have one."""
    write_folder(tmp_path, 30)
    data = folder_data(tmp_path, val_fraction=0.25)
    for split in ("train", "val", "test"):
        data.pairs(split)
    assert capsys.readouterr().err == ""
    for name in ("98", "sub/99"):
        write(tmp_path, np.zeros((4, 4), np.uint8), name)[0].unlink()
    for split in ("train", "val"):
        data.pairs(split)
    told = f"{tmp_path / 'masks'}: left out 2 masks without a picture, such as 98.png\n"
    assert capsys.readouterr().err == told


def test_a_fit_tells_how_many_pictures_it_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_folder(tmp_path, 40)
    data = folder_data(tmp_path, val_fraction=0.25, batch_size=4)
    data.setup("test")
    assert capsys.readouterr().err == ""
    data.setup("fit")
    data.setup("fit")
    train, val, test = (len(names(data, split)) for split in ("train", "val", "test"))
    told = f"{data.pictures}: {train} pictures to train on, {val} to validate, {test} to test\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(("batch", "left_out"), [(8, 6), (7, 0), (4, 2), (5, 4), (14, 0), (15, 0)])
def test_batches_that_leave_out_a_quarter_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], batch: int, left_out: int
):
    """A batch that is larger than the set is an error, which the loader raises."""
    for split, count in (("train", 14), ("val", 2)):
        for number in range(count):
            write(tmp_path, RNG.integers(0, 3, (16, 20), dtype=np.uint8), f"{split}/{number}")
    folder_data(tmp_path, batch_size=batch).setup("fit")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"{tmp_path / 'pictures'}: 14 pictures to train on, 2 to validate"
    told = (
        f"batches of {batch} leave out {left_out} of 14 training pictures in each epoch: take a smaller data.batch_size"
    )
    assert lines[1:] == [told] * (left_out > 3)


def test_files_that_cannot_be_used_are_counted(tmp_path: Path):
    write_folder(tmp_path, 8)
    data = folder_data(tmp_path, val_fraction=0.0)
    (tmp_path / "pictures/001.png").write_bytes(b"")
    with pytest.raises(ZooError, match=r"001\.png: an empty file$"):
        data.kept("train")
    (tmp_path / "masks/003.png").write_bytes(b"none")
    Image.fromarray(RNG.integers(0, 3, (16, 20, 3), dtype=np.uint8)).save(tmp_path / "masks/000.png")
    with pytest.raises(ZooError, match=r"000\.png: a mask .*, \.\.\. \(and 2 more\)\nname the colours: "):
        data.kept("train")


def test_reading_ends_where_nothing_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("zoo.data.segmentation.MOST_ERRORS", 3)
    write_folder(tmp_path, 8)
    for path in (tmp_path / "masks").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ZooError, match=r"000\.png: an empty file \(and at least 2 more\)$"):
        folder_data(tmp_path, val_fraction=0.0).kept("train")


def test_masks_in_a_folder_inside_that_of_the_pictures(tmp_path: Path):
    write_folder(tmp_path, 4)
    (tmp_path / "masks").rename(tmp_path / "pictures" / "masks")
    data = SegmentationFolder(tmp_path / "pictures", tmp_path / "pictures/masks", list(LABELS.names), val_fraction=0.0)
    assert [picture.parent.name for picture, _ in data.pairs("train")] == ["pictures"] * 4


def test_pictures_in_a_folder_inside_that_of_the_masks(tmp_path: Path):
    write_folder(tmp_path, 4)
    (tmp_path / "pictures").rename(tmp_path / "masks" / "pictures")
    data = SegmentationFolder(tmp_path / "masks/pictures", tmp_path / "masks", list(LABELS.names), val_fraction=0.0)
    assert [mask.parent.name for _, mask in data.pairs("train")] == ["masks"] * 4


@pytest.mark.parametrize("name", ["00.bmp", "00_mask.png", "mask-00.tif", "00.jpg.png", "00.Png"])
def test_a_mask_may_be_called_after_its_picture(tmp_path: Path, name: str):
    picture, mask = write(tmp_path, np.zeros((4, 4), np.uint8), "00")
    picture.rename(picture.with_suffix(".jpg"))
    Image.open(mask).save(tmp_path / "masks" / f"new{Path(name).suffix}")
    mask.unlink()
    (tmp_path / "masks" / f"new{Path(name).suffix}").rename(tmp_path / "masks" / name)
    assert paths(folder_data(tmp_path, val_fraction=0.0), "train") == [("pictures/00.jpg", f"masks/{name}")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("000.png", r"a mask needs the path of its picture: pictures are like 00\.jpg, masks like 000\.png$"),
        ("sub/00.png", r"a mask needs the path of its picture: pictures are like 00\.jpg, masks like sub/00\.png$"),
        ("labels.tif", r"a mask needs the path of its picture: pictures are like 00\.jpg, masks like labels\.tif$"),
    ],
)
def test_a_mask_that_is_called_otherwise_is_named(tmp_path: Path, name: str, message: str):
    picture, mask = write(tmp_path, np.zeros((4, 4), np.uint8), "00")
    picture.rename(picture.with_suffix(".jpg"))
    (tmp_path / "masks" / name).parent.mkdir(exist_ok=True)
    mask.rename(tmp_path / "masks" / name)
    with pytest.raises(ZooError, match=message) as caught:
        folder_data(tmp_path, val_fraction=0.0).pairs("train")
    assert "masks/00.png: no such mask (1 of 1 are missing); " in str(caught.value)


def test_a_suffix_in_capitals_is_one(tmp_path: Path):
    _, mask = write(tmp_path, np.zeros((4, 4), np.uint8), "00")
    mask.rename(mask.with_suffix(".PNG"))
    assert paths(folder_data(tmp_path, val_fraction=0.0), "train") == [("pictures/00.png", "masks/00.PNG")]


def test_no_masks_at_all(tmp_path: Path):
    _, mask = write(tmp_path, np.zeros((4, 4), np.uint8))
    mask.unlink()
    with pytest.raises(ZooError, match=r"masks: no masks$"):
        folder_data(tmp_path, val_fraction=0.0).pairs("train")


def test_matches_pictures_of_any_format_in_subfolders(tmp_path: Path):
    write_folder(tmp_path, 1)
    write_folder(tmp_path, 1, first=1, suffix=".JPG")
    write(tmp_path, np.zeros((4, 4), np.uint8), "sub/a")
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    assert paths(folder_data(tmp_path, val_fraction=0.0), "train") == [
        ("pictures/000.png", "masks/000.png"), ("pictures/001.JPG", "masks/001.png"),
        ("pictures/sub/a.png", "masks/sub/a.png"),
    ]  # fmt: skip


def test_new_pictures_move_no_other_to_another_split(tmp_path: Path):
    write_folder(tmp_path, 60)
    data = folder_data(tmp_path, val_fraction=0.2)
    before = {split: names(data, split) for split in ("train", "val", "test")}
    assert sum(map(len, before.values())) == 60
    assert all(len(part) >= 4 for part in before.values())
    write_folder(tmp_path, 30, first=60, suffix=".jpg")
    (tmp_path / "pictures" / "000.png").rename(tmp_path / "pictures" / "000.bmp")  # nor does another format
    for split, part in before.items():
        old = {Path(name).stem for name in names(data, split) if int(Path(name).stem) < 60}
        assert old == {Path(name).stem for name in part}


def test_loads_its_splits(tmp_path: Path):
    write_folder(tmp_path, 40)
    data = folder_data(tmp_path, val_fraction=0.25)
    for split in ("train", "val", "test"):
        assert len(data.kept(split)) == len(names(data, split))


def test_classes_from_a_text_file(tmp_path: Path):
    (tmp_path / "classes.txt").write_text("road\n sky \n\ncar\n")
    data = SegmentationFolder(tmp_path, tmp_path, [str(tmp_path / "classes.txt")])
    assert data.labels.names == ("road", "sky", "car")
    assert SegmentationFolder(tmp_path, tmp_path, str(tmp_path / "classes.txt")).labels == data.labels
    assert len(set(data.labels.palette)) == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_text_file_of_classes_as_editors_leave_it(tmp_path: Path, encoding: str):
    (tmp_path / "classes.TXT").write_text("Straße\r\nsky\xa0\r\nmotor\xa0cycle\r\n", encoding)
    data = SegmentationFolder(tmp_path, tmp_path, [str(tmp_path / "classes.TXT")])
    assert data.labels.names == ("Straße", "sky", "motor cycle")


def test_a_text_file_of_classes_that_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "classes.txt").write_bytes("Straße\nsky\n".encode("latin-1"))
    with pytest.raises(ZooError, match=r"classes\.txt: line 1: not UTF-8: byte 4 is 0xdf, .*; convert"):
        SegmentationFolder(tmp_path, tmp_path, [str(tmp_path / "classes.txt")])


@pytest.mark.parametrize("name", ["a\tb", "", "\ufeffroad", "so\u00adft", "a\x00", "x" * 201, "\udce9"])
def test_a_name_that_no_card_may_have_is_refused_before_the_training(tmp_path: Path, name: str):
    """By the rule that the network's arguments are saved by."""
    with pytest.raises(ZooError, match=r"^data\.classes: the name of class 1, '.*, must have 1 to 200 char"):
        SegmentationFolder(tmp_path, tmp_path, ["road", name, "car"])
    if name:
        with pytest.raises(ZooError, match=r"arguments\.labels may not be"):
            check_arguments(LinkNet, {"num_classes": 3, "labels": ["road", name, "car"]}, "config.json")


def test_names_that_data_take_can_be_saved(tmp_path: Path):
    names = SegmentationFolder(tmp_path, tmp_path, ["x" * 200, "Straße", "motor\xa0cycle "]).labels.names
    check_arguments(LinkNet, {"num_classes": 3, "labels": list(names)}, "config.json")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["none.txt"], r"none\.txt: no such file"),
        ("road,sky", r"^road,sky: no such file; data\.classes is a list of names or one text file"),
        (["road"], "at least two"),
        (["road", "road"], "different names"),
    ],
)
def test_classes_that_are_none(tmp_path: Path, classes: list[str], message: str):
    with pytest.raises(ZooError, match=message):
        SegmentationFolder(tmp_path, tmp_path, classes)


def test_folders_that_lack_something(tmp_path: Path):
    with pytest.raises(ZooError, match=r"pictures: no such folder\npass yours: --data\.pictures FOLDER$"):
        folder_data(tmp_path, val_fraction=0.0).pairs("train")
    for name in ("pictures", "masks"):
        (tmp_path / name).mkdir()
    with pytest.raises(ZooError, match=r"pictures: no pictures \(\.apng"):
        folder_data(tmp_path, val_fraction=0.0).pairs("train")
    write_folder(tmp_path, 3)
    (tmp_path / "masks" / "001.png").unlink()
    with pytest.raises(ZooError, match=r"masks/001\.png: no such mask \(1 of 3 are missing\)"):
        folder_data(tmp_path, val_fraction=0.0).pairs("train")


def test_an_empty_split_is_named(tmp_path: Path):
    write_folder(tmp_path, 3)
    data = folder_data(tmp_path, val_fraction=0.0)
    with pytest.raises(
        ZooError, match=r"pictures: the val split gets none of its pictures: add pictures, change data\.val_fraction"
    ):
        data.setup("fit")


# What training sees of them


@pytest.fixture(scope="module")
def scenes() -> StreetScenes:
    return StreetScenes((64, 80), train=7, val=5, batch_size=2, num_workers=0, augment=Augment(crop=(32, 48)))


def epoch(data: StreetScenes, number: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(number)
    return list(loader)


def same(one: list, other: list) -> bool:
    return all(torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def test_an_epoch_depends_on_its_number_alone(scenes: StreetScenes):
    first = [epoch(scenes, number) for number in range(3)]
    assert same(epoch(scenes, 2), first[2])  # whatever came before, as in a resumed run
    assert same(epoch(scenes, 0), first[0])
    assert not same(first[0], first[1])


def test_a_seed_is_another_training(scenes: StreetScenes):
    other = StreetScenes((64, 80), train=7, val=5, batch_size=2, num_workers=0, augment=scenes.augment, seed=1)
    assert not same(epoch(other, 0), epoch(scenes, 0))
    assert other.digest("train") == scenes.digest("train")


def test_workers_change_nothing(scenes: StreetScenes):
    other = StreetScenes((64, 80), train=7, val=5, batch_size=2, num_workers=2, augment=scenes.augment)
    assert same(epoch(other, 1), epoch(scenes, 1))


def test_an_augmented_sample_is_a_function_of_seed_epoch_and_index(scenes: StreetScenes):
    transform = Augment((32, 32)).transform(CAMVID)
    samples = AugmentedSamples(scenes.kept("train"), transform, seed=3)
    forward = [samples[key] for key in range(14)]
    for key in reversed(range(14)):
        again = samples[key]
        assert all(np.array_equal(a, b) for a, b in zip(again, forward[key], strict=True))
    pictures = {hashlib.sha256(picture.tobytes()).hexdigest() for picture, _ in forward}
    assert len(pictures) == 14  # another epoch is another crop


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_every_sample_is_evaluated_once_over_all_ranks(ranks: int):
    dealt = [list(EverySampleOnce(range(7), num_replicas=ranks, rank=rank, shuffle=False)) for rank in range(ranks)]
    assert sorted(chain(*dealt)) == list(range(7))
    for rank, indices in enumerate(dealt):
        assert len(EverySampleOnce(range(7), num_replicas=ranks, rank=rank, shuffle=False)) == len(indices)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_training_samples_are_dealt_once_an_epoch(ranks: int):
    orders = []
    for number in range(3):
        dealt = []
        for rank in range(ranks):
            sampler = EpochSampler(range(6), num_replicas=ranks, rank=rank, shuffle=True, seed=1)
            sampler.set_epoch(number)
            dealt.append(list(sampler))
        keys = list(chain(*dealt))
        assert {key // 6 for key in keys} == {number}
        assert sorted(key % 6 for key in keys) == list(range(6))
        orders.append([key % 6 for key in keys])
    assert all(a != b for a, b in pairwise(orders))


def test_batches_are_rgb_between_0_and_1(scenes: StreetScenes):
    batch = next(iter(scenes.train_dataloader()))
    assert batch[0].dtype == torch.uint8
    pictures, masks = scenes.on_after_batch_transfer(batch, 0)
    assert pictures.shape == (2, 3, 32, 48)
    assert pictures.dtype == torch.float32
    assert 0.2 < pictures.max() <= 1
    assert masks.shape == (2, 32, 48)
    assert masks.dtype == torch.int64


def test_evaluation_sees_whole_pictures_in_order(scenes: StreetScenes):
    for loader, split in ((scenes.val_dataloader(), "val"), (scenes.test_dataloader(), "test")):
        pictures = torch.cat([pictures for pictures, _ in loader])
        assert np.array_equal(pictures, np.stack([picture for picture, _ in scenes.kept(split)]))


def test_pictures_of_different_sizes_are_evaluated_one_by_one(tmp_path: Path):
    write_folder(tmp_path, 20)
    for number in range(20, 40):
        write(tmp_path, np.zeros((10, 12), np.uint8), f"{number:03d}")
    batches = list(folder_data(tmp_path, val_fraction=0.3).val_dataloader())
    assert {masks.shape[1:] for _, masks in batches} == {(16, 20), (10, 12)}


def test_splits_share_no_scene(scenes: StreetScenes):
    pictures = [picture for split in ("train", "val", "test") for picture, _ in scenes.kept(split)]
    assert len({hashlib.sha256(picture.tobytes()).digest() for picture in pictures}) == 7 + 5 + 5


def test_class_pixels_are_those_of_the_training_annotations(scenes: StreetScenes):
    masks = np.concatenate([mask.ravel() for _, mask in scenes.kept("train")])
    assert scenes.class_pixels().tolist() == [(masks == c).sum() for c in range(11)]


def test_digest_tells_any_change(scenes: StreetScenes):
    before = scenes.digest("val")
    picture, mask = scenes.kept("val")[0]
    for array in (picture, mask):
        array[0, 0] ^= 1
        assert scenes.digest("val") != before
        array[0, 0] ^= 1
    assert scenes.digest("val") == before


def test_more_in_a_batch_than_pictures():
    data = StreetScenes((64, 64), train=3, val=1, batch_size=4, num_workers=0)
    with pytest.raises(ZooError, match=r"^data\.batch_size 4 is more than the 3 training pictures"):
        data.train_dataloader()


def test_scenes_that_are_too_small():
    with pytest.raises(ZooError, match=r"^data\.size: height and width must be 32 pixels or more, not \[64, 0\]$"):
        StreetScenes((64, 0))


def test_a_focus_that_is_no_class():
    with pytest.raises(ZooError, match=r"data\.augment\.focus: no class 'Pool'; there are Sky, Building, Pole"):
        Augment(focus=("Pool",)).transform(CAMVID)


# Real input


def test_the_sample_of_camvid(real_data: Path):
    data = CamVid(real_data / "camvid-sample")
    data.prepare_data()
    assert [len(data.kept(split)) for split in ("train", "val", "test")] == [12, 4, 4]
    for split in ("train", "val", "test"):
        for picture, mask in data.kept(split):
            assert picture.shape == (360, 480, 3)
            assert mask.shape == (360, 480)
    fraction = data.class_pixels() / data.class_pixels().sum()
    assert (fraction > 0).all()
    assert fraction[3] > 0.2  # road
    sky = np.concatenate([picture[mask == 0] for picture, mask in data.kept("train")])
    assert sky.mean() > 150


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"crop": (0, 64)}, "crop"),
        ({"crop": (64, 20_000)}, "crop"),
        ({"scale": (2.0, 1.0)}, "scale"),
        ({"scale": (0.0, 1.0)}, "scale"),
    ],
)
def test_refuses_an_augmentation_that_cannot_be(arguments: dict, message: str):
    with pytest.raises(ZooError, match=message):
        Augment(**arguments)


def test_masks_of_0_and_255_are_refused(tmp_path: Path):
    """Else the second class would be ignored, silently."""
    rng = np.random.default_rng(0)
    for folder in ("pictures", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(20):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(tmp_path / f"pictures/{number}.png")
        Image.fromarray(rng.choice(np.array([0, 255], np.uint8), (16, 16))).save(tmp_path / f"masks/{number}.png")
    data = SegmentationFolder(tmp_path / "pictures", tmp_path / "masks", ["background", "crack"])
    with pytest.raises(ZooError, match=r"no training mask shows 'crack', class 1; the masks hold 0, 255") as caught:
        data.kept("train")
    assert str(caught.value).endswith("\nif 255 means 'crack', say so: --data.values '{0: background, 255: crack}'")
    every = SegmentationFolder(
        tmp_path / "pictures", tmp_path / "masks", ["background", "crack"], None, val_fraction=0.0
    )
    with pytest.raises(ZooError, match=r"value 255 .* no value is ignored \(and 19 more\)\nif 255 means 'crack', say"):
        every.kept("train")
    values = {0: "background", 255: "crack"}  # the message's way out is one
    named = SegmentationFolder(tmp_path / "pictures", tmp_path / "masks", values=values, val_fraction=0.0)
    assert named.labels.names == ("background", "crack")
    assert len(named.kept("train")) == 20
    assert set(np.unique([mask for _, mask in named.kept("train")])) == {0, 1}


def test_a_class_that_is_absent_from_masks_without_255_has_no_such_way_out(tmp_path: Path):
    write(tmp_path, np.zeros((4, 4), np.uint8))
    data = SegmentationFolder(tmp_path / "pictures", tmp_path / "masks", ["background", "crack"], val_fraction=0.0)
    with pytest.raises(ZooError, match=r"the masks hold 0, and 255 is ignored$"):
        data.kept("train")


@pytest.mark.parametrize("jaccard", [0.0, 1.0])
def test_without_void_every_pixel_is_learned_and_measured(jaccard: float):
    """As with a void that no mask has; None must not be taken for an id."""
    void, none = LABELS, LabelMap(LABELS.names, LABELS.palette, None)
    logits, masks = torch.rand(2, 3, 8, 8), torch.from_numpy(RNG.integers(0, 3, (2, 8, 8)))
    torch.manual_seed(0)
    modules = [
        LinkNetModule(labels, "test_efficientnet", None, jaccard=jaccard, class_weighting="none")
        for labels in (void, none)
    ]
    losses = [module.loss(logits, masks) for module in modules]
    assert torch.equal(*losses)
    for module in modules:
        module.confusion.update(logits.argmax(1), masks)
    assert torch.equal(*(module.confusion.compute() for module in modules))
    assert modules[1].confusion.compute().sum() == masks.numel()
    segmentation_sheet(torch.rand(2, 3, 8, 8), masks, logits.argmax(1), none)
