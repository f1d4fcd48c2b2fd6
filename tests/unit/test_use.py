"""The programs of ``USE.md``, run as a user runs them: their results are those of ``zoo.load(...).predict``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from zoo import load
from zoo.base.registry import architectures
from zoo.cards.weights import load as load_weights
from zoo.data.streets import draw_street
from zoo.exports import convert, formats, metadata, use
from zoo.exports.settings import Settings
from zoo.exports.subject import Subject
from zoo.models.fast_style.net import FastStyle
from zoo.models.homographynet.evaluate import look
from zoo.models.homographynet.net import HomographyNet
from zoo.models.homographynet.predict import Aligner
from zoo.pictures.images import to_floats

pytest.importorskip("onnx", reason="the extra export is not installed")
CARDS = {
    "linknet_camvid": "linknet",
    "homographynet_free": "homographynet",
    "homographynet_photos": "homographynet",
    "homographynet_photos_classification": "homographynet",
    "perceptual_sr_photo": "perceptual_sr",
    "perceptual_sr_photo_x2": "perceptual_sr",
    "perceptual_sr_pixel": "perceptual_sr",
    "fast_style": "fast_style",
}
FIXED = (96, 128)  # height and width
RUNTIMES = ("onnxruntime", "OpenCV")  # those of the Python programs, in the order of the text
RESULTS = {"linknet": "mask.png", "perceptual_sr": "large.png", "fast_style": "styled.png"}
IMAGES = [card for card, architecture in CARDS.items() if architecture in RESULTS]
PAIRS = [card for card, architecture in CARDS.items() if architecture == "homographynet"]
SIZED = [(card, size) for card in IMAGES for size in (None, FIXED)] + [(card, None) for card in PAIRS]
free_sizes = pytest.mark.skipif(int(cv2.__version__.split(".")[0]) < 5, reason="OpenCV 4 takes fixed sizes only")


@dataclass
class Text:
    """A file, and the text that tells how to use it."""

    name: str
    content: bytes
    text: str

    def programs(self, language: str) -> list[str]:
        return re.findall(rf"```{language}\n(.*?)```", self.text, re.DOTALL)

    def run(self, folder: Path, number: int, *arguments: str) -> str:
        """Runs a Python program beside the file; returns what it prints."""
        (folder / self.name).write_bytes(self.content)
        (folder / "use.py").write_text(self.programs("python")[number])
        done = subprocess.run([sys.executable, "use.py", *arguments], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


@lru_cache
def exported(card: str, size: tuple[int, int] | None = None) -> Text:
    subject = Subject.load(card, Settings("onnx", size))
    graph = convert.to_onnx(subject.net, subject.example, "torchscript", size)
    entries = metadata.of_model(subject, "torchscript")
    shapes = convert.named_shapes(subject.net, subject.example, size)
    name = f"{card}.onnx"
    text = use.render(subject.architecture, name, entries, size)
    return Text(name, metadata.describe(graph, entries, shapes), text)


def scene(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(draw_street(seed)[0]).resize((width, height))


def predicted(card: str, path: Path) -> np.ndarray:
    options = {"size": "original"} if CARDS[card] == "fast_style" else {}
    result = load(card).predict(path, **options)
    return result.mask if CARDS[card] == "linknet" else np.asarray(result.picture)


@pytest.mark.parametrize("number", range(2), ids=RUNTIMES)
@pytest.mark.parametrize("size", [None, FIXED], ids=["free", "fixed"])
@pytest.mark.parametrize("card", IMAGES)
def test_python_gives_the_picture_that_predict_gives(
    card: str, size: tuple[int, int] | None, number: int, tmp_path: Path
):
    if number and not size and int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip("OpenCV 4 takes fixed sizes only")
    scene(*(size[::-1] if size else (61, 45))).save(tmp_path / "picture.png")
    exported(card, size).run(tmp_path, number, "picture.png")
    found = np.asarray(Image.open(tmp_path / RESULTS[CARDS[card]])).astype(int)
    truth = predicted(card, tmp_path / "picture.png")
    assert found.shape == truth.shape
    assert (found == truth).mean() >= 0.999
    assert CARDS[card] == "linknet" or np.abs(found - truth).max() <= 1


def one_way(net: HomographyNet, a: Path, b: Path) -> np.ndarray:
    """What three passes from a to b say, without a look from b to a."""
    [matrix] = look(
        Aligner(net.engine, **net.facts()), 3, [(np.array(Image.open(a)), np.array(Image.open(b)))], both_ways=False
    )
    return matrix


@pytest.mark.parametrize("number", range(2), ids=RUNTIMES)
@pytest.mark.parametrize("card", PAIRS)
def test_python_gives_the_matrix_that_predict_gives(card: str, number: int, tmp_path: Path):
    picture = scene(320, 240)
    picture.save(tmp_path / "a.png")
    moves = (1.02, 0.03, -12, -0.02, 0.98, 9, 2e-5, -3e-5)
    moved = picture.transform(picture.size, Image.Transform.PERSPECTIVE, moves, Image.Resampling.BICUBIC)
    moved.resize((400, 290)).save(tmp_path / "b.png")
    exported(card).run(tmp_path, number, "a.png", "b.png")
    truth = one_way(load(card), tmp_path / "a.png", tmp_path / "b.png")
    corners = np.array([[0, 0, 1], [319, 0, 1], [319, 239, 1], [0, 239, 1]]).T
    found, wanted, still = (
        (matrix @ corners)[:2] / (matrix @ corners)[2]
        for matrix in (np.loadtxt(tmp_path / "matrix.txt"), truth, np.diag([400 / 320, 290 / 240, 1]))
    )
    assert np.abs(wanted - still).max() > 3  # something moved
    assert np.abs(found - wanted).max() < (1 if card == "homographynet_free" else 0.1)  # MAGSAC fits a little otherwise
    assert Image.open(tmp_path / "aligned.png").size == (400, 290)


@pytest.mark.parametrize("number", range(2), ids=RUNTIMES)
def test_tiles_of_super_resolution_leave_no_seam(number: int, tmp_path: Path):
    if number and int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip("OpenCV 4 takes fixed sizes only")
    card = "perceptual_sr_pixel"
    scene(270, 16).save(tmp_path / "picture.png")  # wider than a tile
    exported(card).run(tmp_path, number, "picture.png")
    found = np.asarray(Image.open(tmp_path / "large.png")).astype(int)
    assert np.abs(found - predicted(card, tmp_path / "picture.png")).max() <= 1


@pytest.mark.parametrize("number", range(2), ids=RUNTIMES)
def test_tiles_of_a_fixed_size_leave_no_seam(number: int, tmp_path: Path):
    card = "perceptual_sr_pixel"
    scene(150, 100).save(tmp_path / "picture.png")  # larger than the file's size, in both directions
    exported(card, FIXED).run(tmp_path, number, "picture.png")
    found = np.asarray(Image.open(tmp_path / "large.png")).astype(int)
    assert np.abs(found - predicted(card, tmp_path / "picture.png")).max() <= 1


@pytest.mark.parametrize("number", range(2), ids=RUNTIMES)
@pytest.mark.parametrize("card", ["linknet_camvid", "perceptual_sr_pixel", "fast_style"])
def test_files_of_a_fixed_size_take_any_picture(card: str, number: int, tmp_path: Path):
    """By resizing it or, of super resolution, by continuing its border."""
    scene(81, 70).save(tmp_path / "picture.png")
    exported(card, FIXED).run(tmp_path, number, "picture.png")
    scale = 4 if CARDS[card] == "perceptual_sr" else 1
    assert Image.open(tmp_path / RESULTS[CARDS[card]]).size == (scale * 81, scale * 70)


def test_turned_photographs_are_seen_as_they_are_shown(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    scene(61, 45).save(tmp_path / "picture.png", exif=exif)
    exported("linknet_camvid").run(tmp_path, 0, "picture.png")
    found = np.asarray(Image.open(tmp_path / "mask.png"))
    assert found.shape == (61, 45)
    assert (found == predicted("linknet_camvid", tmp_path / "picture.png")).mean() >= 0.999


def test_a_mask_has_the_colours_of_the_palette_and_its_classes_are_told(tmp_path: Path):
    scene(61, 45).save(tmp_path / "picture.png")
    said = exported("linknet_camvid").run(tmp_path, 0, "picture.png")
    exported("linknet_camvid").run(tmp_path, 1, "picture.png")
    truth = load("linknet_camvid").predict(tmp_path / "picture.png")
    colored = np.asarray(truth.colored().convert("RGB"))
    assert (np.asarray(Image.open(tmp_path / "colored.png")) == colored).mean() >= 0.999
    assert [line.split(":")[0] for line in said.splitlines()] == list(truth.labels)


def styles() -> FastStyle:
    torch.manual_seed(0)
    return FastStyle(["a", "b"], channels=4, blocks=1).eval()


GENERAL = {  # networks of five kinds of input
    "pictures": lambda: (load_weights("perceptual_sr_pixel"), "perceptual_sr", (3, 48, 64)),
    "pictures and weights": lambda: (styles(), "fast_style", (3, 48, 64)),
    "grey": lambda: (load_weights("xfeat_free"), "xfeat", (1, 96, 128)),
    "grey pairs": lambda: (load_weights("homographynet_photos"), "homographynet", (2, 128, 128)),
    "pairs": lambda: (HomographyNet(channels=3).eval(), "homographynet", (6, 128, 128)),
}


def general(net: Any, architecture: str, suffix: str) -> str:
    """The text for files that have no template of their own."""
    entries = {
        "name": "mine", "architecture": architecture, "precision": "fp32", "input_range": "0..1", "halo": "",
        "input": architectures()[architecture].input, "facts": json.dumps(net.facts()),
        "predicts": json.dumps(list(net.outputs)),
    }  # fmt: skip
    return use.render(architecture, f"mine{suffix}", entries)


def shown(tmp_path: Path, kind: str) -> tuple[list[str], np.ndarray]:
    """Names of pictures that are given to a program, and what the network sees of them."""
    side, grey = (128, 128) if "pairs" in kind else (64, 48), "grey" in kind
    paths = [tmp_path / f"{i}.png" for i in range(2 if "pairs" in kind else 1)]
    for seed, path in enumerate(paths):
        scene(*side, seed).convert("L" if grey else "RGB").save(path)
    floats = [to_floats(path)[: 1 if grey else 3] for path in paths]
    return [path.name for path in paths], np.ascontiguousarray(np.concatenate(floats)[None])


@pytest.mark.parametrize("kind", GENERAL)
@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".pt2"])
def test_general_programs_give_what_the_network_gives(suffix: str, kind: str, tmp_path: Path, monkeypatch):
    if suffix == ".xml":
        pytest.importorskip("openvino", reason="the extra openvino is not installed")
    net, architecture, example = GENERAL[kind]()
    files = {
        ".onnx": lambda: {".onnx": convert.to_onnx(net, example, "torchscript")},
        ".xml": lambda: formats.openvino_files(convert.to_onnx(net, example, "torchscript"), half=False).contents,
        ".pt2": lambda: formats.torch_program(net, example, None, {}).contents,
    }[suffix]()
    for each, content in files.items():
        (tmp_path / f"mine{each}").write_bytes(content)
    monkeypatch.setattr(use, "OWN", "none.md")  # no architecture has a template
    text = Text(f"mine{suffix}", files[suffix], general(net, architecture, suffix))
    names, x = shown(tmp_path, kind)
    text.run(tmp_path, 0, *names)
    found = np.load(tmp_path / (f"{net.outputs[0]}.npy" if suffix == ".onnx" else "output0.npy"))
    np.testing.assert_allclose(found, net.engine(x)[0], atol=1e-4)


@free_sizes
@pytest.mark.parametrize("kind", ["pictures", "grey"])
def test_the_general_program_of_opencv_gives_what_the_network_gives(kind: str, tmp_path: Path, monkeypatch):
    net, architecture, example = GENERAL[kind]()
    monkeypatch.setattr(use, "OWN", "none.md")
    text = general(net, architecture, ".onnx")
    names, x = shown(tmp_path, kind)
    Text("mine.onnx", convert.to_onnx(net, example, "torchscript"), text).run(tmp_path, 1, *names)
    np.testing.assert_allclose(np.load(tmp_path / f"{net.outputs[0]}.npy"), net.engine(x)[0], atol=1e-4)


@pytest.mark.parametrize("number", range(2), ids=RUNTIMES)
def test_programs_paint_in_the_chosen_style(number: int, tmp_path: Path):
    """Which stands near the top of each."""
    net = load("fast_style")
    scene(*FIXED[::-1]).save(tmp_path / "picture.png")
    text = exported("fast_style", FIXED)
    chosen = text.text.replace("STYLE = STYLES[0]", f'STYLE = "{net.styles[1]}"')
    assert chosen.count(f'STYLE = "{net.styles[1]}"') == 2
    Text(text.name, text.content, chosen).run(tmp_path, number, "picture.png")
    found = np.asarray(Image.open(tmp_path / "styled.png")).astype(int)
    first, other = (
        np.asarray(net.predict(tmp_path / "picture.png", size="original", style=style)) for style in net.styles[:2]
    )
    assert np.abs(found - other).max() <= 1
    assert np.abs(found - first).mean() > 2


def test_a_template_for_grey_pairs_is_not_given_to_those_of_rgb():
    grey, rgb = (general(HomographyNet(channels=channels), "homographynet", ".onnx") for channels in (1, 3))
    assert "getPerspectiveTransform" in grey
    assert "getPerspectiveTransform" not in rgb
    assert "<!--" not in grey


@pytest.mark.parametrize(("card", "size"), SIZED)
def test_no_place_is_left_and_no_line_of_prose_is_long(card: str, size: tuple[int, int] | None):
    text = exported(card, size).text
    assert not use.PLACE.search(text)
    assert f'"{card}.onnx"' in text
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert max(map(len, prose.splitlines())) <= 200  # with what stands for a place, such as the names of styles


@pytest.mark.parametrize("card", ["linknet_camvid", "homographynet_photos"])
def test_programs_of_opencv_are_left_out_where_it_computes_otherwise(card: str):
    entries = {**exported_entries(card), "precision": "int8"}
    text = Text("", b"", use.render(CARDS[card], "mine.int8.onnx", entries))
    assert "cv2.dnn" not in text.text
    assert not text.programs("cpp")
    assert "export fp32 or fp16" in text.text
    assert (len(text.programs("python")), len(text.programs("javascript"))) == (1, 2)


def test_one_text_tells_of_each_export_in_a_folder_once(tmp_path: Path):
    net, architecture, _ = GENERAL["pictures"]()
    (onnx, xml) = (general(net, architecture, suffix) for suffix in (".onnx", ".xml"))
    for text in (onnx.replace("Output", "Former output"), xml, onnx):
        use.write(tmp_path, text)
    assert (tmp_path / use.FILE).read_text() == f"{xml.strip()}\n\n{onnx.strip()}\n"


def test_a_name_of_a_file_with_quotes_stays_one_literal():
    entries = dict(exported_entries("linknet_camvid"))
    text = Text("", b"", use.render("linknet", 'my "own" street.onnx', entries))
    for program in text.programs("python"):
        compile(program, "use.py", "exec")
        assert r'"my \"own\" street.onnx"' in program


def exported_entries(card: str) -> dict[str, str]:
    return metadata.of_model(Subject.load(card, Settings("onnx")), "torchscript")


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize(("card", "size"), SIZED)
def test_cpp_compiles(card: str, size: tuple[int, int] | None, tmp_path: Path):
    (program,) = exported(card, size).programs("cpp")
    (tmp_path / "use.cpp").write_text(program)
    command = ["g++", "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *opencv_flags(), "use.cpp"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def opencv_flags() -> list[str]:
    """Where OpenCV's headers are; without OpenCV what stands in for them."""
    for name in ("opencv5", "opencv4") if shutil.which("pkg-config") else ():
        found = subprocess.run(["pkg-config", "--cflags", name], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split()
    return [f"-I{Path(__file__).parent}"]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
@pytest.mark.parametrize(("card", "size"), SIZED)
def test_javascript_parses(card: str, size: tuple[int, int] | None, tmp_path: Path):
    text = exported(card, size)
    pages = [
        script for page in text.programs("html") for script in re.findall(r'e="module">(.*?)</script>', page, re.DOTALL)
    ]
    assert (len(text.programs("javascript")), len(pages)) == (2, 1)
    for program in (*text.programs("javascript"), *pages):
        (tmp_path / "use.mjs").write_text(program)
        done = subprocess.run(["node", "--check", "use.mjs"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
