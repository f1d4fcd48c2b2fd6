"""Masks as people have them: other names, values and colours, a folder for each class, COCO JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from zoo.base.errors import ZooError
from zoo.commands import main
from zoo.commands.options import OptionParser, options_of
from zoo.data import SegmentationFolder
from zoo.data.masks.shapes import decode, draw, fill

RNG = np.random.default_rng(0)
SIZE = (6, 9)  # height and width
TRUTH = [RNG.integers(0, 3, SIZE, dtype=np.uint8) for _ in range(4)]  # class ids of four pictures
COLORS = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 255]], np.uint8)
NAMES = ["background", "crack", "rust"]


def save(path: Path, array: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def write_pictures(root: Path, name: str = "p/img_{:02}.jpg", count: int = 4) -> None:
    for number in range(count):
        save(root / name.format(number), RNG.integers(0, 256, (*SIZE, 3), dtype=np.uint8))


def write_masks(root: Path, name: str, masks: list[np.ndarray] = TRUTH, **options: object) -> None:
    for number, mask in enumerate(masks):
        save(root / name.format(number), mask, **options)


def data_of(root: Path, masks: str | None = "m", **options: object) -> SegmentationFolder:
    options = {"val_fraction": 0.0, **options}
    return SegmentationFolder(root / "p", root / masks if masks else None, **options)


def truth(data: SegmentationFolder) -> list[np.ndarray]:
    return [mask for _, mask in data.kept("train")]


def assert_same(data: SegmentationFolder, wanted: list[np.ndarray] = TRUTH) -> None:
    assert [mask.tolist() for mask in truth(data)] == [mask.tolist() for mask in wanted]


# Names


@pytest.mark.parametrize(
    ("picture", "mask"),
    [
        ("img_{:02}.jpg", "img_{:02}_mask.png"),
        ("img_{:02}.jpg", "MASK_img_{:02}.PNG"),
        ("img_{:02}.jpg", "img_{:02}.jpg.png"),
        ("img_{:02}.png", "img_{:02}.bmp"),
        ("{}.jpg", "{}_1.png"),
        ("image_{:02}.jpg", "mask_{:02}.png"),
        ("image{:02}.jpg", "label{:02}.tif"),
        ("a{}_x_leftImg8bit.png", "a{}_x_gtFine_labelIds.png"),
        ("a/{}.jpg", "a/{}_L.png"),
    ],
)
def test_masks_are_found_by_the_names_that_there_are(tmp_path: Path, picture: str, mask: str):
    write_pictures(tmp_path, f"p/{picture}")
    write_masks(tmp_path, f"m/{mask}")
    assert_same(data_of(tmp_path, classes=NAMES))


@pytest.mark.parametrize("mask", ["img_{:02}_mask.png", "img_{:02}.png", "img_{:02}-seg.bmp"])
def test_masks_beside_their_pictures(tmp_path: Path, mask: str):
    write_pictures(tmp_path)
    write_masks(tmp_path, f"p/{mask}")
    assert_same(data_of(tmp_path, None, classes=NAMES))


def test_names_that_fit_twice_are_asked_about(tmp_path: Path):
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}_ids.png")
    write_masks(tmp_path, "m/img_{:02}_edges.png", [np.zeros(SIZE, np.uint8)] * 4)
    with pytest.raises(
        ZooError,
        match=r"m: several files could be the mask of each picture: NAME_edges\.png, NAME_ids\.png\n"
        r"choose by --data\.mask_name NAME_edges\.png$",
    ):
        data_of(tmp_path, classes=NAMES).pairs("train")
    assert_same(data_of(tmp_path, classes=NAMES, mask_name="NAME_ids.png"))


def test_folders_that_fit_twice_are_asked_about(tmp_path: Path):
    write_pictures(tmp_path, "p/images/{}.jpg")
    write_masks(tmp_path, "p/masks/{}.png")
    write_masks(tmp_path, "p/labels/{}.png", [np.zeros(SIZE, np.uint8)] * 4)
    with pytest.raises(ZooError, match=r"labels/NAME\.png, masks/NAME\.png\nchoose by --data\.mask_name labels/NAME"):
        data_of(tmp_path, None, classes=NAMES).pairs("train")
    assert_same(data_of(tmp_path, None, classes=NAMES, mask_name="masks/NAME.png"))


@pytest.mark.parametrize("other", ["img_00.bmp", "img_00_copy.png"])
def test_two_masks_of_a_picture_are_refused(tmp_path: Path, other: str):
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png")
    save(tmp_path / "m" / other, TRUTH[0])
    with pytest.raises(ZooError, match=rf"img_00\.jpg has two masks: .*{other}.*\nmove one of them away"):
        data_of(tmp_path, classes=NAMES).pairs("train")
    assert_same(data_of(tmp_path, classes=NAMES, mask_name="NAME.png"))


@pytest.mark.parametrize("name", ["mask.png", "NAME", "a/b/NAME.png", "NAMENAME.png"])
def test_a_name_of_masks_that_is_none(tmp_path: Path, name: str):
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png")
    with pytest.raises(ZooError, match=r"^data\.mask_name: '.*' is no name of masks; write NAME for"):
        data_of(tmp_path, classes=NAMES, mask_name=name).pairs("train")


# Values and colours


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_values_that_are_named(tmp_path: Path, kind: type):
    """The names are the classes, in their order; two values may be one class."""
    codes = np.array([7, 0, 255] if kind is np.uint8 else [1000, 0, 65535], kind)
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png", [codes[mask] for mask in TRUTH])
    values = dict(zip(codes.tolist(), NAMES, strict=True))
    data = data_of(tmp_path, values=values)
    assert data.labels.names == tuple(NAMES)
    assert_same(data)
    assert_same(data_of(tmp_path, values={str(value): name for value, name in values.items()}))  # as JSON has keys
    merged = data_of(tmp_path, values={**values, codes.tolist()[2]: "crack"})
    assert_same(merged, [np.minimum(mask, 1) for mask in TRUTH])
    reversed_ = data_of(tmp_path, values=values, classes=NAMES[::-1])
    assert_same(reversed_, [2 - mask for mask in TRUTH])


def test_values_that_are_ignored(tmp_path: Path):
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png", [mask + np.uint8(200) * (mask == 2) for mask in TRUTH])
    wanted = [np.where(mask == 2, 255, mask) for mask in TRUTH]
    assert_same(data_of(tmp_path, classes=NAMES[:2], ignore=[202]), wanted)
    assert_same(data_of(tmp_path, classes=NAMES[:2], ignore_index=202), [np.where(m == 2, 202, m) for m in TRUTH])
    assert_same(data_of(tmp_path, values={0: "background", 1: "crack", 202: "void"}, ignore=["void"]), wanted)
    with pytest.raises(ZooError, match=r"^data\.ignore needs an id .*--data\.ignore_index 255$"):
        data_of(tmp_path, classes=NAMES[:2], ignore=[202], ignore_index=None).kept("train")


def test_a_value_without_a_class_is_named(tmp_path: Path):
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png", [TRUTH[0], TRUTH[1], np.full(SIZE, 9, np.uint8), TRUTH[3]])
    said = r"m/img_02\.png: value 9 \(100\.0% of its pixels\) is no class; add it to data\.values, or ignore it: "
    with pytest.raises(ZooError, match=said + r"--data\.ignore '\[9\]'$"):
        data_of(tmp_path, values=dict(enumerate(NAMES))).kept("train")
    data_of(tmp_path, values=dict(enumerate(NAMES)), ignore=[9]).kept("train")  # the message's way out is one


def test_values_above_255_ask_for_names(tmp_path: Path):
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png", [mask.astype(np.uint16) * 500 for mask in TRUTH])
    with pytest.raises(ZooError, match=r"values 0\.\.1000 are outside the class ids 0\.\.255 .*\nname the values: --d"):
        data_of(tmp_path, classes=NAMES).kept("train")


def color_table(path: Path, kind: str) -> Path:
    red = [(*color, name) for color, name in zip(COLORS.tolist(), NAMES, strict=True)]
    hexes = [f"#{r:02x}{g:02X}{b:02x}" for r, g, b, _ in red]
    texts = {
        "label_colors.txt": "\n".join(f"{r} {g} {b}\t\t{name}" for r, g, b, name in red),
        "names.txt": "\n".join(f"{name} {code}" for code, name in zip(hexes, NAMES, strict=True)),
        "class_dict.csv": "\n".join(["name,r,g,b", *(f"{name}, {r}, {g}, {b}" for r, g, b, name in red)]),
        "ids.csv": "\n".join(["id;Blue;Green;Red;Class", *(f"1;{b};{g};{r};{n}" for r, g, b, n in red)]),
        "mapping.json": json.dumps({name: [r, g, b] for r, g, b, name in red}),
        "list.json": json.dumps([{"label": name, "color": code} for code, name in zip(hexes, NAMES, strict=True)]),
        "channels.json": json.dumps([{"name": name, "r": r, "g": g, "b": b} for r, g, b, name in red]),
    }  # fmt: skip
    (path / kind).write_text(texts[kind])
    return path / kind


TABLES = ["label_colors.txt", "names.txt", "class_dict.csv", "ids.csv", "mapping.json", "list.json", "channels.json"]


@pytest.mark.parametrize("kind", TABLES)
def test_colours_by_a_table_in_a_file(tmp_path: Path, kind: str):
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png", [COLORS[mask] for mask in TRUTH])
    data = data_of(tmp_path, colors=str(color_table(tmp_path, kind)))
    assert data.labels.names == tuple(NAMES)
    assert data.labels.palette == tuple(map(tuple, COLORS.tolist()))
    assert_same(data)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_by_an_argument(tmp_path: Path, mode: str):
    """Of a palette picture too, whose values may stand in any order."""
    write_pictures(tmp_path)
    for number, mask in enumerate(TRUTH):
        (tmp_path / "m").mkdir(exist_ok=True)
        picture = Image.fromarray(COLORS[mask])
        (picture.quantize(3) if mode == "P" else picture.convert(mode)).save(tmp_path / f"m/img_{number:02}.png")
    colors = {"background": "#000000", "crack": [255, 0, 0], "rust": "0080ff"}
    assert_same(data_of(tmp_path, colors=colors))
    only = data_of(tmp_path, colors={"background": "#000000", "crack": "255 0 0"}, ignore=["#0080ff"])
    assert_same(only, [np.where(mask == 2, 255, mask) for mask in TRUTH])
    with pytest.raises(
        ZooError, match=r"img_00\.png: colour #0080ff \(.*% of its pixels\) is no class; add it to data\.c"
    ):
        data_of(tmp_path, colors={"background": "#000000", "crack": "#ff0000"}).kept("train")


def test_classes_choose_among_colours(tmp_path: Path):
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png", [COLORS[mask] for mask in TRUTH])
    table = str(color_table(tmp_path, "class_dict.csv"))
    with pytest.raises(ZooError, match=r"#0080ff is 'rust', which is no class of data\.classes; add it .*'\[rust\]'$"):
        data_of(tmp_path, colors=table, classes=NAMES[:2]).kept("train")
    data = data_of(tmp_path, colors=table, classes=["crack", "background"], ignore=["rust"])
    assert data.labels.palette == ((255, 0, 0), (0, 0, 0))
    assert_same(data, [np.array([1, 0, 255], np.uint8)[mask] for mask in TRUTH])


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "a.csv", r"a\.csv: no colours; a colour is"),
        ("name,r,g,b\na,1,2\n", "a.csv", r"a\.csv: line 2 lacks a name or a colour"),
        ("name,r,g,b\na,1,2,300\n", "a.csv", r"a\.csv: line 2: a colour is '#rrggbb' .* \['1', '2', '300'\]"),
        ("1 2 a\n", "a.txt", r"a\.txt: line 1: needs a name and a colour, .*'1 2 a'"),
        ('{"a": 7}', "a.json", r"a\.json: a: a colour is .*, not 7"),
        ('[{"a": 7}]', "a.json", r"a\.json: entry 0 needs a name and a color"),
        ("{", "a.json", r"a\.json: not JSON"),
        ("0 0 0 a\n0 0 0 b\n", "a.txt", r"#000000 stands for two classes"),
    ],
)  # fmt: skip
def test_tables_of_colours_that_are_none(tmp_path: Path, text: str, name: str, message: str):
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png", [COLORS[mask] for mask in TRUTH])
    (tmp_path / name).write_text(text)
    with pytest.raises(ZooError, match=message):
        data_of(tmp_path, colors=str(tmp_path / name)).kept("train")


def test_jpeg_takes_the_nearest_value_or_colour_with_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    masks = [np.kron(mask > 0, np.ones((8, 8))).astype(np.uint8) for mask in TRUTH]
    for number in range(4):
        save(tmp_path / f"p/{number}.png", RNG.integers(0, 256, (48, 72, 3), dtype=np.uint8))
    write_masks(tmp_path, "m/{}.jpg", [mask * np.uint8(255) for mask in masks], quality=60)
    assert_same(data_of(tmp_path, values={0: "background", 255: "crack"}), masks)
    assert "m: masks are JPEG, which changes labels: each pixel takes the nearest" in capsys.readouterr().err
    assert_same(data_of(tmp_path, colors={"background": "#000000", "crack": "#ffffff"}), masks)
    with pytest.raises(ZooError, match=r"0\.jpg: .* JPEG, which changes ids.*\nif its values are far apart, name them"):
        data_of(tmp_path, classes=NAMES[:2]).kept("train")
    write_masks(tmp_path, "m/{}.jpg", [mask * np.uint8(128) for mask in masks])
    with pytest.raises(ZooError, match=r"0\.jpg: value 12\d \(.*\) is no class"):
        data_of(tmp_path, values={0: "background", 255: "crack"}).kept("train")


def test_masks_whose_classes_nobody_named_say_what_they_hold(tmp_path: Path):
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png", [mask // 2 * np.uint8(255) for mask in TRUTH])
    said = r"^the masks hold the values 0, 255: name them in order, .*--data\.values '\{0: NAME, 255: NAME\}'$"
    with pytest.raises(ZooError, match=said):
        data_of(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png", [COLORS[mask] for mask in TRUTH])
    with pytest.raises(ZooError, match=r"^the masks hold 3 colours: name them, --data\.colors '\{NAME: \"#000000\", "):
        data_of(tmp_path)


# A folder for each class


@pytest.mark.parametrize("layout", ["m/{1}/img_{0:02}.png", "m/{1}/{2}/img_{0:02}.png"])
def test_a_folder_of_binary_masks_for_each_class(tmp_path: Path, layout: str):
    split = "{2}/" in layout
    for number, mask in enumerate(TRUTH):
        part = "train" if number < 2 else "val"
        save(tmp_path / f"p/{part if split else ''}/img_{number:02}.jpg", np.zeros((*SIZE, 3), np.uint8))
        for i, name in ((1, "crack"), (2, "rust")):
            places = (number, part, name) if split else (number, name, "")
            save(tmp_path / layout.format(*places), (mask == i) * np.uint8(255 // i))
    data = data_of(tmp_path)
    assert data.labels.names == ("background", "crack", "rust")
    assert_same(data, TRUTH[:2] if split else TRUTH)
    other = data_of(tmp_path, classes=["rust", "crack", "road"])
    assert_same(other, [np.array([2, 1, 0], np.uint8)[mask] for mask in (TRUTH[:2] if split else TRUTH)])
    void = data_of(tmp_path, classes=["rust", "crack"])
    assert set(np.unique(truth(void)[0])) == {0, 1, 255}
    with pytest.raises(
        ZooError, match=r"m: folder 'rust' is no class of data\.classes; add it there, or ignore it: .*rust"
    ):
        data_of(tmp_path, classes=["road", "crack"]).kept("train")
    ignored = data_of(tmp_path, classes=["road", "crack"], ignore=["rust"])
    assert_same(ignored, [np.where(mask == 2, 255, mask) for mask in (TRUTH[:2] if split else TRUTH)])
    with pytest.raises(
        ZooError, match=r"folders lack 'road' and 'sky'; call the class of all other pixels background$"
    ):
        data_of(tmp_path, classes=["road", "sky", "crack", "rust"]).kept("train")


def test_binary_masks_of_two_values_or_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_pictures(tmp_path, count=2)
    write_masks(tmp_path, "m/crack/img_{:02}.png", [mask.clip(0, 1) for mask in TRUTH[:2]])
    write_masks(tmp_path, "m/rust/img_{:02}.png", [mask // 2 for mask in TRUTH[:2]])
    assert_same(data_of(tmp_path), TRUTH[:2])
    assert "masks of different classes overlap; the last class counts" in capsys.readouterr().err
    save(tmp_path / "m/rust/img_00.png", np.zeros((5, 9), np.uint8))
    with pytest.raises(ZooError, match=r"rust/img_00\.png differs in size from .*img_00\.jpg: 9x6 and 9x5"):
        data_of(tmp_path).kept("train")
    save(tmp_path / "m/rust/img_00.png", TRUTH[0])
    with pytest.raises(ZooError, match=r"rust/img_00\.png: a mask of one class holds 0 and one other value, .* 1, 2"):
        data_of(tmp_path).kept("train")


# COCO JSON


def runs_of(mask: np.ndarray) -> list[int]:
    """Counts of a run-length encoding, pixel by pixel."""
    runs, inside = [0], False
    for pixel in mask.T.ravel().tolist():
        if bool(pixel) != inside:
            runs.append(0)
            inside = not inside
        runs[-1] += 1
    return runs


def compressed(runs: list[int]) -> str:
    """As maskApi.c of COCO writes counts."""
    text = ""
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        more = True
        while more:
            code, value = value & 0x1F, value >> 5
            more = value != (-1 if code & 0x10 else 0)
            text += chr((code | 0x20 * more) + 48)
    return text


def coco(names: list[str], segmentations: str = "rle") -> dict:
    images = [{"id": i, "file_name": name, "height": SIZE[0], "width": SIZE[1]} for i, name in enumerate(names)]
    annotations = []
    for number, mask in enumerate(TRUTH[: len(names)]):
        for category, index in ((70, 1), (5, 2)):
            runs = runs_of(mask == index)
            counts = compressed(runs) if segmentations == "compressed" else runs
            own = {"size": list(SIZE), "counts": counts}
            annotations.append({
                "id": len(annotations), "image_id": number, "category_id": category, "segmentation": own
            })  # fmt: skip
    categories = [{"id": 70, "name": "crack"}, {"id": 5, "name": "rust"}, {"id": 0, "name": "unused"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_coco(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("segmentations", ["rle", "compressed"])
@pytest.mark.parametrize("place", ["m/annotations.json", "m", None])
def test_run_lengths_of_coco(tmp_path: Path, segmentations: str, place: str | None):
    write_pictures(tmp_path)
    names = [f"img_{number:02}.jpg" for number in range(4)]
    write_coco(tmp_path / ("p" if place is None else "m") / "annotations.json", coco(names, segmentations))
    data = data_of(tmp_path, place)
    assert data.labels.names == ("background", "crack", "rust")
    assert_same(data)


@pytest.mark.parametrize("flat", [True, False])
def test_files_of_coco_tell_the_splits(tmp_path: Path, flat: bool):
    for number in range(4):
        folder = "" if flat else f"{('train', 'val')[number // 2]}2017/"
        save(tmp_path / f"p/{folder}{number}.png", np.zeros((*SIZE, 3), np.uint8))
    for split, first in (("train", 0), ("val", 2)):
        content = coco([f"{first}.png", f"{first + 1}.png"])
        write_coco(tmp_path / f"m/instances_{split}2017.json", content)
    data = data_of(tmp_path)
    assert [path.stem for path, _ in data.pairs("train")] == ["0", "1"]
    assert [path.stem for path, _ in data.pairs("val")] == ["2", "3"]


def test_coco_beside_the_pictures_of_each_split(tmp_path: Path):
    """As Roboflow exports it."""
    for split in ("train", "valid"):
        save(tmp_path / f"p/{split}/a.jpg", np.zeros((*SIZE, 3), np.uint8))
        write_coco(tmp_path / f"p/{split}/_annotations.coco.json", coco(["a.jpg"]))
    data = data_of(tmp_path, None)
    assert [path.parent.name for path, _ in data.pairs("val")] == ["valid"]
    assert_same(data, TRUTH[:1])


def test_polygons_cover_the_pixels_whose_centres_they_hold():
    rectangle = draw([[2, 1, 5, 1, 5, 4, 2, 4]], 6, 9)
    assert np.argwhere(rectangle).tolist() == [[y, x] for y in (1, 2, 3) for x in (2, 3, 4)]
    ring = draw([[0, 0, 9, 0, 9, 6, 0, 6]], 6, 9)
    assert ring.all()
    triangle = np.array([[0.3, 0.2], [8.1, 2.4], [3.9, 5.7]])
    pixels = np.stack(np.meshgrid(np.arange(9) + 0.5, np.arange(6) + 0.5), -1)
    sides = [np.cross(b - a, pixels - a) for a, b in zip(triangle, np.roll(triangle, -1, 0), strict=True)]
    assert np.array_equal(fill(triangle, 6, 9), np.all(np.array(sides) > 0, 0))
    assert draw([[1, 1, 3, 1, 3, 3, 1, 3], [5, 1, 7, 1, 7, 3, 5, 3]], 6, 9).sum() == 8


def test_run_lengths_are_decoded_as_they_were_encoded():
    for _ in range(20):
        mask = RNG.random((33, 47)) < RNG.random()
        runs = runs_of(mask)
        assert np.array_equal(decode({"size": [33, 47], "counts": runs}, 33, 47), mask)
        assert np.array_equal(decode({"size": [33, 47], "counts": compressed(runs)}, 33, 47), mask)


def broken(section: str = "annotations", **changed: object) -> dict:
    content = coco(["img_00.jpg"])
    content[section][0] |= changed
    return content


def drawn(segmentation: object) -> dict:
    return broken(segmentation=segmentation)


def runs(counts: object, size: tuple[int, int] = SIZE) -> dict:
    return drawn({"size": list(size), "counts": counts})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (runs([3, 4]), r"annotation 0 of img_00\.jpg: its run-length encoding has 7 pixels, the picture 54"),
        (runs([54], (9, 6)), r"has the size \[9, 6\], the picture \[6, 9\]"),
        (runs("6Pn"), r"ends within a count"),
        (runs("\u00e9"), r"a letter that is no count"),
        (runs([-1, 55]), r"counts that are none"),
        (drawn([[0, 0, 20, 0, 20, 4]]), r"a polygon reaches 11 pixels out of the picture \(9x6\)"),
        (drawn([[0, 0, 4, 0]]), r"x and y of three corners or more"),
        (drawn([]), r"no polygon and no run-length encoding"),
        (broken(category_id=99), r"annotation 0 has no category 99"),
        (broken(image_id=99), r"1 annotations are of pictures that are not in its images: 99"),
        (broken("images", height="six"), r"img_00\.jpg has the height 'six'"),
        (broken("images", width=8), r"has the size \[6, 9\], the picture \[6, 8\]"),
        ({"images": [{}], "annotations": [], "categories": []}, r"not COCO JSON: an entry lacks 'file_name'"),
        ({"images": 1, "annotations": [], "categories": []}, r"needs lists images, annotations, categories"),
        ([], r"needs lists images, annotations, categories"),
        (coco(["img_00.jpg", "img_00.jpg"]), r"img_00\.jpg is annotated twice"),
    ],
)
def test_coco_that_is_damaged(tmp_path: Path, content: object, message: str):
    write_pictures(tmp_path, count=1)
    write_coco(tmp_path / "m.json", content)
    with pytest.raises(ZooError, match=message) as caught:
        data_of(tmp_path, "m.json", classes=NAMES).kept("train")
    assert "m.json" in str(caught.value)


def test_coco_that_is_no_json_or_lacks_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_pictures(tmp_path, count=2)
    write_coco(tmp_path / "m.json", coco(["img_00.jpg", "gone.jpg"]))
    with pytest.raises(
        ZooError, match=r"img_01\.jpg: not in the images of .*m\.json \(1 of 2 are missing\)\nmove it away"
    ):
        data_of(tmp_path, "m.json").pairs("train")
    assert "left out 1 of 2 pictures that are not there, such as gone.jpg" in capsys.readouterr().err
    (tmp_path / "m.json").write_text('{"images": [')
    with pytest.raises(ZooError, match=r"m\.json: not JSON: "):
        data_of(tmp_path, "m.json")


def test_a_picture_of_another_size_than_coco_says(tmp_path: Path):
    write_pictures(tmp_path, count=1)
    write_coco(tmp_path / "m.json", coco(["img_00.jpg"]))
    save(tmp_path / "p/img_00.jpg", np.zeros((7, 9, 3), np.uint8))
    with pytest.raises(ZooError, match=r"img_00\.jpg and its annotation .*m\.json differ in size: 9x7 and 9x6"):
        data_of(tmp_path, "m.json").kept("train")


def test_forms_that_fit_twice_are_asked_about(tmp_path: Path):
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png")
    write_coco(tmp_path / "m/all.json", coco([f"img_{number:02}.jpg" for number in range(4)]))
    with pytest.raises(
        ZooError,
        match=r"m: masks may be mask files \(NAME\.png\) or COCO JSON \(all\.json\); choose by --data\.masks FOLDER, "
        r"--data\.masks FILE\.json or, for files, --data\.mask_name NAME\.png$",
    ):
        data_of(tmp_path, classes=NAMES).pairs("train")
    assert_same(data_of(tmp_path, classes=NAMES, mask_name="NAME.png"))
    assert_same(data_of(tmp_path, "m/all.json"))


# On the command line

FIT = ["fit", "--recipe", "linknet_camvid", "--data.class_path=zoo.data.SegmentationFolder", "--data.pictures=p"]


def test_arguments_of_masks_are_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "splits.csv").write_text("")
    given = {"values": {0: "background", 255: "crack"}, "ignore": [7, "void"], "mask_name": "NAME_mask.png"}
    given |= {"colors": {"crack": "#ff0000", "rust": [1, 2, 3]}, "splits": "splits.csv"}
    options = [f"--data.{key}={yaml.safe_dump(value, default_flow_style=True)}" for key, value in given.items()]
    options = [option.removesuffix("...\n").strip() for option in options]  # the end of a YAML of one word
    with pytest.raises(SystemExit):
        main.main([*FIT, "--data.masks=m", *options, "--print_config"])
    told = yaml.safe_load(capsys.readouterr().out)["data"]["init_args"]
    told["values"] = {int(value): name for value, name in told["values"].items()}  # keys are dumped as texts
    assert {key: told[key] for key in given} == given


def test_data_that_cannot_be_read_end_with_2_and_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png", [mask // 2 * np.uint8(255) for mask in TRUTH])
    assert main.main([*FIT, "--data.masks=m"]) == 2
    assert re.fullmatch(r"zoo: error: the masks hold the values 0, 255: .*\n", capsys.readouterr().err)
    options = ["--data.values={0: background}", "--data.val_fraction=0", "--model.encoder=test_resnet"]
    assert main.main([*FIT, "--data.masks=m", *options, "--model.encoder_weights=null"]) == 2
    assert "data.classes needs at least two different names, not ['background']" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_card_is_measured_on_masks_of_any_form(tmp_path: Path):
    """Its options are read as in a fit, and equal pixels and ids have one digest."""
    write_pictures(tmp_path)
    write_masks(tmp_path, "m/img_{:02}.png")
    write_masks(tmp_path, "colored/img_{:02}.png", [COLORS[mask] for mask in TRUTH])
    known = {"pictures": str(tmp_path / "p"), "masks": str(tmp_path / "colored"), "val_fraction": 0.0}
    known["colors"] = dict(zip(NAMES, COLORS.tolist(), strict=True))
    parser = OptionParser("zoo evaluate mine", "mine", description="", usage="")
    parser.add_options("data", options_of(SegmentationFolder, SegmentationFolder.training_only, "data"), known)
    words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in known.items()}
    read = parser.parse([f"--data.{key}={word}" for key, word in words.items()])["data"]
    assert SegmentationFolder(**read).digest("train") == data_of(tmp_path, classes=NAMES).digest("train")
