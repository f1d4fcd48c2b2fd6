"""``zoo doctor RECIPE --data-only``: every seeded fault is named, and a healthy data set has none."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import faulty
from zoo.commands import main
from zoo.data import PictureCrops, SegmentationFolder
from zoo.doctor import masks
from zoo.doctor.examine import examine_data
from zoo.doctor.findings import Finding, Report
from zoo.doctor.look import fingerprint

SECONDS = 10  # for all checks of the data set with seeded faults
RECIPE = """\
seed_everything: 1
model:
  class_path: zoo.models.linknet.module.LinkNetModule
  init_args: {encoder: test_resnet, encoder_weights: null}
data:
  class_path: zoo.data.SegmentationFolder
  init_args:
    pictures: pictures
    masks: masks
    classes: [ground, crack, rust, moss]
    batch_size: 4
    num_workers: 0
    augment: {crop: [64, 96]}
trainer: {accelerator: cpu, max_epochs: 2}
"""


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("healthy")
    faulty.healthy(folder)
    (folder / "own.yaml").write_text(RECIPE)
    return folder


@pytest.fixture
def place(healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the healthy data set, which is the working directory."""
    shutil.copytree(healthy, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Runs ``zoo doctor own.yaml --data-only --json``; returns the exit code and the report."""

    def run(*more: str) -> tuple[int, dict[str, Any]]:
        code = main.main(["doctor", "own.yaml", "--data-only", "--json", *more])
        return code, json.loads(capsys.readouterr().out)

    return run


def checks(report: dict[str, Any]) -> set[str]:
    return {each["check"] for each in report["findings"]}


def test_all_seeded_faults_are_named_in_seconds(place: Path, doctor: Callable):
    seeded = faulty.Faults(place).seed()
    assert len(seeded) >= 15
    begin = time.perf_counter()
    code, report = doctor()
    assert time.perf_counter() - begin < SECONDS
    assert code == 1
    lacking = {
        name: (check, where)
        for name, (check, where) in seeded.items()
        if not any(each["check"] == check and any(where in own for own in each["where"]) for each in report["findings"])
    }
    assert not lacking
    assert all(each["do"] and each["what"] and each["count"] == len(each["where"]) for each in report["findings"])
    assert (place / "runs" / "doctor" / "own.png").is_file()  # of the sound pictures that are left


def test_a_healthy_data_set_has_no_findings(place: Path, doctor: Callable):
    code, report = doctor()
    assert (code, report["ok"], report["findings"]) == (0, True, [])
    assert report["facts"]["data"]["pictures"] == faulty.SPLITS
    shares = report["facts"]["class shares"]
    assert shares["crack"]["train"] == pytest.approx(0.25, abs=0.01)
    with Image.open(report["facts"]["sheet"]) as sheet:
        assert min(sheet.size) > 100


@pytest.mark.parametrize("name", sorted(name for name in vars(faulty.Faults) if name.startswith("fault_")))
def test_a_single_fault_has_a_single_kind_of_finding(place: Path, name: str):
    check, where = getattr(faulty.Faults(place), name)()
    report = Report()
    data = SegmentationFolder("pictures", "masks", list(faulty.CLASSES), batch_size=4)
    data.augment.crop = (64, 96)
    examine_data(data, report)
    found = {each.check for each in report.findings}
    also = {
        "fault_16_bits": {"picture-grey"},
        "fault_two_masks_of_a_picture": {"split-twice"},
    }
    assert found == {check} | also.get(name, set[str]())
    assert any(where in each for finding in report.findings for each in finding.where)


def test_binary_masks_of_0_and_255_get_the_option_that_takes_them(place: Path, doctor: Callable):
    for path in (place / "masks").rglob("*.png"):
        with Image.open(path) as file:
            mask = np.where(np.array(file) == 1, 255, 0).astype(np.uint8)
        Image.fromarray(mask).save(path)
    code, report = doctor("--data.classes", "[ground, crack]", "--data.ignore_index", "null")
    (finding,) = [each for each in report["findings"] if each["check"] == "mask-values"]
    assert code == 1
    assert "--data.values '{0: ground, 255: crack}'" in finding["do"]
    assert finding["count"] == sum(faulty.SPLITS.values())


def test_a_check_that_raises_hides_no_other_finding(place: Path, doctor: Callable, monkeypatch: pytest.MonkeyPatch):
    seeded = faulty.Faults(place).seed()

    def broken(*_: object):
        yield Finding("mask-size", "warning", "found before", "nothing")
        raise KeyError("surprise")

    monkeypatch.setattr(masks, "sizes", broken)
    code, report = doctor()
    own = [each["what"] for each in report["findings"] if each["check"] == "mask-size"]
    assert code == 1
    assert own == ["this check failed itself: KeyError: 'surprise'", "found before"]
    assert {check for check, _ in seeded.values()} <= checks(report)


def test_an_exception_while_a_file_is_looked_at_does_not_hide_the_others(place: Path, doctor: Callable):
    (place / "pictures" / "train" / "05.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (place / "masks" / "train" / "06.png").write_bytes(b"no picture")
    code, report = doctor()
    assert code == 1
    assert checks(report) == {"picture-unreadable", "mask-unreadable"}


def test_findings_tell_what_where_and_what_to_do_in_few_lines(place: Path, capsys: pytest.CaptureFixture):
    for number in range(6):
        (place / "masks" / "train" / f"{number:02}.png").unlink()
    assert main.main(["doctor", "own.yaml", "--data-only"]) == 1
    out = capsys.readouterr().out
    assert "6 of 20 pictures without a mask [mask-missing]" in out
    assert "pictures/train/02.png and 3 more" in out
    assert "pictures/train/03.png" not in out
    assert "-> add the masks" in out
    assert max(map(len, out.splitlines())) <= 120


def test_too_many_pictures_are_sampled_evenly_and_that_is_told(place: Path):
    report = Report()
    data = SegmentationFolder("pictures", "masks", list(faulty.CLASSES), batch_size=4)
    files = examine_data(data, report, most=10)
    assert len(files.seen) == 10
    assert report.facts["looked at"] == 10
    assert {each.split for each in files.seen} == {"train", "val", "test"}


def with_colours(place: Path) -> dict[str, Any]:
    palette = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    for path in (place / "masks").rglob("*.png"):
        with Image.open(path) as file:
            colors = palette[np.array(file)]
        colors[:2, :2] = (9, 9, 9) if path.stem == "02" else colors[:2, :2]
        Image.fromarray(colors).save(path)
    spelt = ["#000000", "#ff0000", "#00ff00", "#0000ff"]
    return {"masks": "masks", "colors": dict(zip(faulty.CLASSES, spelt, strict=True))}


def in_class_folders(place: Path) -> dict[str, Any]:
    for path in sorted((place / "masks").rglob("*.png")):
        with Image.open(path) as file:
            mask = np.array(file)
        for number, name in enumerate(faulty.CLASSES[1:], 1):
            shown = np.where(mask == number, 255, 0).astype(np.uint8)
            shown[0, :3] = (1, 2, 3) if path.stem == "02" and number == 1 else shown[0, :3]
            faulty.save(Image.fromarray(shown), place / "by_class" / path.parent.name / name / path.name)
    return {"masks": "by_class"}


def as_coco(place: Path) -> dict[str, Any]:
    images, annotations = [], []
    for path in sorted((place / "pictures").rglob("*.png")):
        if path.stem == "02":
            continue
        name = path.relative_to(place / "pictures").as_posix()
        images.append({"id": len(images), "file_name": name, "height": faulty.HEIGHT, "width": faulty.WIDTH})
        for number in (1, 2, 3):
            box = [24 * number, 0, 24 * number + 20, 0, 24 * number + 20, 80, 24 * number, 80]
            annotations.append(
                {"id": len(annotations), "image_id": images[-1]["id"], "category_id": number, "segmentation": [box]}
            )
    categories = [{"id": number, "name": faulty.CLASSES[number]} for number in (1, 2, 3)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (place / "all.json").write_text(json.dumps(content))
    return {"masks": "all.json"}


@pytest.mark.parametrize(
    ("make", "check"),
    [(with_colours, "mask-unreadable"), (in_class_folders, "mask-unreadable"), (as_coco, "mask-missing")],
)
def test_masks_in_every_form_are_looked_at(place: Path, make: Callable[[Path], dict[str, Any]], check: str):
    report = Report()
    data = SegmentationFolder(Path("pictures"), **make(place), batch_size=4)
    data.augment.crop = (64, 96)
    files = examine_data(data, report)
    (finding,) = report.findings
    assert (finding.check, finding.level) == (check, "error")
    assert len(finding.where) == 3  # one of each split
    assert sum(bool(each.mask and each.mask.counts is not None) for each in files.seen) == 17


def test_pictures_without_masks_have_no_mask_checks(place: Path):
    (place / "pictures" / "val" / "00.png").write_bytes(b"")
    report = Report()
    files = examine_data(PictureCrops(Path("pictures"), size=96, crop=90), report)
    found = {each.check: each for each in report.findings}
    assert set(found) == {"picture-unreadable", "picture-small"}
    assert report.ok  # a training leaves these out
    assert len(found["picture-small"].where) == faulty.SPLITS["train"]
    assert not files.masked


@pytest.mark.parametrize(
    ("words", "train"),
    [
        ("own.yaml --data-only", "--recipe own.yaml"),
        ("--data-only own.yaml --sheet new.png", "--recipe own.yaml"),
        ("--recipe own.yaml --data-only", "--recipe own.yaml"),
        ("own.yaml --every 5m --data.seed 3 --data-only", "--recipe own.yaml --every 5m --data.seed 3"),
        ("--data.seed 3 own.yaml --data-only", "--data.seed 3 --recipe own.yaml"),
    ],
)
def test_the_recipe_may_stand_anywhere_and_the_next_command_is_told(
    place: Path, words: str, train: str, capsys: pytest.CaptureFixture
):
    assert main.main(["doctor", *words.split()]) == 0
    assert capsys.readouterr().out.endswith(f"Nothing is wrong.\nTrain: zoo fit {train}\n")


def test_missing_folders_are_an_error_with_the_option(place: Path, doctor: Callable):
    code, report = doctor("--data.pictures", "nowhere")
    assert code == 1
    assert any("--data.pictures FOLDER" in each["do"] for each in report["findings"])


def test_fingerprints_know_copies_and_tell_others_apart():
    from zoo.doctor.splits import ALIKE

    def of(picture: np.ndarray) -> np.ndarray:
        return fingerprint(np.asarray(Image.fromarray(picture).convert("L").resize((16, 16), Image.Resampling.BOX)))

    prints = np.stack([of(faulty.scene(seed)) for seed in range(60)])
    likeness = prints @ prints.T - np.eye(60)
    assert likeness.max() < ALIKE
    darker = np.stack([of((faulty.scene(seed) * 0.6).astype(np.uint8)) for seed in range(60)])
    assert (prints * darker).sum(1).min() > ALIKE
    assert not fingerprint(np.full((16, 16), 9, np.uint8)).any()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--data.root", "x"], "needs a recipe"),
        (["own.yaml", "--data.picture", "x"], "did you mean --data.pictures"),
        (["own.yaml", "--data.batch_size", "many"], "--data.batch_size must be a whole number"),
        (["own.yaml", "--sheet", "sheet.jpg"], "FILE.png"),
        (["none.yaml"], "no recipe"),
        (["own.yaml", "--recipe", "own.yaml"], "two recipes"),
        (["own.yaml", "twice.yaml"], "unexpected argument"),
        (["own.yaml", "--resume", "runs/own/version_0"], "--resume goes on"),
    ],
)
def test_wrong_usage_ends_with_2_in_a_line(place: Path, words: list[str], told: str, capsys: pytest.CaptureFixture):
    assert main.main(["doctor", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("batch_size: 4", "batchsize: 4", "own.yaml:11"),
        ("batch_size: 4", "batch_size: many", "data.batch_size must be"),
    ],
)
def test_a_wrong_recipe_is_a_finding(place: Path, doctor: Callable, right: str, wrong: str, told: str):
    (place / "own.yaml").write_text(RECIPE.replace(right, wrong))
    code, report = doctor()
    assert (code, [each["check"] for each in report["findings"]]) == (1, ["recipe"])
    assert told in report["findings"][0]["what"]
