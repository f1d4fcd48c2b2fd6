"""Exported files as users meet them: the same results without torch, and one line for whatever is wrong with one."""

from __future__ import annotations

import base64
import importlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from skimage import data as photographs

from zoo import load
from zoo.base.errors import ZooError
from zoo.base.registry import architectures, card_names
from zoo.cards import described, export_file, exported, replay, weights
from zoo.cards.card import read_card
from zoo.commands import main
from zoo.data.labels import CAMVID
from zoo.data.streets import draw_street
from zoo.engines import network_of
from zoo.engines.graph import DIGEST, graph_sha256
from zoo.exports import convert, formats, metadata
from zoo.exports.settings import Settings
from zoo.exports.subject import Subject
from zoo.models.fast_style import evaluate as styles
from zoo.models.homographynet import evaluate as homographies
from zoo.models.perceptual_sr import evaluate as sr

CAT = photographs.chelsea()[60:181, 100:261]  # odd sides
CARDS = [name for name in card_names() if read_card(name).architecture.example]
TINY = {
    "linknet": {"num_classes": 11, "encoder": "test_resnet", "labels": CAMVID.names, "palette": CAMVID.palette},
    "homographynet": {},
    "perceptual_sr": {"channels": 8, "blocks": 1},
    "fast_style": {"styles": ["red", "blue"], "channels": 4, "blocks": 1},
}
HEAVY = ("torch", "timm", "lightning", "torchvision", "pydantic", "jsonargparse", "docstring_parser", "rich")
HEAVY += ("safetensors", "scipy", "albumentations", "onnx", "zoo.nn", "zoo.exports")


def write_export(model: str | Path, path: Path, size: tuple[int, int] | None = None) -> Path:
    """What ``zoo export`` writes of a model, without comparing it on every runtime."""
    subject = Subject.load(model, Settings("onnx", size))
    graph = convert.to_onnx(subject.net, subject.example, "torchscript", size)
    shapes = convert.named_shapes(subject.net, subject.example, size)
    path.write_bytes(metadata.describe(graph, metadata.of_model(subject, "torchscript"), shapes))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of each architecture that has a forward pass, tiny, in a folder of its name, with its export beside."""
    folder = tmp_path_factory.mktemp("exported")
    for name, arguments in TINY.items():
        module, _, cls = architectures()[name].net.rpartition(".")
        torch.manual_seed(0)
        net = getattr(importlib.import_module(module), cls)(**arguments).eval()
        for parameter in (each for each in net.parameters() if each.ndim == 1):
            parameter.data += 0.02 * torch.rand_like(parameter)  # norms are no longer all alike
        weights.save(net, folder / name, name, json.loads(json.dumps(arguments)), dtype="float32", name=name)
        write_export(folder / name, folder / f"{name}.onnx")
    return folder


def changed(path: Path, **told: str | None) -> Path:
    """A copy of an export with other metadata, whose graph is what it was; None takes one away."""
    return spoilt(path, lambda model: None, **told)


def spoilt(path: Path, spoil: Callable[[onnx.ModelProto], object], **told: str | None) -> Path:
    """A copy of an export with another graph, or other metadata, that is whole by its own digest."""
    model = onnx.load(path)
    spoil(model)
    before = {entry.key: entry.value for entry in model.metadata_props}
    after = {key: text for key, text in {**before, **told}.items() if text is not None and key != DIGEST}
    del model.metadata_props[:]
    digest = graph_sha256(model.SerializeToString())
    onnx.helper.set_model_props(model, {**after, DIGEST: digest})
    copy = path.with_name(f"copy_of_{path.name}")
    copy.write_bytes(model.SerializeToString())
    return copy


def facts(path: Path, **changes: Any) -> str:
    return json.dumps({**export_file.read_file(path).facts, **changes})


def one_line(capsys: pytest.CaptureFixture, argv: list[str]) -> str:
    """The error of a command, which is one of the user's, and of at most three lines."""
    assert main.main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("zoo: ")
    assert 1 <= len(error.splitlines()) <= 3
    assert "bug" not in error
    return error


# The same results


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Any, Any]]:
    """A card's network and its export, by name."""
    folder, made = tmp_path_factory.mktemp("cards"), dict[str, tuple[Any, Any]]()

    def get(name: str) -> tuple[Any, Any]:
        if name not in made:
            made[name] = load(name), load(write_export(name, folder / f"{name}.onnx"), check=True)
        return made[name]

    return get


@pytest.mark.parametrize("name", CARDS)
def test_results_are_those_of_torch(pair: Callable[[str], tuple[Any, Any]], name: str):
    net, other = pair(name)
    assert other.architecture == read_card(name).config["architecture"]
    assert other.facts() == net.facts()
    given = (CAT, np.roll(CAT, 4, 1)) if len(net.declared.inputs) == 2 else (CAT,)
    want, have = (one.predict(*given) for one in (net, other))
    assert type(have) is type(want)
    if hasattr(want, "mask"):
        assert (have.mask == want.mask).mean() >= 0.9999
        assert (have.labels, have.palette) == (want.labels, want.palette) == (other.labels, other.palette)
    elif hasattr(want, "matrix"):
        assert np.abs(np.subtract(have.corners, want.corners)).max() < 0.01
        assert (have.valid, have.passes) == (want.valid, want.passes)
    else:
        assert np.abs(np.asarray(have).astype(int) - np.asarray(want)).max() <= 1


@pytest.mark.parametrize("name", CARDS)
def test_options_mean_the_same(pair: Callable[[str], tuple[Any, Any]], name: str):
    net, other = pair(name)
    options: dict[str, dict[str, Any]] = {
        "linknet": {"tile": 128, "probabilities": True, "batch_size": 2},
        "homographynet": {"passes": 1, "refine": "ecc"},
        "perceptual_sr": {"tile": 50, "match_histogram": True},
        "fast_style": {"strength": 0.5, "preserve_color": True, "style": ["starry_night", "scream"], "size": 200},
        "xfeat": {"refine": "ecc", "max_side": 300, "keypoints": 500},
    }
    given = (CAT, np.roll(CAT, 4, 1)) if len(net.declared.inputs) == 2 else ([CAT, CAT[:64, :80], CAT[:64, :80]],)
    want, have = (one.predict(*given, **options[other.architecture]) for one in (net, other))
    if len(net.declared.inputs) == 2:
        assert have.refined is want.refined is not None
        assert np.abs(np.subtract(have.corners, want.corners)).max() < 0.1  # where ECC goes on from
        return
    assert len(have) == len(want) == 3
    for one, right in zip(have, want, strict=True):
        if other.architecture == "linknet":
            assert (one.mask == right.mask).mean() >= 0.9999
            np.testing.assert_allclose(one.probabilities, right.probabilities, atol=2e-3)
        else:
            most = 2 if options[other.architecture].get("match_histogram") else 1  # which spreads values
            assert np.abs(np.asarray(one).astype(int) - np.asarray(right)).max() <= most


def test_frames_of_videos_are_changed_where_the_architecture_does_that(folder: Path):
    net, other = load(folder / "fast_style"), load(folder / "fast_style.onnx")
    frames = [one.predict_frame(CAT).astype(int) for one in (net, other)]
    assert np.abs(frames[0] - frames[1]).max() <= 1
    with pytest.raises(ZooError, match=r"^HomographyNet takes pictures, not videos$"):
        _ = load(folder / "homographynet.onnx").predict_frame


def test_it_is_called_with_arrays(folder: Path):
    other = load(folder / "homographynet.onnx")
    x = np.random.default_rng(0).random((3, 2, 128, 128))
    (offsets,) = other(x)
    assert (offsets.shape, offsets.dtype) == ((3, 4, 2), np.float32)
    want = load(folder / "homographynet").engine(x.astype(np.float32))[0]
    np.testing.assert_allclose(offsets, want, atol=1e-3)
    assert other.engine.device == "cpu"
    assert other.metadata["architecture"] == other.architecture == "homographynet"
    assert (other.labels, other.palette) == ((), ())
    assert repr(other).startswith("Exported('")


# Without torch


@pytest.mark.parametrize("name", TINY)
def test_nothing_heavy_is_imported(folder: Path, tmp_path: Path, name: str):
    """By the command, which is all of it: reading, checking, predicting and writing."""
    pictures = [tmp_path / "a.png", tmp_path / "b.png"][: len(architectures()[name].inputs)]
    for picture in pictures:
        Image.fromarray(CAT).save(picture)
    words = ["predict", f"{folder / name}.onnx", *map(str, pictures), "-o", str(tmp_path / "out")]
    code = f"import sys, zoo.commands.main as m; assert m.main({words!r}) == 0, m; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "onnxruntime" in done.stdout.split()
    assert not set(HEAVY) & set(done.stdout.split())
    assert any((tmp_path / "out").glob("*.png"))


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where it is not installed."""
    found = exported.find_spec
    for module in (exported, export_file):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name == "torch" else found(name))


def test_without_torch_and_without_an_export_the_way_out_is_told(no_torch: None):
    for engine in (None, "onnx"):
        with pytest.raises(ZooError, match=r"^linknet: has no export, and torch,.* not installed\n.*export linknet "):
            load("linknet", engine=engine)
    with pytest.raises(ZooError, match=r"^the engine torch is not installed"):
        load("linknet", engine="torch")
    with pytest.raises(ZooError, match=r"^neural_style has no forward pass .* needs torch: pip install lightning-zoo$"):
        load("neural_style")


# By the name of a model


def with_export(folder: Path, copy: Path, **changes: Any) -> Path:
    """A copy of the tiny LinkNet whose card names its export."""
    shutil.copytree(folder / "linknet", copy)
    shutil.copy(folder / "linknet.onnx", copy / "mine.onnx")
    config = json.loads((copy / "config.json").read_text())
    entry = described.entry_of(copy / "mine.onnx")
    (copy / "config.json").write_text(json.dumps({**config, "exports": {"onnx": {**entry, **changes}}}))
    return copy


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_a_card_s_export_is_taken(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str):
    monkeypatch.setattr("zoo._export_once", lambda name: pytest.fail("there is one"))
    other = load(with_export(folder, tmp_path / "card"), engine=engine, check=True)
    assert np.array_equal(other.predict(CAT).mask, load(folder / "linknet").predict(CAT).mask)


def test_without_torch_a_card_s_export_is_what_is_loaded(folder: Path, tmp_path: Path, no_torch: None):
    assert isinstance(load(with_export(folder, tmp_path / "card")), exported.Exported)


def test_an_export_is_only_read_after_its_digest_was_compared(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(exported, "parse", lambda *_: pytest.fail("read"))
    with pytest.raises(ZooError, match=r"mine\.onnx: refused, its SHA-256 is not that of config\.json"):
        load(with_export(folder, tmp_path / "other", sha256="0" * 64), engine="onnx")
    with pytest.raises(ZooError, match=r"mine\.onnx: refused, it has [\d,]+ bytes, and at most 1,000 are expected"):
        load(with_export(folder, tmp_path / "large", bytes=1000), engine="onnx")


def test_an_export_of_other_weights_is_refused(folder: Path, tmp_path: Path):
    card = with_export(folder, tmp_path / "card")
    config = json.loads((card / "config.json").read_text())
    config["weights"]["sha256"] = "1" * 64
    (card / "config.json").write_text(json.dumps(config))
    with pytest.raises(ZooError, match=r"mine\.onnx: refused, its metadata name other weights than"):
        load(card, engine="onnx")


def test_a_model_without_an_export_is_exported_once(folder: Path, monkeypatch: pytest.MonkeyPatch):
    asked = list[Any]()

    def once(name: Any) -> Path:
        asked.append(name)
        return folder / "linknet.onnx"

    monkeypatch.setattr("zoo._export_once", once)
    assert load(folder / "linknet", engine="onnx", check=True).architecture == "linknet"
    assert asked == [folder / "linknet"]
    with pytest.raises(ZooError, match=r"^no engine 'onxx'; did you mean onnx"):
        load(folder / "linknet", engine="onxx")
    monkeypatch.setitem(sys.modules, "zoo.engines.openvino", None)
    with pytest.raises(ZooError, match=r"^the engine openvino is not installed: pip install openvino$"):
        load(folder / "linknet", engine="openvino")
    assert len(asked) == 1  # nothing was exported for an engine that is not there


# The golden input


def test_a_spoilt_file_is_found_by_its_golden_input(folder: Path):
    def spoil(model: onnx.ModelProto) -> None:
        tensor = next(each for each in model.graph.initializer if each.dims[:2] == [32, 11])
        tensor.raw_data = (2 * np.frombuffer(tensor.raw_data, np.float32)).tobytes()

    copy = spoilt(folder / "linknet.onnx", spoil)
    assert load(copy).architecture == "linknet"
    with pytest.raises(ZooError, match=r"the output for its golden input differs by [\d.]+ %, more than 0\.1%\n"):
        load(copy, check=True)


def packed(**arrays: Any) -> str:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{"size": np.array([48, 64]), "step": np.array(1), **arrays})
    return base64.b64encode(buffer.getvalue()).decode()


PICTURE, ANSWER = np.zeros((1, 3, 48, 64), np.uint8), np.ones((1, 11, 48, 64), np.float16)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"golden": None}, "has no golden input"),
        ({"golden": "%%%"}, "golden in its metadata is damaged"),
        ({"golden": base64.b64encode(b"no zip").decode()}, "golden in its metadata is damaged"),
        ({"golden": packed(input=PICTURE)}, "golden in its metadata is damaged"),
        ({"golden": packed(input=PICTURE.astype(float), output=ANSWER)}, "golden in its metadata is damaged"),
        ({"golden": packed(input=PICTURE, output=np.array([{}]))}, "golden in its metadata is damaged"),
        ({"golden": packed(input=np.zeros((1, 3, 4000, 4000), np.uint8), output=ANSWER)}, "is damaged"),  # a bomb
        ({"golden": packed(input=PICTURE, output=ANSWER, size=[48])}, "golden in its metadata is damaged"),
        ({"golden": packed(input=PICTURE, output=ANSWER, size=[10**6, 64])}, "golden in its metadata is damaged"),
        ({"golden": packed(input=PICTURE, output=ANSWER, step=0)}, "golden in its metadata is damaged"),
        ({"golden": packed(input=PICTURE, output=ANSWER, step=[1, 2])}, "golden in its metadata is damaged"),
        ({"golden": packed(input=PICTURE, output=ANSWER, step=7)}, "the output has the shape"),
        ({"golden": packed(input=PICTURE, output=ANSWER[:, :3])}, "the output has the shape"),
        ({"golden": packed(input=PICTURE, output=np.nan * ANSWER)}, "differs by nan %"),
        ({"golden_tolerance": "much"}, "golden_tolerance in its metadata must be above 0"),
        ({"golden_tolerance": "nan"}, "golden_tolerance in its metadata must be above 0"),
        ({"golden_tolerance": "1e9"}, "golden_tolerance in its metadata must be above 0"),
    ],
)
def test_golden_inputs_of_strangers(folder: Path, told: dict[str, str | None], message: str):
    copy = changed(folder / "linknet.onnx", **told)
    assert load(copy).labels == CAMVID.names
    with pytest.raises(ZooError, match=message):
        load(copy, check=True)


# What metadata may say


def test_as_it_is_a_file_is_taken(folder: Path):
    """So that each lie below is all that is wrong."""
    for name in TINY:
        assert load(changed(folder / f"{name}.onnx")).architecture == name


DEEP = "[" * 100_000
COLORS = [list(color) for color in CAMVID.palette]
LIES: list[tuple[str, dict[str, Any], str]] = [  # a file's model, what it says, and the error
    ("linknet", {"architecture": "resnet"}, "no architecture 'resnet'"),
    ("linknet", {"architecture": "neural_style"}, "neural_style has no forward pass"),
    ("linknet", {"architecture": "perceptual_sr"}, "facts are labels, palette, stride, not reach, bytes_a_pixel"),
    ("linknet", {"architecture": "../linknet"}, "no architecture"),
    ("linknet", {"facts": "{"}, "facts is not JSON"),
    ("linknet", {"facts": DEEP}, "facts is not JSON"),
    ("linknet", {"facts": "[1]"}, "facts: must be a mapping"),
    ("linknet", {"facts": "{}", "labels": None, "palette": None}, "facts are none, not labels, palette, stride"),
    ("linknet", {"facts": {"engine": 1}}, "facts are labels, palette, stride, engine, not"),
    ("linknet", {"facts": {"stride": 0}}, "facts.stride: must be a whole number from 1 to 1,024, not 0"),
    ("linknet", {"facts": {"stride": 10**400}}, "facts"),
    ("linknet", {"facts": {"stride": True}}, "facts.stride: must be a whole number"),
    ("linknet", {"facts": {"stride": "32"}}, "facts.stride: must be a whole number"),
    ("linknet", {"facts": {"labels": ["\x1b[2J"] * 11}, "labels": None}, "facts.labels.0: must be a text of one"),
    ("linknet", {"facts": {"labels": ["a"] * 10}}, "labels differ from those in facts"),
    ("linknet", {"facts": {"labels": ["a"] * 10}, "labels": None}, "there are 10 labels, but 11 colours"),
    (
        "linknet",
        {"facts": {"labels": ["a"] * 10, "palette": COLORS[:10]}, "labels": None, "palette": None},
        "facts promise that 'logits' is 1x10x48x64, but it is ?x11x?x?",
    ),
    (
        "linknet",
        {"facts": {"labels": ["a"] * 300, "palette": [[0, 0, 0]] * 300}, "labels": None, "palette": None},
        "facts.labels: must be texts of one short line (at most 256), not",
    ),
    ("linknet", {"facts": {"palette": [[300, 0, 0], *COLORS[1:]]}, "palette": None}, "facts.palette.0.0: must be"),
    ("linknet", {"facts": {"palette": [[0, 0], *COLORS[1:]]}, "palette": None}, "facts.palette.0: must be"),
    ("linknet", {"predicts": "[]"}, "predicts is [], and the outputs are logits, mask"),
    ("linknet", {"predicts": '["offsets"]'}, 'predicts is ["offsets"], and the outputs are'),
    ("linknet", {"predicts": '["mask"]'}, "facts promise that 'mask' is 1x11x48x64, but it is ?x?x?"),
    ("linknet", {"predicts": '["logits", "mask"]'}, "facts promise 1 outputs, but there are 2"),
    ("linknet", {"predicts": '["logits", "logits"]'}, "predicts is"),
    ("linknet", {"predicts": "[1]"}, "predicts.0: must be a text"),
    ("linknet", {"weights_sha256": "abc"}, "weights_sha256 is not a SHA-256"),
    ("linknet", {"weights_sha256": None}, "weights_sha256 is not a SHA-256"),
    ("linknet", {"name": "\x1b]0;title\x07"}, "'name' is not one short line"),
    ("linknet", {"license": "a\nb"}, "'license' is not one short line"),
    ("linknet", {"data_license": "a" * 1000}, "'data_license' is not one short line"),
    ("homographynet", {"facts": {"channels": 3}}, "facts promise that 'input' is 1x6x128x128, but it is ?x2x128x128"),
    ("homographynet", {"facts": {"channels": 2}}, "facts.channels: must be 1 or 3, not 2"),
    ("perceptual_sr", {"facts": {"bytes_a_pixel": 0}}, "facts.bytes_a_pixel: must be a whole number from 1 to"),
    ("perceptual_sr", {"facts": {"reach": -1}}, "facts.reach: must be a whole number from 0 to 1,024, not -1"),
    ("fast_style", {"facts": {"channels": 1e300}}, "facts.channels: must be a whole number from 1 to 4,096"),
    ("fast_style", {"facts": '{"channels": 4}'}, "facts are channels, not styles, channels"),
    ("fast_style", {"facts": {"styles": ["\x1b[2J"]}}, "facts.styles.0: must be a text that is a name, not"),
    ("fast_style", {"facts": {"styles": ["a"] * 1001}}, "facts.styles: must be "),
    ("fast_style", {"facts": {"styles": []}}, "facts.styles: must be "),
]  # fmt: skip


@pytest.mark.parametrize(("name", "told", "message"), LIES, ids=[f"{name} {told!s:.50}" for name, told, _ in LIES])
def test_every_lie_is_told_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture, name: str, told: dict[str, Any], message: str
):
    path = folder / f"{name}.onnx"
    if isinstance(told.get("facts"), Mapping):
        told = {**told, "facts": facts(path, **told["facts"])}
    copy = changed(path, **told)
    Image.fromarray(CAT).save(tmp_path / "a.png")
    for argv in (["info", str(copy)], ["predict", str(copy), str(tmp_path / "a.png"), "-o", str(tmp_path / "out")]):
        error = one_line(capsys, argv)
        assert str(copy) in error
        assert message in error
        assert error.replace("\n", "").isprintable()
    assert not (tmp_path / "out").exists()


def test_shapes_that_only_show_when_it_computes_are_held_to_the_facts(folder: Path):
    """Where the file leaves open what its outputs are."""

    def leave_open(model: onnx.ModelProto) -> None:
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "any"

    told = {"labels": ["a"] * 10, "palette": COLORS[:10]}
    path = folder / "linknet.onnx"
    other = load(spoilt(path, leave_open, facts=facts(path, **told), labels=None, palette=None))
    with pytest.raises(ZooError, match=r"facts promise that 'logits' is 1x10x121x161, but it is 1x11x121x161$"):
        other.predict(CAT)
    told = '{"styles": ["red"], "channels": 4}'
    other = load(changed(folder / "perceptual_sr.onnx", architecture="fast_style", facts=told))
    with pytest.raises(ZooError, match=r"facts promise that 'picture' is 1x3x20x30, but it is 1x3x80x120$"):
        other(np.zeros((1, 3, 20, 30)))
    with pytest.raises(ZooError, match=r"the export blends nothing: it has no input for weights$"):
        other.predict(CAT)


@dataclass
class Mad:
    """An engine that answers in the right shapes, and with nonsense."""

    promised: Callable[[int, int, int], Any]
    value: float
    device: str = "cpu"

    def __call__(self, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        batch, _, height, width = x.shape
        shapes = self.promised(batch, height, width)[1:2]
        return tuple(np.full(shape, self.value, np.float32) for shape in shapes)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -1e38, 0.0])
@pytest.mark.parametrize("name", TINY)
def test_no_answer_of_a_graph_is_a_bug(folder: Path, tmp_path: Path, name: str, value: float):
    export = export_file.read_file(folder / f"{name}.onnx")
    assert export.promised is not None
    net = exported.Exported(export, Mad(export.promised, value))
    given = (CAT, CAT[::-1]) if len(export.declared.inputs) == 2 else (CAT,)
    result = net.predict(*given)
    assert result.save(tmp_path / "made")
    assert json.dumps(result.to_dict())


# What users get wrong


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x.onnx", "a.png"], "x.onnx: no such file"),
        (["x.xml", "a.png"], "x.xml: no such file"),
        (["folder.onnx", "a.png"], "folder.onnx: a folder, not an exported file"),
        (["alone.xml", "a.png"], "alone.xml: its weights, alone.bin, are not beside it"),
        (["text.onnx", "a.png"], "text.onnx: not an ONNX file"),
        (["text.pt2", "a.png"], "text.pt2: a file, not a model\na model is a name"),
        (["text.pt2", "a.png", "--engine", "onnx"], "or an .onnx or .xml file of zoo export"),
        (["tiny.onnx", "a.png", "--engine", "torch"], "tiny.onnx: the engine torch does not run this file"),
        (["alone.xml", "a.png", "--engine", "onnx"], "alone.xml: the engine onnx does not run this file; use openvino"),
        (["tiny.onnx", "a.png", "--engine", "tensorrt"], "--engine: invalid choice: 'tensorrt'"),
        (["neural_style", "a.png", "--engine", "onnx"], "neural_style has no forward pass"),
        (["tiny.onnx", "a.png", "--device", "cuda:7"], "device 'cuda:7'"),
        (["tiny.onnx", "a.png", "--passes", "2"], "has no option --passes"),
        (["fixed.onnx", "a.png"], "a.png: the export takes 1x3x64x96, not 1x3x121x161"),
        (["style.onnx", "a.png", "--tile", "32"], "a.png: a picture by strips, as --tile asks for, needs the network"),
        (["tiny.onnx", "none.png"], "none.png: no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_of_predict(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    words: list[str],
    message: str,
):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(CAT).save("a.png")
    Path("folder.onnx").mkdir()
    for text in ("text.onnx", "text.pt2", "alone.xml"):
        Path(text).write_text("no model")
    shutil.copy(folder / "linknet.onnx", "tiny.onnx")
    shutil.copy(folder / "fast_style.onnx", "style.onnx")
    if "fixed.onnx" in words:
        write_export(folder / "linknet", Path("fixed.onnx"), (64, 96))
    assert message in one_line(capsys, ["predict", *words, "-o", "out"])
    assert not Path("out").exists() or not any(Path("out").iterdir())


def test_a_file_of_one_size_takes_pictures_of_it(folder: Path, tmp_path: Path):
    fixed = load(write_export(folder / "linknet", tmp_path / "fixed.onnx", (64, 96)), check=True)
    picture = CAT[:64, :96]
    assert np.array_equal(fixed.predict(picture).mask, load(folder / "linknet").predict(picture).mask)


def test_files_of_openvino(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    """Two files, which go together."""
    for suffix, content in formats.openvino_files((folder / "linknet.onnx").read_bytes(), half=False).contents.items():
        (tmp_path / f"tiny{suffix}").write_bytes(content)
    xml, weights_file = tmp_path / "tiny.xml", tmp_path / "tiny.bin"
    other = load(xml, check=True)
    assert np.array_equal(other.predict(CAT).mask, load(folder / "linknet").predict(CAT).mask)
    assert main.main(["info", str(xml)]) == 0
    assert "semantic segmentation" in capsys.readouterr().out
    weights_file.write_bytes(weights_file.read_bytes()[:-4] + b"\0\0\0\1")
    assert str(xml) in one_line(capsys, ["info", str(xml)])
    weights_file.unlink()
    assert f"{xml}: its weights, tiny.bin, are not beside it" in one_line(capsys, ["info", str(xml)])


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_predict_writes_what_torch_makes(folder: Path, tmp_path: Path, engine: str):
    Image.fromarray(CAT).save(tmp_path / "a.png")
    for model, out, words in (("linknet.onnx", "one", ["--engine", engine]), ("linknet", "two", [])):
        command = ["predict", str(folder / model), str(tmp_path / "a.png"), "-o", str(tmp_path / out), *words]
        assert main.main([*command, "--tile", "96", "--device", "cpu"]) == 0
    one, two = (np.asarray(Image.open(tmp_path / out / "a_mask.png")) for out in ("one", "two"))
    assert (one == two).mean() >= 0.9999


def test_memory_of_a_whole_picture_is_refused_with_the_way_out(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Where torch's engine goes by strips."""
    net, other = load(folder / "fast_style"), load(folder / "fast_style.onnx")
    assert network_of(net.engine, "this") is net
    whole = CAT.shape[0] * CAT.shape[1] * 4 * (4 * 4 + 13)
    monkeypatch.setattr("zoo.base.memory.free_bytes", lambda device: 1.8 * whole)
    by_strips = np.asarray(net.predict(CAT, size="original")).astype(int)  # more than half of what is free
    assert np.abs(by_strips - np.asarray(other.predict(CAT, size="original"))).max() <= 1
    monkeypatch.setattr("zoo.base.memory.free_bytes", lambda device: 0.9 * whole)
    for tile in ("auto", None):
        with pytest.raises(ZooError, match=r"^161x121 pixels: needs .* torch's engine, which computes strips"):
            other.predict(CAT, tile=tile, size="original")


# Information


def test_info_tells_what_a_file_is(folder: Path, capsys: pytest.CaptureFixture):
    assert main.main(["info", str(folder / "linknet.onnx")]) == 0
    told = capsys.readouterr().out
    for part in ("linknet", "semantic segmentation", "Sky, Building", "fp32", "batch x 3 x height x width", "mask"):
        assert part in told
    assert export_file.read_file(folder / "linknet.onnx").metadata["weights_sha256"] in told


# Measuring


@pytest.fixture
def card(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A card of the tiny LinkNet with pictures and masks to measure it on, and its export elsewhere."""
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 1), ("val", 2), ("test", 2)):
        for number in range(count):
            picture, mask = draw_street(10 * count + number, (72, 96))
            for kind, array in (("photos", picture), ("masks", np.where(mask == 11, 255, mask).astype(np.uint8))):
                place = tmp_path / kind / split / f"{number}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(place)
    shutil.copytree(folder / "linknet", tmp_path / "linknet_tiny")
    classes = ", ".join(CAMVID.names)
    (tmp_path / "linknet_tiny" / "recipe.yaml").write_text(
        "data:\n  class_path: zoo.data.SegmentationFolder\n  init_args:\n"
        f"    pictures: photos\n    masks: masks\n    classes: [{classes}]\n    num_workers: 0\n"
    )
    (tmp_path / "files").mkdir()
    config = json.loads((tmp_path / "linknet_tiny" / "config.json").read_text())
    config["name"] = "linknet_tiny"
    (tmp_path / "linknet_tiny" / "config.json").write_text(json.dumps(config))
    write_export("linknet_tiny", tmp_path / "files" / "tiny.onnx")
    return tmp_path / "linknet_tiny"


def figures(capsys: pytest.CaptureFixture, *words: str) -> list[str]:
    """What ``zoo evaluate`` prints, whose card claims nothing yet."""
    assert main.main(["evaluate", *words]) == 3
    return [line for line in capsys.readouterr().out.splitlines() if "mIoU" in line or "accuracy" in line]


def test_evaluate_measures_a_file_by_the_protocol_of_its_card(card: Path, capsys: pytest.CaptureFixture):
    want = figures(capsys, "linknet_tiny")
    assert len(want) == 6
    assert figures(capsys, "files/tiny.onnx") == want
    assert figures(capsys, "files/tiny.onnx", "--engine", "openvino") == want
    shutil.copy("files/tiny.onnx", card / "mine.onnx")
    assert figures(capsys, str(card / "mine.onnx")) == want  # its folder is the card


def test_the_engine_is_what_is_measured(card: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    want = figures(capsys, "linknet_tiny")

    def spoil(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            if tensor.dims[:1] == [11] or list(tensor.dims) == [11]:
                tensor.raw_data = (np.frombuffer(tensor.raw_data, np.float32)[::-1]).tobytes()

    assert figures(capsys, str(spoilt(Path("files/tiny.onnx"), spoil))) != want
    monkeypatch.setattr("zoo._export_once", lambda name: spoilt(Path("files/tiny.onnx"), spoil))
    assert figures(capsys, "linknet_tiny", "--engine", "onnx") != want


@dataclass
class Other:
    """An engine without torch, whose answers nothing else gives."""

    answer: Callable[[np.ndarray], np.ndarray]
    device: str = "cpu"
    asked: int = 0

    def __call__(self, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        self.asked += 1
        return (self.answer(x),)


def test_figures_of_super_resolution_are_those_of_the_engine(folder: Path):
    net = load(folder / "perceptual_sr")
    net.engine = Other(lambda x: x.repeat(4, 2).repeat(4, 3))
    every = sr.methods(net, {})
    assert np.array_equal(every[sr.NETWORK](CAT), CAT.repeat(4, 0).repeat(4, 1))
    assert np.array_equal(every[sr.ENSEMBLE](CAT), CAT.repeat(4, 0).repeat(4, 1))


def test_figures_of_homographies_are_those_of_the_engine(folder: Path):
    net = load(folder / "homographynet")
    net.engine = Other(lambda x: np.full((len(x), 4, 2), (8.0, 0.0), np.float32))
    square = photographs.chelsea()[:128, :128]
    for name, moved in ((homographies.ONE_LOOK, 8), (homographies.ONE, 8), (homographies.THREE, 24)):
        [matrix] = homographies.methods(net)[name]([(square, square[::-1])])
        if name != homographies.ONE_LOOK:
            moved = np.copysign(moved, matrix[0, 2])  # it says the same in either order, so one of them is kept
        np.testing.assert_allclose(matrix / matrix[2, 2], [[1, 0, moved], [0, 1, 0], [0, 0, 1]], atol=1e-3)


def test_figures_of_styles_are_those_of_the_engine(folder: Path):
    net = load(folder / "fast_style")
    net.engine = Other(lambda x: 1 - x)
    criterion: Any = SimpleNamespace(targets=lambda x: {}, terms=lambda x, targets, mix: {"loss": x.mean()})
    content = torch.rand(1, 3, 20, 30) ** 2
    descent: Any = SimpleNamespace(criterion=criterion, mix=torch.eye(2)[[1]])
    scores = styles.own_scores(net, descent, content, 1)
    assert scores[styles.CONTENT]["loss"] == pytest.approx(float(content.mean()), abs=1e-6)
    assert scores[styles.NETWORK]["loss"] == pytest.approx(1 - float(content.mean()), abs=1e-6)
    assert styles.seconds_of(net, content) >= 0
    assert net.engine.asked == 1 + 1 + styles.PASSES


def test_what_evaluate_refuses(card: Path, capsys: pytest.CaptureFixture):
    before = {path: path.read_bytes() for path in card.iterdir()}
    assert "--write needs the engine torch" in one_line(capsys, ["evaluate", "files/tiny.onnx", "--write"])
    error = one_line(capsys, ["evaluate", "linknet_tiny", "--engine", "onnx", "--write"])
    assert "--write needs the engine torch" in error
    assert {path: path.read_bytes() for path in card.iterdir()} == before
    other = changed(Path("files/tiny.onnx"), weights_sha256="2" * 64)
    assert "name other weights than those of linknet_tiny" in one_line(capsys, ["evaluate", str(other)])
    lost = changed(Path("files/tiny.onnx"), name="nobody_knows")
    assert "model not found: no model 'nobody_knows'" in one_line(capsys, ["evaluate", str(lost)])
    assert "no such file" in one_line(capsys, ["evaluate", "none.onnx"])
    assert "does not run this file" in one_line(capsys, ["evaluate", "files/tiny.onnx", "--engine", "torch"])


def test_differences_are_relative():
    want = np.array([3.0, 4.0])
    assert replay.difference(want, want) == 0
    assert replay.difference(want + np.array([0.3, 0.4]), want) == pytest.approx(0.1)
