"""Styles in exported files: a second input, and the same blends on every engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data

from zoo import load
from zoo.base.errors import ZooError
from zoo.cards import exported, weights
from zoo.engines import Engine, open_engine
from zoo.engines.graph import read_graph
from zoo.engines.ir import read_ir
from zoo.engines.unreported import unreported
from zoo.exports import certificate, convert, formats, job, metadata, parting, pictures, quantize
from zoo.exports.certificate import Reference
from zoo.exports.settings import Settings
from zoo.exports.subject import Subject
from zoo.models.fast_style.net import FastStyle
from zoo.models.perceptual_sr.net import PerceptualSR

pytest.importorskip("onnx", reason="the extra export is not installed")
CAT = data.chelsea()[60:181, 100:261]  # odd sides
EXAMPLE = (3, 48, 64)
FIXED = (40, 56)
BLENDS = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]], np.float32)
PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino", "opencv": "cv2"}
KINDS = pytest.mark.parametrize("kind", PACKAGES)


def needed(kind: str) -> None:
    with unreported():
        package = pytest.importorskip(PACKAGES[kind])
    if kind == "opencv" and int(package.__version__.split(".")[0]) < 5:
        pytest.skip("OpenCV 4 takes fixed sizes only")


@pytest.fixture(scope="module")
def model(style_net: FastStyle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "style"
    arguments = {"styles": list(style_net.styles), "channels": 6, "blocks": 2}
    weights.save(style_net, folder, "fast_style", arguments, dtype="float32", name="style")
    return folder


@pytest.fixture(scope="module")
def graphs(style_net: FastStyle) -> dict[str, bytes]:
    """The network as ONNX, of any size and of one."""
    sizes = {"free": None, "fixed": FIXED}
    return {name: convert.to_onnx(style_net, EXAMPLE, "torchscript", size) for name, size in sizes.items()}


@pytest.fixture(scope="module")
def file(model: Path) -> Path:
    """What ``zoo export`` writes, without comparing it on every runtime."""
    return write_export(model, model.parent / "style.onnx")


def write_export(model: Path, path: Path, size: tuple[int, int] | None = None) -> Path:
    subject = Subject.load(model, Settings("onnx", size))
    graph = convert.to_onnx(subject.net, subject.example, "torchscript", size)
    shapes = convert.named_shapes(subject.net, subject.example, size)
    path.write_bytes(metadata.describe(graph, metadata.of_model(subject, "torchscript"), shapes))
    return path


def batch(count: int = 2, size: tuple[int, int] = FIXED) -> np.ndarray:
    return np.random.default_rng(0).random((count, 3, *size), np.float32)


def levels(a: object, b: object) -> np.ndarray:
    return abs(np.asarray(a).astype(int) - np.asarray(b).astype(int))


# The inputs of a file


def test_a_file_takes_pictures_and_weights_of_the_styles(graphs: dict[str, bytes]):
    free, fixed = (read_graph(graphs[name], "style.onnx", keys=()) for name in ("free", "fixed"))
    assert free.inputs == {"input": ("batch", 3, "height", "width"), "style": ("batch", 3)}
    assert free.pictures == ("input", ("batch", 3, "height", "width"))
    assert free.weights == ("style", ("batch", 3))
    assert fixed.inputs == {"input": (1, 3, *FIXED), "style": (1, 3)}


def test_other_networks_have_no_second_input():
    net = PerceptualSR(channels=4, blocks=1).eval()
    graph = read_graph(convert.to_onnx(net, EXAMPLE, "torchscript"), "sr.onnx", keys=())
    assert (list(graph.inputs), graph.weights) == (["input"], None)


@pytest.mark.timeout(120)
def test_both_exporters_name_the_same_inputs(style_net: FastStyle, graphs: dict[str, bytes]):
    content = convert.to_onnx(style_net, EXAMPLE, "dynamo")
    graph = read_graph(content, "style.onnx", keys=())
    assert {name: shape[1:2] for name, shape in graph.inputs.items()} == {"input": (3,), "style": (3,)}
    assert all(isinstance(graph.inputs[name][0], str) for name in ("input", "style"))
    (found,), (want,) = (open_engine("onnx", each, ["picture"])(batch(), BLENDS) for each in (content, graphs["free"]))
    np.testing.assert_allclose(found, want, atol=1e-4)


# Every engine


@KINDS
def test_engines_blend_like_torch(style_net: FastStyle, graphs: dict[str, bytes], kind: str):
    needed(kind)
    engine = open_engine(kind, graphs["free"], ["picture"])
    for size in (FIXED, (33, 50)):
        x = batch(2, size)
        (found,), (want,) = engine(x, BLENDS), style_net.engine(x, BLENDS)
        np.testing.assert_allclose(found, want, atol=1e-4)
        assert np.abs(want[0] - want[1]).mean() > 0.01
    (first,) = engine(batch())
    np.testing.assert_allclose(first, style_net.engine(batch())[0], atol=1e-4)


@KINDS
def test_a_file_of_fixed_size_takes_a_batch_with_weights_of_their_own(
    style_net: FastStyle, graphs: dict[str, bytes], kind: str
):
    """It computes one picture after the other, each with its own weights."""
    with unreported():
        pytest.importorskip(PACKAGES[kind])
    engine, x = open_engine(kind, graphs["fixed"], ["picture"]), batch(3)
    mix = np.concatenate([BLENDS, np.eye(3, dtype=np.float32)[[2]]])
    np.testing.assert_allclose(engine(x, mix)[0], style_net.engine(x, mix)[0], atol=1e-4)
    np.testing.assert_allclose(engine(x)[0], style_net.engine(x)[0], atol=1e-4)
    assert np.abs(engine(x, mix)[0] - engine(x)[0]).max() > 0.05
    np.testing.assert_allclose(engine(x[:1], mix[2:])[0], style_net.engine(x[:1], mix[2:])[0], atol=1e-4)


@KINDS
@pytest.mark.parametrize("name", ["free", "fixed"])
@pytest.mark.parametrize("shape", [(1, 3), (3, 3), (2, 2), (2, 4), (3,), (2, 3, 1), (0, 3)], ids=str)
def test_weights_of_another_shape_are_refused(graphs: dict[str, bytes], kind: str, name: str, shape: tuple[int, ...]):
    if name == "free":
        needed(kind)
    engine = engine_once(kind, graphs[name])
    with pytest.raises(ZooError, match=r"^the export takes \dx3 weights, not [\dx]+$"):
        engine(batch(), np.ones(shape, np.float32))


ENGINES: dict[tuple[str, int], Engine] = {}


def engine_once(kind: str, content: bytes) -> Engine:
    key = kind, len(content)
    if key not in ENGINES:
        with unreported():
            pytest.importorskip(PACKAGES[kind])
        ENGINES[key] = open_engine(kind, content, ["picture"])
    return ENGINES[key]


@KINDS
def test_weights_for_a_file_that_blends_nothing_are_refused(kind: str):
    needed(kind)
    net = PerceptualSR(channels=4, blocks=1).eval()
    engine = open_engine(kind, convert.to_onnx(net, EXAMPLE, "torchscript"), list(net.outputs))
    assert engine(batch())[0].shape == (2, 3, 160, 224)
    with pytest.raises(ZooError, match=r"^the export blends nothing: it has no input for weights$"):
        engine(batch(), BLENDS)


def test_a_file_of_openvino_s_own_format(style_net: FastStyle, graphs: dict[str, bytes]):
    needed("openvino")
    xml, content = formats.openvino_files(graphs["free"], half=False).contents.values()
    graph = read_ir(xml, content, "style.xml", keys=())
    assert graph.pictures == ("input", ("?", 3, "?", "?"))
    assert graph.weights == ("style", ("?", 3))
    (found,) = open_engine("openvino", (xml, content), ["picture"])(batch(), BLENDS)
    np.testing.assert_allclose(found, style_net.engine(batch(), BLENDS)[0], atol=1e-4)


@pytest.mark.parametrize("size", [None, FIXED], ids=["free", "fixed"])
def test_a_program_of_torch(style_net: FastStyle, size: tuple[int, int] | None):
    engine = formats.torch_program(style_net, EXAMPLE, size, {}).open("torch", ["picture"])
    count = 1 if size else 2
    for x, mix in ((batch(count), BLENDS[:count]), (batch(count), None)):
        np.testing.assert_allclose(engine(x, mix)[0], style_net.engine(x, mix)[0], atol=1e-4)
    if size is None:
        x = batch(2, (33, 50))
        np.testing.assert_allclose(engine(x, BLENDS)[0], style_net.engine(x, BLENDS)[0], atol=1e-4)


def test_a_program_of_torch_that_blends_nothing():
    net = PerceptualSR(channels=4, blocks=1).eval()
    engine = formats.torch_program(net, EXAMPLE, None, {}).open("torch", list(net.outputs))
    np.testing.assert_allclose(engine(batch())[0], net.engine(batch())[0], atol=1e-4)


def test_halves_of_the_weights(style_net: FastStyle, graphs: dict[str, bytes]):
    engine = open_engine("onnx", formats.halved(graphs["free"]), ["picture"])
    (found,), (want,) = engine(batch(), BLENDS), style_net.engine(batch(), BLENDS)
    assert 1e-7 < np.abs(found - want).max() < 0.05


def test_int8_is_calibrated_with_the_first_style(style_net: FastStyle, graphs: dict[str, bytes]):
    content = quantize.quantized(graphs["free"], [batch(1), batch(1)[..., ::-1].copy()])
    engine = open_engine("onnx", content, ["picture"])
    (found,), (want,) = engine(batch()), style_net.engine(batch())
    assert np.abs(found - want).mean() < 0.15
    assert np.abs(engine(batch(), BLENDS)[0] - found).max() > 0.05


# Files as users meet them


@KINDS
@pytest.mark.parametrize("style", [None, "three", ["one", "two"], {"two": 2, "three": 0.5}], ids=str)
def test_results_equal_those_of_torch(
    model: Path, file: Path, kind: str, style: Any, opened: Callable[[Path, str], Any]
):
    needed(kind)
    net, other = load(model), opened(file, kind)
    assert other.facts() == net.facts() == {"styles": ("one", "two", "three"), "channels": 6, "grain": 0.0}
    for options in ({}, {"size": "original", "strength": 0.5}, {"size": 100, "preserve_color": True}):
        want, have = (each.predict(CAT, style=style, tile=None, **options) for each in (net, other))
        assert levels(want, have).max() <= 1
    assert levels(net.predict_frame(CAT, style=style), other.predict_frame(CAT, style=style)).max() <= 1


@pytest.fixture(scope="module")
def opened() -> Callable[[Path, str], Any]:
    made = dict[str, Any]()

    def get(file: Path, kind: str) -> Any:
        if kind not in made:
            made[kind] = load(file, engine=kind, check=True)
        return made[kind]

    return get


def test_a_mask_needs_no_torch(model: Path, file: Path):
    mask = np.zeros(CAT.shape[:2], bool)
    mask[:60] = True
    want, have = (load(each).predict(CAT, mask=mask, style="two", tile=None) for each in (model, file))
    assert levels(want, have).max() <= 1


def test_it_is_called_with_arrays(model: Path, file: Path):
    net, other = load(model), load(file)
    assert isinstance(other, exported.Exported)
    np.testing.assert_allclose(other(batch(), BLENDS)[0], net.engine(batch(), BLENDS)[0], atol=1e-4)
    np.testing.assert_allclose(other(batch())[0], net.engine(batch())[0], atol=1e-4)


def test_an_unknown_style_of_a_file_names_the_nearest(file: Path):
    with pytest.raises(ZooError, match=r"^no style 'thre'; did you mean three\?"):
        load(file).predict(CAT, style="thre")


@pytest.mark.parametrize("styles", [["one"], ["one", "two", "three", "four"]])
def test_facts_that_name_other_styles_than_the_file_has(file: Path, tmp_path: Path, styles: list[str]):
    import onnx

    from zoo.engines.graph import DIGEST

    proto = onnx.load(file)
    entries = {entry.key: entry.value for entry in proto.metadata_props}
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, {**entries, "facts": json.dumps({"styles": styles, "channels": 6})})
    assert DIGEST in entries
    (tmp_path / "lie.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ZooError) as error:
        load(tmp_path / "lie.onnx").predict(CAT)
    assert "weights" in str(error.value) or "styles" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "styles", [[1], "one", ["a b"], ["\x1b[2J"], ["a"] * 1001, {"one": 1}], ids=lambda s: f"{s!s:.20}"
)
def test_facts_with_names_that_are_none(file: Path, tmp_path: Path, styles: Any):
    import onnx

    proto = onnx.load(file)
    entries = {entry.key: entry.value for entry in proto.metadata_props}
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, {**entries, "facts": json.dumps({"styles": styles, "channels": 6})})
    (tmp_path / "lie.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ZooError, match=r"refused, its metadata: facts\.styles") as error:
        load(tmp_path / "lie.onnx")
    assert all(line.isprintable() for line in str(error.value).splitlines())


# Certificates


def test_certificates_compare_blends(style_net: FastStyle):
    """A file that ignores its second input would agree on the first style alone."""
    inputs = [pictures.Input(str(n), batch(1 + n % 2)) for n in range(4)]
    reference = Reference.of(style_net, inputs)
    assert reference.weights[0] is None
    assert [each.shape for each in reference.weights[1:]] == [(2, 3), (1, 3), (2, 3)]
    assert all(np.allclose(each.sum(1), 1) for each in reference.weights[1:])
    used = np.concatenate(reference.weights[1:]).sum(0)
    assert (used > 0).all()  # each style

    class Deaf:
        device = "cpu"

        def __call__(self, x: np.ndarray, mix: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
            return style_net.engine(x)

    assert max(each.largest for each in reference.compare(style_net.engine)) == 0
    compared = reference.compare(Deaf())
    assert compared[0].largest == 0
    assert max(each.largest for each in compared) > 0.05


def test_a_network_that_blends_nothing_gets_no_weights():
    net = PerceptualSR(channels=4, blocks=1).eval()
    assert certificate.blend(net, 1, 2) is None


@pytest.mark.timeout(120)
def test_zoo_export_compares_every_runtime(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pictures, "own_size", lambda _macs, example: example[1:])
    done = job.export(model, Settings("onnx"), tmp_path / "out")
    assert len(done.certificate.runtimes) >= 1
    for name, runtime in done.certificate.runtimes.items():
        if not runtime.cannot:
            assert all(each.largest <= 1e-4 for each in runtime.pictures), name
    text = (tmp_path / "out" / "USE.md").read_text() if (tmp_path / "out" / "USE.md").is_file() else ""
    assert not text or "style" in text


def test_layers_are_found_where_a_file_parts(style_net: FastStyle):
    steps = parting.record(style_net, batch(1))
    assert len(steps) > 10


def test_a_copy_of_the_folder_predicts_alike(model: Path, tmp_path: Path, style_net: FastStyle):
    net = load(shutil.copytree(model, tmp_path / "copy"))
    assert net.styles == style_net.styles
    with torch.inference_mode():
        x, mix = torch.from_numpy(batch()), torch.from_numpy(BLENDS)
        torch.testing.assert_close(net(x, mix), style_net(x, mix))
