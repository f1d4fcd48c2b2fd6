"""``zoo predict``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import cli, load


@pytest.fixture
def street() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, street: Image.Image) -> Path:
    """A working directory with pictures, of which some have the same name."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/street.jpg", "in/street.png", "in/sub/street.jpg", "other/street.jpg", "single.webp"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        street.save(name)
    Path("in/notes.txt").write_text("no picture")
    return tmp_path


def predict(model: Path, *pictures: str) -> int:
    return cli.main(["predict", str(model), *pictures, "-o", "out", "--device", "cpu"])


def written(kind: str) -> list[str]:
    return sorted(path.relative_to("out").as_posix() for path in Path("out").rglob(f"*_{kind}.png"))


def test_writes_a_mask_and_an_overlay_a_picture(here: Path, tiny_linknet: Path, street: Image.Image, capsys):
    assert predict(tiny_linknet, "single.webp") == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["single_mask.png", "single_overlay.png"]
    mask = Image.open("out/single_mask.png")
    assert mask.mode == "P"
    assert mask.size == street.size
    assert np.array_equal(np.array(mask), load(tiny_linknet).predict("single.webp").mask)
    assert "1 of 1 pictures: out" in capsys.readouterr().out


def test_a_folder_keeps_its_subfolders_and_no_result_replaces_another(here: Path, tiny_linknet: Path):
    assert predict(tiny_linknet, "in", "other/street.jpg") == 0
    expected = ["street_2_mask.png", "street_3_mask.png", "street_mask.png", "sub/street_mask.png"]
    assert written("mask") == expected
    assert len(written("overlay")) == 4


def test_patterns(here: Path, tiny_linknet: Path):
    assert predict(tiny_linknet, "in/*.png", "o*/*.jpg") == 0
    assert written("mask") == ["street_2_mask.png", "street_mask.png"]


def test_a_picture_that_is_named_twice_is_segmented_once(here: Path, tiny_linknet: Path):
    assert predict(tiny_linknet, "single.webp", "in/../single.webp", "*.webp") == 0
    assert written("mask") == ["single_mask.png"]


def test_a_bad_picture_costs_none_of_the_others(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    torn = Path("in/street.png").read_bytes()
    Path("in/a_torn.png").write_bytes(torn[: len(torn) // 2])
    assert predict(tiny_linknet, "in", "missing.png", "single.webp") == 2
    assert written("mask") == ["single_mask.png", "street_2_mask.png", "street_mask.png", "sub/street_mask.png"]
    out, err = capsys.readouterr()
    assert "4 of 6 pictures" in out
    assert len(err.splitlines()) == 2
    assert "a_torn.png: damaged picture" in err
    assert "missing.png: no such file" in err


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (["none*.png"], "none*.png: nothing matches"),
        (["empty"], "no pictures in empty (.bmp"),
        ([], "required: pictures"),
    ],
)
def test_nothing_to_segment(
    here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture, pictures: list[str], message: str
):
    Path("empty").mkdir()
    assert predict(tiny_linknet, *pictures) == 2
    assert message in capsys.readouterr().err
    assert not Path("out").exists()


def test_results_go_to_a_folder(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    Path("out").write_text("a file")
    assert predict(tiny_linknet, "single.webp") == 2
    assert capsys.readouterr().err == "zoo: error: out is a file; -o names a folder\n"
    assert cli.main(["predict", str(tiny_linknet), "single.webp"]) == 2
    assert "-o/--output" in capsys.readouterr().err


def test_an_unknown_model(here: Path, capsys: pytest.CaptureFixture):
    assert predict(Path("linknet_camvit"), "single.webp") == 2
    assert "no model 'linknet_camvit'; did you mean linknet" in capsys.readouterr().err


def test_a_device_that_is_not_there(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    assert cli.main(["predict", str(tiny_linknet), "single.webp", "-o", "out", "--device", "abacus"]) == 2
    assert "device 'abacus'" in capsys.readouterr().err
