"""``zoo predict``."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.progress import Progress

from zoo import load
from zoo.cards import weights
from zoo.commands import inputs, main
from zoo.commands.loading import prepare
from zoo.commands.predict import _part_bar
from zoo.models.fast_style.net import FastStyle
from zoo.models.homographynet.net import HomographyNet
from zoo.models.homographynet.predict import Aligner
from zoo.models.linknet.predict import Segmenter
from zoo.models.neural_style.net import NeuralStyle
from zoo.models.neural_style.predict import Painter
from zoo.models.neural_style.result import Painting
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.models.perceptual_sr.predict import Upscaler
from zoo.models.perceptual_sr.result import Upscaled
from zoo.pictures.homography import Homography, read


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


def watch(monkeypatch: pytest.MonkeyPatch, owner: type, before: Callable[..., None], name: str = "predict") -> None:
    """Calls something with the arguments of a method each time before this is called."""
    original = getattr(owner, name)

    @functools.wraps(original)  # options come from its signature
    def watched(self: object, *args: object, **options: object) -> object:
        before(*args, **options)
        return original(self, *args, **options)

    monkeypatch.setattr(owner, name, watched)


def predict(model: Path, *pictures: str) -> int:
    return main.main(["predict", str(model), *pictures, "-o", "out", "--device", "cpu"])


def written(kind: str) -> list[str]:
    return sorted(path.relative_to("out").as_posix() for path in Path("out").rglob(f"*_{kind}.png"))


def listed() -> list[str]:
    """The results, without the list of them that every run writes."""
    return sorted(path.name for path in Path("out").glob("[!.]*") if path.name != "results.jsonl")


def test_writes_a_mask_and_an_overlay_a_picture(here: Path, tiny_linknet: Path, street: Image.Image, capsys):
    assert predict(tiny_linknet, "single.webp") == 0
    assert listed() == ["single_mask.png", "single_overlay.png"]
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
    assert len(err.splitlines()) == 3
    assert "zoo: in: left out 1 file of other kinds (1 .txt)\n" in err
    assert "a_torn.png: damaged picture" in err
    assert "missing.png: no such file" in err


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (["none*.png"], "none*.png: nothing matches"),
        (["empty"], "no pictures in empty\n"),
        ([""], "no pictures in ''\n"),
        ([], "tiny needs pictures\nsee zoo predict "),
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
    assert capsys.readouterr().err == "zoo: error: out is a file; name a folder with -o\n"
    assert main.main(["predict", str(tiny_linknet), "single.webp", "-o", "out/below/it"]) == 2
    assert capsys.readouterr().err == "zoo: error: out is a file; name a folder with -o\n"
    assert main.main(["predict", str(tiny_linknet), "single.webp"]) == 2
    assert f"{tiny_linknet} needs -o\n" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_said_before_the_work(
    here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("zoo.commands.outputs.TemporaryFile", refuse)
    assert predict(tiny_linknet, "single.webp") == 2
    message = "zoo: error: out: Permission denied; name a writable folder with -o\n"
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
    assert "the next run would take results for pictures" in capsys.readouterr().err
    assert not list(Path("in").rglob("*_mask.png"))
    assert predict(tiny_linknet, "in/sub", "in/street.png") == 0  # a folder beside the results is one like any other
    assert main.main(["predict", str(tiny_linknet), "out/street_overlay.png", "-o", "out"]) == 0  # named directly
    assert "street_overlay_mask.png" in written("mask")


def test_options_of_other_models_are_refused(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    others = (
        "--passes 2", "--refine ecc", "--match-histogram", "--style a.jpg", "--preserve-color", "--strength 1",
        "--blend 1", "--preview-every 3", "--seed 0",
    )  # fmt: skip
    for option in others:
        assert predict(tiny_linknet, "single.webp", *option.split()) == 2
        first, way_out = capsys.readouterr().err.splitlines()
        assert first.startswith(f"zoo: error: {tiny_linknet} has no option {option.split()[0]}")
        assert way_out == f"see zoo predict {tiny_linknet} --help"
    assert not Path("out").exists()


def test_values_that_no_option_has_are_refused(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    for option, wanted in (
        ("--tile 0", "a whole number from 64 on or auto, not '0'"),
        ("--tile all", "a whole number from 64 on or auto, not 'all'"),
        ("--batch-size 0", "a whole number from 1 on or auto, not '0'"),
        ("--overlap -1", "a whole number from 0 on or null, not '-1'"),
    ):
        assert predict(tiny_linknet, "single.webp", *option.split()) == 2
        assert capsys.readouterr().err.startswith(f"zoo: error: {option.split()[0]} must be {wanted}\n")
    assert predict(tiny_linknet, "single.webp", "--tile", "64", "--overlap", "40") == 2
    assert "overlap of tiles of 64 pixels must be 0 to 32, not 40" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize("tile", [64, 200, 600])
def test_any_tile_works_without_an_overlap(here: Path, tiny_linknet: Path, tile: int):
    Image.open("single.webp").resize((300, 250)).save("large.png")
    assert predict(tiny_linknet, "large.png", "--tile", str(tile)) == 0
    net = load(tiny_linknet)
    prepare(net, bfloat16=False)  # as the command does: packed convolutions decide ties otherwise
    expected = net.predict("large.png", tile=tile, overlap=min(256, tile // 4))
    assert np.array_equal(Image.open("out/large_mask.png"), expected.mask)


def test_probabilities_are_written(here: Path, tiny_linknet: Path):
    assert predict(tiny_linknet, "single.webp", "--probabilities") == 0
    names = ["single_mask.png", "single_overlay.png", "single_probabilities.npy"]
    assert listed() == names
    expected = load(tiny_linknet).predict("single.webp", probabilities=True)
    written = np.load("out/single_probabilities.npy")
    assert np.allclose(written, expected.probabilities, atol=1e-3)  # batch norms are folded


@pytest.mark.parametrize(("size", "calls"), [(1, 4 * [1]), (3, [3, 1]), (9, [4])])
def test_a_batch_is_predicted_at_a_time(
    here: Path, tiny_linknet: Path, monkeypatch: pytest.MonkeyPatch, size: int, calls: list[int]
):
    """With the same results, whichever way."""
    given: list[int] = []
    watch(monkeypatch, Segmenter, lambda pictures, **_: given.append(len(pictures) if type(pictures) is list else 1))
    assert predict(tiny_linknet, "in", "single.webp", "--batch-size", str(size)) == 0
    assert sorted(given, reverse=True) == calls  # threads take batches in any order
    assert written("mask") == ["single_mask.png", "street_2_mask.png", "street_mask.png", "sub/street_mask.png"]
    alone = load(tiny_linknet).predict("in/sub/street.jpg").mask
    assert (np.asarray(Image.open("out/sub/street_mask.png")) == alone).mean() > 0.99


def test_a_bad_picture_costs_none_of_its_batch(here: Path, tiny_linknet: Path, monkeypatch, capsys):
    """It is found when it is read; what is wrong is said once."""
    given: list[object] = []
    watch(monkeypatch, Segmenter, lambda pictures, **_: given.append(pictures))
    Path("in/a_torn.png").write_bytes(Path("in/street.png").read_bytes()[:900])
    assert predict(tiny_linknet, "in", "--batch-size", "2") == 2
    assert sorted(len(one) if type(one) is list else 1 for one in given) == [1, 2]  # threads take batches in any order
    assert written("mask") == ["street_2_mask.png", "street_mask.png", "sub/street_mask.png"]
    out, err = capsys.readouterr()
    assert "3 of 4 pictures" in out
    assert len(err.splitlines()) == 2
    assert "a_torn.png: damaged picture" in err


def test_a_result_that_cannot_be_written_costs_none_of_its_batch(here: Path, tiny_linknet: Path, monkeypatch, capsys):
    """And nothing is predicted again for it."""
    given: list[object] = []
    watch(monkeypatch, Segmenter, lambda pictures, **_: given.append(pictures))
    save = Image.Image.save

    def fail(self: Image.Image, path: Path, *args: object, **options: object) -> None:
        if "single" in Path(path).name:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        save(self, path, *args, **options)

    monkeypatch.setattr(Image.Image, "save", fail)
    assert predict(tiny_linknet, "single.webp", "in/street.png", "--batch-size", "2") == 2
    assert len(given) == 1
    assert written("mask") == ["street_mask.png"]
    assert capsys.readouterr().err == "zoo: single.webp: out/single: Input/output error\n"


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
    calls: list[tuple[bool, dict]] = []
    watch(monkeypatch, Upscaler, lambda _, progress, **options: calls.append((callable(progress), options)))
    assert predict(tiny_sr, "single.webp", "--tile", "20", "--match-histogram") == 0
    assert predict(tiny_sr, "in/street.png", "--tile", "auto") == 0
    assert predict(tiny_sr, "in/street.png") == 0
    plain = {
        "tile": "auto", "match_histogram": False, "scale": None, "max_side": None, "self_ensemble": False, "yes": False,
    }  # fmt: skip
    assert calls == [(True, {**plain, "tile": 20, "match_histogram": True}), (True, plain), (True, plain)]
    names = [f"{stem}_{kind}.png" for stem in ("single", "street") for kind in ("compare", "x4")]
    assert listed() == names
    monkeypatch.undo()
    expected = load(tiny_sr).predict(here / "single.webp", match_histogram=True)
    assert np.array_equal(Image.open(here / "out/single_x4.png"), expected)


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
    assert sorted(after.keys() - before.keys()) == sorted([*names, ".zoo-predict.jsonl", "results.jsonl"])
    assert main.main(["predict", str(tiny_sr), ".", "-o", ".", "--device", "cpu"]) == 2  # refused


def test_a_gif_in_a_folder_is_a_picture(here: Path, tiny_sr: Path, street: Image.Image):
    street.save("in/sub/moving.GIF")
    assert predict(tiny_sr, "in/sub") == 0
    assert written("x4") == ["moving_x4.png", "street_x4.png"]


@pytest.mark.parametrize(("owner", "name"), [(Upscaler, "predict"), (Upscaled, "compare")])
def test_a_picture_that_memory_cannot_hold_costs_none_of_the_others(
    here: Path, tiny_sr: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, owner: type, name: str
):
    calls: list[object] = []

    def fails_once(*_args: object, **_options: object) -> None:
        calls.append(name)
        if len(calls) == 1:
            raise MemoryError

    watch(monkeypatch, owner, fails_once, name)
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
    assert listed() == names
    content = json.loads(Path("out/street_single.json").read_text())
    assert content["passes"] == 2
    assert content["refined"] is not None
    assert content["a"]["name"] == str(Path("in/street.png"))
    assert "1 of 1 pairs: out" in capsys.readouterr().out


def test_pairs_not_to_be_trusted_are_named_and_counted(
    here: Path, tiny_homographynet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """An untrained network knows nothing of two pictures, and that nothing moved between the same ones."""
    Image.new("RGB", (64, 48)).save("in/flat.png")
    Path("in/pairs.csv").write_text("street.png,street.png\nflat.png,street.png\n")
    monkeypatch.setattr(Aligner, "_confidence", lambda *_: 0.9)
    assert predict(tiny_homographynet, "in/pairs.csv") == 0
    out, err = capsys.readouterr()
    assert out == "2 of 2 pairs, 1 not to be trusted (see above): out\n"
    assert err == (
        "zoo: in/flat.png, in/street.png: not to be trusted: no homography was found; "
        "the matrix merely scales the first to the second\n"
    )
    assert json.loads(Path("out/flat_street.json").read_text())["trusted"] is False
    assert json.loads(Path("out/street_street.json").read_text())["trusted"] is True


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
    assert f"pairs.csv, line {3 + len(header.splitlines())}: a line needs 2 pictures, not 'street.png'" in err
    assert "torn.png: damaged picture" in err
    assert "no.png: no such file" in err


@pytest.mark.parametrize(
    "content",
    [
        "a;b\nstreet.jpg;../single.webp\n".encode("utf-8-sig"),
        b"A\tB\r\nstreet.jpg\t../single.webp\r\n\r\n",
        b"b,note,a\n../single.webp,x,street.jpg\n",
        "street.jpg;../single.webp\r\n".encode("utf-16"),
        b'"street.jpg", "../single.webp"\n',
        b"street.jpg;../single.webp;;\r\n;;;\r\n",
    ],
    ids=["semicolon", "tab", "other order", "UTF-16", "quoted", "empty columns"],
)
def test_a_table_of_pairs_as_programs_write_it(here: Path, tiny_homographynet: Path, content: bytes):
    Path("in/pairs.csv").write_bytes(content)
    predict(tiny_homographynet, "in/pairs.csv", "--passes", "1")
    assert results() == ["street_single.json"]
    content = json.loads(Path("out/street_single.json").read_text())
    assert [Path(content[which]["name"]).name for which in "ab"] == ["street.jpg", "single.webp"]


def test_a_table_may_name_its_columns_as_the_model_does(tmp_path: Path):
    table, failures = tmp_path / "pairs.tsv", list[str]()
    table.write_text("style\tcontent\ns.jpg\tc.jpg\n")
    found = list(inputs.groups("it", [str(table)], ("content", "style"), failures))
    assert found == [(Path("c_s"), (tmp_path / "c.jpg", tmp_path / "s.jpg"))]


Found = dict[tuple[str, str], Homography]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Found:
    """Homographies that are found, by the names of both files; others shift by half a width. Keeps what was asked."""
    known: Found = {}

    @functools.wraps(Aligner.predict)
    def find(self: Aligner, a: Path, b: Path, **options: object) -> Homography:
        pictures, names = [read(each) for each in (a, b)], (str(a), str(b))
        shift = np.array([[1.0, 0, -28], [0, 1, 0], [0, 0, 1]])
        plain = Homography(shift, 0.9, True, None, 3, 0.01, *pictures, names)
        return known.setdefault((a.stem, b.stem), plain)

    monkeypatch.setattr(Aligner, "predict", find)
    return known


def doubtful(found: Found, *names: str, **values: object) -> None:
    flat = np.zeros((40, 56, 3), np.uint8)
    plain = Homography(np.eye(3), 0.3, True, None, 3, 0.01, flat, flat, tuple(f"{name}.jpg" for name in names))
    found[names] = dataclasses.replace(plain, **values)


def test_a_mosaic_of_a_pair(here: Path, tiny_homographynet: Path, found: Found, capsys: pytest.CaptureFixture):
    assert predict(tiny_homographynet, "in/street.png", "single.webp", "--stitch") == 0
    assert Image.open("out/street_single_stitched.png").size == (84, 40)
    assert capsys.readouterr() == ("1 of 1 pairs: out\n", "")


@pytest.mark.parametrize(
    ("values", "mosaics", "told"),
    [
        ({}, 1, "not to be trusted: confidence 0.30"),
        ({"valid": False, "confidence": 0.0}, 0, "not to be trusted: no homography was found"),
        ({"matrix": np.diag([1e4, 1e4, 1.0]), "confidence": 0.9}, 0, "the mosaic would have 550,001x390,001 pixels"),
    ],
)
def test_a_mosaic_that_cannot_be_or_is_not_to_be_trusted(
    here: Path, tiny_homographynet: Path, found: Found, capsys: pytest.CaptureFixture, values: dict, mosaics: int, told
):
    """A line says so once, and the other results are written."""
    doubtful(found, "street", "single", **values)
    assert predict(tiny_homographynet, "in/street.png", "single.webp", "--stitch") == 0
    assert len(written("stitched")) == mosaics
    assert len(written("overlay")) == len(written("warped")) == len(results()) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"zoo: in/street.png, single.webp: {told}")


@pytest.fixture
def row(here: Path, street: Image.Image) -> Path:
    """A folder of pictures that follow each other by number."""
    Path("row").mkdir()
    for number in (1, 2, 9, 10):
        street.save(f"row/{number}.jpg")
    return Path("row")


@pytest.mark.parametrize("given", [["row"], ["row/*.jpg"], ["row/1.jpg", "row/2.jpg", "row/9.jpg", "row/10.jpg"]])
def test_a_chain_makes_a_panorama(
    row: Path, tiny_homographynet: Path, found: Found, capsys: pytest.CaptureFixture, given: list[str]
):
    assert predict(tiny_homographynet, *given, "--chain") == 0
    assert capsys.readouterr() == ("1 of 1 panoramas: out\n", "")
    assert list(found) == [("1", "2"), ("2", "9"), ("9", "10")]
    assert listed() == ["panorama.json", "panorama.png"]
    assert Image.open("out/panorama.png").size == (56 + 3 * 28, 40)
    names = json.loads(Path("out/panorama.json").read_text())["names"]
    assert names == [f"row/{number}.jpg" for number in (1, 2, 9, 10)]
    assert predict(tiny_homographynet, "row/2.jpg", "row/1.jpg", "--chain", "--overwrite") == 0
    assert ("2", "1") in found  # in the order that is given


def test_a_link_that_is_not_trusted_ends_the_chain(
    row: Path, tiny_homographynet: Path, found: Found, capsys: pytest.CaptureFixture
):
    doubtful(found, "2", "9")
    assert predict(tiny_homographynet, "row", "--chain") == 0
    assert ("9", "10") not in found
    assert Image.open("out/panorama.png").size == (84, 40)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "zoo: row/1.jpg, ..., row/10.jpg: 2.jpg to 9.jpg is not to be trusted (confidence 0.30): "
        "the panorama ends before, with 2 pictures"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["row/1.jpg"], "row/1.jpg: a panorama takes two pictures or more"),
        (["row/2.jpg", "row/9.jpg"], "row/2.jpg, row/9.jpg: 2.jpg to 9.jpg is not to be trusted (confidence 0.30): no"),
        (["row/1.jpg", "none.jpg", "row/2.jpg"], "none.jpg: no such file"),
        (["row", "--stitch"], "error: --chain makes one result for all pictures; leave out --stitch"),
        (["empty"], "error: no pictures in empty"),
        (
            ["row/far.png", "row/1.jpg", "row/2.jpg"],
            "the mosaic would have 550,001x390,001 pixels, and 100,000,000 are",
        ),
    ],
)
def test_what_is_no_chain(
    row: Path, tiny_homographynet: Path, found: Found, capsys: pytest.CaptureFixture, given: list[str], message: str
):
    Path("empty").mkdir()
    Image.open("row/1.jpg").save("row/far.png")
    doubtful(found, "2", "9")
    doubtful(found, "far", "1", matrix=np.diag([1e4, 1e4, 1.0]), confidence=0.9)
    assert predict(tiny_homographynet, *given, "--chain") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not Path("out").exists()


def test_only_models_of_homographies_chain(row: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    assert predict(tiny_linknet, "row", "--chain") == 2
    assert f"{tiny_linknet} has no option --chain" in capsys.readouterr().err


def test_a_folder_without_a_name_is_not_the_working_directory(here: Path, tiny_linknet: Path, capsys):
    """As ``-o "$OUT"`` without such a variable would have it."""
    before = sorted(here.rglob("*"))
    assert main.main(["predict", str(tiny_linknet), "single.webp", "-o", ""]) == 2
    assert "-o is empty; name a folder\n" in capsys.readouterr().err
    assert sorted(here.rglob("*")) == before


def test_what_befalls_many_pictures_is_said_once(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    for number in range(3):
        Path(f"in/{number}.png").write_bytes(Path("in/street.png").read_bytes()[:900])
    Path("in/esc\x1b[31m\n.png").write_bytes(b"no picture")
    assert predict(tiny_linknet, "in/0.png", "in/1.png", "in/2.png", "in/esc\x1b[31m\n.png") == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "zoo: in/0.png and 2 more: damaged picture (image file is truncated)"
    assert second.startswith("zoo: in/esc?[31m?.png: not a picture")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["single.webp"], "takes 2 pictures, or .csv tables with 2 per line, not single.webp"),
        (["single.webp"] * 3, "takes 2 pictures"),
        (["pairs.csv", "single.webp"], "takes 2 pictures"),
        (["single.webp"] * 3, "; --chain makes one panorama of pictures that follow each other"),
        (["in"], "in is a folder; "),
        (["in"], "; --chain makes one panorama of pictures that follow each other"),
        (["in", "other"], "in is a folder"),
        (["none.csv"], "none.csv: no such file"),
        (["empty.csv"], "empty.csv: names no pictures"),
        (["binary.csv"], "binary.csv: line 1: not UTF-8: byte 0 is 0xe9"),
    ],
)
def test_what_is_no_pair(
    here: Path, tiny_homographynet: Path, capsys: pytest.CaptureFixture, given: list[str], message: str
):
    Path("empty.csv").write_text("a,b\n")
    Path("binary.csv").write_bytes(b"\xe9,b\n")
    assert predict(tiny_homographynet, *given) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
    assert not Path("out").exists()


@pytest.fixture
def painter(tmp_path: Path) -> Path:
    arguments = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_1": 1.0}}
    weights.save(NeuralStyle(**arguments), tmp_path / "painter", "neural_style", arguments)
    return tmp_path / "painter"


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Options of each picture that a :class:`Painter` is given from now on, and leaves as it is."""
    calls: list[dict[str, object]] = []

    @functools.wraps(Painter.predict)
    def paint(self: Painter, content: Path, **options: object) -> Painting:
        assert callable(options.pop("progress"))
        calls.append(options)
        picture = Image.open(content).convert("RGB")
        return Painting(picture, picture)

    monkeypatch.setattr(Painter, "predict", paint)
    return calls


@pytest.mark.parametrize(
    ("given", "style"),
    [
        (["--style", "a.jpg"], "a.jpg"),
        (["--style", "a.jpg", "b.jpg"], ["a.jpg", "b.jpg"]),
        (["--style", "a.jpg", "--style", "b.jpg"], ["a.jpg", "b.jpg"]),
        (["--style=a.jpg", "--style", "b.jpg", "c.jpg"], ["a.jpg", "b.jpg", "c.jpg"]),
        (["--style", "1", "2"], ["1", "2"]),
        (["--style=-.jpg"], "-.jpg"),
        (["--style", "[a] é.jpg", "\U0001f600.jpg"], ["[a] é.jpg", "\U0001f600.jpg"]),
    ],
)
def test_styles(here: Path, painter: Path, painted: list[dict], given: list[str], style: object):
    assert predict(painter, "single.webp", "in/street.png", *given) == 0
    assert [call["style"] for call in painted] == [style, style]
    assert written("styled") == ["single_styled.png", "street_styled.png"]
    assert main.main(["predict", str(painter), *given, "-o", "out", "single.webp"]) == 0  # before the pictures
    assert painted[-1]["style"] == style


@pytest.mark.parametrize("flag", ["--style", "--start"])
def test_the_model_comes_before_its_options(here: Path, painter: Path, painted: list[dict], capsys, flag: str):
    """What follows one may be its value: a picture would be taken for a model, perhaps of the Hub."""
    assert main.main(["predict", flag, "single.webp", "-o", "out", str(painter), "in/street.png"]) == 2
    usage = "zoo predict MODEL PICTURES... -o OUT [options]"
    assert capsys.readouterr().err == f"zoo: error: name the model before {flag}: {usage}\n"
    assert main.main(["predict", "-o", "out", "--device", "cpu", str(painter), "single.webp", "--style", "a.jpg"]) == 0
    assert main.main(["predict", "--style=a.jpg", str(painter), "single.webp", "-o", "out"]) == 0
    assert [call["style"] for call in painted] == ["a.jpg", "a.jpg"]


def test_options_of_styles_reach_predict(here: Path, painter: Path, painted: list[dict]):
    given = (
        "--style a b --blend 1 0.5 --strength 0.3 --preserve-color --size 300 --iterations 20 --start noise --seed 7 "
        "--content-weight 1e-3 --pooling max --optimizer adam --vgg vgg.safetensors --preview-every 5"
    )
    assert predict(painter, "single.webp", *given.split()) == 0
    assert predict(painter, "single.webp", "--style", "a") == 0
    assert painted == [
        {
            "style": ["a", "b"], "blend": [1.0, 0.5], "strength": 0.3, "preserve_color": True, "stroke": None,
            "size": 300, "iterations": 20, "start": "noise", "seed": 7, "content_weight": 1e-3, "pooling": "max",
            "optimizer": "adam", "vgg": "vgg.safetensors", "preview_every": 5,
        },
        {
            "style": "a", "blend": None, "strength": 1.0, "preserve_color": False, "stroke": None, "size": None,
            "iterations": None, "start": None, "seed": 0, "content_weight": None, "pooling": None,
            "optimizer": None, "vgg": "timm", "preview_every": None,
        },
    ]  # fmt: skip


def test_a_style_that_is_needed(here: Path, painter: Path, painted: list[dict], capsys: pytest.CaptureFixture):
    assert predict(painter, "single.webp", "--strength", "0.5") == 2
    assert capsys.readouterr().err.startswith(f"zoo: error: {painter} needs --style\n")
    assert predict(painter, "--style", "a.jpg", "single.webp") == 2
    assert capsys.readouterr().err == "zoo: error: pictures are required; name them before --style\n"
    assert not Path("out").exists()
    assert not painted


def test_values_that_no_style_has(here: Path, painter: Path, painted: list[dict], capsys: pytest.CaptureFixture):
    wrong = (
        "--strength much", "--strength nan", "--strength 1.5", "--blend a", "--size 0", "--iterations -1", "--seed x",
        "--start grey", "--pooling avg", "--optimizer sgd", "--preview-every 0",
    )  # fmt: skip
    for option in wrong:
        assert predict(painter, "single.webp", "--style", "a.jpg", *option.split()) == 2
        assert capsys.readouterr().err.startswith(f"zoo: error: {option.split()[0]} must be ")
    assert not Path("out").exists()
    assert not painted


def test_bad_strength_costs_no_work(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    arguments = {"channels": 4, "blocks": 1}
    weights.save(FastStyle(**arguments), tmp_path / "style", "fast_style", arguments)
    assert predict(tmp_path / "style", "single.webp", "--strength", "1.5") == 2
    assert "--strength must be a number from 0 to 1, not '1.5'" in capsys.readouterr().err
    assert not Path("out").exists()
    assert predict(tmp_path / "style", "single.webp", "--strength", "0.5", "--preserve-color", "--tile", "16") == 0
    assert listed() == ["single_compare.png", "single_styled.png"]


def test_pictures_stand_together(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    assert main.main(["predict", str(tiny_linknet), "single.webp", "-o", "out", "in/street.png"]) == 2
    assert "unexpected argument in/street.png" in capsys.readouterr().err


def test_a_model_that_is_not_named(here: Path, capsys: pytest.CaptureFixture):
    assert main.main(["predict", "-o", "out"]) == 2
    assert "a model is required: zoo predict MODEL PICTURES... -o OUT; zoo list" in capsys.readouterr().err
