"""``zoo predict``."""

from __future__ import annotations

import errno
import functools
import inspect
import json
import os
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from rich.progress import Progress
from torch import nn

from zoo import load
from zoo.cards import weights
from zoo.commands import main
from zoo.commands.predict import _part_bar
from zoo.models.fast_style.net import FastStyle
from zoo.models.homographynet.net import HomographyNet
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.models.perceptual_sr.result import Upscaled
from zoo.pictures.stylized import Stylized


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
    return main.main(["predict", str(model), *pictures, "-o", "out", "--device", "cpu"])


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
        (["--style", "a.jpg", "b.jpg"], "name them before --style and --blend"),
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
    assert main.main(["predict", str(tiny_linknet), "single.webp", "-o", "out/below/it"]) == 2
    assert capsys.readouterr().err == "zoo: error: out is a file; -o names a folder\n"
    assert main.main(["predict", str(tiny_linknet), "single.webp"]) == 2
    assert "-o/--output" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_said_before_the_work(
    here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("zoo.commands.predict.TemporaryFile", refuse)
    assert predict(tiny_linknet, "single.webp") == 2
    message = "zoo: error: out: Permission denied; -o names a folder that can be written\n"
    assert capsys.readouterr().err == message
    assert not Path("out").exists()


@pytest.mark.parametrize(("number", "message"), [(errno.ENOSPC, "zoo: error: no space left on "), (errno.EIO, None)])
def test_what_cannot_be_written_leaves_no_half_of_a_picture(
    here: Path, tiny_linknet: Path, capsys, monkeypatch: pytest.MonkeyPatch, number: int, message: str | None
):
    """A full disk ends the command; of anything else the result is named, not the picture it was made of."""

    def save(self: Image.Image, path: Path, *args: object, **options: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Image.Image, "save", save)
    assert predict(tiny_linknet, "single.webp") == 2
    assert (message or "zoo: single.webp: out/single: Input/output error\n") in capsys.readouterr().err
    assert not Path("out").exists()


def test_an_unknown_model(here: Path, capsys: pytest.CaptureFixture):
    assert predict(Path("linknet_camvit"), "single.webp") == 2
    assert "no model 'linknet_camvit'; did you mean linknet" in capsys.readouterr().err


def test_a_device_that_is_not_there(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    assert main.main(["predict", str(tiny_linknet), "single.webp", "-o", "out", "--device", "abacus"]) == 2
    assert "device 'abacus'" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["in/out", "in/sub/../out"])
def test_results_of_an_earlier_run_are_no_pictures(here: Path, tiny_linknet: Path, out: str):
    for _ in range(2):
        assert main.main(["predict", str(tiny_linknet), "in", "-o", out, "--device", "cpu"]) == 0
    names = sorted(path.relative_to("in/out").as_posix() for path in Path("in/out").rglob("*_mask.png"))
    assert names == ["street_2_mask.png", "street_mask.png", "sub/street_mask.png"]


def test_results_do_not_go_among_the_pictures_of_a_folder(
    here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture
):
    assert main.main(["predict", str(tiny_linknet), "in", "-o", "in/sub/.."]) == 2
    assert "results would be taken for pictures the next time" in capsys.readouterr().err
    assert not list(Path("in").rglob("*_mask.png"))
    assert predict(tiny_linknet, "in/sub", "in/street.png") == 0  # a folder beside the results is one like any other
    assert main.main(["predict", str(tiny_linknet), "out/street_overlay.png", "-o", "out"]) == 0  # named directly
    assert "street_overlay_mask.png" in written("mask")


def test_options_of_other_models_are_refused(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    for option in (["--passes", "2"], ["--refine", "ecc"]):
        assert predict(tiny_linknet, "single.webp", *option) == 2
        assert f"{option[0]} means nothing to {tiny_linknet}: LinkNet has no such thing" in capsys.readouterr().err
    assert predict(tiny_linknet, "single.webp", "--passes", "0") == 2
    assert "a number from 1 on, not '0'" in capsys.readouterr().err
    for option in (["--tile", "0"], ["--tile", "all"]):
        assert predict(tiny_linknet, "single.webp", *option) == 2
        assert f"--tile: a number from 1 on, not {option[1]!r}" in capsys.readouterr().err
    assert predict(tiny_linknet, "single.webp", "--match-histogram") == 2
    assert "--match-histogram means nothing to" in capsys.readouterr().err
    assert not Path("out").exists()
    assert predict(tiny_linknet, "single.webp", "--tile", "auto") == 0  # the network's own way
    assert predict(tiny_linknet, "single.webp", "--tile", "600") == 0


def test_a_folder_for_results_goes_where_there_are_none(here: Path, tiny_linknet: Path):
    Path("kept").mkdir()
    for out in ("new/deep", "kept", "kept/new"):
        assert main.main(["predict", str(tiny_linknet), "missing.png", "-o", out, "--device", "cpu"]) == 2
    assert main.main(["predict", str(tiny_linknet), "single.webp", "-o", "new", "--device", "abacus"]) == 2
    assert not Path("new").exists()
    assert not list(Path("kept").iterdir())


def test_without_a_terminal_there_are_no_bars(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    assert predict(tiny_linknet, "single.webp") == 0
    assert capsys.readouterr() == ("1 of 1 pictures: out\n", "")


@pytest.fixture(scope="session")
def tiny_sr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder, arguments = tmp_path_factory.mktemp("models") / "sr", {"channels": 4, "blocks": 1}
    weights.save(PerceptualSR(**arguments), folder, "perceptual_sr", arguments, dtype="float32")
    return folder


def test_enlarges_with_its_options(here: Path, tiny_sr: Path, monkeypatch: pytest.MonkeyPatch):
    calls = []
    original = PerceptualSR.predict

    def seen(self: PerceptualSR, *args: object, progress: object, **options: object) -> object:
        calls.append((callable(progress), options))
        return original(self, *args, progress=progress, **options)

    seen.__signature__ = inspect.signature(original)
    monkeypatch.setattr(PerceptualSR, "predict", seen)
    assert predict(tiny_sr, "single.webp", "--tile", "20", "--match-histogram") == 0
    assert predict(tiny_sr, "in/street.png", "--tile", "auto") == 0
    assert calls == [(True, {"tile": 20, "match_histogram": True}), (True, {})]
    names = [f"{stem}_{kind}.png" for stem in ("single", "street") for kind in ("compare", "x4")]
    assert sorted(path.name for path in Path("out").iterdir()) == names
    expected = original(load(tiny_sr), "single.webp", match_histogram=True)
    assert np.array_equal(Image.open("out/single_x4.png"), expected)


def test_what_a_picture_lost_is_said(here: Path, tiny_sr: Path, street: Image.Image, capsys: pytest.CaptureFixture):
    street.save("in/a.gif", save_all=True, append_images=[Image.new("RGB", street.size)])
    street.convert("CMYK").save("in/b.jpg")
    assert predict(tiny_sr, "in/a.gif", "in/b.jpg", "in/street.png") == 0
    said = f"zoo: {Path('in/a.gif')}: 2 frames: only the first was taken\nzoo: {Path('in/b.jpg')}: CMYK became RGB\n"
    assert capsys.readouterr() == ("3 of 3 pictures: out\n", said)


def test_no_picture_is_replaced_by_the_result_of_another(
    here: Path, tiny_sr: Path, street: Image.Image, monkeypatch: pytest.MonkeyPatch
):
    """``save`` would take a.jpg for one file to write."""
    monkeypatch.chdir("other")
    for name in ("a.jpg", "a.jpg.png", "b.tar.png", "c.GIF.Tif"):
        street.save(name)
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    arguments = ["predict", str(tiny_sr), "a.jpg.png", "a.jpg", "b.tar.png", "c.GIF.Tif", "-o", ".", "--device", "cpu"]
    assert main.main(arguments) == 0
    after = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert before.items() < after.items()
    names = [f"{stem}_{kind}.png" for stem in ("a", "a_2", "b.tar", "c") for kind in ("compare", "x4")]
    assert sorted(after.keys() - before.keys()) == sorted(names)
    assert main.main(["predict", str(tiny_sr), ".", "-o", ".", "--device", "cpu"]) == 2  # refused


def test_a_gif_in_a_folder_is_a_picture(here: Path, tiny_sr: Path, street: Image.Image):
    street.save("in/sub/moving.GIF")
    assert predict(tiny_sr, "in/sub") == 0
    assert written("x4") == ["moving_x4.png", "street_x4.png"]


@pytest.mark.parametrize(("owner", "name"), [(PerceptualSR, "predict"), (Upscaled, "compare")])
def test_a_picture_that_memory_cannot_hold_costs_none_of_the_others(
    here: Path, tiny_sr: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, owner: type, name: str
):
    original, calls = getattr(owner, name), []

    @functools.wraps(original)
    def fails_once(*args: object, **kwargs: object) -> object:
        calls.append(args)
        if len(calls) == 1:
            raise MemoryError
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, fails_once)
    assert predict(tiny_sr, "in/street.png", "single.webp") == 2
    assert written("x4") == ["single_x4.png"]
    out, err = capsys.readouterr()
    assert "1 of 2 pictures" in out
    assert len(err.splitlines()) == 1
    assert "street" in err
    assert "memory ran out" in err


def test_a_bar_of_parts_is_there_while_a_picture_has_several():
    bars = Progress(disable=True)
    show = _part_bar(bars)
    (task,) = bars.tasks
    states = []
    for call in ((1, 1), (1, 3), (2, 3), (3, 3), (1, 2)):
        show(*call)
        states.append((task.visible, task.completed, task.total))
    assert states == [(False, 1, 1), (True, 1, 3), (True, 2, 3), (False, 3, 3), (True, 1, 2)]


@pytest.fixture(scope="session")
def tiny_homographynet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder, arguments = tmp_path_factory.mktemp("models") / "pairs", {"backbone": "squeeze"}
    weights.save(HomographyNet(**arguments), folder, "homographynet", arguments, dtype="float32")
    return folder


def results() -> list[str]:
    return sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.json"))


def test_a_pair(here: Path, tiny_homographynet: Path, capsys: pytest.CaptureFixture):
    assert predict(tiny_homographynet, "in/street.png", "single.webp", "--passes", "2", "--refine", "ecc") == 0
    names = ["street_single.json", "street_single_overlay.png", "street_single_warped.png"]
    assert sorted(path.name for path in Path("out").iterdir()) == names
    content = json.loads(Path("out/street_single.json").read_text())
    assert content["passes"] == 2
    assert content["refined"] is not None
    assert content["a"]["name"] == str(Path("in/street.png"))
    assert "1 of 1 pairs: out" in capsys.readouterr().out


@pytest.mark.parametrize("header", ["", "a,b\n", "\ufeffA, B\r\n\r\n"])
def test_a_table_of_pairs(here: Path, tiny_homographynet: Path, capsys: pytest.CaptureFixture, header: str):
    """Relative to its folder; one bad pair costs none of the others."""
    Path("in/torn.png").write_bytes(Path("in/street.png").read_bytes()[:900])
    lines = (
        "street.jpg,../single.webp",
        "torn.png,street.png",
        "street.png",
        " street.png , ../single.webp",
        "sub/street.jpg,no.png",
    )
    Path("in/pairs.csv").write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    assert predict(tiny_homographynet, "in/pairs.csv", "--passes", "1") == 2
    out, err = capsys.readouterr()
    assert results() == ["street_single.json", "street_single_2.json"]
    assert "2 of 5 pairs" in out
    assert len(err.splitlines()) == 3
    assert f"pairs.csv, line {3 + len(header.splitlines())}: 2 pictures make a line, not 'street.png'" in err
    assert "torn.png: damaged picture" in err
    assert "no.png: no such file" in err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["single.webp"], "takes 2 pictures, or tables .csv with 2 a line, not single.webp"),
        (["single.webp"] * 3, "takes 2 pictures"),
        (["pairs.csv", "single.webp"], "takes 2 pictures"),
        (["in", "other"], "in is a folder"),
        (["none.csv"], "none.csv: no such file"),
        (["empty.csv"], "empty.csv: names no pictures"),
        (["binary.csv"], "binary.csv: not a CSV in UTF-8"),
    ],
)
def test_what_is_no_pair(
    here: Path, tiny_homographynet: Path, capsys: pytest.CaptureFixture, given: list[str], message: str
):
    Path("empty.csv").write_text("a,b\n")
    Path("binary.csv").write_bytes(b"\xff\xfe\x00,\x00")
    assert predict(tiny_homographynet, *given) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
    assert not Path("out").exists()


class Painter(nn.Module):
    """Takes a style, as `neural_style` does."""

    seen: ClassVar[list[dict[str, object]]] = []

    def predict(
        self, content: Path, style: object, *, blend: object = None, strength: float = 1.0, size: int = 512,
        preserve_color: bool = False, iterations: int = 500, start: str = "content", seed: int = 0,
        vgg: str = "timm", preview_every: int = 0,
    ) -> Stylized:  # fmt: skip
        given = {"style": style, "blend": blend, "strength": strength, "preserve_color": preserve_color, "size": size}
        given |= {"iterations": iterations, "start": start, "seed": seed, "vgg": vgg, "preview_every": preview_every}
        self.seen.append(given)
        picture = Image.open(content).convert("RGB")
        return Stylized(picture, picture)


@pytest.fixture
def painter(tiny_linknet: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model in whose stead a :class:`Painter` is loaded."""
    monkeypatch.setattr(weights, "load", lambda name, device: Painter())
    monkeypatch.setattr(Painter, "seen", [])
    return tiny_linknet


@pytest.mark.parametrize(
    ("given", "style"),
    [
        (["--style", "a.jpg"], Path("a.jpg")),
        (["--style", "a.jpg", "b.jpg"], [Path("a.jpg"), Path("b.jpg")]),
        (["--style", "a.jpg", "--style", "b.jpg"], [Path("a.jpg"), Path("b.jpg")]),
        (["--style=a.jpg", "--style", "b.jpg", "c.jpg"], [Path("a.jpg"), Path("b.jpg"), Path("c.jpg")]),
    ],
)
def test_styles(here: Path, painter: Path, given: list[str], style: object):
    assert predict(painter, "single.webp", "in/street.png", *given) == 0
    assert [call["style"] for call in Painter.seen] == [style, style]
    assert written("styled") == ["single_styled.png", "street_styled.png"]
    assert main.main(["predict", *given, "-o", "out", str(painter), "single.webp"]) == 0  # before the model
    assert Painter.seen[-1]["style"] == style


def test_options_of_styles_reach_predict(here: Path, painter: Path):
    given = (
        "--style a b --blend 1 0.5 --strength 0.3 --preserve-color --size 300 --iterations 20 --start noise --seed 0"
    )
    assert predict(painter, "single.webp", *given.split(), "--vgg", "vgg.safetensors", "--preview-every", "5") == 0
    (call,) = Painter.seen
    assert call == {
        "style": [Path("a"), Path("b")], "blend": [1.0, 0.5], "strength": 0.3, "preserve_color": True, "size": 300,
        "iterations": 20, "start": "noise", "seed": 0, "vgg": "vgg.safetensors", "preview_every": 5,
    }  # fmt: skip


def test_a_style_that_is_needed(here: Path, painter: Path, capsys: pytest.CaptureFixture):
    assert predict(painter, "single.webp", "--strength", "0.5") == 2
    assert capsys.readouterr().err == f"zoo: error: {painter} needs --style FILE\n"
    assert not Path("out").exists()
    assert not Painter.seen


def test_options_of_styles_mean_nothing_to_others(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    for option in ("--style a.jpg", "--preserve-color", "--strength 1", "--blend 1", "--preview-every 3", "--seed 0"):
        assert predict(tiny_linknet, "single.webp", *option.split()) == 2
        assert f"{option.split()[0]} means nothing to {tiny_linknet}" in capsys.readouterr().err
    for option in ("--strength much", "--strength nan", "--blend a", "--size 0", "--iterations -1", "--seed x"):
        assert predict(tiny_linknet, "single.webp", *option.split()) == 2
        assert option.split()[0] in capsys.readouterr().err


def test_bad_strength_costs_no_work(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    arguments = {"channels": 4, "blocks": 1}
    weights.save(FastStyle(**arguments), tmp_path / "style", "fast_style", arguments)
    assert predict(tmp_path / "style", "single.webp", "--strength", "1.5") == 2
    assert "--strength: a number from 0, the picture, to 1, the result, not '1.5'" in capsys.readouterr().err
    assert predict(tmp_path / "style", "single.webp", "--strength", "0.5", "--preserve-color", "--tile", "16") == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["single_compare.png", "single_styled.png"]
